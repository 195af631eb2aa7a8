"""The ledger on disk: fsync before the word, one file per month, and what cuts, full disks and editors leave."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from handschlag.adapters.files import RealFiles
from handschlag.adapters.ledger_file import LedgerFile, Signer
from handschlag.cli.evidence import FolderFiles
from handschlag.core.effects import Value
from handschlag.core.events import DiskFailed, EntryDurable, Event, LedgerDoubted
from handschlag.core.fold import fold
from handschlag.sealing.verify import verify_ledger
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.worker import HeldWorker, InlineWorker
from tests.sealing import builder
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

    def open(
        self, worker: HeldWorker | None = None, boot: str = "b1", *, relied: int = 0, signed: bool = False
    ) -> LedgerFile:
        """A ledger as after a start."""
        return LedgerFile(
            self.folder,
            boot=boot,
            files=self.files,
            worker=worker or InlineWorker(on_error=raise_),
            post=self.post,
            clock=self.clock,
            signer=Signer(builder.BOX, builder.BOX_KEY) if signed else None,
            relied=lambda: relied,
        )

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


EDITS = [
    drop_line,
    swap_lines,
    lambda data: data[data.index(b"\n") + 1 :],
    lambda data: data.replace(b'"seizure":1', b'"seizure":7'),
    lambda data: data.replace(b'"seq":2', b'"seq":3'),
    lambda data: b"\n" + data,
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_ledger_is_doubted_and_goes_on_behind_what_was_found(
    disk: Disk, edit: Callable[[bytes], bytes]
) -> None:
    """It starts, says at which entry, changes nothing that was there, and takes entries that the next start reads."""
    disk.filled()
    disk.month().write_bytes(edit(disk.month().read_bytes()))
    before = disk.month().read_bytes()
    ledger = disk.open()
    assert ledger.doubt is not None
    assert "ledger entry" in ledger.doubt.why
    doubted(ledger)
    ledger.append("boot", {}, 0)
    assert disk.month().read_bytes().startswith(before)
    again = disk.open(boot="b3")
    assert again.doubt is None  # admitted; that it is doubted still stands in the ledger
    assert [entry["kind"] for entry in again.entries()][-2:] == ["fault", "boot"]
    assert again.durable()[0] == 6
    assert fold(again.entries()).ledger_doubt
    epoch(again)
    assert not fold(disk.open().entries()).ledger_doubt


def doubted(ledger: LedgerFile) -> None:
    """What the core writes down first."""
    assert ledger.doubt is not None
    head: dict[str, Value] = {"head_seq": ledger.doubt.seq, "head_hash": ledger.doubt.hash}
    ledger.append("fault", {"what": "ledger:doubted", "why": ledger.doubt.why, **head}, 0)


def epoch(ledger: LedgerFile, number: int = 2) -> None:
    """The owner's word, as the core writes it down."""
    said: dict[str, Value] = {
        "by": "owner",
        "id": "i",
        "name": "epoch",
        "counter": 1,
        "epoch": number,
        "outcome": "done",
    }
    ledger.append("command", said, 0)


TAILS = [b"\0" * 700, b"{}\n", b"[]\n", b"\xff\n", b'{"seq":5,"pr', b"\n\n", b"\0\0\n" * 3]


@pytest.mark.parametrize("tail", TAILS)
def test_garbage_behind_the_last_entry_is_dropped_unless_something_relies_on_more(disk: Disk, tail: bytes) -> None:
    """Whatever a cut leaves is no doubt; the same is one when a manifest or a signed head names a later entry."""
    disk.filled()
    whole = disk.month().read_bytes()
    disk.month().write_bytes(whole + tail)
    assert disk.open().doubt is None
    assert disk.month().read_bytes() == whole
    disk.month().write_bytes(whole + tail)
    relied = disk.open(relied=5)
    assert relied.doubt is not None
    assert disk.month().read_bytes() == whole + tail
    doubted(relied)
    assert disk.open().durable()[0] == 5


def test_the_last_entry_doubled_is_dropped(disk: Disk) -> None:
    """It says nothing new."""
    disk.filled()
    whole = disk.month().read_bytes()
    disk.month().write_bytes(whole + whole.splitlines(keepends=True)[-1])
    assert disk.open().doubt is None
    assert disk.month().read_bytes() == whole


def test_a_missing_torn_or_unreadable_earlier_month_is_doubted(disk: Disk) -> None:
    """Only the last file may end in the middle of a line, and no file may be missing."""
    ledger = disk.filled(2)
    disk.clock.now += 10 * DAY
    ledger.append("call", {}, 0)
    whole = disk.month().read_bytes()
    disk.month().write_bytes(whole[:-1])
    assert "incomplete" in str(disk.open().doubt)
    disk.month().unlink()
    assert "ledger entry 1" in str(disk.open().doubt)
    disk.month().mkdir()  # reading a folder fails for everybody, root included
    assert "cannot be read" in str(disk.open().doubt)


def test_a_last_file_that_cannot_be_read_is_left_alone(disk: Disk) -> None:
    """The chain goes on in the file of the next month, behind what a signed head names."""
    disk.filled(3)
    disk.open(signed=True).append("call", {}, 0)
    disk.month().rename(disk.folder / "kept")
    disk.month().mkdir()
    ledger = disk.open(signed=True)
    doubted(ledger)
    assert disk.month("2026-12").exists()
    disk.month().rmdir()
    assert disk.open(signed=True).durable()[0] == 5


