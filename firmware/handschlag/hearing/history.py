"""The short past that the detectors look back on: one preallocated array, shifted and overwritten, never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAST: Final = 1120
"""Samples before the newest block: 140 ms."""


class History:
    """The last 140 ms and the newest block of all signals.

    Rows: 0 far and 1 near (or 0 alone for a mix), then voltage and current where the tap gives them.
    """

    def __init__(self, signals: int, block: int) -> None:
        self.signals = signals
        self.block = block
        self.data = np.zeros((signals, PAST + block), np.float32)
        self.base = 0
        """Position of the newest block's first sample."""

    def push(self, newest: NDArray[np.float32], base: int) -> None:
        """Shift by one block and append (signals, block)."""
        self.data[:, : -self.block] = self.data[:, self.block :]
        self.data[:, PAST:] = newest
        self.base = base

    def span(self, start: int, end: int) -> NDArray[np.float32]:
        """View of [start, end) of all signals, cut to what is held."""
        first = self.base - PAST
        return self.data[:, max(start - first, 0) : max(end - first, 0)]

    @property
    def oldest(self) -> int:
        """Position of the oldest sample held."""
        return self.base - PAST

    def windows(self, length: int, step: int) -> NDArray[np.float32]:
        """View (signals, block / step, length): the windows that end at each step within the newest block."""
        every = np.lib.stride_tricks.sliding_window_view(self.data, length, axis=1)
        return every[:, PAST + step - length :: step]

    def wipe(self) -> None:
        """Overwrite with zeros."""
        self.data.fill(0.0)
