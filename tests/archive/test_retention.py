"""Retention at the archive: what is over goes, keys first; what is held or not over stays, whatever the clock says."""

import itertools
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from handschlag.sealing.receipt import Destroyed, Stored
from handschlag_archive.erasures import check
from handschlag_archive.index import Row, State, StoredReceipt, Transaction, Which, Why
from handschlag_archive.periods import moment, written
from handschlag_archive.retention import FLOOR, ClockDoubted, Report, Retention, doubt, is_over
from tests.archive.conftest import Folders
from tests.archive.desk import Desk, PowerCut, all_up, two_boxes
from tests.sealing.builder import ARCHIVE_KEY, BOX, OTHER_RECORDING, RECORDING, build

DAY = timedelta(days=1)
NOW = moment(written(datetime.now(UTC)))
"""The archive's clock while the tests store something."""

OVER = {"retention_class": "inquiry", "retain_until": "2026-11-02T12:00:00Z"}
UNDATED = {"retention_class": "inquiry", "retain_until": None, "clock": "unsynced"}


def _store(desk: Desk, changes: Mapping[str, str | None], *, recording: str = RECORDING, clips: int = 3) -> None:
    sent = all_up(build(recording=recording, receipt=False, clips=clips, changes=changes).files, recording=recording)
    assert isinstance(desk.take(*sent)[-1], Stored)


def _retention(desk: Desk, *, largest_jump: timedelta = 14 * DAY) -> Retention:
    return Retention(index=desk.index, destroying=desk.destroying, key=ARCHIVE_KEY, largest_jump=largest_jump)


def _run(desk: Desk, now: datetime, *, dry_run: bool = False) -> Report:
    """A run whose clock is not in question."""
    return _retention(desk).run(now, dry_run=dry_run, clock_is_right=True)


def _row(**changes: object) -> Row:
    row = Row(Which(BOX, RECORDING), State.STORED, kept_for="order", retain_until=written(NOW))
    return Row(**{**row.__dict__, **changes})


@pytest.mark.parametrize(
    ("row", "over"),
    [
        (_row(), True),
        (_row(retain_until=written(NOW + timedelta(milliseconds=2))), False),
        (_row(retain_until=None), False),
        (_row(held=True), False),
        (_row(state=State.OPEN), False),
        (_row(state=State.DESTROYING), False),
    ],
    ids=["over", "not yet", "no end", "held", "open", "going already"],
)
def test_what_is_over_is_a_function_of_row_and_time(row: Row, *, over: bool) -> None:
    """Stored, not held, with an end that has passed: anything else stays."""
    assert is_over(row, NOW) is over


@pytest.mark.parametrize(
    ("now", "ran", "stored", "says"),
    [
        (NOW, None, None, ""),
        (NOW, NOW - DAY, NOW - 300 * DAY, ""),
        (NOW, NOW - 300 * DAY, NOW - DAY, ""),
        (NOW - timedelta(minutes=4), NOW, None, ""),
        (NOW - timedelta(minutes=6), NOW, None, "before"),
        (NOW - timedelta(minutes=6), None, NOW, "before"),
        (NOW + 15 * DAY, NOW, NOW, "15 days after"),
        (NOW + 14 * DAY, NOW, NOW, ""),
        (FLOOR - DAY, None, None, "written after that"),
    ],
)
def test_a_clock_is_believed_only_by_what_was_seen(
    now: datetime, ran: datetime | None, stored: datetime | None, says: str
) -> None:
    """Behind what was seen, far ahead of it, or before the program was written: nothing expires by such a clock."""
    seen = [None if at is None else written(at) for at in (ran, stored)]
    found = doubt(now, ran=seen[0], stored=seen[1], largest_jump=14 * DAY)
    assert (says in found) if says else (found == "")


def test_what_is_over_is_destroyed_and_late_arrivals_stay_out(desk: Desk) -> None:
    """Keys and clips go, the tombstone says why, the erasure list has the archive's note, and nothing comes back."""
    _store(desk, OVER)
    _store(desk, {"retention_class": "order"}, recording=OTHER_RECORDING)
    report = _run(desk, NOW)
    assert report.expired == {"inquiry": 1}
    assert report.recordings == (f"{BOX}/{RECORDING}",)
    assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())
    assert desk.state(recording=OTHER_RECORDING) is State.STORED
    with desk.index.transaction() as transaction:
        (tomb,) = transaction.tombs()
    assert (tomb.why, tomb.at) == (Why.EXPIRED, written(NOW))
    assert tomb.manifest_sha256 is not None
    (entry,) = desk.erasures.entries()
    assert entry.which == Which(BOX, RECORDING)
    assert check(entry, two_boxes(), ARCHIVE_KEY.verify_key) is Why.EXPIRED
    assert all(isinstance(one, Destroyed) for one in desk.take(*all_up(build(receipt=False, changes=OVER).files)))
    assert desk.on_disk() == set()


