"""Databases of every age: made, taken over, brought up, or refused; never half of it."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from handschlag_archive.index import BadIndex, Index, State, Which
from handschlag_archive.index.migrations import migrate
from handschlag_archive.stores.port import Place
from handschlag_archive.web import tables
from tests.sealing.builder import BOX, RECORDING

LAYOUT_1 = """
CREATE TABLE about (name VARCHAR(32) NOT NULL, value VARCHAR(64), PRIMARY KEY (name));
CREATE TABLE recordings (box VARCHAR(32) NOT NULL, recording VARCHAR(36) NOT NULL, state VARCHAR(12) NOT NULL,
    manifest_sha256 VARCHAR(64), stored_at VARCHAR(40), epoch VARCHAR(64), retain_until VARCHAR(40), receipt BLOB,
    revoke BLOB, PRIMARY KEY (box, recording));
CREATE TABLE files (box VARCHAR(32) NOT NULL, recording VARCHAR(36) NOT NULL, name VARCHAR(40) NOT NULL,
    sha256 VARCHAR(64) NOT NULL, size BIGINT NOT NULL, PRIMARY KEY (box, recording, name, sha256));
CREATE TABLE ledger (box VARCHAR(32) NOT NULL, seq BIGINT NOT NULL, sha256 VARCHAR(64) NOT NULL,
    prev VARCHAR(64) NOT NULL, line BLOB NOT NULL, PRIMARY KEY (box, seq, sha256));
CREATE TABLE ledger_heads (box VARCHAR(32) NOT NULL, seq BIGINT NOT NULL, sha256 VARCHAR(64) NOT NULL,
    PRIMARY KEY (box));
CREATE TABLE ledger_forks (box VARCHAR(32) NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (box, seq));
INSERT INTO about VALUES ('layout', '1'), ('epoch', 'first-epoch');
"""
"""The tables as programs from before the migrations made them."""


def _old_database(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.executescript(LAYOUT_1)
    return connection


@contextmanager
def _begun(url: str) -> Iterator[sql.Connection]:
    engine = sql.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _differences(url: str) -> list[object]:
    with _begun(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.people.metadata))


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'index.sqlite'}"


def test_the_migrations_make_the_tables_that_the_program_uses(database: str) -> None:
    """No column, type or key is in the one and not in the other."""
    Index(database).close()
    assert _differences(database) == []


def test_a_database_from_before_the_migrations_keeps_all_that_it_has(tmp_path: Path) -> None:
    """Epoch, recordings with their receipts, files and ledger stay as they were; new columns have their defaults."""
    with closing(_old_database(tmp_path)) as old, old:
        old.execute(
            "INSERT INTO recordings VALUES (?, ?, 'stored', 'm', 't', 'e', '2031-01-01T00:00:00Z', x'01', NULL)",
            (BOX, RECORDING),
        )
        old.execute("INSERT INTO files VALUES (?, ?, 'head.json', 'abc', 12)", (BOX, RECORDING))
        old.execute("INSERT INTO ledger VALUES (?, 7, 'h', 'p', x'02')", (BOX,))
    with closing(Index.in_folder(tmp_path)) as index, index.transaction() as transaction:
        assert index.epoch == "first-epoch"
        row = transaction.row(Which(BOX, RECORDING))
        assert row is not None
        assert (row.state, row.receipt, row.retain_until) == (State.STORED, b"\x01", "2031-01-01T00:00:00Z")
        assert (row.kept_for, row.held, row.checked_at) == (None, False, None)
        assert transaction.copies(row.which) == {Place(BOX, RECORDING, "head.json", "abc"): 1}
        assert [line.seq for line in transaction.ledger(BOX, 1, 10)] == [7]
        assert transaction.alarms() == []
    assert _differences(_url(tmp_path)) == []


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    """The epoch stays; an archive with another one would make every box send everything again."""
    with closing(Index.in_folder(tmp_path)) as first:
        epoch = first.epoch
    with closing(Index.in_folder(tmp_path)) as second:
        assert second.epoch == epoch


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE alembic_version SET version_num = '9876'", "step 9876; this program knows the steps up to"),
        ("DROP TABLE alembic_version", "layout 2; this program knows 1"),
    ],
    ids=["newer", "unknown"],
)
def test_a_database_that_this_program_does_not_know_is_refused_and_left_alone(
    tmp_path: Path, statement: str, why: str
) -> None:
    """One of a newer program is refused with what to do, not guessed at."""
    Index.in_folder(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as raw, raw:
        raw.execute(statement)
        before = list(raw.iterdump())
    with pytest.raises(BadIndex, match=why):
        Index.in_folder(tmp_path)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as raw:
        assert list(raw.iterdump()) == before


def test_programs_from_before_the_migrations_refuse_a_migrated_database(tmp_path: Path) -> None:
    """They ask for layout "1", which is no longer said."""
    Index.in_folder(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as raw:
        assert raw.execute("SELECT value FROM about WHERE name = 'layout'").fetchall() == [("2",)]


def test_a_cut_in_the_middle_leaves_the_old_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking over and all steps are one transaction: what was not finished begins anew."""
    with closing(_old_database(tmp_path)) as old:
        before = list(old.iterdump())
    with monkeypatch.context() as patched:
        patched.setattr("handschlag_archive.index.engine.migrate", _migrate_and_fail)
        with pytest.raises(KeyboardInterrupt):
            Index.in_folder(tmp_path)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as raw:
        assert list(raw.iterdump()) == before
    Index.in_folder(tmp_path).close()
    assert _differences(_url(tmp_path)) == []


def _migrate_and_fail(connection: sql.Connection) -> None:
    migrate(connection)
    raise KeyboardInterrupt


def _epochs_of_eight_starts(url: str) -> set[str]:
    def start(_number: int) -> str:
        with closing(Index(url)) as index:
            return index.epoch

    with ThreadPoolExecutor(8) as workers:
        return set(workers.map(start, range(8)))


def test_workers_that_start_at_once_do_not_collide(database: str) -> None:
    """One makes the tables, the others wait and find them; all have one epoch."""
    assert len(_epochs_of_eight_starts(database)) == 1
    assert _differences(database) == []


def test_workers_that_take_an_old_database_over_at_once_do_not_collide(tmp_path: Path) -> None:
    """It is taken over once, and its epoch stays."""
    _old_database(tmp_path).close()
    assert _epochs_of_eight_starts(_url(tmp_path)) == {"first-epoch"}
    assert _differences(_url(tmp_path)) == []
