"""Recordings as a list shows them: in the order of their calls, a page at a time, and counted by month.

A recording's id is a UUIDv7, whose first 48 bits are the milliseconds since 1970 at which its call began: ids sort as
calls do, and a month is a range of ids.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sql

from handschlag_archive.index import Row, State, Which, tables
from handschlag_archive.index.recordings import row_of
from handschlag_archive.index.statements import Statements
from handschlag_archive.web.tables import notes

_table = tables.recordings
_files = tables.files
_OVER: Final = (State.DESTROYING.value, State.DESTROYED.value)
_LAST_YEAR: Final = 9999


@dataclass(frozen=True)
class Listed:
    """One recording in a list: what the index knows, the bytes of its files, how many notes."""

    row: Row
    size: int
    notes: int


@dataclass
class Month:
    """The recordings of a month: how many are stored, how many are over, when the newest was stored."""

    month: str
    stored: int = 0
    ended: int = 0
    changed: str | None = None


class Overview(Statements):
    """What can be asked about many recordings."""

    def listed(
        self, *, month: str | None = None, after: Which | None = None, newest_first: bool = True, count: int
    ) -> Sequence[Listed]:
        """A page of the list, behind the recording `after`."""
        query = sql.select(_table).limit(count)
        if month is not None:
            query = query.where(*_in_month(month))
        key = sql.tuple_(_table.c.recording, _table.c.box)
        if after is not None:
            behind = sql.tuple_(sql.literal(after.recording), sql.literal(after.box))
            query = query.where(key < behind if newest_first else key > behind)
        order = (_table.c.recording, _table.c.box)
        query = query.order_by(*(column.desc() for column in order) if newest_first else order)
        rows = [row_of(row) for row in self._connection.execute(query)]
        sizes = self._per_recording(_files, sql.func.coalesce(sql.func.sum(_files.c.size), 0), rows)
        noted = self._per_recording(notes, sql.func.count(), rows)
        return [Listed(row, sizes[row.which], noted[row.which]) for row in rows]

    def months(self) -> Sequence[Month]:
        """Every month that has recordings, the oldest first."""
        found: dict[str, Month] = {}
        query = sql.select(_table.c.recording, _table.c.state, _table.c.stored_at)
        for recording, state, stored_at in self._connection.execute(query):
            month = month_of(recording)
            if month is None:
                continue
            one = found.setdefault(month, Month(month))
            one.stored += state == State.STORED.value
            one.ended += state in _OVER
            if stored_at is not None and (one.changed is None or stored_at > one.changed):
                one.changed = stored_at
        return [found[month] for month in sorted(found)]

    def ended_in(self, month: str) -> int:
        """How many recordings of a month are over."""
        query = sql.select(sql.func.count()).select_from(_table).where(*_in_month(month), _table.c.state.in_(_OVER))
        return int(self._connection.execute(query).scalar_one())

    def ended_why(self) -> Iterator[tuple[str, str, str | None]]:
        """Of every recording that is over: id, why, when."""
        query = sql.select(_table.c.recording, _table.c.ended_why, _table.c.ended_at).where(_table.c.state.in_(_OVER))
        for row in self._connection.execute(query):
            yield row.recording, row.ended_why or "withdrawn", row.ended_at

    def held_by_class(self) -> dict[str, int]:
        """How many stored recordings are held, by class."""
        query = (
            sql.select(_table.c.kept_for, sql.func.count())
            .where(_table.c.state == State.STORED.value, _table.c.held.is_(sql.true()))
            .group_by(_table.c.kept_for)
        )
        return {row[0] or "": row[1] for row in self._connection.execute(query)}

    def stored_by_class(self) -> dict[str, int]:
        """How many recordings are stored, by class."""
        query = (
            sql.select(_table.c.kept_for, sql.func.count())
            .where(_table.c.state == State.STORED.value)
            .group_by(_table.c.kept_for)
        )
        return {row[0] or "": row[1] for row in self._connection.execute(query)}

    def _per_recording(self, table: sql.Table, what: sql.ColumnElement[int], rows: Sequence[Row]) -> Counter[Which]:
        found: Counter[Which] = Counter()
        if rows:
            source, parameters = self._of(table, [row.which for row in rows])
            query = (
                sql.select(table.c.box, table.c.recording, what)
                .select_from(source)
                .group_by(table.c.box, table.c.recording)
            )
            for box, recording, number in self._connection.execute(query, parameters):
                found[Which(box, recording)] = int(number)
        return found


def month_of(recording: str) -> str | None:
    """`YYYY-MM` (UTC) of a recording's id; None for one that lies beyond the year 9999."""
    milliseconds = int(recording[:8] + recording[9:13], 16)
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{at.year:04}-{at.month:02}"


def month_bounds(month: str) -> tuple[str, str | None]:
    """The lowest id of a month, and the lowest behind it (None: nothing lies behind)."""
    year, number = int(month[:4]), int(month[5:])
    first = _lowest_id(datetime(year, number, 1, tzinfo=UTC))
    if (year, number) == (_LAST_YEAR, 12):
        return first, None
    return first, _lowest_id(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC))


def _lowest_id(at: datetime) -> str:
    digits = f"{int(at.timestamp()) * 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _in_month(month: str) -> tuple[sql.ColumnElement[bool], ...]:
    first, behind = month_bounds(month)
    if behind is None:
        return (_table.c.recording >= first,)
    return _table.c.recording >= first, _table.c.recording < behind
