"""The owner's messages in the index: what was taken, and whether its box has answered."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.facts import Facts
from handschlag_archive.index.values import Which, Word

_TAKEN: Final = "owner_words"

_table = tables.owner_messages


class Words(Facts):
    """What can be asked and changed about the owner's messages."""

    def take_turns(self) -> None:
        """Let nobody else take a message of the owner until this transaction ends: counters must rise."""
        self.count_up(_TAKEN)

    def newest_word(self, box: str) -> int:
        """The highest counter of the messages to a box; 0 without any."""
        query = sql.select(sql.func.max(_table.c.counter)).where(_table.c.box == box)
        return int(self._connection.execute(query).scalar() or 0)

    def word(self, box: str, message: str) -> Word | None:
        """A message by its id."""
        query = sql.select(_table).where(_table.c.box == box, _table.c.id == message)
        row = self._connection.execute(query).first()
        return _word(row) if row else None

    def words(self, box: str | None = None) -> Sequence[Word]:
        """All messages, or those to one box, in the order of their counters."""
        query = sql.select(_table).order_by(_table.c.box, _table.c.counter)
        if box is not None:
            query = query.where(_table.c.box == box)
        return [_word(row) for row in self._connection.execute(query)]

    def words_about(self, which: Which) -> Sequence[Word]:
        """The messages about one recording, in the order of their counters."""
        query = (
            sql.select(_table)
            .where(_table.c.box == which.box, _table.c.recording == which.recording)
            .order_by(_table.c.counter)
        )
        return [_word(row) for row in self._connection.execute(query)]

    def add_word(self, word: Word) -> None:
        """Note a message; a known one stays as it is."""
        self._insert_new(_table, [asdict(word)])

    def boxes_to_tell(self) -> frozenset[str]:
        """The boxes that have not answered every message."""
        query = sql.select(_table.c.box).where(_table.c.replied_at.is_(None)).distinct()
        return frozenset(row.box for row in self._connection.execute(query))

    def unanswered(self, box: str) -> Sequence[Word]:
        """The messages that a box has not answered, in the order of their counters."""
        return [word for word in self.words(box) if word.replied_at is None]

    def claim_sending(self, word: Word, at: str, *, unless_since: str | None) -> bool:
        """Note that a message is sent at that moment, unless another worker has sent it later than `unless_since`.

        None: unless anybody has ever sent it. A moment later than `at` itself is none that a right clock has noted.
        """
        since: sql.ColumnElement[bool] = _table.c.sent_at.is_(None)
        if unless_since is not None:
            since = sql.or_(since, _table.c.sent_at <= unless_since, _table.c.sent_at > at)
        done = self._connection.execute(
            sql.update(_table)
            .where(_table.c.box == word.box, _table.c.id == word.id, _table.c.replied_at.is_(None), since)
            .values(sent_at=at, sent=_table.c.sent + 1)
        )
        return done.rowcount > 0

    def answered(self, box: str, message: str, reply: str, at: str) -> bool:
        """Note a box's answer; whether there is such a message. The first answer stands."""
        one = (_table.c.box == box, _table.c.id == message)
        self._connection.execute(
            sql.update(_table).where(*one, _table.c.replied_at.is_(None)).values(reply=reply, replied_at=at)
        )
        return self._connection.execute(sql.select(_table.c.id).where(*one)).first() is not None


def _word(row: sql.Row[Any]) -> Word:
    return Word(
        row.box,
        row.id,
        row.counter,
        row.name,
        row.recording,
        row.token,
        row.taken_at,
        row.outcome,
        row.sent_at,
        row.sent,
        row.reply,
        row.replied_at,
    )
