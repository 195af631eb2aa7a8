"""How long the disk lasts, in hours of calls: the unit in which people ask.

Speech on two legs at 8 kHz, as FLAC in clips of 2 s, each padded to 4 KiB, takes 56 MB an hour (the voices of
`sim.voices`, the far leg beside a near one of 5 % crosstalk and noise of -70 dBFS); steady noise takes up to twice as
much. What is told is rounded down to the side on which nobody is surprised.
"""

from __future__ import annotations

BYTES_PER_HOUR = 64_000_000


def hours_of_calls(free_bytes: int) -> float:
    """So many hours can be recorded in so many bytes above the reserve; none below it."""
    return max(0, free_bytes) / BYTES_PER_HOUR
