"""The scrub: every damage is seen, and repaired or alarmed; nothing good is touched; nothing dead comes back."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.sealing.manifest import MANIFEST
from handschlag_archive.index import State, Which
from handschlag_archive.periods import written
from handschlag_archive.scrub import DOUBTFUL, LOST, STORE, TURNS, UNKNOWN, What
from handschlag_archive.stores.port import Place
from tests.archive.desk import up
from tests.archive.scrubbed import BUILT, DAMAGES, Damage, Scrubbed, flipped, missing
from tests.archive.stores.faulty import FaultyStore
from tests.sealing.builder import BOX, RECORDING, build

NAMES = sorted(BUILT.files)


OTHER = "01890a5d-ac96-774b-bcce-b302099a8059"


@pytest.fixture
def archive(tmp_path: Path, database: str) -> Iterator[Scrubbed]:
    """An archive with two copies, over each kind of database."""
    made = Scrubbed(tmp_path, database=database)
    yield made
    made.close()


@pytest.fixture
def which(archive: Scrubbed) -> Which:
    """A recording in it."""
    return archive.store()


def _somebody_elses_turn(archive: Scrubbed) -> None:
    """Another recording has gone unread for longer: a daily run reads that one, unless there is a reason for more."""
    elder = archive.store(build(clips=1, recording=OTHER, receipt=False), recording=OTHER)
    archive.run()
    with archive.index.transaction() as transaction:
        transaction.checked(elder, written(datetime.now(UTC) - timedelta(days=30)))


def _whats(archive: Scrubbed) -> list[What]:
    return [finding.what for finding in archive.found]


def test_what_is_whole_is_read_in_every_copy_and_noted(archive: Scrubbed, which: Which) -> None:
    """All bytes of all copies are read, and that is written down; nothing else happens."""
    before = [dict(store.kept) for store in (*archive.clips, *archive.keys)]
    report = archive.run()
    assert report.ok
    assert (report.stored, report.read) == (1, 1)
    assert report.bytes == 2 * sum(map(len, BUILT.files.values()))
    assert not archive.found
    assert not archive.alarms()
    assert archive.checked_at(which) is not None
    assert [dict(store.kept) for store in (*archive.clips, *archive.keys)] == before


@pytest.mark.parametrize("side", [0, 1], ids=["first copy", "second copy"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["000001.clip", "keys.json", MANIFEST, "clips.0.json"])
def test_a_damaged_copy_is_repaired_from_the_good_one(
    archive: Scrubbed, which: Which, name: str, damage: Damage, side: int
) -> None:
    """Whatever one copy has lost, of whatever kind of file: it comes back, and is named with its store."""
    place = archive.place(which, name)
    store = archive.stores_of(place)[side]
    damage(store, place)
    report = archive.run()
    assert report.ok
    (finding,) = archive.found
    assert (finding.what, finding.store, finding.name) == (What.REPAIRED, store.name, name)
    assert store.kept[place] == BUILT.files[name]
    assert archive.all_copies_are_good()
    assert archive.copies(which) == {2}
    assert archive.checked_at(which) is not None
    assert archive.run().counts == {}


def test_what_no_copy_has_right_is_an_alarm_until_it_is_right(archive: Scrubbed, which: Which) -> None:
    """Both copies bad: alarm, named; no bad byte is written anywhere, the check does not count; back again: cleared."""
    place = archive.place(which, "000001.clip")
    flipped(archive.clips[0], place)
    missing(archive.clips[1], place)
    bad = archive.clips[0].kept[place]
    report = archive.run()
    assert not report.ok
    assert _whats(archive) == [What.LOST]
    (alarm,) = archive.alarms()
    assert (alarm.kind, alarm.box, alarm.subject) == (LOST, which.box, which.recording)
    assert archive.clips[0].kept[place] == bad
    assert place not in archive.clips[1].kept
    assert archive.checked_at(which) is None
    assert archive.copies(which) == {0, 2}
    _somebody_elses_turn(archive)
    with archive.index.transaction() as transaction:
        transaction.set_copies([place], 2)
    archive.clips[1].kept[place] = BUILT.files["000001.clip"]
    archive.clips[0].kept[place] = BUILT.files["000001.clip"]
    assert archive.run(everything=False).ok  # read out of turn: an alarm stands
    assert not archive.alarms()
    assert archive.all_copies_are_good()
    assert archive.copies(which) == {2}


def test_a_file_that_only_the_index_has_is_lost(archive: Scrubbed, which: Which) -> None:
    """No store has it at all, and no one told: seen by listing alone, in the daily run."""
    place = archive.place(which, "keys.json")
    _somebody_elses_turn(archive)
    for store in archive.keys:
        del store.kept[place]
    report = archive.run(everything=False)
    assert (report.ok, report.read) == (False, 2)
    assert [(finding.what, finding.name) for finding in archive.found] == [(What.LOST, place.name)]


def test_what_a_store_lacks_is_seen_by_listing(archive: Scrubbed, which: Which) -> None:
    """A whole store was lost and is empty: the daily run fills it again, whosever turn it is."""
    _somebody_elses_turn(archive)
    archive.clips[1].kept.clear()
    archive.keys[0].kept.clear()
    assert archive.run(everything=False).ok
    assert archive.all_copies_are_good()
    assert set(_whats(archive)) == {What.REPAIRED}
    assert which == Which(BOX, RECORDING)


def test_one_file_that_a_store_lacks_is_seen_by_listing(archive: Scrubbed, which: Which) -> None:
    """A single file is gone from one store: the daily run puts it back, whosever turn it is."""
    _somebody_elses_turn(archive)
    missing(archive.clips[0], archive.place(which, "000002.clip"))
    assert archive.run(everything=False).read == 2
    assert archive.all_copies_are_good()


def test_a_recording_that_does_not_verify_is_doubtful(archive: Scrubbed, which: Which) -> None:
    """Bytes as the index names them are not enough: a file that the index has forgotten is missed by the judge."""
    place = archive.place(which, "000001.clip")
    for store in archive.clips:
        store.locked.clear()
    with archive.index.transaction() as transaction:
        transaction.remove_files([place])
    report = archive.run()
    assert not report.ok
    assert What.DOUBTFUL in _whats(archive)
    assert [(alarm.kind, alarm.subject) for alarm in archive.alarms()] == [(DOUBTFUL, which.recording)]
    assert all(place in store.kept for store in archive.clips)  # the manifest names it: it is no garbage
    with archive.index.transaction() as transaction:
        transaction.add_files([(place, 1)], copies=2)
    assert archive.run().ok
    assert not archive.alarms()


def test_a_store_that_does_not_answer_proves_nothing(archive: Scrubbed, which: Which) -> None:
    """No alarm about recordings, no count of copies changed, no garbage guessed; the store itself is the alarm."""
    place = archive.place(which, "000001.clip")
    missing(archive.clips[0], place)
    archive.clips[1].down = True
    report = archive.run()
    assert not report.ok
    assert report.counts == {What.UNREACHED: 1}
    assert [(alarm.kind, alarm.subject) for alarm in archive.alarms()] == [(STORE, "clips-b")]
    assert archive.checked_at(which) is None
    assert archive.copies(which) == {2}
    archive.clips[1].down = False
    assert archive.run().ok
    assert not archive.alarms()
    assert archive.all_copies_are_good()


def test_a_store_that_cannot_be_listed_makes_nothing_due(archive: Scrubbed, which: Which) -> None:
    """What was not listed is not therefore lacking: a day without the second store is a day like any other."""
    _somebody_elses_turn(archive)
    archive.clips[1].down = True
    assert archive.run(everything=False).read == 1
    assert which == Which(BOX, RECORDING)


def test_a_copy_that_its_store_does_not_take_is_an_alarm_of_the_run(archive: Scrubbed, which: Which) -> None:
    """A store that can be read and not written (full, read-only): not called repaired."""
    place = archive.place(which, "000001.clip")
    missing(archive.clips[1], place)

    def full(_objects: Sequence[tuple[Place, bytes]]) -> int:
        raise OSError(28, "No space left on device")

    archive.clips[1].put = full  # type: ignore[method-assign,assignment]
    report = archive.run()
    assert not report.ok
    assert set(_whats(archive)) == {What.NOT_REPAIRED, What.UNREACHED}
    assert archive.copies(which) == {1, 2}


def test_copies_that_were_missing_at_the_start_are_made_good(archive: Scrubbed) -> None:
    """A store was away while a recording came: the next run brings it up to date, and the index says so."""
    archive.clips[1].down = archive.keys[1].down = True
    which = archive.store()
    assert archive.copies(which) == {1}
    archive.clips[1].down = archive.keys[1].down = False
    assert archive.run(everything=False).ok
    assert archive.all_copies_are_good()
    assert archive.copies(which) == {2}
    assert archive.clips[1].locked == {place for place in archive.places(which) if place.name != "keys.json"}


def test_a_file_that_the_index_counts_too_few_of_is_read(archive: Scrubbed, which: Which) -> None:
    """What the ingest could keep in one store only is a reason, whosever turn it is and whatever the lists say."""
    _somebody_elses_turn(archive)
    with archive.index.transaction() as transaction:
        transaction.set_copies([archive.place(which, "head.json")], 1)
    assert archive.run(everything=False).read == 2
    assert archive.copies(which) == {2}


def _garbage(store: FaultyStore, recording: str = RECORDING, name: str = "000007.clip") -> Place:
    content = os.urandom(20)
    place = Place(BOX, recording, name, sha256(content).hexdigest())
    store.kept[place] = content
    return place


@pytest.mark.parametrize("recording", [RECORDING, OTHER], ids=["of a stored recording", "of none"])
def test_garbage_of_a_cut_goes_once_it_is_a_day_old(archive: Scrubbed, which: Which, recording: str) -> None:
    """What the index does not know is left alone while a worker may still be at it, then it goes; nothing else does."""
    old, young = _garbage(archive.clips[0], recording), _garbage(archive.clips[0], recording)
    archive.clips[0].since[young] = datetime.now(UTC) - timedelta(hours=23)
    report = archive.run()
    assert report.ok
    assert _whats(archive) == [What.GARBAGE]
    assert old not in archive.clips[0].kept
    assert young in archive.clips[0].kept
    assert archive.all_copies_are_good()
    with archive.index.reading() as transaction:
        assert transaction.row(Which(BOX, OTHER)) is None  # looking must not open a recording
    archive.later = timedelta(hours=2)
    archive.run()
    assert young not in archive.clips[0].kept
    assert which == Which(BOX, RECORDING)


def test_a_manifest_that_no_index_names_is_no_garbage(archive: Scrubbed) -> None:
    """An index from an old backup does not know what was stored since: the only copies must not go."""
    built = build(clips=1, recording=OTHER, receipt=False)
    for name, content in built.files.items():
        place = Place(BOX, OTHER, name, sha256(content).hexdigest())
        (archive.keys if name == "keys.json" else archive.clips)[0].kept[place] = content
    before = dict(archive.clips[0].kept)
    report = archive.run()
    assert not report.ok
    assert What.UNKNOWN in _whats(archive)
    assert archive.clips[0].kept == before
    assert [(alarm.kind, alarm.subject) for alarm in archive.alarms()] == [(UNKNOWN, OTHER)]
    archive.store(built, recording=OTHER)
    assert archive.run().ok
    assert not archive.alarms()


def test_a_rewrap_that_no_index_names_is_no_garbage(archive: Scrubbed, which: Which) -> None:
    """The owner gave somebody new a key, and the index is from before: whoever was given it would lose it."""
    place = _garbage(archive.keys[0], which.recording, "keys.1.jws")
    assert not archive.run().ok
    assert _whats(archive) == [What.UNKNOWN]
    assert place in archive.keys[0].kept


def test_what_lies_of_a_destroyed_recording_goes_at_once(archive: Scrubbed, which: Which) -> None:
    """A put that came through late, a copy from a backup: keys of the dead go, however young, and clips with them."""
    kept = [dict(store.kept) for store in (*archive.clips, *archive.keys)]
    for store in archive.clips:
        store.locked.clear()
    archive.destroy(which)
    for store, content in zip((*archive.clips, *archive.keys), kept, strict=True):
        store.kept.update(content)
        store.since.update(dict.fromkeys(content, datetime.now(UTC)))
    locked = archive.clips[0].kept.keys() & {place for place in archive.clips[0].kept if place.name == "000001.clip"}
    archive.clips[0].locked.update(locked)
    assert archive.run().ok
    assert set(_whats(archive)) == {What.LEFTOVER}
    assert [set(store.kept) for store in (*archive.clips, *archive.keys)] == [locked, set(), set(), set()]


def test_a_recording_destroyed_while_it_is_repaired_stays_destroyed(archive: Scrubbed, which: Which) -> None:
    """The good copy was read, then the owner's word came, then the bad copy is written: the key must not come back."""
    place = archive.place(which, "keys.json")
    missing(archive.keys[1], place)
    put = archive.keys[1].put

    def destroyed_meanwhile(objects: Sequence[tuple[Place, bytes]]) -> int:
        archive.destroy(which)
        return put(objects)

    archive.keys[1].put = destroyed_meanwhile  # type: ignore[method-assign]
    archive.run()
    assert not archive.keys[0].kept
    assert not archive.keys[1].kept
    assert What.REPAIRED not in _whats(archive)
    assert not archive.alarms()


