"""The database itself: SQLite in the archive's folder (the embedded default), or another by its URL.

SQLite takes one writer at a time: its transactions hold the write lock from their start. A commit is durable when it
returns (write-ahead log, synchronous=FULL).
"""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from handschlag_archive.index.migrations import migrate
from handschlag_archive.index.transaction import Transaction
from handschlag_archive.index.values import IndexBroken, IndexBusy


class Index:
    """The index in one database."""

    def __init__(self, url: str) -> None:
        self._engine = sql.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sql.event.listen(self._engine, "connect", _durable_sqlite)
            sql.event.listen(self._engine, "begin", _take_write_lock)
        try:
            self.epoch = self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> str:
        """Bring the database to today's tables; gives the archive's epoch."""
        with self._connected() as connection:
            migrate(connection)
        with self.transaction() as transaction:
            return transaction.about("epoch", secrets.token_hex(8))

    @classmethod
    def in_folder(cls, folder: Path) -> "Index":
        """The embedded default: SQLite, in `index.sqlite`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(f"sqlite:///{folder / 'index.sqlite'}")

    def transaction(self) -> AbstractContextManager[Transaction]:
        """One transaction: durable when the block is left, undone when it raises."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._connected() as connection:
            yield Transaction(connection)

    @contextmanager
    def _connected(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sql.exc.OperationalError as error:
            # Only the driver's own words: the statement's parameters do not belong into a log.
            raise IndexBusy(f"the index: {error.orig}") from None
        except sql.exc.DBAPIError as error:
            raise IndexBroken(f"the index: {error.orig}; restore it from a backup, or repair it") from None

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _durable_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_take_write_lock`, not by the driver
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _take_write_lock(connection: sql.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
