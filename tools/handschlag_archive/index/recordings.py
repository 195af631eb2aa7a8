"""Recordings in the index: their state, their receipt, how long they are kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements
from handschlag_archive.index.values import Row, State, StoredReceipt, Summary, Which, Why

_table = tables.recordings
_OPEN = _table.c.state == State.OPEN.value


class Recordings(Statements):
    """What can be asked and changed about recordings."""

    def rows(self, wanted: Iterable[Which], *, shared: bool = False) -> Mapping[Which, Row]:
        """The recordings among `wanted` that the index knows, locked until the transaction ends.

        `shared` keeps others from changing them, but not from locking them in the same way; whoever asks so must not
        change them.
        """
        source, parameters = self._of(_table, wanted)
        query = sql.select(_table).select_from(source).order_by(_table.c.box, _table.c.recording)
        if self._locking:
            query = query.with_for_update(read=shared, of=_table)
        return {Which(row.box, row.recording): row_of(row) for row in self._connection.execute(query, parameters)}

    def row(self, which: Which) -> Row | None:
        """What is known of one recording, locked until the transaction ends."""
        return self.rows([which]).get(which)

    def named(self, recording: str) -> Sequence[Row]:
        """The recordings with this id, of whichever box."""
        query = sql.select(_table).where(_table.c.recording == recording).order_by(_table.c.box)
        return [row_of(row) for row in self._connection.execute(query)]

    def in_state(self, *states: State) -> Sequence[Row]:
        """Every recording in one of these states."""
        query = sql.select(_table).where(_table.c.state.in_([state.value for state in states]))
        return [row_of(row) for row in self._connection.execute(query)]

    def open_after(self, after: Which | None, count: int) -> Sequence[Which]:
        """The open recordings behind `after` (from the first on without it), by box and id, at most `count`."""
        query = sql.select(_table.c.box, _table.c.recording).where(_OPEN)
        if after is not None:
            query = query.where(sql.tuple_(_table.c.box, _table.c.recording) > (after.box, after.recording))
        query = query.order_by(_table.c.box, _table.c.recording).limit(count)
        return [Which(row.box, row.recording) for row in self._connection.execute(query)]

    def open_of(self, box: str) -> Sequence[Which]:
        """The open recordings of a box, by id."""
        query = sql.select(_table.c.recording).where(_OPEN, _table.c.box == box).order_by(_table.c.recording)
        return [Which(box, row.recording) for row in self._connection.execute(query)]

    def forget(self, which: Which) -> None:
        """Forget an open recording of which nothing is here."""
        self._connection.execute(
            sql.delete(_table).where(_OPEN, _table.c.box == which.box, _table.c.recording == which.recording)
        )

    def open(self, recordings: Iterable[Which]) -> None:
        """Note recordings of which something came; those known stay as they are."""
        values = [{"box": w.box, "recording": w.recording, "state": State.OPEN.value} for w in recordings]
        self._insert_new(_table, values)

    def stored(self, which: Which, receipt: StoredReceipt) -> None:
        """Note that the recording is complete and durable, together with the receipt that says so."""
        self._change(
            which,
            state=State.STORED.value,
            manifest_sha256=receipt.manifest_sha256,
            stored_at=receipt.at,
            epoch=receipt.epoch,
            retain_until=receipt.retain_until,
            receipt=receipt.text,
            kept_for=receipt.kept_for,
        )

    def reopen(self, which: Which) -> None:
        """Take a stored recording, of which something is lost, in again; its receipt counts no more."""
        self._connection.execute(
            sql.update(_table)
            .where(
                _table.c.box == which.box,
                _table.c.recording == which.recording,
                _table.c.state == State.STORED.value,
            )
            .values(state=State.OPEN.value, receipt=None)
        )

    def keep(self, which: Which, *, kept_for: str | None, retain_until: str | None) -> None:
        """Note how long a recording is kept: its class, and the day where there is one."""
        self._change(which, kept_for=kept_for, retain_until=retain_until)

    def hold(self, which: Which, *, held: bool) -> None:
        """Note that a recording must not go, whatever its time; or that it may again."""
        self._change(which, held=held)

    def checked(self, which: Which, at: str) -> None:
        """Note when all bytes of a recording were read and compared."""
        self._change(which, checked_at=at)

    def last_read(self) -> Iterator[tuple[Which, str]]:
        """Every stored recording, and when all its bytes were last read: by a scrub, or before it was stored."""
        since = sql.func.coalesce(_table.c.checked_at, _table.c.stored_at, "")
        query = sql.select(_table.c.box, _table.c.recording, since).where(_table.c.state == State.STORED.value)
        for row in self._connection.execute(query):
            yield Which(row.box, row.recording), row[-1]

    def summaries(self) -> Iterator[Summary]:
        """Every recording with the number and the bytes of its files, by box and id."""
        files = tables.files
        query = (
            sql.select(_table, sql.func.count(files.c.name), sql.func.coalesce(sql.func.sum(files.c.size), 0))
            .outerjoin(files, sql.and_(files.c.box == _table.c.box, files.c.recording == _table.c.recording))
            .group_by(_table.c.box, _table.c.recording)
            .order_by(_table.c.box, _table.c.recording)
        )
        for row in self._connection.execute(query):
            yield Summary(row_of(row), files=row[-2], size=int(row[-1]))

    def _change(self, which: Which, **values: Any) -> None:
        self._connection.execute(
            sql.update(_table).where(_table.c.box == which.box, _table.c.recording == which.recording).values(**values)
        )


def row_of(row: sql.Row[Any]) -> Row:
    """A row of the table."""
    return Row(
        which=Which(row.box, row.recording),
        state=State(row.state),
        manifest_sha256=row.manifest_sha256,
        stored_at=row.stored_at,
        epoch=row.epoch,
        retain_until=row.retain_until,
        receipt=row.receipt,
        kept_for=row.kept_for,
        held=row.held,
        checked_at=row.checked_at,
        ended_why=Why(row.ended_why) if row.ended_why else None,
        ended_at=row.ended_at,
    )
