"""PostgreSQL as an index: many at once, nobody waits crosswise; trouble that passes, and trouble that does not."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sql

from handschlag.sealing.receipt import Stored
from handschlag_archive.index import BadIndex, Index, IndexBroken, IndexBusy, Which
from handschlag_archive.index.engine import _in_words
from tests.archive.desk import Desk, all_up
from tests.archive.postgres import PostgreSQL
from tests.sealing.builder import build

ONE, TWO = Which("box-1", "a"), Which("box-2", "b")
PATIENCE_S = 30


@pytest.fixture
def url(postgres: PostgreSQL) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    """An index in it, with two recordings."""
    with closing(Index(url)) as made:
        with made.transaction() as transaction:
            transaction.open([ONE, TWO])
        yield made


def test_a_commit_waits_for_the_disk_whatever_the_server_does_by_default(postgres: PostgreSQL, url: str) -> None:
    """A server set to acknowledge before its log is on the disk is overruled: receipts rest on the commit."""
    name = url.split("/")[3].split("?", maxsplit=1)[0]
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with closing(Index(url)) as index, index._engine.connect() as connection:
        assert connection.execute(sql.text("SHOW synchronous_commit")).scalar() == "on"


def test_two_workers_stage_into_one_recording_without_waiting_for_each_other(index: Index) -> None:
    """While one holds its transaction open the other begins, works and commits its own."""
    with index.transaction() as first:
        first.rows([ONE], shared=True)

        def other() -> None:
            with index.transaction() as second:
                second.open([ONE])
                second.rows([ONE], shared=True)

        with ThreadPoolExecutor(1) as worker:
            worker.submit(other).result(timeout=PATIENCE_S)


def test_a_tombstone_waits_for_those_who_stage_and_stops_those_who_come(index: Index) -> None:
    """Whoever withdraws has the recording for itself: no file is noted between its look and its word."""
    order: list[str] = []
    locked = threading.Event()

    def withdraw() -> None:
        locked.wait(PATIENCE_S)
        with index.transaction() as transaction:
            transaction.entomb(ONE, b"revoke")
            order.append("entombed")

    with ThreadPoolExecutor(1) as worker:
        with index.transaction() as staging:
            staging.rows([ONE], shared=True)
            locked.set()
            withdrawing = worker.submit(withdraw)
            _wait_for_lock(index)
            order.append("staged")
        withdrawing.result(timeout=PATIENCE_S)
    assert order == ["staged", "entombed"]


def _wait_for_lock(index: Index) -> None:
    """Until somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    for _ in range(PATIENCE_S * 100):
        with index._engine.connect() as connection:
            if connection.execute(sql.text(waiting)).scalar():
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_workers_that_touch_the_same_recordings_in_any_order_do_not_deadlock(index: Index) -> None:
    """Each gives its recordings in its own order; the index locks them in one."""

    def work(number: int) -> None:
        names = [Which(f"box-{n % 3}", f"r{n}") for n in range(12)]
        if number % 2:
            names.reverse()
        for _ in range(15):
            with index.transaction() as transaction:
                transaction.open(names)
                transaction.rows(names)
                transaction.raise_alarm("test", "", "same", str(number))

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))


def test_a_transaction_survives_neither_a_lost_connection_nor_half(postgres: PostgreSQL, url: str) -> None:
    """The server ends our connection within a transaction: busy, nothing of it is there, and the next one works."""
    with closing(Index(url)) as index:
        name = url.split("/")[3].split("?", maxsplit=1)[0]

        def cut_in_the_middle() -> None:
            with index.transaction() as transaction:
                transaction.open([ONE])
                postgres.end_connections(name)
                transaction.open([TWO])

        with pytest.raises(IndexBusy):
            cut_in_the_middle()
        with index.transaction() as transaction:
            assert transaction.rows([ONE, TWO]) == {}


def test_a_group_is_taken_again_after_the_server_was_gone(tmp_path: Path) -> None:
    """While there is no server a group raises and may be given again; after its restart all is stored as ever."""
    server = PostgreSQL()
    try:
        server.start()
        built = build(receipt=False)
        *most, last = all_up(built.files)
        with closing(Desk(tmp_path, database=server.new_database())) as desk:
            desk.take(*most)
            server.kill()
            for _ in range(2):
                with pytest.raises(OSError, match="the index"):
                    desk.take(last)
            server.start()
            (receipt,) = desk.take(last)
            assert isinstance(receipt, Stored)
            assert {name for name in desk.export(tmp_path / "out") if name != "receipt.jws"} == set(built.files)
    finally:
        server.close()


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DeadlockDetected,
        psycopg.errors.SerializationFailure,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.QueryCanceled,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.TooManyConnections,
        psycopg.errors.DiskFull,
        psycopg.errors.ReadOnlySqlTransaction,
        psycopg.OperationalError,
    ],
)
def test_what_passes_is_busy(error: type[psycopg.Error]) -> None:
    """Trying again may help: the worker waits with what it has and acknowledges nothing."""
    assert isinstance(_in_words(sql.exc.DBAPIError.instance("x", {}, error("no"), psycopg.Error)), IndexBusy)


@pytest.mark.parametrize(
    "error", [psycopg.errors.UndefinedTable, psycopg.errors.DataCorrupted, psycopg.errors.InsufficientPrivilege]
)
def test_what_does_not_pass_is_broken(error: type[psycopg.Error]) -> None:
    """Trying again without end would hide it."""
    assert isinstance(_in_words(sql.exc.DBAPIError.instance("x", {}, error("no"), psycopg.Error)), IndexBroken)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("mysql://u:secret@host/name", "allowed are sqlite, postgresql"),
        ("postgresql+psycopg2://u:secret@host/name", "allowed are sqlite, postgresql"),
        ("no url with secret", "cannot be read"),
        ("postgresql+psycopg://u:secret@host:port/name", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_saying_its_password(wrong: str, why: str) -> None:
    """What it should be is said, never what it was."""
    with pytest.raises(BadIndex, match=why) as refused:
        Index(wrong)
    assert "secret" not in str(refused.value)


def test_an_error_says_neither_password_nor_what_was_asked(url: str) -> None:
    """Neither the connection's secret nor a statement's values come out with the driver's words."""
    wrong = url.replace("postgres@", "nobody-here@")
    with pytest.raises(IndexBusy, match="nobody-here") as refused:
        Index(wrong, password="secret-word")  # noqa: S106 - the very thing that must not come out
    assert "secret-word" not in str(refused.value)
    assert refused.value.__cause__ is None
    with closing(Index(url)) as index, pytest.raises(IndexBroken) as broken, index.transaction() as transaction:
        transaction.open([Which("x" * 100, "recording-word")])
    assert "recording-word" not in str(broken.value)
