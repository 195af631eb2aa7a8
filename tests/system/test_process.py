"""What the box asks of the system for its process."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from handschlag.cli import process

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def test_swap_areas_are_read(tmp_path: Path) -> None:
    """Each line below the first names one; a system without the file has none."""
    swaps = tmp_path / "swaps"
    swaps.write_text(HEADER + "/dev/zram0  partition  524284 0 100\n/var/swap file 102396 0 -2\n")
    assert process.swaps_in(swaps) == ["/dev/zram0", "/var/swap"]
    swaps.write_text(HEADER)
    assert process.swaps_in(swaps) == []
    assert process.swaps_in(tmp_path / "absent") == []


@pytest.mark.parametrize("locks", [True, False])
def test_swap_is_warned_of_where_memory_cannot_be_locked(
    *, locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With swap on, the box locks its memory, or says in two languages that it could not."""
    swaps = tmp_path / "swaps"
    swaps.write_text(HEADER + "/var/swap file 102396 0 -2\n")
    monkeypatch.setattr(process, "SWAPS", swaps)
    monkeypatch.setattr(process, "_lock_memory", lambda: locks)
    notes = process.leave_no_traces()
    assert bool(notes) is not locks
    assert all("/var/swap" in note and "|" in note for note in notes)


def test_no_core_dump_is_left() -> None:
    """The limit is 0 for the process and what it starts."""
    program = (
        "from handschlag.cli import process; process.leave_no_traces(); import resource; "
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0)"
    assert resource.getrlimit(resource.RLIMIT_CORE) is not None


def test_memory_that_is_locked_cannot_be_swapped() -> None:
    """Where the system grants it, the kernel counts locked memory; else the box is told that it was refused."""
    program = (
        "from handschlag.cli import process; from pathlib import Path; locked = process._lock_memory(); "
        "held = [line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmLck')]; "
        "print(locked, int(held[0].split()[1]) > 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["True", "True"], ["False", "False"])
