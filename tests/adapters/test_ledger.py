"""The ledger on disk: fsync before the word, one file per month, and what cuts, full disks and editors leave."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from handschlag.adapters.files import RealFiles
from handschlag.adapters.ledger_file import LedgerDamaged, LedgerFile
from handschlag.core.events import DiskFailed, EntryDurable, Event
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.worker import HeldWorker, InlineWorker
from tests.support.clock import HandClock

NOVEMBER = 1_795_435_200.0
DAY = 86_400.0


class Disk:
    """A folder, its watched operations, a clock, and what was posted beside what was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ledger"
        self.files = WatchedFiles(RealFiles())
        self.clock = HandClock(NOVEMBER, mono_s=1.0)
        self.posted: list[Event] = []
        self.done_when_told: list[int] = []

    def post(self, event: Event) -> None:
        """Note an event, and how much was done on disk before it."""
        self.posted.append(event)
        self.done_when_told.append(len(self.files.done))

    def open(self, worker: HeldWorker | None = None, boot: str = "b1") -> LedgerFile:
        """A ledger as after a start."""
        worker = worker or InlineWorker(on_error=raise_)
        return LedgerFile(self.folder, boot=boot, files=self.files, worker=worker, post=self.post, clock=self.clock)

    def month(self, name: str = "2026-11") -> Path:
        """A month's file."""
        return self.folder / f"{name}.jsonl"

    def kinds(self) -> list[str]:
        """The operations so far, by kind and file name."""
        return [f"{done.kind} {Path(done.to or done.path).name}" for done in self.files.done]

    def filled(self, entries: int = 4) -> LedgerFile:
        """A ledger with entries."""
        ledger = self.open()
        for number in range(entries):
            ledger.append("call", {"seizure": number}, 0)
        return ledger


