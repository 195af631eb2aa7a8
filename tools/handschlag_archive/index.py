"""The index: what is kept of which recording, in SQL.

Every change happens in one transaction that holds the write lock from its start, so that whoever commits a file also
decides, in the same breath, whether its recording has been withdrawn meanwhile. A commit is durable when it returns
(SQLite: write-ahead log, synchronous=FULL). The index holds hashes, sizes and states; bytes are in the stores, but
for revocations and ledger lines, which outlive the recordings and contain nothing personal (P9).
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from handschlag.errors import HandschlagError
from handschlag_archive.stores.port import Place

LAYOUT: Final = "1"

_tables: Final = sql.MetaData()

_about = sql.Table(
    "about", _tables, sql.Column("name", sql.String(32), primary_key=True), sql.Column("value", sql.String(64))
)
_recordings = sql.Table(
    "recordings",
    _tables,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
    sql.Column("state", sql.String(12), nullable=False),
    sql.Column("manifest_sha256", sql.String(64)),
    sql.Column("stored_at", sql.String(40)),
    sql.Column("epoch", sql.String(64)),
    sql.Column("retain_until", sql.String(40)),
    sql.Column("receipt", sql.LargeBinary),
    sql.Column("revoke", sql.LargeBinary),
)
_files = sql.Table(
    "files",
    _tables,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("recording", sql.String(36), primary_key=True),
    sql.Column("name", sql.String(40), primary_key=True),
    sql.Column("sha256", sql.String(64), primary_key=True),
    sql.Column("size", sql.BigInteger, nullable=False),
)
_ledger = sql.Table(
    "ledger",
    _tables,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, primary_key=True),
    sql.Column("sha256", sql.String(64), primary_key=True),
    sql.Column("prev", sql.String(64), nullable=False),
    sql.Column("line", sql.LargeBinary, nullable=False),
)
_ledger_heads = sql.Table(
    "ledger_heads",
    _tables,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, nullable=False),
    sql.Column("sha256", sql.String(64), nullable=False),
)
_ledger_forks = sql.Table(
    "ledger_forks",
    _tables,
    sql.Column("box", sql.String(32), primary_key=True),
    sql.Column("seq", sql.BigInteger, primary_key=True),
)


class State(StrEnum):
    """How far a recording is."""

    OPEN = "open"
    """Files are coming in."""
    STORED = "stored"
    """Complete, verified, durable, receipted."""
    DESTROYING = "destroying"
    """Withdrawn: the tombstone stands, not everything is gone yet."""
    DESTROYED = "destroyed"
    """Withdrawn, and all bytes are gone."""

    @property
    def withdrawn(self) -> bool:
        """Whether the tombstone stands."""
        return self in {State.DESTROYING, State.DESTROYED}


class BadIndex(HandschlagError, ValueError):
    """An index that this program cannot work with."""


class IndexBusy(HandschlagError, OSError):
    """The database cannot take anything at the moment: full, locked, unreachable."""


class IndexBroken(HandschlagError, RuntimeError):
    """The database is damaged, or is not what this program expects; trying again will not help."""


@dataclass(frozen=True, order=True)
class Which:
    """One recording of one box."""

    box: str
    recording: str


@dataclass(frozen=True)
class StoredReceipt:
    """A `stored` receipt with what the index notes of it. `retain_until` None: by the manifest's retention class."""

    manifest_sha256: str
    at: str
    epoch: str
    retain_until: str | None
    text: bytes


@dataclass(frozen=True)
class Row:
    """What the index says of one recording."""

    which: Which
    state: State
    manifest_sha256: str | None = None
    stored_at: str | None = None
    epoch: str | None = None
    retain_until: str | None = None
    receipt: bytes | None = None


@dataclass(frozen=True)
class Summary:
    """One recording in a list: with what it takes."""

    row: Row
    files: int
    size: int


@dataclass(frozen=True)
class Line:
    """One ledger line as it came."""

    seq: int
    sha256: str
    prev: str
    line: bytes


@dataclass(frozen=True)
class Head:
    """Up to where a box's ledger is here without a gap."""

    seq: int
    sha256: str


