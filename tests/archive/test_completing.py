"""When a recording counts as stored, and who says so: copies, locks, workers that die, stores that are stuck."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from handschlag.sealing.receipt import Incomplete, Progress, Receipt, Stored
from handschlag_archive.index import IndexBusy, State, Which
from handschlag_archive.ingest.completing import LOOK_AROUND_S
from handschlag_archive.periods import moment
from handschlag_archive.stores.port import Place
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, SETTLE_S, CuttableStore, Desk, all_up, up
from tests.sealing.builder import BOX, OTHER_RECORDING, RECORDING, build

BUILT = build(receipt=False)
SENT = all_up(BUILT.files)
TAKEN_OVER_S = LOOK_AROUND_S + 3 * SETTLE_S


def _kinds(receipts: Iterable[Receipt]) -> list[str]:
    return [type(receipt).__name__ for receipt in receipts]


def _wait_often(desk: Desk, seconds: float) -> list[Receipt]:
    """Let time go by in small steps, as a worker does."""
    return [receipt for _ in range(int(seconds)) for receipt in desk.wait(1)]


# A worker that dies.


def test_a_waiting_manifest_is_taken_over_when_its_worker_dies(desk: Desk) -> None:
    """The worker that took the manifest in is gone; another, which lives, asks for what is missing: once."""
    dead = desk.colleague()
    desk.wait(0)
    dead.take(*SENT[1:])
    dead.close()
    said = _wait_often(desk, TAKEN_OVER_S + 2)
    assert _kinds(said) == ["Incomplete"]
    assert isinstance(said[0], Incomplete)
    assert said[0].every_name == (SENT[0].topic.rsplit("/", 1)[1],)
    assert _wait_often(desk, 2 * TAKEN_OVER_S) == []
    assert _kinds(desk.take(SENT[0])) == ["Stored"]


def test_a_complete_recording_whose_worker_died_before_saying_so_is_stored_by_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last file is durable and its worker gone; the other finds it complete and says `stored`."""
    dead = desk.colleague()
    desk.wait(0)
    with monkeypatch.context() as patched:
        patched.setattr("handschlag_archive.ingest.completing.Completing.stand", _killed)
        with pytest.raises(KeyboardInterrupt):
            dead.take(*SENT)
    dead.close()
    assert desk.state() is State.OPEN
    assert _kinds(_wait_often(desk, TAKEN_OVER_S + 2)) == ["Stored"]


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_restart_goes_on_waiting_and_asks(desk: Desk) -> None:
    """A manifest that waited when the archive went down is asked for after the start, without a word from the box."""
    desk.take(*SENT[1:])
    desk.close()
    assert _kinds(desk.start()) == ["Progress"]
    assert _kinds(_wait_often(desk, SETTLE_S + 1)) == ["Incomplete"]


def test_thousands_of_open_recordings_are_said_page_by_page(desk: Desk) -> None:
    """After a start nobody's messages wait until all open recordings were looked at; in the end each was."""
    with desk.index.transaction() as transaction:
        transaction.open(Which(BOX, f"01890a5d-ac96-774b-bcce-{number:012x}") for number in range(450))
    desk.close()
    said = desk.start()
    assert 0 < len(said) <= 100
    assert desk.ingest.next_due == 0
    while desk.ingest.next_due == 0:
        said += desk.wait(0)
    assert len({one.recording for one in said if isinstance(one, Progress)}) == len(said) == 450


# Copies.


def _counting(store: CuttableStore, copies: Sequence[int]) -> None:
    """Have a store say how many copies it made, the last number again and again."""
    put, left = store.put, list(copies)

    def counted(objects: Sequence[tuple[Place, bytes]]) -> int:
        put(objects)
        return left.pop(0) if len(left) > 1 else left[0]

    store.put = counted  # type: ignore[method-assign]


def test_a_receipt_says_the_smallest_number_of_copies(desk: Desk) -> None:
    """Clips in two stores and keys in three are two copies; one clip that reached three does not make it three."""
    _counting(desk.clips, [3, 2])
    _counting(desk.keys, [3])
    *most, last = SENT
    desk.take_each(most)
    (receipt,) = desk.take(last)
    assert isinstance(receipt, Stored)
    assert receipt.copies == 2


@pytest.fixture
def two_copies(tmp_path: Path, database: str) -> Iterator[Desk]:
    """An archive that says `stored` only of what is in two stores; what is in fewer came before that was set."""
    made = Desk(tmp_path, database=database, copies=2)
    yield made
    made.close()


