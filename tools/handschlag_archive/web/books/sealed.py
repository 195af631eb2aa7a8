"""What browsers store back, sealed: monthly indexes, and notes.

A monthly index tells of every recording of a month, and is sealed with the workshop's key, which does not go when a
recording is erased. So it is good only for as long as no more recordings of its month have ended than when it was
built: then it is removed, and a browser builds it anew. A note is sealed with its recording's own key, and goes with
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sql

from handschlag_archive.index import State, Which
from handschlag_archive.index.tables import recordings
from handschlag_archive.web.books.overview import Overview
from handschlag_archive.web.tables import notes, sealed_indexes


@dataclass(frozen=True)
class SealedIndex:
    """A monthly index without its bytes."""

    month: str
    etag: str
    stored_at: str
    size: int


@dataclass(frozen=True)
class Note:
    """A note; `sealed` with its recording's key."""

    note: int
    person: str
    at: str
    sealed: bytes


class Sealed(Overview):
    """What can be asked and changed about sealed indexes and notes."""

    def stale_months(self, month: str | None = None) -> Sequence[str]:
        """Whose index tells of recordings that are over by now."""
        query = sql.select(sealed_indexes.c.month, sealed_indexes.c.ended)
        if month is not None:
            query = query.where(sealed_indexes.c.month == month)
        return [row.month for row in self._connection.execute(query).all() if self.ended_in(row.month) != row.ended]

    def drop_stale_indexes(self, month: str | None = None) -> None:
        """Remove those."""
        for stale in self.stale_months(month):
            self._connection.execute(sql.delete(sealed_indexes).where(sealed_indexes.c.month == stale))

    def sealed_indexes(self) -> Sequence[SealedIndex]:
        """All indexes, the oldest month first."""
        table = sealed_indexes
        query = sql.select(table.c.month, table.c.etag, table.c.stored_at, table.c.size).order_by(table.c.month)
        return [SealedIndex(*row) for row in self._connection.execute(query)]

    def sealed_index(self, month: str) -> tuple[str, bytes] | None:
        """The tag and the bytes of a month's index."""
        table = sealed_indexes
        row = self._connection.execute(sql.select(table.c.etag, table.c.sealed).where(table.c.month == month)).first()
        return (row.etag, row.sealed) if row else None

    def put_index(self, month: str, *, etag: str, over: str | None, sealed: bytes, ended: int, at: str) -> bool:
        """Store an index over the one tagged `over` (None: over none); whether that was the one."""
        values = {"etag": etag, "sealed": sealed, "size": len(sealed), "ended": ended, "stored_at": at}
        if over is None:
            insert = self._insert(sealed_indexes).values(month=month, **values).on_conflict_do_nothing()
            return self._connection.execute(insert.returning(sealed_indexes.c.month)).first() is not None
        update = sql.update(sealed_indexes).where(sealed_indexes.c.month == month, sealed_indexes.c.etag == over)
        return self._connection.execute(update.values(**values)).rowcount > 0

    def notes(self, which: Which) -> Sequence[Note]:
        """The notes of a recording, in the order in which they were written."""
        query = (
            sql.select(notes)
            .where(notes.c.box == which.box, notes.c.recording == which.recording)
            .order_by(notes.c.note)
        )
        return [Note(row.note, row.person, row.at, row.sealed) for row in self._connection.execute(query)]

    def add_note(self, which: Which, *, person: str, at: str, sealed: bytes) -> int:
        """Add a note; its number. The recording must be locked by the transaction."""
        query = sql.select(sql.func.coalesce(sql.func.max(notes.c.note), 0)).where(
            notes.c.box == which.box, notes.c.recording == which.recording
        )
        number = int(self._connection.execute(query).scalar_one()) + 1
        self._connection.execute(
            sql.insert(notes).values(
                box=which.box, recording=which.recording, note=number, person=person, at=at, sealed=sealed
            )
        )
        return number

    def has_notes_of_ended(self) -> bool:
        """Whether there are notes of recordings that are over."""
        return self._connection.execute(sql.select(notes.c.note).where(_OVER).limit(1)).first() is not None

    def drop_notes_of_ended(self) -> None:
        """Remove them: nobody can open them any more."""
        self._connection.execute(sql.delete(notes).where(_OVER))


_OVER: Final = sql.exists().where(
    recordings.c.box == notes.c.box,
    recordings.c.recording == notes.c.recording,
    recordings.c.state.in_([State.DESTROYING.value, State.DESTROYED.value]),
)
