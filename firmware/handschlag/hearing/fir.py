"""Short FIR filters on blocks of one size, by one matrix product per block.

A block is cut into groups of 10 ms; each group with the samples before it, times a banded matrix, is the filtered
group. Blocks of one size always take the same sums in the same order, so results never depend on how audio arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.resample import HOP

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGH_PASS_DELAY: Final = 32
"""Samples by which `high_pass()` lags."""


class BlockFir:
    """One FIR over several signals, streaming.

    Args:
        taps: impulse response, at 8 kHz.
        signals: rows.
        block: samples per `feed`, a multiple of 80.
    """

    def __init__(self, taps: NDArray[np.float64], signals: int, block: int) -> None:
        past = taps.size - 1
        self._joined = np.zeros((signals, past + block), np.float32)
        self._past, self._block = past, block
        windows = np.lib.stride_tricks.sliding_window_view(self._joined, past + HOP, axis=1)
        self._view = windows[:, ::HOP]
        self._rows = np.zeros(self._view.shape, np.float32)
        self._matrix = np.zeros((past + HOP, HOP), np.float32)
        for column in range(HOP):
            self._matrix[column : column + taps.size, column] = taps[::-1]

    def feed(self, signals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter one block, (signals, block)."""
        self._joined[:, self._past :] = signals
        np.copyto(self._rows, self._view)
        filtered: NDArray[np.float32] = self._rows.reshape(-1, self._matrix.shape[0]) @ self._matrix
        self._joined[:, : self._past] = self._joined[:, self._block :]
        return filtered.reshape(signals.shape)

    def wipe(self) -> None:
        """Overwrite everything held with zeros."""
        self._joined.fill(0.0)
        self._rows.fill(0.0)


def high_pass() -> NDArray[np.float64]:
    """Taps that keep 600 Hz and above within 0.1 dB and take 65 dB off DC and mains hum (facts/line.md)."""
    n = np.arange(-HIGH_PASS_DELAY, HIGH_PASS_DELAY + 1)
    cutoff = 350.0 / 8000.0
    low = 2.0 * cutoff * np.sinc(2.0 * cutoff * n) * np.kaiser(n.size, 6.0)
    low /= low.sum()
    taps: NDArray[np.float64] = (n == 0) - low
    return taps
