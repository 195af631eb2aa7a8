"""What the web's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag_archive.web import vault
from tests.archive.web.house import House


@pytest.fixture(scope="session", autouse=True)
def _quick_hashes() -> Iterator[None]:
    """Hash logins with little work; what it costs is not tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vault._COST, "n", 16)
        yield


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A workshop's archive with its server, over SQLite."""
    made = House(tmp_path)
    yield made
    made.close()
