"""A box's ledger after a fork or a roll-back: the owner's word says which line goes on, and nobody else's does."""

from collections.abc import Iterable, Sequence

import pytest

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.ledger import DOUBTED, GENESIS, LedgerPosition, Value, line_hash, next_line
from handschlag.sealing.receipt import LedgerSynced, Receipt
from handschlag_archive.ingest import Message, epochs
from tests.archive.conftest import over_sqlite
from tests.archive.desk import OTHER_BOX, Desk
from tests.archive.words import word
from tests.sealing.builder import AT, BOOT, BOX


class Ledger:
    """A box's ledger, which can be set back."""

    def __init__(self, lines: Sequence[bytes] = (), at: LedgerPosition = GENESIS) -> None:
        self.lines = list(lines)
        self.at = at
        self.first = at.seq - len(lines) + 1

    def add(self, kind: str = "private", **fields: Value) -> bytes:
        """One more line; `mono` differs between a line and the one that was written in its place."""
        line, self.at = next_line(self.at, kind, fields, at=AT, clock="synced", mono=float(len(self.lines)), boot=BOOT)
        self.lines.append(line)
        return line

    def grow(self, count: int) -> "Ledger":
        """So many more lines."""
        for _ in range(count):
            self.add()
        return self

    def set_back(self, seq: int) -> "Ledger":
        """The box as it was when it had `seq` lines; it runs under another clock since."""
        old = Ledger(self.lines[:seq], LedgerPosition(seq, line_hash(self.lines[seq - 1])))
        old.add("boot", version="0.1.0")
        return old

    def doubt(self, head: LedgerPosition) -> None:
        """Admit that lines up to `head` are lost, and go on behind it."""
        good = self.at
        self.at = head
        self.add(
            "fault", what=DOUBTED, why="set back", good_seq=good.seq, good_hash=good.hash,
            head_seq=head.seq, head_hash=head.hash,
        )  # fmt: skip

    def epoch(self, number: int, *, token: bytes | None = None) -> None:
        """The owner's word, as the box writes it down."""
        said = token if token is not None else word("epoch", counter=number, epoch=number)
        self.add(
            "command", by="owner", id="0" * 32, name="epoch", counter=number, epoch=number, token=said.decode(),
            outcome="done",
        )  # fmt: skip


def _up(lines: Iterable[bytes], first: int, *, box: str = BOX) -> Message:
    return Message(f"handschlag/1/{box}/up/ledger/{first}", b"".join(line + b"\n" for line in lines))


def _heads(receipts: Iterable[Receipt]) -> list[int]:
    return [receipt.seq for receipt in receipts if isinstance(receipt, LedgerSynced)]


def _alarms(desk: Desk) -> list[tuple[str, str]]:
    with desk.index.transaction() as transaction:
        return [(alarm.kind, alarm.subject) for alarm in transaction.alarms()]


def _set_back(desk: Desk, *, known: int = 20, back_to: int = 12) -> tuple[Ledger, Ledger]:
    """A box that the archive knows up to `known`, rolled back: its old ledger, and the one that it goes on with."""
    old = Ledger().grow(known)
    assert _heads(desk.take(_up(old.lines, 1))) == [known]
    return old, old.set_back(back_to)


def test_a_box_that_was_set_back_learns_it_and_goes_on_by_the_owners_word(desk: Desk) -> None:
    """Fork, alarm, the head as answer; the box admits what it lost, the owner opens an epoch, the head goes on."""
    old, box = _set_back(desk)
    (answer,) = desk.take(_up(box.lines[12:], 13))
    assert isinstance(answer, LedgerSynced)
    assert (answer.seq, answer.hash) == (20, old.at.hash)
    assert _alarms(desk) == [("ledger-fork", "13")]
    box.doubt(LedgerPosition(answer.seq, answer.hash))
    assert _heads(desk.take(_up(box.lines[13:], 21))) == [20]
    box.epoch(1)
    box.grow(3)
    assert _heads(desk.take(_up(box.lines[14:], 22))) == [25]
    assert _alarms(desk) == []
    desk.start()
    box.grow(1)
    assert _heads(desk.take(_up(box.lines[-1:], 26))) == [26]


def test_a_line_that_goes_on_from_before_the_fork_is_accepted(desk: Desk) -> None:
    """The box never learnt of the fork, and the owner spoke: its own line counts, though the other one was longer."""
    _, box = _set_back(desk)
    box.epoch(1)
    box.grow(2)
    assert _heads(desk.take(_up(box.lines[12:], 13))) == [16]
    assert _alarms(desk) == []
    with desk.index.transaction() as transaction:
        head, epoch = transaction.ledger_head(BOX), transaction.newest_epoch(BOX)
    assert head is not None
    assert head.sha256 == box.at.hash
    assert epoch is not None
    assert (epoch.number, epoch.seq, epoch.sha256) == (1, 14, line_hash(box.lines[13]))


