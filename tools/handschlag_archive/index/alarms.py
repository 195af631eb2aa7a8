"""Alarms: what somebody must see to, from when to when.

An alarm has a kind (a word of the program), a box ("" where it is about the archive itself) and a subject (a number, a
recording, a store; nothing personal, P9). Raised again it stays the same alarm; cleared, it is kept as history until
it is raised anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements
from handschlag_archive.periods import written

_table = tables.alarms
_TEXT_AT_MOST: Final = 500


@dataclass(frozen=True)
class Alarm:
    """One alarm. `cleared` None: it stands."""

    kind: str
    box: str
    subject: str
    since: str
    last: str
    text: str
    cleared: str | None = None


class Alarms(Statements):
    """What can be asked and changed about alarms."""

    def raise_alarm(self, kind: str, box: str, subject: str, text: str) -> bool:
        """Raise an alarm, or say again that it stands; whether it is new (worth a line in the log)."""
        now = _now()
        one = (_table.c.kind == kind, _table.c.box == box, _table.c.subject == subject)
        values = {"text": text[:_TEXT_AT_MOST], "last": now}
        insert = self._insert(_table).values(kind=kind, box=box, subject=subject, since=now, **values)
        new = self._connection.execute(insert.on_conflict_do_nothing().returning(_table.c.kind)).first()
        if new is not None:
            return True
        standing = self._connection.execute(sql.update(_table).where(*one, _table.c.cleared.is_(None)).values(values))
        if standing.rowcount > 0:
            return False
        self._connection.execute(sql.update(_table).where(*one).values(since=now, cleared=None, **values))
        return True

    def clear_alarm(self, kind: str, box: str, subject: str) -> bool:
        """Say that there is nothing to see to any more; whether the alarm stood."""
        done = self._connection.execute(
            sql.update(_table)
            .where(
                _table.c.kind == kind,
                _table.c.box == box,
                _table.c.subject == subject,
                _table.c.cleared.is_(None),
            )
            .values(cleared=_now())
        )
        return done.rowcount > 0

    def alarms(self, *, cleared: bool = False) -> Sequence[Alarm]:
        """The alarms that stand; with `cleared` the history, too. The oldest first."""
        query = sql.select(_table).order_by(_table.c.since, _table.c.kind, _table.c.box, _table.c.subject)
        if not cleared:
            query = query.where(_table.c.cleared.is_(None))
        return [
            Alarm(row.kind, row.box, row.subject, row.since, row.last, row.text, row.cleared)
            for row in self._connection.execute(query)
        ]


def _now() -> str:
    return written(datetime.now(UTC))
