"""What the web's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag_archive.web import vault
from handschlag_archive.web.roles import Role
from tests.archive.web.house import Browser, House


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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house for many tests that leave nothing behind in it; with one stored recording."""
    made = House(tmp_path_factory.mktemp("shared"))
    made.store()
    yield made
    made.close()


@pytest.fixture(scope="module")
def listener(shared: House) -> Browser:
    """Somebody of the staff, logged in, in the shared house."""
    return shared.person(Role.STAFF)