def test_a_recording_destroyed_while_it_is_read_is_not_called_lost(archive: Scrubbed, which: Which) -> None:
    """Files vanish under the scrub because they were to vanish: no alarm."""
    get = archive.clips[0].get

    def destroyed_meanwhile(place: Place) -> bytes:
        archive.clips[0].get = get  # type: ignore[method-assign]
        archive.destroy(which)
        return get(place)

    archive.clips[0].get = destroyed_meanwhile  # type: ignore[method-assign]
    assert archive.run().ok
    assert not archive.found
    assert not archive.alarms()


def test_a_worker_at_the_same_object_is_not_harmed(archive: Scrubbed) -> None:
    """Old garbage is listed; before it is removed a worker keeps the same object anew: it stays."""
    name, content = "000001.clip", BUILT.files["000001.clip"]
    place = Place(BOX, RECORDING, name, sha256(content).hexdigest())
    archive.clips[0].kept[place] = content  # a day-old rest of a cut
    inventory = archive.clips[0].inventory_of

    def kept_anew(box: str, recording: str) -> object:
        archive.clips[0].since[place] = datetime.now(UTC)
        return inventory(box, recording)

    archive.clips[0].inventory_of = kept_anew  # type: ignore[method-assign,assignment]
    archive.run()
    assert place in archive.clips[0].kept