def test_held_recordings_never_expire(desk: Desk) -> None:
    """A hold counts however long the time is over; the report names it; released, it goes."""
    _store(desk, OVER)
    with desk.index.transaction() as transaction:
        transaction.hold(Which(BOX, RECORDING), held=True)
    report = _run(desk, NOW + 9999 * DAY)
    assert (report.expired, report.held) == ({}, {"inquiry": 1})
    assert desk.state() is State.STORED
    with desk.index.transaction() as transaction:
        transaction.hold(Which(BOX, RECORDING), held=False)
    assert _run(desk, NOW + 9999 * DAY).expired == {"inquiry": 1}


def test_without_an_end_the_class_counts_from_the_storing(desk: Desk) -> None:
    """A box that did not know the time: 90 days from when the archive stored it, by the archive's clock."""
    _store(desk, UNDATED)
    row = desk.row()
    assert row is not None
    assert row.stored_at is not None
    end = moment(row.stored_at) + 90 * DAY
    assert _run(desk, end - timedelta(seconds=1)).expired == {}
    assert _run(desk, end - timedelta(seconds=1)).soon == {"inquiry": 1}
    assert _run(desk, end).expired == {"inquiry": 1}


def test_what_has_no_end_that_anybody_knows_is_kept_and_named(desk: Desk) -> None:
    """A class of another program, without a date: nothing expires, and an alarm says so."""
    _store(desk, {"retention_class": "standard", "retain_until": None})
    assert _run(desk, NOW + 9999 * DAY).endless == {"standard": 1}
    with desk.index.transaction() as transaction:
        assert [alarm.kind for alarm in transaction.alarms()] == ["no-end"]
    assert desk.state() is State.STORED


def test_a_dry_run_says_the_same_and_changes_nothing(desk: Desk) -> None:
    """Not a byte, not a row, not the memory of when retention last ran."""
    _store(desk, OVER)
    before = desk.row(), desk.on_disk()
    foreseen = _run(desk, NOW, dry_run=True)
    assert (desk.row(), desk.on_disk()) == before
    assert list(desk.erasures.entries()) == []
    done = _run(desk, NOW)
    same = ("expired", "freed", "recordings")
    assert [getattr(foreseen, each) for each in same] == [getattr(done, each) for each in same]
    assert done.freed > 1000
    assert (foreseen.ended, done.ended) == ({}, {"inquiry": {"expired": 1}})


def test_keys_go_at_once_and_clips_when_the_lock_ends(desk: Desk) -> None:
    """A lock keeps clips: the recording is destroyed all the same, and each later run tries again."""
    _store(desk, OVER)
    desk.clips.locked = lambda place: place.name.endswith(".clip")
    report = _run(desk, NOW)
    assert (report.expired, report.locked) == ({"inquiry": 1}, 3)
    assert desk.state() is State.DESTROYED
    assert desk.on_disk() == {"000000.clip", "000001.clip", "000002.clip"}
    assert _run(desk, NOW + DAY).locked == 3
    desk.close()
    desk.start()  # its clips are not locked any more
    last = _run(desk, NOW + 2 * DAY)
    assert (last.locked, last.freed) == (0, report.locked_bytes)
    assert desk.on_disk() == set()


def test_a_lock_on_keys_is_no_end(desk: Desk) -> None:
    """Keys that cannot be destroyed: nobody is told that they are, and an alarm stands until they are."""
    _store(desk, OVER)
    desk.keys.locked = lambda _place: True
    with pytest.raises(OSError, match="keys belong where nothing is locked"):
        _run(desk, NOW)
    assert desk.state() is State.DESTROYING
    assert desk.take(*all_up(build(receipt=False).files)) == []
    with desk.index.transaction() as transaction:
        assert [alarm.kind for alarm in transaction.alarms()] == ["destroying"]
    desk.keys.locked = lambda _place: False
    assert _run(desk, NOW).unfinished == 0
    assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())
    with desk.index.transaction() as transaction:
        assert transaction.alarms() == []


def test_a_doubted_clock_destroys_nothing_and_alarms(desk: Desk) -> None:
    """A clock that leapt a year ahead, and one that fell back: refused with the way out, alarmed, until it is right."""
    _store(desk, UNDATED)
    for wrong in (NOW + 400 * DAY, NOW - DAY):
        with pytest.raises(ClockDoubted, match="--clock-is-right"):
            _retention(desk).run(wrong)
        assert desk.state() is State.STORED
        with desk.index.transaction() as transaction:
            assert [alarm.kind for alarm in transaction.alarms()] == ["clock"]
    _retention(desk).run(NOW + DAY)
    with desk.index.transaction() as transaction:
        assert transaction.alarms() == []
    assert _retention(desk).run(NOW + 400 * DAY, clock_is_right=True).expired == {"inquiry": 1}


