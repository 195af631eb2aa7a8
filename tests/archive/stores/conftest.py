"""S3 services for the tests of stores, started once."""

from collections.abc import Iterator

import pytest

from tests.support.s3_servers import S3Server, moto, rclone


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A service that knows neither versions nor locks."""
    folder = tmp_path_factory.mktemp("rclone") / "buckets"
    folder.mkdir()
    with rclone(folder) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A service with versions and object lock."""
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server