def test_the_epoch_waits_for_what_it_follows(desk: Desk) -> None:
    """Lines come in any order: until the way back is whole, nothing is answered, and no other line is passed for it."""
    _, box = _set_back(desk)
    box.grow(3).epoch(1)
    box.grow(1)
    assert _heads(desk.take(_up(box.lines[16:], 17))) == []
    assert _heads(desk.take(_up(box.lines[12:14], 13))) == []
    assert _heads(desk.take(_up(box.lines[14:16], 15))) == [18]
    assert _alarms(desk) == []


def test_an_exchanged_box_begins_anew_by_the_owners_word(desk: Desk) -> None:
    """A new box under the old name starts at number 1: everything differs, and the owner says that it counts."""
    _set_back(desk)
    new = Ledger()
    new.add("boot", version="0.2.0")
    new.epoch(1)
    assert _heads(desk.take(_up(new.lines, 1))) == [2]
    assert _alarms(desk) == []


def test_lines_that_nobody_has_are_passed_where_the_box_admits_it(desk: Desk) -> None:
    """A manifest named line 25, the archive has 20, the box was set back to 12: 21 to 25 are lost, and it says so."""
    old, box = _set_back(desk)
    old.grow(5)
    box = Ledger(box.lines[:12], LedgerPosition(12, line_hash(box.lines[11])))
    box.doubt(old.at)
    assert _heads(desk.take(_up(box.lines[12:], 26))) == [20]
    box.epoch(1)
    assert _heads(desk.take(_up(box.lines[13:], 27))) == [27]


def test_a_new_fork_is_alarmed_anew(desk: Desk) -> None:
    """The owner's word settles what was before it, not what comes after."""
    _, box = _set_back(desk)
    box.epoch(1)
    box.grow(4)
    assert _heads(desk.take(_up(box.lines[12:], 13))) == [18]
    copy = box.set_back(16)
    assert _heads(desk.take(_up(copy.lines[16:], 17))) == [18]
    assert _alarms(desk) == [("ledger-fork", "17")]
    copy.epoch(2)
    assert _heads(desk.take(_up(copy.lines[17:], 18))) == [18]
    assert _alarms(desk) == []
    with desk.index.transaction() as transaction:
        head = transaction.ledger_head(BOX)
    assert head is not None
    assert head.sha256 == copy.at.hash


STRANGER = SigningKey.from_seed(b"stranger" + bytes(24))


@over_sqlite
@pytest.mark.parametrize(
    "token",
    [
        word("epoch", epoch=1, key=STRANGER),
        word("epoch", epoch=1, box=OTHER_BOX),
        word("epoch", epoch=2),
        word("hold"),
        b"rubbish",
        b"",
    ],
    ids=["stranger", "other box", "other number", "another word", "rubbish", "none"],
)
def test_only_the_owners_word_on_this_very_epoch_settles_a_fork(desk: Desk, token: bytes) -> None:
    """Whoever holds the box's certificate can write any line, but not the owner's signature into it."""
    _, box = _set_back(desk)
    box.epoch(1, token=token)
    assert _heads(desk.take(_up(box.lines[12:], 13))) == [20]
    assert _alarms(desk) == [("ledger-fork", "13"), ("ledger-fork", "14")]


def test_an_old_epoch_settles_nothing_again(desk: Desk) -> None:
    """The owner's word of an earlier epoch, copied into a forged line, is no new one."""
    _, box = _set_back(desk)
    box.epoch(1)
    box.grow(4)
    desk.take(_up(box.lines[12:], 13))
    forged = box.set_back(15)
    forged.epoch(1)
    assert _heads(desk.take(_up(forged.lines[15:], 16))) == [18]
    assert ("ledger-fork", "16") in _alarms(desk)


@over_sqlite
def test_a_way_back_of_many_pages_is_followed(desk: Desk) -> None:
    """More lines than one page holds, with a fork right at the page's end."""
    old = Ledger().grow(4)
    desk.take(_up(old.lines, 1))
    box = old.set_back(2)
    box.grow(1500).epoch(1)
    for start in range(len(box.lines) - 300, 1, -300):
        assert _heads(desk.take(_up(box.lines[start : start + 300], start + 1))) == []
    rest = box.lines[2 : (len(box.lines) - 300) % 300 + 300]
    assert _heads(desk.take(_up(rest, 3))) == [len(box.lines)]


def test_a_fork_at_the_end_of_a_page_is_passed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines of one number, the one on a page and the other on the next: the right one is found."""
    monkeypatch.setattr(epochs, "_STEP", 9)
    old, box = _set_back(desk, known=60, back_to=2)
    box.grow(40).epoch(1)
    assert len(old.lines) > len(box.lines)
    assert _heads(desk.take(_up(box.lines[2:], 3))) == [len(box.lines)]
