"""What the box asks of the system for its own process: to come first, and to leave no traces of what it heard (P1).

Nothing here may stop the box: where the system refuses something, the box runs without it and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path

M_PERTURB = -6  # malloc.h
FREED_BYTE = 0x5A
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # sys/mman.h
NICENESS = -11
SWAPS = Path("/proc/swaps")


def leave_no_traces() -> list[str]:
    """No core dumps, no swapping, freed memory overwritten; what the system refused, in words.

    Core dumps would hold audio. The allocator overwrites what is freed (glibc's M_PERTURB). Where there is swap, all
    memory is locked as it is touched (mlockall(2), Linux 4.4), which takes CAP_IPC_LOCK or systemd's LimitMEMLOCK.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).mallopt(M_PERTURB, FREED_BYTE)
    swaps = swaps_in(SWAPS)
    if not swaps or _lock_memory():
        return []
    told = (
        f"swap is on ({', '.join(swaps)}) and memory cannot be locked: what is heard could reach it; turn it off "
        "(swapoff -a), or give LimitMEMLOCK=infinity | "
        "Auslagerung ist an und der Speicher lässt sich nicht sperren: Gehörtes könnte dorthin gelangen; abschalten"
    )
    return [told]


def swaps_in(path: Path) -> list[str]:
    """Names of the swap areas that a /proc/swaps lists; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line.split()[0] for line in lines[1:] if line.strip()]


def _lock_memory() -> bool:
    try:
        return bool(ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
    except (OSError, AttributeError):  # another C library has no such call
        return False


def take_precedence() -> None:
    """Go before everything that is not in a hurry: threads that wait for a core for 140 ms lose audio.

    The lowest of the real-time priorities (sched(7)), else a high ordinary one, where the system grants either
    (CAP_SYS_NICE, or systemd's LimitRTPRIO and LimitNICE); all threads that begin later have it, too.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def give_memory_back() -> None:
    """Decoding and resampling the prompts leaves 5 MB of freed memory in the allocator: the system gets it (glibc)."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)
