"""What every `ports.Catalog` does, in memory or on TinyDB, on a thread or without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag.adapters.catalog import TinyCatalog
from handschlag.adapters.files import RealFiles
from handschlag.adapters.worker import WorkerThread
from handschlag.core.effects import Value
from handschlag.core.events import Event
from handschlag.ports import Catalog
from handschlag.sim.memory_catalog import MemoryCatalog
from tests.support.clock import HandClock


@pytest.fixture(params=["memory", "tinydb"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    """Each implementation in turn; nothing may fail on the disk."""
    failures: list[Event | Exception] = []
    made: Catalog
    if request.param == "memory":
        made = MemoryCatalog()
    else:
        worker = WorkerThread("catalog", on_error=failures.append)
        made = TinyCatalog(
            tmp_path,
            files=RealFiles(),
            worker=worker,
            post=failures.append,
            clock=HandClock(0.0, synced=False, mono_s=1.0),
        )
    yield made
    made.close()
    assert not failures


def test_a_saved_row_is_read_back_with_all_kinds_of_values(catalog: Catalog) -> None:
    """Text, numbers, truth and nothing come back as they were."""
    row: dict[str, Value] = {"state": "sending", "attempts": 3, "next": 1.5, "urgent": True, "reason": None}
    catalog.save("r1", row)
    assert catalog.rows() == {"r1": row}


def test_saving_replaces_the_whole_row(catalog: Catalog) -> None:
    """A column that the new row lacks is gone, not left over."""
    catalog.save("r1", {"state": "refused", "reason": "disk"})
    catalog.save("r1", {"state": "sending"})
    assert catalog.rows() == {"r1": {"state": "sending"}}


def test_a_dropped_row_is_gone_and_may_come_again(catalog: Catalog) -> None:
    """Dropping twice is quiet; a recording may be noted anew; others stay."""
    catalog.save("r1", {"state": "a"})
    catalog.save("r2", {"state": "b"})
    catalog.drop("r1")
    catalog.drop("r1")
    catalog.drop("never")
    assert catalog.rows() == {"r2": {"state": "b"}}
    catalog.save("r1", {"state": "c"})
    assert catalog.rows() == {"r1": {"state": "c"}, "r2": {"state": "b"}}


def test_rows_are_the_callers_own(catalog: Catalog) -> None:
    """Neither changing what was saved nor what was read changes the catalog."""
    row: dict[str, Value] = {"attempts": 1}
    catalog.save("r1", row)
    row["attempts"] = 2
    dict(catalog.rows()["r1"])["attempts"] = 3
    assert catalog.rows() == {"r1": {"attempts": 1}}
