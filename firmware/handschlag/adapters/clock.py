"""The machine's clocks.

`mono` is CLOCK_MONOTONIC. Whether the wall clock is synchronised is asked of the kernel with adjtimex(2): every
time service (timesyncd, chrony, ntpd) clears the kernel's unsynchronised flag when it has set the clock and the kernel
sets it again when nobody has corrected the clock for too long. Where the kernel cannot be asked, the time counts as
unsynced (P11).
"""

from __future__ import annotations

import ctypes
import time

_TIME_ERROR = 5
_TIMEX_BYTES = 512  # struct timex has 208 bytes on 64-bit Linux, fewer on 32-bit; all zeros asks and changes nothing


class SystemClock:
    """`ports.Clock` on the machine's own clocks."""

    def mono(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall(self) -> tuple[float, bool]:
        """Seconds since 1970, and whether the kernel says they are synchronised."""
        return time.time(), kernel_synced()

    def utc_offset_s(self) -> float:
        """How far the system's time zone is ahead of UTC now."""
        return float(time.localtime().tm_gmtoff)

    def wait_s(self, until: float) -> float | None:
        """Real seconds until the monotonic time `until`, never negative."""
        return max(0.0, until - time.monotonic())


def kernel_synced() -> bool:
    """Whether adjtimex(2) calls the wall clock synchronised; False when it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