def test_what_is_in_too_few_stores_is_kept_once_more_before_it_is_stored(two_copies: Desk) -> None:
    """Files from the time of a smaller number of copies are put again; then the receipt says two."""
    _counting(two_copies.clips, [1, 1, 2])
    _counting(two_copies.keys, [2])
    two_copies.take(*SENT[:2])
    two_copies.take(*SENT[2:4])
    (receipt,) = two_copies.take(*SENT[4:])
    assert isinstance(receipt, Stored)
    assert receipt.copies == 2
    with two_copies.index.transaction() as transaction:
        assert set(transaction.copies(Which(BOX, RECORDING)).values()) == {2}


def test_as_long_as_there_are_too_few_copies_nothing_is_stored(two_copies: Desk) -> None:
    """A store that does not reach the number keeps its recordings waiting, counted; once it does, they are stored."""
    _counting(two_copies.clips, [1])
    _counting(two_copies.keys, [2])
    assert _kinds(two_copies.take(*SENT)) == ["Progress"]
    assert _kinds(_wait_often(two_copies, 3 * SETTLE_S)) == ["Progress"] * 3
    assert two_copies.ingest.counts["completing waits"] == 4
    assert two_copies.state() is State.OPEN
    _counting(two_copies.clips, [2])
    assert _kinds(_wait_often(two_copies, SETTLE_S)) == ["Stored"]


# Locks.


def test_clips_are_locked_until_their_end_before_the_receipt_and_keys_never(desk: Desk) -> None:
    """What a lock is promised for is locked first; keys must stay destroyable (P7)."""
    locked: list[tuple[set[str], datetime, State | None]] = []

    def protect(places: Iterable[Place], until: datetime) -> None:
        locked.append(({place.name for place in places}, until, desk.state()))

    desk.clips.protect = protect  # type: ignore[method-assign]
    desk.keys.protect = _never  # type: ignore[method-assign, assignment]
    (receipt,) = desk.take(*SENT)
    assert isinstance(receipt, Stored)
    assert receipt.retain_until is not None
    assert locked == [(set(BUILT.files) - {"keys.json"}, moment(receipt.retain_until), State.OPEN)]


def _never(*_arguments: object) -> None:
    raise AssertionError("keys must never be locked")


def test_without_a_lock_there_is_no_receipt(desk: Desk) -> None:
    """A store that cannot lock at the moment: `stored` waits, and comes when it can."""
    protect = desk.clips.protect
    desk.clips.protect = _refuse  # type: ignore[method-assign, assignment]
    assert _kinds(desk.take(*SENT)) == ["Progress"]
    desk.clips.protect = protect  # type: ignore[method-assign]
    assert _kinds(_wait_often(desk, SETTLE_S + 1)) == ["Stored"]


