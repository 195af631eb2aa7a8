"""Epochs of a box's ledger: which line goes on after a fork, or after a box was rolled back.

A box that was set back to an older state, or exchanged, writes other lines under numbers that the archive knows: a
fork, and nobody but the owner can say which of the two counts. The owner's word is a signed message, which the box
writes into its ledger; the line in which it stands is the line that goes on. Accepted is what that line follows, by
the hash of the line before, back to the head or to the beginning. Where the box admits lines that it has lost (the
entry `ledger:doubted` names the last good one and the one it goes on behind) the chain is taken up at the good one.

The forks that there were are settled. The lines of the other history are kept, they are evidence, too; they may reach
further than the owner's line does, so behind it a line counts by what it follows, and two that follow the same one are
a fork anew.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from handschlag.sealing import ledger
from handschlag.sealing.errors import SealingError
from handschlag_archive.index import Epoch, Head, Line, Transaction
from handschlag_archive.judge import FIRST_SEQ, GENESIS, Judge
from handschlag_archive.periods import written

_STEP: Final = 1000

_log: Final = logging.getLogger(__name__)


class Epochs:
    """Follows the owner's word through the boxes' ledgers; always under the ledger's lock."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def note(self, transaction: Transaction, box: str, lines: Sequence[Line]) -> Epoch | None:
        """Note the epochs that are opened in these lines, before they are added; gives the newest there is."""
        newest = transaction.newest_epoch(box)
        for line in lines:
            number = self._judge.epoch(box, line)
            if number is not None and (newest is None or number > newest.number):
                newest = Epoch(number, line.seq, line.sha256, transaction.newest_line(box))
                transaction.note_epoch(box, newest, written(datetime.now(UTC)))
                transaction.settle_forks(box)
                _log.warning("the owner opens epoch %d of the ledger of %s at number %d", number, box, line.seq)
        return newest

    @staticmethod
    def reach(transaction: Transaction, box: str, epoch: Epoch) -> bool:
        """Move the head to the epoch's line, if all is here that the line follows; whether it is there or has been."""
        if epoch.reached:
            return True
        if not _follows(transaction, box, epoch):
            return False
        transaction.epoch_reached(box, epoch)
        _log.warning("the ledger of %s goes on with number %d, by the owner's word", box, epoch.seq)
        return True


def _follows(transaction: Transaction, box: str, epoch: Epoch) -> bool:
    """Whether the epoch's line can be followed back to the head, or to the beginning."""
    head = transaction.ledger_head(box)
    back = _Back(transaction, box, epoch.seq)
    at = Head(epoch.seq, epoch.sha256)
    while (line := back.line(at)) is not None:
        if at == head or (line.seq == FIRST_SEQ and line.prev == GENESIS):
            return True
        before = Head(line.seq - 1, line.prev)
        at = before if back.line(before) is not None else _last_good(line) or before
    return False


def _last_good(line: Line) -> Head | None:
    """The last good line before a stretch that the box has lost, if this entry admits one."""
    try:
        entry = ledger.parse_line(line.line)
    except SealingError:
        return None
    seq = entry.get("good_seq")
    if not ledger.is_doubt(entry) or not isinstance(seq, int) or seq >= line.seq:
        return None
    return Head(seq, str(entry.get("good_hash")))


class _Back:
    """The lines of a ledger from number `first` down, read page by page; what lies above where one is, is forgotten."""

    def __init__(self, transaction: Transaction, box: str, first: int) -> None:
        self._transaction = transaction
        self._box = box
        self._lowest = first + 1
        self._lines: dict[Head, Line] = {}

    def line(self, at: Head) -> Line | None:
        """The line of that number and hash; to be asked with falling numbers."""
        while at.seq < self._lowest:
            page = self._transaction.ledger_before(self._box, self._lowest - 1, _STEP)
            if not page:
                break
            # The last number of a full page may have more lines than are on it: it is read again with the next.
            self._lowest = page[-1].seq + (len(page) == _STEP)
            above = {head: line for head, line in self._lines.items() if head.seq <= at.seq + 1}
            self._lines = above | {Head(line.seq, line.sha256): line for line in page if line.seq >= self._lowest}
            if len(page) < _STEP:
                self._lowest = 0
        return self._lines.get(at)