def test_an_open_recording_is_left_to_the_ingest(archive: Scrubbed) -> None:
    """What is still coming in is neither read nor missed nor garbage."""
    archive.take(*[up(name, content) for name, content in BUILT.files.items() if name.endswith(".clip")])
    archive.later = timedelta(days=30)
    report = archive.run()
    assert report.ok
    assert (report.stored, report.read) == (0, 0)
    assert len(archive.clips[0].kept) == 3


def _many(archive: Scrubbed, count: int) -> list[Which]:
    """Rows of stored recordings without a file: enough to see whose turn it is."""
    found = []
    with archive.index.transaction() as transaction:
        for number in range(count):
            which = Which(BOX, f"01890a5d-ac96-774b-bcce-{number:012x}")
            transaction.open([which])
            transaction._change(which, state=State.STORED.value, stored_at=written(datetime.now(UTC)))
            found.append(which)
    return found


def test_in_a_quarter_every_recording_has_its_turn(tmp_path: Path) -> None:
    """One run a day, without any sample: after ninety days none is unread; each day it is a fair share."""
    with closing(Scrubbed(tmp_path)) as archive:
        every = set(_many(archive, 200))
        read: set[Which] = set()

        def note(which: Which) -> None:
            read.add(which)
            with archive.index.transaction() as transaction:
                transaction.checked(which, written(datetime.now(UTC) + archive.later))

        archive.scrub._recording = note  # type: ignore[method-assign]
        archive.scrub._list_stores = set  # type: ignore[method-assign]
        for _day in range(TURNS):
            report = archive.run(everything=False)
            assert report.read <= 3
            archive.later += timedelta(days=1)
        assert read == every


