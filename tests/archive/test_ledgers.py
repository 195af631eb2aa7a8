"""Ledgers coming in: answered as far as the chain holds, in whatever order the lines come."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.sealing.ledger import GENESIS, LedgerPosition, line_hash, next_line
from handschlag.sealing.receipt import LedgerSynced, Receipt
from handschlag_archive.index import Line
from handschlag_archive.ingest import Message
from handschlag_archive.ingest.ledgers import GAP_ALARM_S
from tests.archive.conftest import Folders
from tests.archive.desk import OTHER_BOX, Desk
from tests.sealing.builder import AT, BOOT, BOX, LedgerBuilder


def _ledger(length: int, kind: str = "clock") -> list[bytes]:
    builder = LedgerBuilder()
    for _ in range(length):
        builder.add(kind)
    return builder.lines


LINES = _ledger(12)


def _up(first: int, lines: Iterable[bytes], *, box: str = BOX) -> Message:
    return Message(f"handschlag/1/{box}/up/ledger/{first}", b"".join(line + b"\n" for line in lines))


def _heads(receipts: Iterable[Receipt]) -> list[int]:
    found = []
    for one in receipts:
        assert isinstance(one, LedgerSynced)
        assert one.hash == (line_hash(LINES[one.seq - 1]) if one.seq else 64 * "0")
        found.append(one.seq)
    return found


def test_lines_in_order_move_the_head(desk: Desk) -> None:
    """Each batch is answered with the last number and its hash; one answer for a group."""
    assert _heads(desk.take(_up(1, LINES[:1]))) == [1]
    assert _heads(desk.take(_up(2, LINES[1:5]), _up(6, LINES[5:9]))) == [9]
    desk.close()
    desk.start()
    assert _heads(desk.take(_up(10, LINES[9:]))) == [12]


def test_behind_a_gap_the_answer_stays_where_it_is_until_it_closes(desk: Desk) -> None:
    """Lines behind a gap are kept; the answer stays at the gap (0 without the first line) and jumps when it closes."""
    assert _heads(desk.take(_up(3, LINES[2:]))) == [0]
    assert _heads(desk.take(_up(1, LINES[:1]))) == [1]
    assert _heads(desk.take(_up(5, LINES[4:6]))) == [1]
    assert _heads(desk.take(_up(2, LINES[1:2]))) == [12]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cuts=st.sets(st.integers(1, 11)), data=st.data())
def test_any_order_of_batches_gives_the_whole_ledger(folders: Folders, cuts: set[int], data: st.DataObject) -> None:
    """Batches in any order, some twice: the head is the longest unbroken beginning, at the end all of it."""
    with closing(Desk(folders())) as desk:
        batches = list(pairwise([0, *sorted(cuts), 12]))
        batches += data.draw(st.lists(st.sampled_from(batches), max_size=3))
        seen: set[int] = set()
        for start, end in data.draw(st.permutations(batches)):
            seen |= set(range(start, end))
            unbroken = next((number for number in range(13) if number not in seen), 12)
            assert _heads(desk.take(_up(start + 1, LINES[start:end]))) == [unbroken]
        assert unbroken == 12
        assert desk.ingest.counts["ledger breaks"] == 0


def test_a_long_ledger_is_followed_to_its_end(desk: Desk) -> None:
    """More lines than are looked at in one step are followed all the same."""
    lines = _ledger(1100)
    for start in range(1, 1100, 300):
        desk.take(_up(start + 1, lines[start : start + 300]))
    (head,) = desk.take(_up(1, lines[:1]))
    assert isinstance(head, LedgerSynced)
    assert head.seq == 1100


@pytest.mark.parametrize("at", [2, 6, 12])
def test_a_fork_is_kept_and_alarmed_and_stops_the_head(desk: Desk, caplog: pytest.LogCaptureFixture, at: int) -> None:
    """Two lines for one number, before or behind the head: both are kept, and nothing behind the head is answered."""
    desk.take(_up(1, LINES[:8]))
    forged, _ = next_line(
        LedgerPosition(at - 1, line_hash(LINES[at - 2])), "private", {}, at=AT, clock="synced", mono=1.0, boot=BOOT
    )
    receipts = desk.take(_up(at, [forged])) + desk.take(_up(9, LINES[8:]))
    assert _heads(receipts) == [8, 8]
    assert f"ALARM: the ledger of {BOX} has two lines with number {at}" in caplog.text
    desk.close()
    desk.start()
    assert _heads(desk.take(_up(1, LINES))) == [8]
    with desk.index.transaction() as transaction:
        assert {line.line for line in transaction.ledger(BOX, at, 2)} == {forged, LINES[at - 1]}
        assert transaction.forks(BOX) == [at]
    assert _heads(desk.take(_up(1, LINES, box=OTHER_BOX))) == [12]


def test_a_line_that_does_not_follow_is_alarmed_and_not_passed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """An edited history (right number, wrong predecessor) stops the answer at the last good line."""
    other = _ledger(6, kind="private")
    assert _heads(desk.take(_up(1, LINES[:4]))) == [4]
    assert _heads(desk.take(_up(5, other[4:]))) == [4]
    assert f"ALARM: the ledger of {BOX} does not continue at number 5" in caplog.text


@pytest.mark.parametrize(
    ("first", "payload"),
    [
        ("1", LINES[0]),
        ("2", LINES[0] + b"\n"),
        ("1", LINES[0] + b"\n" + LINES[2] + b"\n"),
        ("0", LINES[0] + b"\n"),
        ("01", LINES[0] + b"\n"),
        ("x", LINES[0] + b"\n"),
        ("1" * 400, LINES[0] + b"\n"),
        ("1", b"\n"),
        ("1", b"{}\n"),
        ("1", b"\xff\xfe\n"),
        ("1", LINES[0].replace(b":", b": ", 1) + b"\n"),
    ],
    ids=["torn", "number", "hole", "zero", "spelling", "word", "long", "empty-line", "no-line", "noise", "spaces"],
)
def test_bad_lines_are_dropped_as_a_batch_and_counted(desk: Desk, first: str, payload: bytes) -> None:
    """Torn, misnumbered or malformed batches leave nothing behind and hold nothing up."""
    bad = Message(f"handschlag/1/{BOX}/up/ledger/{first}", payload)
    assert desk.take(bad) == []
    assert dict(desk.ingest.counts) == {"bad ledger lines": 1}
    assert _heads(desk.take(bad, _up(1, LINES))) == [12]


def test_an_empty_batch_is_nothing(desk: Desk) -> None:
    """No lines, no answer, no fault."""
    assert desk.take(_up(1, [])) == []


def _alarms(desk: Desk) -> list[tuple[str, str, str]]:
    with desk.index.transaction() as transaction:
        return [(alarm.kind, alarm.box, alarm.subject) for alarm in transaction.alarms()]


def test_a_gap_older_than_ten_minutes_is_alarmed_until_it_closes(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is woken for a gap that closes in time; for one that stays, once, and the alarm ends with the gap."""
    desk.take(_up(1, LINES[:2]), _up(5, LINES[4:6]))
    desk.wait(GAP_ALARM_S - 1)
    assert _alarms(desk) == []
    assert desk.ingest.next_due is not None
    desk.take(_up(7, LINES[6:7]))  # more behind the same gap does not make it younger
    desk.wait(2)
    assert _alarms(desk) == [("ledger-gap", BOX, "")]
    assert f"ALARM: the ledger of {BOX} lacks the lines behind number 2" in caplog.text
    desk.take(_up(8, LINES[7:8]))
    desk.wait(GAP_ALARM_S)
    assert desk.ingest.counts["ledger gaps"] == 1
    assert _heads(desk.take(_up(3, LINES[2:4]))) == [8]
    assert _alarms(desk) == []


