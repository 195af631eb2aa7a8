"""What the archive's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archive.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An archive's ingest with an empty archive."""
    made = Desk(tmp_path)
    yield made
    made.close()
