"""A real PostgreSQL for tests.

What it syncs goes to memory: a test cannot cut the power, and a server that is killed loses nothing of what it has
written.
"""

import os
import tempfile
from pathlib import Path

import pytest

from handschlag_bench import postgres


class PostgreSQL(postgres.PostgreSQL):
    """One server; skips the test where there is none."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it
        try:
            postgres.find_programs()
            place = memory if os.access(memory, os.W_OK) else None
            super().__init__(Path(tempfile.mkdtemp(prefix="handschlag-pg-", dir=place)), durable=False)
        except postgres.NoPostgreSQL as absent:
            pytest.skip(str(absent))
