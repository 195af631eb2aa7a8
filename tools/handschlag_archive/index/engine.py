"""The database itself: SQLite in the archive's folder (the embedded default), or PostgreSQL by its URL.

SQLite takes one writer at a time: its transactions hold the write lock from their start. PostgreSQL takes many: its
transactions lock the recordings that they touch. In both a commit is durable when it returns (SQLite: write-ahead log,
synchronous=FULL; PostgreSQL: synchronous_commit=on, which waits for a synchronous standby, too, where there is one).

Whatever may be different in a while (a full disk, a lock, a lost connection, a server that restarts, a deadlock, a
serialization failure) is `IndexBusy`: the transaction has not happened, or, when the connection was lost during the
commit, may have; every change is therefore safe to repeat, and whoever gets it acknowledges nothing and does the same
again. Whatever will not be different is `IndexBroken`.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sql
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from handschlag_archive.index.migrations import migrate
from handschlag_archive.index.statements import Statements
from handschlag_archive.index.transaction import Transaction
from handschlag_archive.index.values import BadIndex, IndexBroken, IndexBusy

T = TypeVar("T", bound=Statements)

DRIVERS: Final = ("sqlite", "postgresql+psycopg")
_READING: Final = "reading"
_PASSING: Final = (
    "08",  # connection exceptions
    "25006",  # read-only: a server that has become a standby
    "40",  # deadlock, serialization failure
    "53",  # disk full, out of memory, too many connections
    "55P03",  # a lock was not to be had in time
    "57",  # shut down, starting up, timed out
    "58",  # the server's system failed
)
"""SQLSTATEs (PostgreSQL, appendix A), or their classes, that trying again may help."""
_POSTGRESQL: Final[Mapping[str, Any]] = {
    "pool_size": 2,
    "max_overflow": 2,
    "pool_timeout": 30,
    "pool_pre_ping": True,
    "isolation_level": "READ COMMITTED",
    "connect_args": {
        "application_name": "handschlag-archive",
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "options": "-c synchronous_commit=on -c lock_timeout=30s -c statement_timeout=60s "
        "-c idle_in_transaction_session_timeout=120s",
    },
}
"""Few connections, since a worker uses one at a time, and no waiting without end on any of them."""


class Index:
    """The index in one database; `password` goes to no log and into no error."""

    def __init__(self, url: str, *, password: str | None = None) -> None:
        self._engine = _engine(url, password)
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
        return self._transaction(Transaction)

    def reading(self) -> AbstractContextManager[Transaction]:
        """One that changes nothing and locks nothing: what it says may be different a moment later."""
        return self._transaction(Transaction, reading=True)

    def speaking(self, of: type[T], *, reading: bool = False) -> AbstractContextManager[T]:
        """One that asks and changes what `of` can: a part of the archive that has tables of its own beside these."""
        return self._transaction(of, reading=reading)

    @contextmanager
    def _transaction(self, of: type[T], *, reading: bool = False) -> Iterator[T]:
        with self._connected(reading=reading) as connection:
            yield of(connection, locking=not reading)

    @contextmanager
    def _connected(self, *, reading: bool = False) -> Iterator[sql.Connection]:
        try:
            with self._engine.connect().execution_options(**{_READING: reading}) as connection, connection.begin():
                yield connection
        except (sql.exc.DBAPIError, sql.exc.TimeoutError) as error:
            raise _in_words(error) from None

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _engine(url: str, password: str | None) -> sql.Engine:
    try:
        parsed = sql.make_url(url)
    except (sql.exc.ArgumentError, ValueError):
        raise BadIndex("the database's URL cannot be read; it is like postgresql+psycopg://user@host/name") from None
    if parsed.drivername not in DRIVERS:
        raise BadIndex(f"database {parsed.drivername}: allowed are {', '.join(DRIVERS)}")
    if password is not None:
        parsed = parsed.set(password=password)
    try:
        if parsed.get_backend_name() == "postgresql":
            return sql.create_engine(parsed, **_POSTGRESQL)
        engine = sql.create_engine(parsed)
    except ImportError as error:
        raise BadIndex(f"database {parsed.drivername}: {error}; get it with: pip install 'handschlag[grown]'") from None
    sql.event.listen(engine, "connect", _durable_sqlite)
    sql.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _in_words(error: sql.exc.SQLAlchemyError) -> IndexBusy | IndexBroken:
    """Only the driver's own words: the statement's parameters do not belong into a log."""
    if not isinstance(error, sql.exc.DBAPIError):
        return IndexBusy("the index: no connection to the database is free")
    state = str(getattr(error.orig, "sqlstate", None) or "")
    said = " ".join(str(error.orig).split())
    if state.startswith(_PASSING) or (
        not state and (error.connection_invalidated or isinstance(error, sql.exc.OperationalError))
    ):
        return IndexBusy(f"the index: {said}")
    return IndexBroken(f"the index: {said}; restore it from a backup, or repair it")


def _durable_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not by the driver
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sql.Connection) -> None:
    """Take the write lock at once, unless it is only read: one that had to wait for it later would have to give up."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READING) else "BEGIN IMMEDIATE")
