"""The boxes' ledgers in the index: lines as they came, forks, and up to where each is here without a gap."""

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements
from handschlag_archive.index.values import Epoch, Head, Line

_lines = tables.ledger
_heads = tables.ledger_heads
_forks = tables.ledger_forks
_epochs = tables.ledger_epochs


class Ledgers(Statements):
    """What can be asked and changed about ledgers."""

    def lock_ledger(self, box: str) -> None:
        """Have a box's ledger for oneself until the transaction ends."""
        self._insert_new(_heads, [{"box": box, "seq": 0, "sha256": ""}])
        self._connection.execute(sql.select(_heads.c.seq).where(_heads.c.box == box).with_for_update())

    def boxes_with_gaps(self) -> Sequence[str]:
        """The boxes of which lines are here behind a gap, or behind whatever else keeps the head back."""
        newest = sql.func.max(_lines.c.seq)
        query = (
            sql.select(_lines.c.box)
            .outerjoin(_heads, _heads.c.box == _lines.c.box)
            .group_by(_lines.c.box, _heads.c.seq)
            .having(newest > sql.func.coalesce(_heads.c.seq, 0))
            .order_by(_lines.c.box)
        )
        return [row.box for row in self._connection.execute(query)]

    def lines_by_number(self, box: str, numbers: Collection[int]) -> dict[int, set[str]]:
        """The hashes of the lines that are here under these numbers."""
        found: dict[int, set[str]] = {}
        # The box goes into the list, too: as a condition of its own it would have SQLite go through its whole ledger.
        listed, parameters = self._listed([_lines.c.box, _lines.c.seq], [(box, number) for number in sorted(numbers)])
        same = sql.and_(_lines.c.box == listed.c.box, _lines.c.seq == listed.c.seq)
        query = sql.select(_lines.c.seq, _lines.c.sha256).select_from(_lines.join(listed, same))
        for row in self._connection.execute(query, parameters):
            found.setdefault(row.seq, set()).add(row.sha256)
        return found

    def add_ledger(self, box: str, lines: Iterable[Line]) -> None:
        """Keep ledger lines; two that differ under one number are both kept."""
        self._insert_new(
            _lines,
            [{"box": box, "seq": at.seq, "sha256": at.sha256, "prev": at.prev, "line": at.line} for at in lines],
        )

    def ledger(self, box: str, first: int, count: int) -> Sequence[Line]:
        """The ledger lines of a box from number `first` on, at most `count`, by number and hash."""
        query = (
            sql.select(_lines)
            .where(_lines.c.box == box, _lines.c.seq >= first)
            .order_by(_lines.c.seq, _lines.c.sha256)
            .limit(count)
        )
        return [Line(row.seq, row.sha256, row.prev, row.line) for row in self._connection.execute(query)]

    def note_forks(self, box: str, first: int, last: int, *, epoch: Epoch | None = None) -> Sequence[int]:
        """Note the numbers from `first` to `last` that have more than one line; those not noted before.

        Before the line of `epoch` nothing is a fork any more; where another history may lie beside it, only two lines
        that follow the same one are.
        """
        settled, beside = (0, 0) if epoch is None else (epoch.seq, max(epoch.seq, epoch.settles_to))
        known = set(self.forks(box))
        several = sql.select(_lines.c.seq).where(_lines.c.box == box).having(sql.func.count() > 1)
        whole = several.where(_lines.c.seq.between(max(first, beside + 1), last)).group_by(_lines.c.seq)
        siblings = several.where(_lines.c.seq.between(max(first, settled + 1), min(last, beside)))
        found = {row.seq for row in self._connection.execute(whole)}
        if beside > settled:
            found |= {row.seq for row in self._connection.execute(siblings.group_by(_lines.c.seq, _lines.c.prev))}
        new = sorted(found - known)
        self._insert_new(_forks, [{"box": box, "seq": seq} for seq in new])
        return new

    def settle_forks(self, box: str) -> None:
        """Forget that there were forks; their lines stay."""
        self._connection.execute(sql.delete(_forks).where(_forks.c.box == box))

    def newest_line(self, box: str) -> int:
        """The highest number of which a line is here; 0 without any."""
        query = sql.select(sql.func.max(_lines.c.seq)).where(_lines.c.box == box)
        return int(self._connection.execute(query).scalar() or 0)

    def forks(self, box: str) -> Sequence[int]:
        """The numbers under which a box's ledger is known to have more than one line."""
        query = sql.select(_forks.c.seq).where(_forks.c.box == box).order_by(_forks.c.seq)
        return [row.seq for row in self._connection.execute(query)]

    def ledger_head(self, box: str) -> Head | None:
        """Up to where the ledger was without a gap when last looked at."""
        row = self._connection.execute(sql.select(_heads).where(_heads.c.box == box)).first()
        return Head(row.seq, row.sha256) if row and row.seq else None

    def set_ledger_head(self, box: str, head: Head) -> None:
        """Move the head."""
        self._insert_new(_heads, [{"box": box, "seq": head.seq, "sha256": head.sha256}])
        self._connection.execute(sql.update(_heads).where(_heads.c.box == box).values(seq=head.seq, sha256=head.sha256))

    def ledger_before(self, box: str, last: int, count: int) -> Sequence[Line]:
        """The ledger lines of a box up to number `last`, at most `count`, the newest first."""
        query = (
            sql.select(_lines)
            .where(_lines.c.box == box, _lines.c.seq <= last)
            .order_by(_lines.c.seq.desc(), _lines.c.sha256)
            .limit(count)
        )
        return [Line(row.seq, row.sha256, row.prev, row.line) for row in self._connection.execute(query)]

    def note_epoch(self, box: str, epoch: Epoch, at: str) -> None:
        """Note the line in which the owner opens a new epoch; one that is noted already stays as it is."""
        values = {"box": box, "epoch": epoch.number, "seq": epoch.seq, "sha256": epoch.sha256}
        self._insert_new(_epochs, [{**values, "settles_to": epoch.settles_to, "noted_at": at}])

    def newest_epoch(self, box: str) -> Epoch | None:
        """The newest epoch that the owner has opened."""
        query = sql.select(_epochs).where(_epochs.c.box == box).order_by(_epochs.c.epoch.desc()).limit(1)
        row = self._connection.execute(query).first()
        return Epoch(row.epoch, row.seq, row.sha256, row.settles_to, row.reached) if row else None

    def epoch_reached(self, box: str, epoch: Epoch) -> None:
        """The head has come to the line of this epoch, and stands there."""
        self._connection.execute(
            sql.update(_epochs).where(_epochs.c.box == box, _epochs.c.epoch == epoch.number).values(reached=True)
        )
        self.set_ledger_head(box, Head(epoch.seq, epoch.sha256))