def test_what_is_overdue_is_read_at_once_and_a_sample_beside(tmp_path: Path) -> None:
    """After a quarter without a run everything is due; `sample` adds some by chance, never one twice."""
    with closing(Scrubbed(tmp_path)) as archive:
        _many(archive, 160)
        read: list[Which] = []
        archive.scrub._list_stores = set  # type: ignore[method-assign]
        archive.scrub._recording = read.append  # type: ignore[method-assign,assignment]
        assert archive.run(everything=False).read == 2
        read.clear()
        assert archive.run(everything=False, sample=20).read == 22
        assert len(set(read)) == 22
        assert archive.run(everything=False, sample=1000).read == 160
        archive.later = timedelta(days=91)
        assert archive.run(everything=False).read == 160


def test_a_clock_that_was_ahead_has_read_nothing(archive: Scrubbed, which: Which) -> None:
    """A check that is noted for the future does not spare a recording until then (P11)."""
    _somebody_elses_turn(archive)
    ahead = written(datetime.now(UTC) + timedelta(days=3650))
    with archive.index.transaction() as transaction:
        transaction.checked(which, ahead)
    archive.run(everything=False)
    assert archive.checked_at(which) != ahead


def test_reading_can_be_slowed_down(archive: Scrubbed, which: Which) -> None:
    """Whoever bounds the rate is told the bytes after each recording."""
    report = archive.run()
    assert archive.read == [report.bytes]
    assert archive.checked_at(which) is not None