def test_a_gap_that_moves_on_is_none_that_stays(desk: Desk) -> None:
    """Lines that come late but come: each gap's ten minutes are its own."""
    desk.take(_up(1, LINES[:1]), _up(3, LINES[2:3]))
    desk.wait(GAP_ALARM_S - 1)
    desk.take(_up(2, LINES[1:2]), _up(5, LINES[4:5]))
    desk.wait(GAP_ALARM_S - 1)
    assert _alarms(desk) == []
    desk.wait(2)
    assert _alarms(desk) == [("ledger-gap", BOX, "")]


def test_the_beginning_can_be_missing_too(desk: Desk) -> None:
    """A ledger of which the first line never came stands at a gap like any other, and is asked for from there.

    So a box that was receipted by an archive which has lost it all hears of that archive's new epoch.
    """
    assert _heads(desk.take(_up(2, LINES[1:]))) == [0]
    desk.wait(GAP_ALARM_S + 1)
    assert _alarms(desk) == [("ledger-gap", BOX, "")]


def test_a_gap_is_seen_after_a_restart_and_closed_by_another_worker(desk: Desk) -> None:
    """A start finds the gaps that there were; one that another worker has closed meanwhile is not alarmed."""
    desk.take(_up(1, LINES[:2]), _up(5, LINES[4:6]), _up(1, LINES[:2], box=OTHER_BOX), _up(4, LINES[3:], box=OTHER_BOX))
    desk.close()
    desk.start()
    second = desk.colleague()
    second.take(_up(3, LINES[2:4]))
    second.close()
    desk.wait(GAP_ALARM_S + 1)
    assert _alarms(desk) == [("ledger-gap", OTHER_BOX, "")]


def test_forks_and_breaks_are_alarms_that_stay(desk: Desk) -> None:
    """Both are in the index for whoever looks after the archive, by box and number."""
    desk.take(_up(1, LINES[:4]), _up(2, _ledger(3, kind="private")[1:2]))
    desk.take(_up(1, LINES[:4], box=OTHER_BOX), _up(5, _ledger(6, kind="private")[4:], box=OTHER_BOX))
    assert _alarms(desk) == [("ledger-fork", BOX, "2"), ("ledger-break", OTHER_BOX, "5")]


def test_lines_without_end_under_one_number_are_not_kept_without_end(desk: Desk) -> None:
    """A fork is proven by a few lines; what comes after them is counted and dropped, what was first stays."""
    position = LedgerPosition(1, line_hash(LINES[0]))
    for number in range(20):
        forged, _ = next_line(position, "private", {}, at=AT, clock="synced", mono=float(number), boot=BOOT)
        desk.take(_up(2, [forged]))
    desk.take(_up(1, LINES[:2]))
    with desk.index.transaction() as transaction:
        assert len(transaction.ledger(BOX, 2, 100)) == 8
    assert desk.ingest.counts["one more ledger line under a forked number"] == 13


def test_whoever_takes_lines_has_the_ledger_for_itself(desk: Desk) -> None:
    """A worker waits for the one that is at the same ledger, and then sees its lines: no head is lost between two."""
    with ThreadPoolExecutor(1) as other:
        with desk.index.transaction() as transaction:
            transaction.lock_ledger(BOX)
            transaction.add_ledger(BOX, [Line(1, line_hash(LINES[0]), GENESIS.hash, LINES[0])])
            taking = other.submit(desk.take, _up(2, LINES[1:2]))
            with pytest.raises(TimeoutError):
                taking.result(timeout=0.2)
        assert _heads(taking.result(timeout=30)) == [2]