def _refuse(*_arguments: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


# Trouble of one is not trouble of all.


def test_a_recording_that_cannot_be_completed_holds_no_other_up(desk: Desk, tmp_path: Path) -> None:
    """One recording's bytes cannot be read for now: the other box's is stored, and this one as soon as it can be."""
    theirs = build(box=OTHER_BOX, box_key=OTHER_BOX_KEY, recording=OTHER_RECORDING, receipt=False)
    get = desk.clips.get

    def hang(place: Place) -> bytes:
        if place.box == BOX:
            raise OSError(errno.EACCES, "Permission denied")
        return get(place)

    desk.clips.get = hang  # type: ignore[method-assign]
    receipts = desk.take(*SENT, *all_up(theirs.files, box=OTHER_BOX, recording=OTHER_RECORDING))
    assert {(one.box, type(one).__name__) for one in receipts} == {(BOX, "Progress"), (OTHER_BOX, "Stored")}
    desk.clips.get = get  # type: ignore[method-assign]
    assert _kinds(_wait_often(desk, SETTLE_S + 1)) == ["Stored"]
    assert desk.on_disk() == set(BUILT.files)
    assert set(desk.export(tmp_path / "out")) == {*BUILT.files, "receipt.jws"}


def test_a_database_that_is_busy_at_the_commit_acknowledges_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group raises, is given again, and ends as if nothing had been."""
    transaction = desk.index.transaction
    left = [2]  # the first keeps the files, the second would note the recording as stored

    def busy() -> object:
        left[0] -= 1
        if left[0] == 0:
            raise IndexBusy("the index: locked")
        return transaction()

    monkeypatch.setattr(desk.index, "transaction", busy)
    with pytest.raises(IndexBusy):
        desk.take(*SENT)
    assert desk.state() is State.OPEN
    assert _kinds(desk.take(*SENT)) == ["Stored"]


def test_nothing_is_stored_of_which_a_file_was_taken_away_during_the_check(desk: Desk) -> None:
    """Between reading the bytes and the commit another worker takes a file away: the commit sees it."""
    recording = desk.ingest._completing._judge.recording

    def meanwhile(*arguments: object) -> None:
        recording(*arguments)  # type: ignore[arg-type]  # handed on as they came
        with desk.index.transaction() as transaction:
            which = Which(BOX, RECORDING)
            transaction.remove_files(place for place in transaction.files(which) if place.name == "000001.clip")

    desk.ingest._completing._judge.recording = meanwhile  # type: ignore[method-assign, assignment]
    assert _kinds(desk.take(*SENT)) == ["Progress"]
    assert desk.state() is State.OPEN
    desk.ingest._completing._judge.recording = recording  # type: ignore[method-assign]
    (said,) = _wait_often(desk, SETTLE_S + 1)
    assert isinstance(said, Incomplete)
    assert said.every_name == ("000001.clip",)


# How much is said.


def test_a_burst_is_one_progress_for_each_recording(desk: Desk) -> None:
    """A group of many files of two recordings is two receipts, whatever order they come in."""
    long = build(clips=40, receipt=False)
    files = [(name, data) for name, data in long.files.items() if name.endswith(".clip")]
    group = [up(name, data, recording=which) for name, data in files for which in (RECORDING, OTHER_RECORDING)]
    receipts = desk.take(*group)
    assert _kinds(receipts) == ["Progress", "Progress"]
    assert {one.clips for one in receipts if isinstance(one, Progress)} == {"0-39"}


def test_more_names_than_a_receipt_holds_are_answered_all_the_same(desk: Desk) -> None:
    """A box that sends clip lists without end gets as many named as fit, and holds nobody's group up."""
    receipts = desk.take(*[up(f"clips.{number}.json", b"x") for number in range(1100)], SENT[0])
    assert _kinds(receipts) == ["Progress"]
    assert isinstance(receipts[0], Progress)
    assert len(receipts[0].names) == 1024


@pytest.mark.parametrize("restart", [False, True], ids=["going-on", "restarted"])
def test_progress_is_cumulative(desk: Desk, *, restart: bool) -> None:
    """Each says all that is here, also what came before a restart or by another worker before it."""
    second = desk.colleague()
    desk.take(SENT[0])
    second.take(SENT[1])
    second.close()
    if restart:
        desk.close()
        desk.start()
    (receipt,) = desk.take(*SENT[2:4])
    assert isinstance(receipt, Progress)
    wanted = [SENT[0], *SENT[2:4], *([SENT[1]] if restart else [])]
    assert set(receipt.every_name) == {one.topic.rsplit("/", 1)[1] for one in wanted}


def test_what_is_asked_of_the_index_does_not_grow_with_the_group(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty recordings in one group take as many statements as six: one for all, not one for each."""

    def statements(count: int, first: int) -> int:
        number = [0]
        execute: Callable[..., object] = desk.index._engine.dialect.do_execute
        many: Callable[..., object] = desk.index._engine.dialect.do_executemany

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                number[0] += 1
                return real(*arguments, **named)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(desk.index._engine.dialect, "do_execute", counted(execute))
            patched.setattr(desk.index._engine.dialect, "do_executemany", counted(many))
            desk.take(
                *[
                    up("head.json", b"x", recording=f"01890a5d-ac96-774b-bcce-{at:012x}")
                    for at in range(first, first + count)
                ]
            )
        return number[0]

    assert statements(60, first=0) == statements(6, first=100)


def test_more_waiting_manifests_than_are_remembered_are_all_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for those that wait is bounded; what falls out of it is found again in the index."""
    monkeypatch.setattr("handschlag_archive.ingest.completing._MOST_WAITING", 3)
    recordings = [f"01890a5d-ac96-774b-bcce-e302099a{number:04x}" for number in range(8)]
    for recording in recordings:
        built = build(recording=recording, receipt=False)
        desk.take(up("manifest.jws", built.files["manifest.jws"], recording=recording))
        assert len(desk.ingest._completing._waiting) <= 3
    with desk.index.transaction() as transaction:
        assert len(transaction.waiting_manifests(None, 100)) == 8
    said = {one.recording for one in _wait_often(desk, 4 * TAKEN_OVER_S) if isinstance(one, Incomplete)}
    assert said == set(recordings)