DAMAGED = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(DAMAGES), st.integers(0, 1)), max_size=len(NAMES)
)


def test_one_good_copy_is_enough_and_is_never_written_over(tmp_path: Path) -> None:
    """Random damage to one of two copies of each file: all repaired. To both of some: alarmed, and nothing made up.

    No store that had a file right is ever written to under that file's name.
    """
    with closing(Scrubbed(tmp_path)) as archive:
        which = archive.store()
        stores = [*archive.clips, *archive.keys]
        whole = [dict(store.kept) for store in stores]
        good: set[tuple[str, Place]] = set()
        for store in stores:
            _watch(store, good)

        @settings(max_examples=60)
        @given(damaged=DAMAGED, both=st.sets(st.sampled_from(NAMES), max_size=2))
        def one(damaged: dict[str, tuple[Damage, int]], both: set[str]) -> None:
            good.clear()
            for store, content in zip(stores, whole, strict=True):
                store.kept = dict(content)
            for place in archive.places(which):
                damage, side = damaged.get(place.name, (None, 0))
                for number, store in enumerate(archive.stores_of(place)):
                    if place.name in both:
                        flipped(store, place)
                    elif damage is not None and number == side:
                        damage(store, place)
                    else:
                        good.add((store.name, place))
            report = archive.run()
            assert report.ok == (not both)
            assert report.counts.get(What.LOST, 0) == len(both)
            assert report.counts.get(What.REPAIRED, 0) == len(damaged.keys() - both)
            assert archive.all_copies_are_good() == (not both)
            assert [alarm.kind for alarm in archive.alarms()] == ([LOST] if both else [])

        one()


def _watch(store: FaultyStore, good: set[tuple[str, Place]]) -> None:
    put, remove = store.put, store.remove

    def watched_put(objects: Sequence[tuple[Place, bytes]]) -> int:
        assert not good & {(store.name, place) for place, _ in objects}
        return put(objects)

    def watched_remove(places: Sequence[Place]) -> Sequence[Place]:
        assert not good & {(store.name, place) for place in places}
        return remove(places)

    store.put = watched_put  # type: ignore[method-assign]
    store.remove = watched_remove  # type: ignore[method-assign,assignment]
