"""What can be asked and changed; everything in one transaction takes effect together, or not at all.

Locks are taken in one order everywhere, recordings before files before ledgers before alarms, rows in the order of
their keys, so that no two workers ever wait for each other crosswise.
"""

import sqlalchemy as sql

from handschlag_archive.index import tables
from handschlag_archive.index.alarms import Alarms
from handschlag_archive.index.files import Files
from handschlag_archive.index.ledgers import Ledgers
from handschlag_archive.index.recordings import Recordings


class Transaction(Recordings, Files, Ledgers, Alarms):
    """All of it, by subject."""

    def about(self, name: str, first: str) -> str:
        """A fact about this archive; `first` is noted when there is none yet."""
        about = tables.about
        self._insert_new(about, [{"name": name, "value": first}])
        return str(self._connection.execute(sql.select(about.c.value).where(about.c.name == name)).scalar_one())
