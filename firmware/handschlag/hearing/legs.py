"""Two legs out of one pair of wires.

With current counted positive towards the telephone, the exchange's source obeys `V + Z_line·I = E_far` whatever the
telephone does, and the telephone's `V - Z_phone·I = E_near` whatever the exchange does. So each leg is the voltage plus
or minus the current through that side's impedance. Half of it is taken: then a party who is alone on a matched line
stands in the leg with the same level as on the wires.

The nominal impedances are plain factors (of 600 Ω); the bench replaces each by a short FIR at 8 kHz (`calibration`).
The nominal ones part the legs by 6-12 dB: enough to find keys in noise and to tell who speaks, not to say of a recorded
sentence who said it. So legs count as separated only under a calibration that has shown `SEPARATED_FROM_DB` on both
sides. Otherwise the ear gives the mix, the voltage as it is, on both legs: a recording has two channels either way, and
its details say `"legs": "mix"` instead of `"separated"`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.errors import HearingError
from handschlag.hearing.fir import BlockFir
from handschlag.hearing.resample import GRID_HOPS, HOP

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEPARATED_FROM_DB: Final = 20.0
"""Least separation on both sides with which a leg is called that party's."""

_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the bench knows of this tap and line; the default is nominal.

    Attributes:
        line_z: impedance of the line's side over 600 Ω, as FIR taps at 8 kHz; one tap is a plain factor.
        phone_z: that of the telephone's side.
        polarity: +1, or -1 where the bench found the current channel inverted.
        delay: samples for which the voltage waits, so that the taps may look ahead.
        separation_db: what the bench has measured for the far and for the near leg; None for nominal impedances.
    """

    line_z: tuple[float, ...] = (1.6,)
    phone_z: tuple[float, ...] = (1.4,)
    polarity: int = 1
    delay: int = 0
    separation_db: tuple[float, float] | None = None

    @property
    def separated(self) -> bool:
        """Whether the legs may be called far and near in a recording."""
        return self.separation_db is not None and min(self.separation_db) >= SEPARATED_FROM_DB

    def __post_init__(self) -> None:
        """Refuse what is no filter."""
        for name, taps in (("line_z", self.line_z), ("phone_z", self.phone_z)):
            if not 1 <= len(taps) <= _LONGEST or not all(np.isfinite(taps)):
                raise HearingError(f"calibration {name}: allowed are 1 to {_LONGEST} finite taps, got {taps!r}")
        if self.polarity not in (1, -1):
            raise HearingError(f"calibration polarity {self.polarity!r}: allowed are 1 and -1")
        if not 0 <= self.delay < min(len(self.line_z), len(self.phone_z)):
            raise HearingError(f"calibration delay {self.delay!r}: allowed are 0 to less than the taps")
        if self.separation_db is not None and not all(np.isfinite(self.separation_db)):
            raise HearingError(f"calibration separation {self.separation_db!r}: allowed are two finite figures in dB")


class LegSplitter:
    """Streaming split of (2, n) voltage and current into (2, n) far and near.

    Args:
        calibration: the impedances.
        block: samples per `feed`, a multiple of 80.
    """

    def __init__(self, calibration: Calibration, block: int) -> None:
        sides = ((0.5, calibration.line_z), (-0.5, calibration.phone_z))
        self._factors = np.array([[factor * taps[0]] for factor, taps in sides], np.float32)
        self._factors *= np.float32(calibration.polarity)
        self._late = np.zeros((1, calibration.delay + block), np.float32)
        self._delay = calibration.delay
        self._filters: list[BlockFir] = []
        if any(len(taps) > 1 for _, taps in sides):
            self._filters = [
                BlockFir(np.array(taps) * factor * calibration.polarity, 1, block) for factor, taps in sides
            ]

    def feed(self, pair: NDArray[np.float32]) -> NDArray[np.float32]:
        """Voltage and current in, far and near out."""
        split: NDArray[np.float32]
        if self._filters:
            split = np.concatenate([through.feed(pair[1:]) for through in self._filters])
        else:
            split = self._factors * pair[1]
        split += self._waited(pair[:1]) * np.float32(0.5)
        return split

    def _waited(self, voltage: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._delay:
            return voltage
        self._late[:, : self._delay] = self._late[:, voltage.shape[1] :]
        self._late[:, self._delay :] = voltage
        return self._late[:, : voltage.shape[1]]

    def wipe(self) -> None:
        """Overwrite everything held with zeros."""
        self._late.fill(0.0)
        for through in self._filters:
            through.wipe()


def separate(pair: NDArray[np.float32], calibration: Calibration | None = None) -> NDArray[np.float32]:
    """Split one whole signal at 8 kHz, (n, 2) voltage and current, into (n, 2) far and near."""
    count, grid = pair.shape[0], GRID_HOPS * HOP
    splitter = LegSplitter(calibration or Calibration(), grid)
    padded = np.zeros((2, -(-count // grid) * grid), np.float32)
    padded[:, :count] = pair.T
    for first in range(0, padded.shape[1], grid):
        padded[:, first : first + grid] = splitter.feed(padded[:, first : first + grid])
    return np.ascontiguousarray(padded[:, :count].T)


def to_int16(legs: NDArray[np.float32]) -> NDArray[np.int16]:
    """Floats (full scale 1.0) to 16 bits, rounded to nearest, limited to ±32767."""
    scaled = legs * np.float32(32767.0)
    np.rint(scaled, out=scaled)
    np.minimum(scaled, np.float32(32767.0), out=scaled)  # np.clip costs five times as much
    np.maximum(scaled, np.float32(-32767.0), out=scaled)
    samples: NDArray[np.int16] = scaled.astype(np.int16)
    return samples
