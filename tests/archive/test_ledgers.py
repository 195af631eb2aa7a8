"""Ledgers coming in: answered as far as the chain holds, in whatever order the lines come."""

from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.sealing.ledger import LedgerPosition, line_hash, next_line
from handschlag.sealing.receipt import LedgerSynced, Receipt
from handschlag_archive.ingest import Message
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
        assert one.hash == line_hash(LINES[one.seq - 1])
        found.append(one.seq)
    return found


def test_lines_in_order_move_the_head(desk: Desk) -> None:
    """Each batch is answered with the last number and its hash; one answer for a group."""
    assert _heads(desk.take(_up(1, LINES[:1]))) == [1]
    assert _heads(desk.take(_up(2, LINES[1:5]), _up(6, LINES[5:9]))) == [9]
    desk.close()
    desk.start()
    assert _heads(desk.take(_up(10, LINES[9:]))) == [12]


def test_behind_a_gap_nothing_is_answered_until_it_closes(desk: Desk) -> None:
    """Lines behind a gap are kept; the answer stays at the gap and jumps when it closes."""
    assert desk.take(_up(3, LINES[2:])) == []
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
            assert _heads(desk.take(_up(start + 1, LINES[start:end]))) == ([unbroken] if unbroken else [])
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
def test_a_fork_is_kept_alarmed_and_never_answered(desk: Desk, caplog: pytest.LogCaptureFixture, at: int) -> None:
    """Two lines for one number, before or behind the head: both are kept, and no answer comes for this box any more."""
    desk.take(_up(1, LINES[:8]))
    forged, _ = next_line(
        LedgerPosition(at - 1, line_hash(LINES[at - 2])), "private", {}, at=AT, clock="synced", mono=1.0, boot=BOOT
    )
    receipts = desk.take(_up(at, [forged])) + desk.take(_up(9, LINES[8:]))
    if at == 12:
        assert _heads(receipts[:1]) == [8]
        receipts = receipts[1:]
    assert receipts == []
    assert f"ALARM: the ledger of {BOX} has two lines with number {at}" in caplog.text
    desk.close()
    desk.start()
    assert desk.take(_up(1, LINES)) == []
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
