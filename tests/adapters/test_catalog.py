"""The catalog on disk: what a power cut, a full disk and damage leave of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tinydb import where

from handschlag.adapters.catalog import LogStorage, RowTable, TinyCatalog
from handschlag.adapters.files import RealFiles
from handschlag.core.events import DiskFailed, Event
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.worker import HeldWorker, InlineWorker
from tests.support.clock import HandClock


class Disk:
    """A folder with watched operations, the events posted, and catalogs opened on it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "catalog.log"
        self.folder = folder
        self.files = WatchedFiles(RealFiles())
        self.posted: list[Event] = []

    def open(self, worker: HeldWorker | None = None) -> TinyCatalog:
        """A catalog as after a start."""
        worker = worker or InlineWorker(on_error=raise_)
        return TinyCatalog(
            self.folder,
            files=self.files,
            worker=worker,
            post=self.posted.append,
            clock=HandClock(0.0, synced=False, mono_s=7.0),
        )

    def kinds(self) -> list[str]:
        """The operations so far, by kind, with the file's name."""
        return [f"{done.kind} {os.path.basename(done.to or done.path)}" for done in self.files.done]  # noqa: PTH119 - operations name plain paths


def raise_(error: Exception) -> None:
    """No job may fail by accident."""
    raise error


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty disk."""
    return Disk(tmp_path)


def fails_at(kind: str) -> Callable[[Operation], None]:
    """The disk is full for operations of one kind."""

    def fail(operation: Operation) -> None:
        if operation.kind == kind:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fail


def test_the_first_row_makes_the_log_durably_and_the_next_appends(disk: Disk) -> None:
    """The log is made by write, fsync, rename, fsync of the folder; a later row is one append and one fsync."""
    catalog = disk.open()
    catalog.save("r1", {"state": "a"})
    assert disk.kinds() == [
        "write catalog.log.tmp",
        "fsync catalog.log.tmp",
        "rename catalog.log",
        f"fsync_dir {disk.folder.name}",
    ]
    disk.files.done.clear()
    catalog.save("r1", {"state": "b"})
    assert disk.kinds() == ["append catalog.log", "fsync catalog.log"]


def test_many_waiting_rows_share_one_fsync(disk: Disk) -> None:
    """A slow disk is asked once for all that waited."""
    worker = HeldWorker(on_error=raise_)
    catalog = disk.open(worker)
    catalog.save("r0", {})
    worker.run()
    disk.files.done.clear()
    for number in range(50):
        catalog.save(f"r{number}", {"attempts": number})
    assert len(catalog.rows()) == 50
    worker.run()
    assert disk.kinds() == ["append catalog.log", "fsync catalog.log"]
    assert len(disk.open().rows()) == 50


def test_the_last_line_torn_at_every_byte_is_dropped(disk: Disk) -> None:
    """Whatever a cut leaves of the last line, the rows before it are there, and the next row can be written."""
    catalog = disk.open()
    catalog.save("r1", {"state": "kept"})
    whole = disk.log.read_bytes()
    catalog.save("r2", {"state": "torn"})
    last = disk.log.read_bytes()[len(whole) :]
    for cut in range(len(last)):
        for tail in (last[:cut], last[:cut] + bytes(len(last) - cut)):
            disk.log.write_bytes(whole + tail)
            again = disk.open()
            assert not again.damaged
            assert again.rows() == {"r1": {"state": "kept"}}
            again.save("r3", {"state": "new"})
            assert disk.open().rows() == {"r1": {"state": "kept"}, "r3": {"state": "new"}}
    disk.log.write_bytes(whole + last)
    assert disk.open().rows() == {"r1": {"state": "kept"}, "r2": {"state": "torn"}}


def test_damage_before_the_last_line_moves_the_log_aside(disk: Disk) -> None:
    """One flipped bit in any earlier line: empty, said so, the damaged log kept for a look, and usable again."""
    catalog = disk.open()
    for number in range(4):
        catalog.save(f"r{number}", {"state": "a"})
    whole = disk.log.read_bytes()
    last_but_one = whole.rindex(b"\n", 0, whole.rindex(b"\n"))
    for at in range(0, last_but_one, 3):
        bad = bytearray(whole)
        bad[at] ^= 4
        disk.log.write_bytes(bad)
        again = disk.open()
        assert again.damaged
        assert again.rows() == {}
        assert (disk.folder / "catalog.log.damaged").read_bytes() == bytes(bad)
        again.save("r9", {"state": "b"})
        assert disk.open().rows() == {"r9": {"state": "b"}}


@pytest.mark.parametrize("content", [b"", b"\n", bytes(4096), b'{"recordings": {"1": {}}}', b"\xff" * 100])
def test_a_foreign_file_is_damage_and_no_crash(disk: Disk, content: bytes) -> None:
    """Whatever stands under the log's name, the box starts."""
    disk.log.write_bytes(content)
    assert disk.open().damaged


