"""Ends in the index: which recordings are over, tombstones, and what a lock still keeps.

A tombstone is never taken down: it is what keeps late arrivals out. Each one that is put up counts the archive's
number of ends up; the erasure list, outside of the database, remembers that number, so that a database from before can
be told from one of today.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.facts import Facts
from handschlag_archive.index.files import Files
from handschlag_archive.index.recordings import Recordings, row_of
from handschlag_archive.index.values import Row, State, Tomb, Which, Why
from handschlag_archive.stores.port import Place

ENDS: Final = "ends"

_table = tables.recordings
_files = tables.files
_STORED = _table.c.state == State.STORED.value


class Endings(Recordings, Files, Facts):
    """What can be asked and changed about the ends of recordings."""

    def over(self, at: str, count: int | None) -> Sequence[Row]:
        """Stored recordings whose time is over at that moment and that nobody holds, the longest over first."""
        query = (
            sql.select(_table)
            .where(_STORED, _table.c.held.is_(sql.false()), _table.c.retain_until <= at)
            .order_by(_table.c.retain_until, _table.c.box, _table.c.recording)
            .limit(count)
        )
        return [row_of(row) for row in self._connection.execute(query)]

    def ends_by_class(self, after: str, until: str, *, held: bool = False) -> Mapping[str, int]:
        """How many stored recordings end after the one moment and up to the other, by class."""
        return self._by_class(
            _table.c.held.is_(sql.true() if held else sql.false()),
            _table.c.retain_until > after,
            _table.c.retain_until <= until,
        )

    def ended(self, after: str, until: str) -> Mapping[str, Mapping[str, int]]:
        """How many tombstones were put up after the one moment and up to the other, by class and reason."""
        query = (
            sql.select(_table.c.kept_for, _table.c.ended_why, sql.func.count())
            .where(_table.c.ended_at > after, _table.c.ended_at <= until)
            .group_by(_table.c.kept_for, _table.c.ended_why)
            .order_by(_table.c.kept_for, _table.c.ended_why)
        )
        found: dict[str, dict[str, int]] = {}
        for kept_for, why, number in self._connection.execute(query):
            found.setdefault(kept_for or "", {})[why] = number
        return found

    def endless(self) -> Mapping[str, int]:
        """How many stored recordings have no end that anybody knows, by class."""
        return self._by_class(_table.c.retain_until.is_(None))

    def newest_stored_at(self) -> str | None:
        """When the archive last stored something, by its own clock."""
        return self._connection.execute(sql.select(sql.func.max(_table.c.stored_at))).scalar()

    def entomb(self, which: Which, proof: bytes, *, why: Why = Why.WITHDRAWN, at: str | None = None) -> None:
        """Put up the tombstone: from here on nothing of this recording is kept."""
        self.open([which])
        self._change(which, state=State.DESTROYING.value, revoke=proof, ended_why=why.value, ended_at=at, settled=False)
        self.count_up(ENDS)

    def destroyed(self, which: Which, left: Collection[Place] = ()) -> int:
        """Note that the keys are gone, and all else but what a lock still keeps; how many bytes that freed."""
        gone = {place: size for place, size in self.sizes(which).items() if place not in left}
        self.remove_files(gone)
        self._change(which, state=State.DESTROYED.value)
        return sum(gone.values())

    def tombs(self, *states: State, settled: bool | None = None) -> Sequence[Tomb]:
        """The tombstones in these states, or all; `settled` picks those that are, or are not."""
        wanted = states or (State.DESTROYING, State.DESTROYED)
        query = sql.select(_table).where(_table.c.state.in_([state.value for state in wanted]))
        if settled is not None:
            query = query.where(_table.c.settled.is_(sql.true() if settled else sql.false()))
        return [_tomb(row) for row in self._connection.execute(query)]

    def tomb(self, which: Which) -> Tomb | None:
        """The tombstone of a recording, if one stands."""
        query = sql.select(_table).where(
            _table.c.box == which.box,
            _table.c.recording == which.recording,
            _table.c.state.in_([State.DESTROYING.value, State.DESTROYED.value]),
        )
        row = self._connection.execute(query).first()
        return _tomb(row) if row else None

    def settle(self, which: Which) -> None:
        """Note that a recording was cleared once more after its end, and need not be again."""
        self._change(which, settled=True)

    def locked(self) -> Iterator[tuple[Place, int]]:
        """What a lock still keeps of destroyed recordings, with its size."""
        query = (
            sql.select(_files)
            .join(_table, sql.and_(_files.c.box == _table.c.box, _files.c.recording == _table.c.recording))
            .where(_table.c.state == State.DESTROYED.value)
            .order_by(_files.c.box, _files.c.recording, _files.c.name)
        )
        for row in self._connection.execute(query):
            yield Place(row.box, row.recording, row.name, row.sha256), int(row.size)

    def size(self, which: Which) -> int:
        """How many bytes a recording takes."""
        return sum(self.sizes(which).values())

    def _by_class(self, *those: sql.ColumnElement[bool]) -> Mapping[str, int]:
        query = (
            sql.select(_table.c.kept_for, sql.func.count())
            .where(_STORED, *those)
            .group_by(_table.c.kept_for)
            .order_by(_table.c.kept_for)
        )
        return {row[0] or "": row[1] for row in self._connection.execute(query)}


def _tomb(row: sql.Row[Any]) -> Tomb:
    return Tomb(
        Which(row.box, row.recording),
        State(row.state),
        Why(row.ended_why or Why.WITHDRAWN),
        row.revoke,
        row.ended_at,
        row.manifest_sha256,
    )
