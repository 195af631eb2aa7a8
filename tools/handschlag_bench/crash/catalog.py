"""What a change of the catalog costs as it grows: bytes written, and time apart from fsync; and how long a start takes.

Beside it, on the same disk and with the same rows: TinyDB's own JSONStorage (which knows no fsync), and SQLite with a
write-ahead log and `synchronous=FULL` (whose time includes its fsync, for it cannot be told apart from outside).
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tinydb import TinyDB, where

from handschlag.adapters.catalog import TinyCatalog
from handschlag.adapters.clock import SystemClock
from handschlag.adapters.files import RealFiles
from handschlag.sim.worker import InlineWorker
from handschlag_bench.row import Row

SIZES = (10, 1_000, 10_000)
CHANGES = 400


class _TimedFiles(RealFiles):
    """The real operations: what was written, and how long fsync took."""

    def __init__(self) -> None:
        self.written = 0
        self.waited_s = 0.0

    def write(self, path: str, data: bytes) -> None:
        self.written += len(data)
        super().write(path, data)

    def append(self, path: str, data: bytes) -> None:
        self.written += len(data)
        super().append(path, data)

    def fsync(self, path: str) -> None:
        began = time.perf_counter()
        super().fsync(path)
        self.waited_s += time.perf_counter() - began

    def fsync_dir(self, path: str) -> None:
        began = time.perf_counter()
        super().fsync_dir(path)
        self.waited_s += time.perf_counter() - began


def rows(*, full: bool) -> Iterator[Row]:
    """Each size; the slice has fewer changes."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _ours(size, Path(folder), CHANGES if full else CHANGES // 10)


def _ours(size: int, folder: Path, changes: int) -> Iterator[Row]:
    files = _TimedFiles()
    catalog = _catalog(folder, files)
    for number in range(size):
        catalog.save(_name(number), _row(0))
    files.written = 0
    apart: list[float] = []

    def change(number: int) -> None:
        waited = files.waited_s
        began = time.perf_counter()
        catalog.save(_name(number % size), _row(number))
        apart.append(time.perf_counter() - began - (files.waited_s - waited))

    for number in range(changes):
        change(number)
    catalog.close()
    with _tinydb(size, folder) as tiny, _sqlite(size, folder) as sqlite:
        beside = {
            "JSONStorage ms": _median_ms(tiny, changes=min(changes, 20)),
            "SQLite ms": _median_ms(sqlite, changes=changes),
        }
    yield _figure(f"{size} rows: bytes for a change", files.written / changes, "B", "")
    yield _figure(f"{size} rows: a change apart from fsync", 1e3 * statistics.median(apart), "ms", "<= 2", beside)
    yield _figure(f"{size} rows: the slowest change", 1e3 * max(apart), "ms", "")
    began = time.perf_counter()
    found = len(_catalog(folder, RealFiles()).rows())
    yield _figure(f"{found} rows: start", time.perf_counter() - began, "s", "<= 2")


def _figure(row: str, value: float, unit: str, goal: str, beside: dict[str, float] | None = None) -> Row:
    return Row(bench="crash", row=f"catalog: {row}", value=value, unit=unit, goal=goal, beside=beside or {})


def _catalog(folder: Path, files: RealFiles) -> TinyCatalog:
    return TinyCatalog(
        folder, files=files, worker=InlineWorker(on_error=_raise), post=lambda _: None, clock=SystemClock()
    )


def _name(number: int) -> str:
    return f"01a0c450-79ac-7ce9-af95-{number:012x}"


def _row(attempts: int) -> dict[str, str | int | float | bool | None]:
    return {"state": "queued", "attempts": attempts, "reason": ""}


def _median_ms(change: Callable[[int], None], *, changes: int) -> float:
    took = []
    for number in range(changes):
        began = time.perf_counter()
        change(number)
        took.append(time.perf_counter() - began)
    return 1e3 * statistics.median(took)


@contextmanager
def _tinydb(size: int, folder: Path) -> Iterator[Callable[[int], None]]:
    database = TinyDB(folder / "tiny.json")
    table = database.table("recordings")
    table.insert_multiple({"recording": _name(number), **_row(0)} for number in range(size))

    def change(number: int) -> None:
        table.update(_row(number + 1), where("recording") == _name(number % size))

    yield change
    database.close()


@contextmanager
def _sqlite(size: int, folder: Path) -> Iterator[Callable[[int], None]]:
    path = folder / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as fresh, fresh:
        fresh.execute("PRAGMA journal_mode=WAL")
        fresh.execute("CREATE TABLE recordings (recording TEXT PRIMARY KEY, state TEXT, attempts INT, reason TEXT)")
        fresh.executemany("INSERT INTO recordings VALUES (?, 'queued', 0, '')", ((_name(n),) for n in range(size)))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=FULL")

    def change(number: int) -> None:
        database.execute("UPDATE recordings SET attempts = ? WHERE recording = ?", (number + 1, _name(number % size)))

    yield change
    database.close()


def _raise(error: Exception) -> None:
    raise error