def test_a_log_that_cannot_be_read_is_told(disk: Disk) -> None:
    """An unreadable log gives an empty catalog, `damaged`, and a DiskFailed."""
    disk.log.mkdir()
    catalog = disk.open()
    assert catalog.damaged
    assert catalog.rows() == {}
    assert disk.posted == [DiskFailed(7.0, what="catalog: EISDIR")]


def test_the_log_stays_short_and_a_whole_one_is_there_at_every_moment(disk: Disk) -> None:
    """A row changed a thousand times does not grow the log for ever; a cut between the renames loses nothing."""
    catalog = disk.open()
    for number in range(1000):
        catalog.save("r1", {"attempts": number})
    assert disk.log.read_bytes().count(b"\n") < 300
    prev = disk.folder / "catalog.log.prev"
    assert prev.exists()
    disk.log.rename(prev)
    assert disk.open().rows() == {"r1": {"attempts": 999}}
    assert disk.log.exists()


@pytest.mark.parametrize("kind", ["append", "fsync", "write", "rename", "fsync_dir"])
def test_a_full_disk_is_told_and_made_good(disk: Disk, kind: str) -> None:
    """Each operation's failure is one DiskFailed without content; memory stays true; the next row brings all back."""
    catalog = disk.open()
    if kind in {"append", "fsync"}:
        catalog.save("r0", {})
    disk.files.fail = fails_at(kind)
    catalog.save("r1", {"state": "secret"})
    assert disk.posted == [DiskFailed(7.0, what="catalog: ENOSPC")]
    assert catalog.rows()["r1"] == {"state": "secret"}
    disk.files.fail = lambda _operation: None
    catalog.save("r2", {})
    assert disk.open().rows() == catalog.rows()


def test_close_writes_what_failed_before(disk: Disk) -> None:
    """The last chance is taken."""
    catalog = disk.open()
    disk.files.fail = fails_at("fsync")
    catalog.save("r1", {"state": "a"})
    disk.files.fail = lambda _operation: None
    catalog.close()
    assert disk.open().rows() == {"r1": {"state": "a"}}


def test_an_update_writes_as_much_with_many_rows_as_with_few(disk: Disk) -> None:
    """The bytes of one change do not grow with the table."""
    worker = HeldWorker(on_error=raise_)
    catalog = disk.open(worker)
    for number in range(2000):
        catalog.save(f"r{number:04}", {"state": "waiting", "attempts": 0})
    worker.run()
    size = disk.log.stat().st_size
    catalog.save("r1000", {"state": "sending", "attempts": 1})
    worker.run()
    assert disk.log.stat().st_size - size < 120


def test_tinydbs_own_operations_work_on_the_log(tmp_path: Path) -> None:
    """Insert, update, upsert, remove, truncate through TinyDB's own methods are all on disk afterwards."""

    def table() -> RowTable:
        worker = InlineWorker(on_error=raise_)
        return RowTable(LogStorage(tmp_path / "log", files=RealFiles(), worker=worker, failed=raise_), "t")

    rows = table()
    ids = rows.insert_multiple({"n": n} for n in range(5))
    rows.update({"m": 1}, where("n") == 2)
    rows.upsert({"n": 9}, where("n") == 9)
    rows.remove(where("n") == 0)
    rows.remove(doc_ids=[ids[1], 77])
    rows.update(lambda row: row.pop("n"), where("n") == 4)
    assert [dict(row) for row in table()] == [{"n": 2, "m": 1}, {"n": 3}, {}, {"n": 9}]
    assert len(table()) == 4
    rows.truncate()
    assert table().all() == []
    assert table().insert({"n": 1}) == 1
