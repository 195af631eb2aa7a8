"""Facts about the archive itself: single values by name."""

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.statements import Statements

_table = tables.about


class Facts(Statements):
    """What can be asked and changed about the archive itself."""

    def about(self, name: str, first: str) -> str:
        """A fact about this archive; `first` is noted when there is none yet."""
        self._insert_new(_table, [{"name": name, "value": first}])
        return str(self._connection.execute(sql.select(_table.c.value).where(_table.c.name == name)).scalar_one())

    def note(self, name: str, value: str) -> None:
        """Note a fact, whatever it was before."""
        self.about(name, value)
        self._connection.execute(sql.update(_table).where(_table.c.name == name).values(value=value))

    def number(self, name: str) -> int:
        """A fact that is a number; 0 when nobody has noted one."""
        value = self._connection.execute(sql.select(_table.c.value).where(_table.c.name == name)).scalar()
        return int(value or 0)

    def count_up(self, name: str) -> int:
        """One more; the number as it is then. Whoever else counts the same waits until the transaction ends."""
        self.about(name, "0")
        query = sql.select(_table.c.value).where(_table.c.name == name).with_for_update()
        number = int(self._connection.execute(query).scalar_one()) + 1
        self.note(name, str(number))
        return number

    def claim(self, name: str, value: str, *, unless_since: str) -> bool:
        """Note `value`, a moment, unless one later than `unless_since` is noted: of several only one gets it.

        A moment later than `value` itself is none that a right clock has noted, and does not keep anybody off.
        """
        self.about(name, "")
        taken = self._connection.execute(
            sql.update(_table)
            .where(_table.c.name == name, sql.or_(_table.c.value <= unless_since, _table.c.value > value))
            .values(value=value)
        )
        return taken.rowcount > 0