class Transaction:
    """What can be asked and changed; everything in one transaction takes effect together, or not at all."""

    def __init__(self, connection: sql.Connection) -> None:
        self._connection = connection

    def rows(self, wanted: Iterable[Which]) -> Mapping[Which, Row]:
        """The recordings among `wanted` that the index knows."""
        table = _recordings
        found: dict[Which, Row] = {}
        by_box: dict[str, list[str]] = {}
        for which in wanted:
            by_box.setdefault(which.box, []).append(which.recording)
        for box, ids in by_box.items():
            for row in self._connection.execute(
                sql.select(table).where(table.c.box == box, table.c.recording.in_(ids)).with_for_update()
            ):
                found[Which(box, row.recording)] = _row(row)
        return found

    def row(self, which: Which) -> Row | None:
        """What is known of one recording."""
        return self.rows([which]).get(which)

    def named(self, recording: str) -> Sequence[Row]:
        """The recordings with this id, of whichever box."""
        query = sql.select(_recordings).where(_recordings.c.recording == recording).order_by(_recordings.c.box)
        return [_row(row) for row in self._connection.execute(query)]

    def open(self, recordings: Iterable[Which]) -> None:
        """Note recordings of which something came; those known stay as they are."""
        values = [{"box": w.box, "recording": w.recording, "state": State.OPEN.value} for w in recordings]
        self._insert_new(_recordings, values)

    def entomb(self, which: Which, revoke: bytes) -> None:
        """Put up the tombstone: from here on nothing of this recording is kept."""
        self.open([which])
        self._change(which, state=State.DESTROYING.value, revoke=revoke)

    def destroyed(self, which: Which) -> None:
        """Note that all bytes are gone; forget what they were."""
        self._connection.execute(
            sql.delete(_files).where(_files.c.box == which.box, _files.c.recording == which.recording)
        )
        self._change(which, state=State.DESTROYED.value)

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
        )

    def add_files(self, files: Iterable[tuple[Place, int]]) -> None:
        """Note files with their sizes; known ones stay as they are."""
        self._insert_new(
            _files,
            [
                {"box": p.box, "recording": p.recording, "name": p.name, "sha256": p.sha256, "size": size}
                for p, size in files
            ],
        )

    def remove_files(self, places: Iterable[Place]) -> None:
        """Forget files."""
        for place in places:
            self._connection.execute(
                sql.delete(_files).where(
                    _files.c.box == place.box,
                    _files.c.recording == place.recording,
                    _files.c.name == place.name,
                    _files.c.sha256 == place.sha256,
                )
            )

    def files(self, which: Which) -> frozenset[Place]:
        """Every file known of one recording."""
        rows = self._connection.execute(
            sql.select(_files.c.name, _files.c.sha256).where(
                _files.c.box == which.box, _files.c.recording == which.recording
            )
        )
        return frozenset(Place(which.box, which.recording, row.name, row.sha256) for row in rows)

    def known(self, places: Collection[Place]) -> frozenset[Place]:
        """Those of `places` that are files known here."""
        names: dict[Which, set[str]] = {}
        for place in places:
            names.setdefault(Which(place.box, place.recording), set()).add(place.name)
        found: set[Place] = set()
        for which, wanted in names.items():
            rows = self._connection.execute(
                sql.select(_files.c.name, _files.c.sha256).where(
                    _files.c.box == which.box, _files.c.recording == which.recording, _files.c.name.in_(wanted)
                )
            )
            found.update(Place(which.box, which.recording, row.name, row.sha256) for row in rows)
        return frozenset(found.intersection(places))

    def in_state(self, *states: State) -> Sequence[Row]:
        """Every recording in one of these states."""
        query = sql.select(_recordings).where(_recordings.c.state.in_([state.value for state in states]))
        return [_row(row) for row in self._connection.execute(query)]

    def add_ledger(self, box: str, lines: Iterable[Line]) -> None:
        """Keep ledger lines; two that differ under one number are both kept."""
        self._insert_new(
            _ledger,
            [{"box": box, "seq": at.seq, "sha256": at.sha256, "prev": at.prev, "line": at.line} for at in lines],
        )

    def ledger(self, box: str, first: int, count: int) -> Sequence[Line]:
        """The ledger lines of a box from number `first` on, at most `count`, by number and hash."""
        query = (
            sql.select(_ledger)
            .where(_ledger.c.box == box, _ledger.c.seq >= first)
            .order_by(_ledger.c.seq, _ledger.c.sha256)
            .limit(count)
        )
        return [Line(row.seq, row.sha256, row.prev, row.line) for row in self._connection.execute(query)]

    def note_forks(self, box: str, first: int, last: int) -> Sequence[int]:
        """Note the numbers from `first` to `last` that have more than one line; those not noted before."""
        known = set(self.forks(box))
        query = (
            sql.select(_ledger.c.seq)
            .where(_ledger.c.box == box, _ledger.c.seq.between(first, last))
            .group_by(_ledger.c.seq)
            .having(sql.func.count() > 1)
            .order_by(_ledger.c.seq)
        )
        new = [row.seq for row in self._connection.execute(query) if row.seq not in known]
        self._insert_new(_ledger_forks, [{"box": box, "seq": seq} for seq in new])
        return new

    def forks(self, box: str) -> Sequence[int]:
        """The numbers under which a box's ledger is known to have more than one line."""
        query = sql.select(_ledger_forks.c.seq).where(_ledger_forks.c.box == box).order_by(_ledger_forks.c.seq)
        return [row.seq for row in self._connection.execute(query)]

    def ledger_head(self, box: str) -> Head | None:
        """Up to where the ledger was without a gap when last looked at."""
        row = self._connection.execute(sql.select(_ledger_heads).where(_ledger_heads.c.box == box)).first()
        return Head(row.seq, row.sha256) if row else None

    def set_ledger_head(self, box: str, head: Head) -> None:
        """Move the head."""
        self._insert_new(_ledger_heads, [{"box": box, "seq": head.seq, "sha256": head.sha256}])
        self._connection.execute(
            sql.update(_ledger_heads).where(_ledger_heads.c.box == box).values(seq=head.seq, sha256=head.sha256)
        )

    def summaries(self) -> Iterator[Summary]:
        """Every recording with the number and the bytes of its files, by box and id."""
        query = (
            sql.select(_recordings, sql.func.count(_files.c.name), sql.func.coalesce(sql.func.sum(_files.c.size), 0))
            .outerjoin(
                _files, sql.and_(_files.c.box == _recordings.c.box, _files.c.recording == _recordings.c.recording)
            )
            .group_by(_recordings.c.box, _recordings.c.recording)
            .order_by(_recordings.c.box, _recordings.c.recording)
        )
        for row in self._connection.execute(query):
            yield Summary(_row(row), files=row[-2], size=row[-1])

    def make_tables(self) -> None:
        """Make the tables that are not there yet."""
        _tables.create_all(self._connection)

    def about(self, name: str, first: str) -> str:
        """A fact about this archive; `first` is noted when there is none yet."""
        self._insert_new(_about, [{"name": name, "value": first}])
        return str(self._connection.execute(sql.select(_about.c.value).where(_about.c.name == name)).scalar_one())

    def _change(self, which: Which, **values: Any) -> None:
        self._connection.execute(
            sql.update(_recordings)
            .where(_recordings.c.box == which.box, _recordings.c.recording == which.recording)
            .values(**values)
        )

    def _insert_new(self, table: sql.Table, values: list[dict[str, Any]]) -> None:
        if not values:
            return
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        self._connection.execute(insert(table).on_conflict_do_nothing(), values)


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
        """Make what is missing; gives the archive's epoch."""
        with self.transaction() as transaction:
            transaction.make_tables()
            layout = transaction.about("layout", LAYOUT)
            epoch = transaction.about("epoch", secrets.token_hex(8))
        if layout != LAYOUT:
            raise BadIndex(f"the index has layout {layout}; this program knows {LAYOUT}")
        return epoch

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
        try:
            with self._engine.begin() as connection:
                yield Transaction(connection)
        except sql.exc.OperationalError as error:
            # Only the driver's own words: the statement's parameters do not belong into a log.
            raise IndexBusy(f"the index: {error.orig}") from None
        except sql.exc.DBAPIError as error:
            raise IndexBroken(f"the index: {error.orig}; restore it from a backup, or repair it") from None

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _row(row: sql.Row[Any]) -> Row:
    return Row(
        which=Which(row.box, row.recording),
        state=State(row.state),
        manifest_sha256=row.manifest_sha256,
        stored_at=row.stored_at,
        epoch=row.epoch,
        retain_until=row.retain_until,
        receipt=row.receipt,
    )


def _durable_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_take_write_lock`, not by the driver
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _take_write_lock(connection: sql.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