@pytest.mark.parametrize(
    ("seq", "line_hash", "why"), [(5, "ab" * 32, "ends at entry 4"), (2, "ab" * 32, "another one"), (5, "", "ends at")]
)
def test_a_line_that_others_name_and_the_ledger_has_not_is_a_doubt(
    disk: Disk, seq: int, line_hash: str, why: str
) -> None:
    """A later one than the last (shortened, rolled back), or another one of the same number (forked)."""
    ledger = disk.filled()
    ledger.check(4, ledger.durable()[1], "the archive")
    ledger.check(2, "", "the archive")
    ledger.check(0, "", "the archive")
    disk.posted.clear()
    ledger.check(seq, line_hash, "the archive")
    (event,) = disk.posted
    assert isinstance(event, LedgerDoubted)
    assert (event.seq, event.hash) == (seq, line_hash)
    assert f"the archive names entry {seq}" in event.why
    assert why in event.why


def test_a_shortened_ledger_goes_on_behind_the_line_that_is_known(disk: Disk) -> None:
    """No number is used twice; what is missing is admitted; after the owner's epoch old claims count no more."""
    ledger = disk.filled()
    named = LedgerDoubted(0.0, "the archive names entry 20", 20, "ab" * 32)
    ledger.doubt = named
    doubted(ledger)
    assert ledger.durable()[0] == 21
    epoch(ledger)
    again = disk.open(boot="b2")
    assert again.doubt is None
    assert [entry["seq"] for entry in again.entries()] == [1, 2, 3, 4, 21, 22]
    assert [msgspec.json.decode(line)["seq"] for line in again.lines(1, 99)] == [1, 2, 3, 4, 21, 22]
    assert [msgspec.json.decode(line)["seq"] for line in again.lines(21, 21)] == [21]
    for seq, line_hash in ((20, "ab" * 32), (12, "cd" * 32), (3, "ef" * 32)):
        assert again.holds(seq, line_hash)
    assert not again.holds(23, "ab" * 32)
    assert not again.holds(22, "ab" * 32)
    again.append("call", {}, 0)
    assert disk.open().durable() == again.durable()


def test_a_head_is_signed_once_a_day_and_the_newest_31_stay(disk: Disk) -> None:
    """For durable lines only; verify takes the folder with them; a clock that jumps by years is only another day."""
    ledger = disk.open(signed=True)
    for day in range(40):
        disk.clock.now = NOVEMBER + day * DAY
        ledger.append("call", {"seizure": 2 * day}, 0)
        ledger.append("call", {"seizure": 2 * day + 1}, 0)
    heads = sorted(int(path.name.split(".")[1]) for path in disk.folder.glob("head.*.jws"))
    assert heads == [2 * day + 1 for day in range(9, 40)]
    verdict = verify_ledger(FolderFiles(disk.folder), builder.trust(), box=builder.BOX)
    assert verdict.ok, verdict.wrong
    assert "vouched for up to entry 79" in verdict.checked["ledger"]
    before = disk.files.done[:]
    disk.open(signed=True).append("call", {}, 0)
    assert not [done for done in disk.files.done[len(before) :] if done.kind == "rename"]


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_signed_head_finds_a_ledger_that_was_shortened(disk: Disk, cut: int) -> None:
    """Whole lines taken off the end leave a chain that holds; the head of the day knows better."""
    ledger = disk.open(signed=True)
    for day in range(2):
        disk.clock.now = NOVEMBER + day * DAY
        for _ in range(20):
            ledger.append("call", {}, 0)
    lines = disk.month().read_bytes().splitlines(keepends=True)
    disk.month().write_bytes(b"".join(lines[: len(lines) - 19 - cut]))
    found = disk.open(signed=True).doubt
    assert found is not None
    assert "a signed head names entry 21" in found.why
    for path in disk.folder.glob("head.*.jws"):
        path.write_bytes(path.read_bytes()[:-7] + b"AAAAAAA")
    assert disk.open(signed=True).doubt is None  # nobody's signature


@pytest.mark.parametrize("years", [[40, -40, 1], [-56, 60, -3], [0, 0, 70]])
@pytest.mark.parametrize("synced", [True, False])
def test_a_clock_that_jumps_by_years_leaves_a_chain_in_order(disk: Disk, years: list[int], synced: bool) -> None:  # noqa: FBT001 -- both
    """Both ways, trusted or never: numbers run on, file names rise, every start finds it whole."""
    for number, jump in enumerate(years):
        disk.clock.now, disk.clock.synced = NOVEMBER + jump * 365.25 * DAY, synced
        ledger = disk.open(boot=f"b{number}", signed=True)
        ledger.append("boot", {}, 0)
        ledger.append("call", {}, 0)
        assert ledger.doubt is None
    again = disk.open(signed=True)
    assert again.doubt is None
    assert [entry["seq"] for entry in again.entries()] == [1, 2, 3, 4, 5, 6]
    months = [path.stem for path in sorted(disk.folder.glob("*.jsonl"))]
    assert len(months) == 1 or synced


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
