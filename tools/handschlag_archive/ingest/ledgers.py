"""The boxes' ledgers: lines are kept as they come, and answered as far as the chain holds.

Lines may come in any order. Behind a gap they are kept, and wait; a gap that stands for more than ten minutes is
alarmed until it closes. Two lines for one number are a fork: both are kept, the box is alarmed, and the head stays
where it is until the owner opens a new epoch (`epochs`). The head is answered all the same: from it a box that was
rolled back learns that the archive knows more than it does. Whoever moves a box's head has its ledger for itself until
the commit.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.index import Alarm, Epoch, Head, Index, Line, Transaction
from handschlag_archive.ingest.counts import Counts
from handschlag_archive.ingest.epochs import Epochs
from handschlag_archive.ingest.messages import LedgerLines
from handschlag_archive.judge import FIRST_SEQ, GENESIS, Judge, Refusal

FORK, BREAK, GAP = "ledger-fork", "ledger-break", "ledger-gap"
GAP_ALARM_S: Final = 600.0
_STEP: Final = 1000
_LINES_OF_ONE_NUMBER: Final = 8

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Gap:
    """A box's ledger stands at number `behind`, though later lines are here, since `since`."""

    behind: int
    since: float
    alarmed: bool = False


class Ledgers:
    """Takes ledger lines."""

    def __init__(self, *, index: Index, judge: Judge, clerk: Clerk, counts: Counts) -> None:
        self._index = index
        self._judge = judge
        self._clerk = clerk
        self._counts = counts
        self._epochs = Epochs(judge)
        self._gaps: dict[str, _Gap] = {}

    @property
    def next_due(self) -> float | None:
        """When `due` has something to look at."""
        return min((gap.since + GAP_ALARM_S for gap in self._gaps.values() if not gap.alarmed), default=None)

    def recover(self, now: float) -> None:
        """Find the gaps that there were before this start; their ten minutes begin anew."""
        with self._index.reading() as transaction:
            for box in transaction.boxes_with_gaps():
                self._gaps[box] = _Gap(_seq(transaction.ledger_head(box)), now)

    def take(self, batches: Mapping[str, Sequence[LedgerLines]], now: float) -> list[Answer]:
        """Make lines durable, by box; the answers."""
        answers = []
        for box in sorted(batches):
            lines = self._good_lines(box, batches[box])
            if lines:
                answers += self._keep(box, lines, now)
        return answers

    def due(self, now: float) -> None:
        """Alarm the gaps that have stood too long."""
        for box, gap in list(self._gaps.items()):
            if gap.alarmed or gap.since + GAP_ALARM_S > now:
                continue
            with self._index.transaction() as transaction:
                transaction.lock_ledger(box)
                found = self._gap(transaction, box, gap.since)
                if found is None or found.behind != gap.behind:  # closed by another worker
                    self._note_gap(transaction, box, found and _Gap(found.behind, now))
                    continue
                text = f"the ledger of {box} lacks the lines behind number {gap.behind}, though later ones are here"
                if transaction.raise_alarm(GAP, box, "", text):
                    self._counts["ledger gaps"] += 1
                    _log.critical("ALARM: %s", text)
            self._gaps[box] = _Gap(gap.behind, gap.since, alarmed=True)

    def _good_lines(self, box: str, batches: Sequence[LedgerLines]) -> list[Line]:
        lines: list[Line] = []
        for batch in batches:
            try:
                lines += self._judge.ledger_lines(batch.first, batch.payload)
            except Refusal as refusal:
                self._counts.drop("bad ledger lines")
                _log.debug("ledger lines of %s dropped: %s", box, refusal)
        return lines

    def _keep(self, box: str, lines: Sequence[Line], now: float) -> list[Answer]:
        with self._index.transaction() as transaction:
            transaction.lock_ledger(box)
            epoch = self._epochs.note(transaction, box, lines)
            transaction.add_ledger(box, self._not_too_many(transaction, box, lines))
            numbers = [line.seq for line in lines]
            for seq in transaction.note_forks(box, min(numbers), max(numbers), epoch=epoch):
                self._counts["ledger forks"] += 1
                text = f"the ledger of {box} has two lines with number {seq}"
                transaction.raise_alarm(FORK, box, str(seq), text)
                _log.critical("ALARM: %s", text)
            reached = epoch is None or self._reach(transaction, box, epoch)
            if reached and not transaction.forks(box):
                head = self._move_head(transaction, box, epoch)
            else:
                head = transaction.ledger_head(box)
            self._note_gap(transaction, box, self._gap(transaction, box, now))
        if not reached:  # a head before the owner's word is one that the box need not know
            return []
        if head is None:  # said all the same: a restored archive that lost the beginning shows its new epoch so
            return [self._clerk.ledger(box, FIRST_SEQ - 1, GENESIS)]
        return [self._clerk.ledger(box, head.seq, head.sha256)]

    def _reach(self, transaction: Transaction, box: str, epoch: Epoch) -> bool:
        """Go on with the line that the owner's word stands in; what was doubted before it is not alarmed any more."""
        if epoch.reached:
            return True
        if not self._epochs.reach(transaction, box, epoch):
            return False
        for alarm in transaction.alarms():
            if alarm.kind in {FORK, BREAK} and alarm.box == box and not self._stands(transaction, alarm):
                transaction.clear_alarm(alarm.kind, box, alarm.subject)
        return True

    @staticmethod
    def _stands(transaction: Transaction, alarm: Alarm) -> bool:
        """Whether there is a fork that came after the owner's word."""
        return alarm.kind == FORK and int(alarm.subject) in transaction.forks(alarm.box)

    def _not_too_many(self, transaction: Transaction, box: str, lines: Sequence[Line]) -> list[Line]:
        """Without those that are one more of many under the same number: a fork is proven, and a disk not endless."""
        there = transaction.lines_by_number(box, {line.seq for line in lines})
        kept = []
        for line in lines:
            known = there.setdefault(line.seq, set())
            if line.sha256 in known or len(known) < _LINES_OF_ONE_NUMBER:
                known.add(line.sha256)
                kept.append(line)
            else:
                self._counts.drop("one more ledger line under a forked number")
        return kept

    def _move_head(self, transaction: Transaction, box: str, epoch: Epoch | None) -> Head | None:
        """Follow the chain as far as it goes without a gap."""
        start = head = transaction.ledger_head(box)
        beside = 0 if epoch is None else epoch.settles_to
        broken = None
        while True:
            lines = transaction.ledger(box, _seq(head) + 1, _STEP)
            full = len(lines) == _STEP and lines[0].seq != lines[-1].seq
            if full:  # of its last number there may be more lines than are on it
                lines = [line for line in lines if line.seq != lines[-1].seq]
            for seq, several in groupby(lines, key=lambda line: line.seq):
                if seq != _seq(head) + 1:
                    break  # a gap: what lies behind it waits
                after = head.sha256 if head else GENESIS
                line = next((line for line in several if line.prev == after), None)
                if line is None:
                    broken = seq if seq > beside else None  # else it is of a history that does not count any more
                    break
                head = Head(line.seq, line.sha256)
            else:
                if full:
                    continue
            break
        if broken is not None:
            self._counts["ledger breaks"] += 1
            text = f"the ledger of {box} does not continue at number {broken}"
            transaction.raise_alarm(BREAK, box, str(broken), text)
            _log.critical("ALARM: %s", text)
        if head is not None and head != start:
            transaction.set_ledger_head(box, head)
        return head

    @staticmethod
    def _gap(transaction: Transaction, box: str, since: float) -> _Gap | None:
        """The gap at which a box's ledger stands, if that is why it does not go on."""
        behind = _seq(transaction.ledger_head(box))
        beyond = transaction.ledger(box, behind + 1, 1)
        return _Gap(behind, since) if beyond and beyond[0].seq > max(behind + 1, FIRST_SEQ) else None

    def _note_gap(self, transaction: Transaction, box: str, gap: _Gap | None) -> None:
        before = self._gaps.get(box)
        if gap is None:
            self._gaps.pop(box, None)
            if transaction.clear_alarm(GAP, box, ""):
                _log.warning("the ledger of %s is whole again", box)
        elif before is None or before.behind != gap.behind:
            self._gaps[box] = gap


def _seq(head: Head | None) -> int:
    return head.seq if head else FIRST_SEQ - 1
