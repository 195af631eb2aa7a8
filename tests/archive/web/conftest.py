"""What the web's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archive.web.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A workshop's archive with its server, over SQLite."""
    made = House(tmp_path)
    yield made
    made.close()
