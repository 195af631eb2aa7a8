"""What belongs to no manifest is bounded for each box, and what a good manifest names is never taken away for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag.sealing.receipt import Incomplete, Stored
from handschlag_archive.index import State, Which
from handschlag_archive.ingest import Bounds, Message
from tests.archive.desk import OTHER_BOX, SETTLE_S, Desk, all_up, up
from tests.sealing.builder import BOX, OTHER_RECORDING, RECORDING, build

BUILT = build(receipt=False)
SENT = all_up(BUILT.files)
FILES = 16
BYTES = 60_000


@pytest.fixture
def desk(tmp_path: Path, database: str) -> Iterator[Desk]:
    """An archive that keeps little that it has no manifest of."""
    made = Desk(tmp_path, database=database, bounds=Bounds(files=FILES, size=BYTES))
    yield made
    made.close()


def _recording(number: int) -> str:
    return f"01890a5d-ac96-774b-bcce-c302099a{number:04x}"


def _rubbish(count: int, *, size: int = 10, name: str = "head.json", recording: str | None = None) -> list[Message]:
    return [up(name, f"{number:{size}}".encode(), recording=recording or _recording(number)) for number in range(count)]


def _lying(desk: Desk, box: str = BOX) -> list[Path]:
    return list(desk.folder.glob(f"[ck]*/{box}/*/*"))


def _flood(desk: Desk, messages: list[Message]) -> None:
    for start in range(0, len(messages), 5):
        desk.take(*messages[start : start + 5])


def test_more_files_than_are_kept_without_a_manifest_push_out_the_oldest(desk: Desk) -> None:
    """Ten times the bound in ever new recordings: never much more than the bound lies there, and the newest stays."""
    for start in range(0, 6 * FILES, 20):
        _flood(desk, _rubbish(6 * FILES)[start : start + 20])
        assert len(_lying(desk)) <= FILES + FILES // 8
    assert desk.state(recording=_recording(6 * FILES - 1)) is State.OPEN
    assert desk.state(recording=_recording(0)) is None
    assert desk.ingest.counts["belongs to no manifest"] >= 4 * FILES


def test_many_bytes_are_bounded_as_many_files_are(desk: Desk) -> None:
    """A few large files reach the bound of bytes long before that of files."""
    _flood(desk, _rubbish(20, size=BYTES // 8))
    assert sum(path.stat().st_size for path in _lying(desk)) <= BYTES + BYTES // 8 + 5 * BYTES // 8


def test_ever_new_bytes_under_one_name_are_bounded_too(desk: Desk) -> None:
    """Rubbish without end for one name of one recording does not stay, and the true recording still comes through."""
    _flood(desk, _rubbish(3 * FILES, name="000000.clip", recording=RECORDING))
    assert len(_lying(desk)) <= FILES + FILES // 8
    desk.take(*SENT)
    assert desk.state() is State.STORED


def test_what_a_good_manifest_names_is_never_dropped(desk: Desk, tmp_path: Path) -> None:
    """The oldest recording waits for one file while rubbish comes in without end: all it has is still there."""
    *most, last = sorted(SENT, key=lambda one: "keys" in one.topic)
    desk.take(*most)
    _flood(desk, _rubbish(3 * FILES))
    _flood(desk, _rubbish(3 * FILES, name="000000.clip", recording=RECORDING))
    assert isinstance(desk.take(last)[0], Stored)
    assert {name for name in desk.export(tmp_path / "out") if name != "receipt.jws"} == set(BUILT.files)


def test_clips_stay_while_nobody_knows_which_of_them_the_manifest_names(desk: Desk) -> None:
    """The manifest is here and its clip list is not: every clip may be one that it names."""
    late = next(one for one in SENT if "clips.0.json" in one.topic)
    desk.take(*[one for one in SENT if one is not late])
    _flood(desk, _rubbish(3 * FILES))
    assert isinstance(desk.take(late)[0], Stored)


def test_what_was_dropped_is_asked_for_again(desk: Desk) -> None:
    """Files pushed out before their manifest came are missing, and `incomplete` says so."""
    desk.take(*SENT[:-1])
    _flood(desk, _rubbish(3 * FILES))
    assert desk.state() is None
    desk.take(SENT[-1])
    (said,) = desk.wait(SETTLE_S)
    assert isinstance(said, Incomplete)
    assert set(said.every_name) >= {"head.json", "keys.json", "clips.0.json"}
    assert isinstance(desk.take(*SENT)[-1], Stored)


def test_one_box_cannot_push_out_what_another_sent(desk: Desk) -> None:
    """Each box has bounds of its own."""
    desk.take(up("head.json", b"theirs", box=OTHER_BOX, recording=OTHER_RECORDING))
    _flood(desk, _rubbish(3 * FILES))
    assert len(_lying(desk, OTHER_BOX)) == 1


def test_what_is_stored_does_not_count_and_is_not_touched(desk: Desk, tmp_path: Path) -> None:
    """A stored recording is older than all the rubbish, and stays."""
    desk.take(*SENT)
    _flood(desk, _rubbish(3 * FILES))
    assert {name for name in desk.export(tmp_path / "out") if name != "receipt.jws"} == set(BUILT.files)


def test_the_alarm_stands_while_it_goes_on_and_ends_with_it(desk: Desk) -> None:
    """Whoever looks after the archive sees which box it is; once little lies there the alarm is cleared."""
    _flood(desk, _rubbish(2 * FILES))
    with desk.index.transaction() as transaction:
        (alarm,) = transaction.alarms()
        assert (alarm.kind, alarm.box) == ("loose-files", BOX)
        for number in range(2 * FILES):
            which = Which(BOX, _recording(number))
            transaction.remove_files(transaction.files(which))
    _flood(desk, _rubbish(5))
    with desk.index.transaction() as transaction:
        assert transaction.alarms() == []
