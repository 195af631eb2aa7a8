"""What the archive's tests share."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archive.desk import Desk
from tests.archive.postgres import PostgreSQL
from tests.support.s3_servers import S3Server, moto, rclone

Folders = Callable[[], Path]
"""Each call gives a fresh folder."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A fresh folder in memory where there is one: these tests sync after every step, and a disk would be waited for.

    What a sync is for cannot be seen from a running system anyway; the order of the operations is tested instead.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="handschlag-archive-", dir=place))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Fresh folders for tests that start over many times."""
    numbers = itertools.count()

    def fresh() -> Path:
        folder = tmp_path / f"again-{next(numbers)}"
        folder.mkdir()
        return folder

    return fresh


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, started once; skips where there is none."""
    server = PostgreSQL()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 service that knows neither versions nor locks, started once."""
    folder = tmp_path_factory.mktemp("rclone") / "buckets"
    folder.mkdir()
    with rclone(folder) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 service with versions and object lock, started once."""
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


over_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For tests with many cases that are not about the database: `desk` over one kind is enough."""


@pytest.fixture
def desk(tmp_path: Path, database: str) -> Iterator[Desk]:
    """An archive's ingest with an empty archive, over each kind of database."""
    made = Desk(tmp_path, database=database)
    yield made
    made.close()
