"""Two legs out of one pair of wires.

With current counted positive towards the telephone, the exchange's source obeys `V + Z_line·I = E_far` whatever the
telephone does, and the telephone's `V − Z_phone·I = E_near` whatever the exchange does. So each leg is the voltage plus
or minus the current through that side's impedance. Half of it is taken: then a party who is alone on a matched line
stands in the leg with the same level as on the wires.

The nominal impedances are plain factors (of 600 Ω); the bench can replace each by a short FIR at 8 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handschlag.hearing.errors import HearingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the bench knows of this tap and line; the default is nominal.

    Attributes:
        line_z: impedance of the line's side over 600 Ω, as FIR taps at 8 kHz; one tap is a plain factor.
        phone_z: that of the telephone's side.
        polarity: +1, or −1 where the bench found the current channel inverted.
    """

    line_z: tuple[float, ...] = (1.3,)
    phone_z: tuple[float, ...] = (1.2,)
    polarity: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no filter."""
        for name, taps in (("line_z", self.line_z), ("phone_z", self.phone_z)):
            if not 1 <= len(taps) <= _LONGEST or not all(np.isfinite(taps)):
                raise HearingError(f"calibration {name}: allowed are 1 to {_LONGEST} finite taps, got {taps!r}")
        if self.polarity not in (1, -1):
            raise HearingError(f"calibration polarity {self.polarity!r}: allowed are 1 and -1")


class LegSplitter:
    """Streaming split of (2, n) voltage and current into (2, n) far and near; wants blocks of one size."""

    def __init__(self, calibration: Calibration, block: int) -> None:
        taps = max(len(calibration.line_z), len(calibration.phone_z))
        self._scale = np.array(
            [[0.5 * calibration.line_z[0]], [-0.5 * calibration.phone_z[0]]], np.float32
        ) * np.float32(calibration.polarity)
        self._polarity = calibration.polarity
        self._past = np.zeros(taps - 1 + block, np.float32)
        self._matrices: list[NDArray[np.float32]] = []
        if taps > 1:
            self._matrices = [
                _toeplitz(factor, filter_taps, taps, block)
                for factor, filter_taps in ((0.5, calibration.line_z), (-0.5, calibration.phone_z))
            ]

    def feed(self, pair: NDArray[np.float32]) -> NDArray[np.float32]:
        """Voltage and current in, far and near out."""
        half = pair[0] * np.float32(0.5)
        if not self._matrices:
            split: NDArray[np.float32] = self._scale * pair[1]
            split += half
            return split
        block = pair.shape[1]
        self._past[:-block] = self._past[block:]
        self._past[-block:] = pair[1] * np.float32(self._polarity)
        return np.stack([half + self._past @ matrix for matrix in self._matrices])

    def wipe(self) -> None:
        """Overwrite everything held with zeros."""
        self._past.fill(0.0)


def _toeplitz(factor: float, filter_taps: tuple[float, ...], longest: int, block: int) -> NDArray[np.float32]:
    matrix = np.zeros((longest - 1 + block, block), np.float32)
    for delay, tap in enumerate(filter_taps):
        for column in range(block):
            matrix[longest - 1 + column - delay, column] = factor * tap
    return matrix


def separate(pair: NDArray[np.float32], calibration: Calibration | None = None) -> NDArray[np.float32]:
    """Split one whole signal at 8 kHz, (n, 2) voltage and current, into (n, 2) far and near."""
    splitter = LegSplitter(calibration or Calibration(), max(pair.shape[0], 1))
    return np.ascontiguousarray(splitter.feed(np.ascontiguousarray(pair.T, np.float32)).T)


def to_int16(legs: NDArray[np.float32]) -> NDArray[np.int16]:
    """Floats (full scale 1.0) to 16 bits, rounded to nearest, limited to ±32767."""
    return np.clip(np.rint(legs * np.float32(32767.0)), -32767, 32767).astype(np.int16)
