"""Dial tone beside keys: known when it has lasted, and taken out where keys are sought.

A caller dials into the dial tone, and the first key is to be heard though the tone is still there, at times louder than
the key. Low voices fill the same band (320-480 Hz), so nothing is taken out unless next to all energy has been there
for 120 ms on end, and only while that recurs within 120 ms, as it does between keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_HZ: Final = (330.0, 470.0)
SHARE: Final = 0.88  # of the energy, in one window
LASTS: Final = 20  # hops of 5 ms
RECURS: Final = 24
HALF: Final = 28  # taps before and behind the middle of the filter: 3.5 ms

_RANK: Final = 10  # oscillations of that band in 20 ms, to 1 part in 1,000


class DialTone:
    """Per leg: is there a dial tone at this hop?"""

    def __init__(self, legs: int) -> None:
        self._lasted = [0] * legs
        self._since = [RECURS + 1] * legs

    @property
    def known(self) -> bool:
        """Some leg has, or may be getting, a dial tone."""
        return any(self._lasted) or any(since <= RECURS for since in self._since)

    def follow(self, pure: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Take (legs, hops) of windows full of the band; give where a dial tone is there."""
        there = np.zeros(pure.shape, np.bool_)
        for leg in range(pure.shape[0]):
            for hop, full in enumerate(pure[leg].tolist()):
                self._lasted[leg] = self._lasted[leg] + 1 if full else 0
                known = self._since[leg] <= RECURS
                self._since[leg] = 0 if full and (known or self._lasted[leg] >= LASTS) else self._since[leg] + 1
                there[leg, hop] = self._since[leg] <= RECURS
        return there

    def forget(self) -> None:
        """As if nothing had been heard."""
        self._lasted = [0] * len(self._lasted)
        self._since = [RECURS + 1] * len(self._since)


def band(window: int, rate: int) -> NDArray[np.float64]:
    """Orthonormal columns (window, 10) that span what can oscillate in the band within a window."""
    turn = 2.0 * np.pi / rate * np.outer(np.arange(window), np.arange(BAND_HZ[0], BAND_HZ[1] + 1.0, 5.0))
    columns: NDArray[np.float64] = np.linalg.svd(np.concatenate([np.cos(turn), np.sin(turn)], axis=1))[0][:, :_RANK]
    return columns


def _without() -> NDArray[np.float64]:
    """Taps that take 40 dB off the band and less than 1 dB off the lowest key tone."""
    n = np.arange(-HALF, HALF + 1)
    cutoff = 580.0 / 8000.0
    low = 2.0 * cutoff * np.sinc(2.0 * cutoff * n) * np.kaiser(n.size, 3.4)
    taps: NDArray[np.float64] = (n == 0) - low / low.sum()
    return taps


WITHOUT: Final = _without()