def test_looking_each_day_lets_a_quiet_archive_expire(desk: Desk) -> None:
    """Nothing is stored for months: the daily look itself is what the clock is measured by."""
    _store(desk, UNDATED)
    reports = [_retention(desk).daily(NOW + day * DAY) for day in range(10, 110, 10)]
    assert [sum(report.expired.values()) for report in reports if report].count(1) == 1
    assert desk.state() is State.DESTROYED


def test_of_several_workers_one_looks_each_day(desk: Desk) -> None:
    """The day is taken in the index: whoever comes first does it, the others go away."""
    _store(desk, OVER)
    first, second = _retention(desk), _retention(desk)
    assert first.daily(NOW + DAY) is not None
    assert second.daily(NOW + DAY) is None
    assert first.daily(NOW + DAY + timedelta(hours=23)) is None
    assert second.daily(NOW + 2 * DAY) is not None


def test_a_store_that_is_away_is_tried_again_after_an_hour(desk: Desk) -> None:
    """The daily look fails without ending the worker; an hour later, not a day, it is finished."""
    _store(desk, OVER)
    desk.keys.away = True
    assert _retention(desk).daily(NOW + DAY) is None
    assert desk.state() is State.DESTROYING
    desk.keys.away = False
    assert _retention(desk).daily(NOW + DAY + timedelta(minutes=59)) is None
    assert desk.state() is State.DESTROYING
    assert _retention(desk).daily(NOW + DAY + timedelta(minutes=61)) is not None
    assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())


def test_after_a_cut_at_any_step_the_next_run_finishes(folders: Folders) -> None:
    """Whatever step the power is cut at: no key is gone without its entry in the list, and the next run ends it."""
    template = folders()
    with closing(Desk(template)) as desk:
        _store(desk, OVER, clips=1)
        _store(desk, OVER, recording=OTHER_RECORDING, clips=1)
    for cut_at in itertools.count(1, 3):  # an erasure of one (test_owner) is cut at each step
        folder = folders() / "archive"
        shutil.copytree(template, folder)
        with closing(Desk(folder)) as desk:
            desk.cut.steps, desk.cut.at = 0, cut_at
            try:
                _run(desk, NOW)
            except PowerCut:
                was_cut = True
            else:
                was_cut = False
            desk.cut.at = None
            listed = {entry.which.recording for entry in desk.erasures.entries()}
            for recording in (RECORDING, OTHER_RECORDING):
                if "keys.json" not in desk.on_disk(recording=recording):
                    assert recording in listed
            desk.start()
            _run(desk, NOW)
            for recording in (RECORDING, OTHER_RECORDING):
                assert (desk.state(recording=recording), desk.on_disk(recording=recording)) == (State.DESTROYED, set())
            assert len(list(desk.erasures.entries())) == 2
        if not was_cut:
            assert cut_at > 20
            return


def test_more_than_one_batch_is_destroyed(desk: Desk) -> None:
    """Many recordings are over at once: all of them go, each counted once."""
    ids = [f"01890a5d-ac96-774b-bcce-{number:012x}" for number in range(300)]
    receipt = StoredReceipt("0" * 64, written(NOW), "e", written(NOW), b"receipt", "repair")
    with desk.index.transaction() as transaction:
        transaction.open(Which(BOX, recording) for recording in ids)
        for recording in ids:
            transaction.stored(Which(BOX, recording), receipt)
    report = _run(desk, NOW)
    assert report.expired == {"repair": 300}
    assert len(set(report.recordings)) == 300


def test_a_hold_that_comes_while_a_run_looks_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding what is over and the tombstones the owner holds it: what counts is asked again under the lock."""
    _store(desk, OVER)
    over = Transaction.over

    def late(transaction: Transaction, at: str, count: int | None) -> Sequence[Row]:
        rows = over(transaction, at, count)
        transaction.hold(Which(BOX, RECORDING), held=True)
        return rows

    monkeypatch.setattr(Transaction, "over", late)
    assert _run(desk, NOW).expired == {}
    assert desk.state() is State.STORED


def test_the_word_is_in_the_list_before_a_key_goes(desk: Desk) -> None:
    """If the list cannot be written, no key is destroyed: a restore would bring it back for good."""
    _store(desk, OVER)
    store = desk.erasures._store
    store.away = True  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="away"):
        _run(desk, NOW)
    assert "keys.json" in desk.on_disk()
    store.away = False  # type: ignore[attr-defined]
    _run(desk, NOW)
    assert desk.on_disk() == set()


def test_locked_places_that_are_away_already_are_no_error(desk: Desk) -> None:
    """Somebody emptied the bucket by hand: what was locked and is gone is forgotten."""
    _store(desk, OVER)
    desk.clips.locked = lambda place: place.name == "000000.clip"
    _run(desk, NOW)
    desk.clips.locked = lambda _place: False
    for place in desk.clips.places(BOX, RECORDING):
        desk.clips.remove([place])
    assert desk.destroying.retry_locked().left == ()
    assert _run(desk, NOW).locked == 0
