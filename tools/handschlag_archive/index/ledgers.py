"""The boxes' ledgers in the index: lines as they came, forks, and up to where each is here without a gap."""

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements
from handschlag_archive.index.values import Head, Line

_lines = tables.ledger
_heads = tables.ledger_heads
_forks = tables.ledger_forks


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
        listed, parameters = self._listed([_lines.c.seq], [(number,) for number in sorted(numbers)])
        query = (
            sql.select(_lines.c.seq, _lines.c.sha256)
            .select_from(_lines.join(listed, _lines.c.seq == listed.c.seq))
            .where(_lines.c.box == box)
        )
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

    def note_forks(self, box: str, first: int, last: int) -> Sequence[int]:
        """Note the numbers from `first` to `last` that have more than one line; those not noted before."""
        known = set(self.forks(box))
        query = (
            sql.select(_lines.c.seq)
            .where(_lines.c.box == box, _lines.c.seq.between(first, last))
            .group_by(_lines.c.seq)
            .having(sql.func.count() > 1)
            .order_by(_lines.c.seq)
        )
        new = [row.seq for row in self._connection.execute(query) if row.seq not in known]
        self._insert_new(_forks, [{"box": box, "seq": seq} for seq in new])
        return new

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
