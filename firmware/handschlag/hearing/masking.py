"""Silencing spans: keys that are no consent are not kept, on neither leg."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


def blank(samples: NDArray[np.int16], first_sample: int, start: int, end: int) -> None:
    """Zero, in place, what of [start, end) lies in (n, channels) samples that begin at `first_sample`."""
    low = max(start - first_sample, 0)
    high = min(end - first_sample, samples.shape[0])
    if high > low:
        samples[low:high] = 0


def merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open spans in order, overlapping and touching ones made one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