def raise_(error: Exception) -> None:
    """No job may fail by accident."""
    raise error


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty disk."""
    return Disk(tmp_path)


def fails_at(kind: str, code: int = errno.ENOSPC) -> Callable[[Operation], None]:
    """The disk refuses operations of one kind."""

    def fail(operation: Operation) -> None:
        if operation.kind == kind:
            raise OSError(code, os.strerror(code))

    return fail


def test_an_entry_is_told_only_after_its_fsync(disk: Disk) -> None:
    """The first entry makes folder and file durably, the second is append and fsync; the word comes after each."""
    ledger = disk.open()
    ledger.append("boot", {}, 1)
    assert disk.kinds() == [
        "mkdir ledger",
        f"fsync_dir {disk.folder.parent.name}",
        "append 2026-11.jsonl",
        "fsync 2026-11.jsonl",
        "fsync_dir ledger",
    ]
    ledger.append("call", {}, 2)
    assert disk.kinds()[5:] == ["append 2026-11.jsonl", "fsync 2026-11.jsonl"]
    assert disk.done_when_told == [5, 7]
    assert [event.ticket for event in disk.posted if isinstance(event, EntryDurable)] == [1, 2]


def test_waiting_entries_share_one_fsync_and_nothing_is_durable_before(disk: Disk) -> None:
    """While the disk is slow nothing is durable, sent or folded; then all of it with one fsync, each with its word."""
    worker = HeldWorker(on_error=raise_)
    ledger = disk.open(worker)
    for ticket in range(10):
        ledger.append("call", {}, ticket)
    assert ledger.durable() == (0, "0" * 64)
    assert list(ledger.lines(1, 10)) == []
    assert list(ledger.entries()) == []
    assert disk.posted == []
    worker.run()
    assert disk.kinds().count("fsync 2026-11.jsonl") == 1
    assert [event.ticket for event in disk.posted if isinstance(event, EntryDurable)] == list(range(10))


def test_the_chain_goes_on_after_a_restart_and_across_months(disk: Disk) -> None:
    """A new month is a new file; numbers and hashes run on; ranges and folding cross files."""
    disk.filled(3)
    disk.clock.now += 10 * DAY
    ledger = disk.open(boot="b2")
    ledger.append("boot", {}, 0)
    ledger.append("call", {}, 0)
    assert sorted(path.name for path in disk.folder.iterdir()) == ["2026-11.jsonl", "2026-12.jsonl"]
    again = disk.open(boot="b3")
    assert again.durable() == ledger.durable()
    assert again.durable()[0] == 5
    assert [entry["seq"] for entry in again.entries()] == [1, 2, 3, 4, 5]
    assert [msgspec.json.decode(line)["seq"] for line in again.lines(2, 5)] == [2, 3, 4, 5]
    assert [msgspec.json.decode(line)["seq"] for line in again.lines(4, 4)] == [4]
    assert [entry["boot"] for entry in again.entries()] == ["b1", "b1", "b1", "b2", "b2"]


def test_the_month_never_goes_back_and_moves_by_a_synced_clock_only(disk: Disk) -> None:
    """A clock that lies cannot put a later entry into an earlier file."""
    ledger = disk.filled(1)
    for now, synced in ((0.0, False), (0.0, True), (NOVEMBER + 4000 * DAY, False), (NOVEMBER + 10 * DAY, True)):
        disk.clock.now, disk.clock.synced = now, synced
        ledger.append("call", {}, 0)
    assert [path.name for path in sorted(disk.folder.iterdir())] == ["2026-11.jsonl", "2026-12.jsonl"]
    assert [entry["seq"] for entry in disk.open().entries()] == [1, 2, 3, 4, 5]


def test_the_last_line_cut_at_every_byte_is_dropped(disk: Disk) -> None:
    """Whatever a cut leaves of the last line, the ledger stands at the one before, and the next entry follows it."""
    disk.filled(3)
    whole = disk.month().read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(begin, len(whole)):
        disk.month().write_bytes(whole[:cut])
        ledger = disk.open(boot="b2")
        assert ledger.durable()[0] == 2
        ledger.append("boot", {}, 0)
        assert [entry["boot"] for entry in disk.open().entries()] == ["b1", "b1", "b2"]


def test_what_memory_still_held_is_made_durable_at_the_start(disk: Disk) -> None:
    """A line that a killed process wrote but never synced is synced before anything builds upon it."""
    disk.filled(1)
    disk.files.done.clear()
    disk.open()
    assert disk.kinds() == ["fsync 2026-11.jsonl", "fsync_dir ledger"]


def drop_line(data: bytes) -> bytes:
    """One line is missing."""
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:1] + lines[2:])


def swap_lines(data: bytes) -> bytes:
    """Two lines have changed places."""
    lines = data.splitlines(keepends=True)
    return b"".join([lines[0], lines[2], lines[1], *lines[3:]])


@pytest.mark.parametrize(
    "edit",
    [
        drop_line,
        swap_lines,
        lambda data: data[data.index(b"\n") + 1 :],
        lambda data: data.replace(b'"seizure":1', b'"seizure":7'),
        lambda data: data.replace(b'"seq":2', b'"seq":3'),
        lambda data: b"\n" + data,
        lambda data: data + b"{}\n",
        lambda data: data + b"[]\n",
        lambda data: data + b"\xff\n",
        lambda data: data + data.splitlines(keepends=True)[-1],
    ],
)
def test_an_edited_ledger_is_refused(disk: Disk, edit: Callable[[bytes], bytes]) -> None:
    """A missing, swapped, doubled, changed or foreign line is one clear error that names file and entry."""
    disk.filled()
    disk.month().write_bytes(edit(disk.month().read_bytes()))
    before = disk.month().read_bytes()
    with pytest.raises(LedgerDamaged, match=r"2026-11\.jsonl: ledger entry \d"):
        disk.open()
    assert disk.month().read_bytes() == before


def test_a_missing_or_torn_earlier_month_is_refused(disk: Disk) -> None:
    """Only the last file may end in the middle of a line, and no file may be missing."""
    ledger = disk.filled(2)
    disk.clock.now += 10 * DAY
    ledger.append("call", {}, 0)
    whole = disk.month().read_bytes()
    disk.month().write_bytes(whole[:-1])
    with pytest.raises(LedgerDamaged, match=r"2026-11\.jsonl: incomplete"):
        disk.open()
    disk.month().unlink()
    with pytest.raises(LedgerDamaged, match=r"2026-12\.jsonl: ledger entry 1"):
        disk.open()


def test_other_files_in_the_folder_are_left_alone(disk: Disk) -> None:
    """Only files named after a month are the ledger."""
    disk.filled(1)
    for name in ("notes.txt", "2026-13.jsonl", "2026-1.jsonl", "x2026-11.jsonl"):
        (disk.folder / name).write_bytes(b"something else")
    assert disk.open().durable()[0] == 1


@pytest.mark.parametrize("kind", ["append", "fsync", "fsync_dir", "mkdir"])
def test_a_full_disk_is_told_and_the_waiting_entries_follow_later(disk: Disk, kind: str) -> None:
    """No word for what is not durable; when the disk works again, all of it in order, once."""
    ledger = disk.open()
    disk.files.fail = fails_at(kind)
    ledger.append("call", {"seizure": 1}, 1)
    assert disk.posted == [DiskFailed(1.0, what="ledger: ENOSPC")]
    assert ledger.durable()[0] == 0
    disk.files.fail = lambda _operation: None
    disk.posted.clear()
    ledger.append("call", {"seizure": 2}, 2)
    assert [event.ticket for event in disk.posted if isinstance(event, EntryDurable)] == [1, 2]
    assert [entry["seizure"] for entry in disk.open().entries()] == [1, 2]


def test_a_torn_append_is_cut_off_before_it_is_repeated(disk: Disk) -> None:
    """Half a line that a full disk took does not stay in the middle of the file."""
    ledger = disk.filled(2)

    def half(operation: Operation) -> None:
        if operation.kind == "append":
            with Path(operation.path).open("ab") as file:
                file.write(b'{"seq":3,"pr')
            raise OSError(errno.ENOSPC, "No space left on device")

    disk.files.fail = half
    ledger.append("call", {}, 0)
    disk.files.fail = lambda _operation: None
    ledger.append("call", {}, 0)
    assert disk.open().durable() == ledger.durable()
    assert ledger.durable()[0] == 4


def test_close_tries_a_last_time(disk: Disk) -> None:
    """What failed before is written when the box ends in peace."""
    ledger = disk.open()
    disk.files.fail = fails_at("fsync")
    ledger.append("call", {}, 0)
    disk.files.fail = lambda _operation: None
    ledger.close()
    assert disk.open().durable()[0] == 1
