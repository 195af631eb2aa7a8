"""Call progress tones of German lines (425 Hz) and fax tones.

Each 10 ms a Hann window of 40 ms says how much of the energy lies within the tone's band: 375-475 Hz (also for the
special dial tone of 400 + 425 Hz), 1100 Hz (CNG) and 2100 Hz (CED). Pulses of nearly pure tone are then
read as cadences; pulses and pauses are the German ones with 10 % and more of tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, ToneHeard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

HOP: Final = 80
WINDOW: Final = 320
FLOOR_DBM0: Final = -43.0
PURE: Final = 0.7
LASTING_PURE: Final = 0.5  # a pulse that has begun
DIAL_AFTER: Final = round(1.3 * RATE)
FAX_AFTER: Final = {1: round(0.38 * RATE), 2: round(0.5 * RATE)}
BROKEN_HOPS: Final = 3  # hops without tone that end a pulse
SHORTEST_PULSE: Final = 4  # hops

_BANDS: Final = ((375.0, 400.0, 425.0, 450.0, 475.0), (1075.0, 1100.0, 1125.0), (2075.0, 2100.0, 2125.0))
_CADENCES: Final = (  # name, pulse and pause in seconds (least, most), reported from so many cycles
    ("busy", (0.40, 0.58), (0.40, 0.58), 3),
    ("busy", (0.11, 0.19), (0.42, 0.53), 3),
    ("congestion", (0.16, 0.30), (0.16, 0.30), 3),
    ("ringback", (0.85, 1.17), (3.4, 9.9), 1),
    ("ringback", (0.20, 0.30), (3.4, 4.6), 1),
)
_SAME_LEVEL: Final = 2.0  # power ratio of two pulses of one cadence: 3 dB
_LONGEST_PAUSE: Final = {"busy": 0.75, "congestion": 0.45, "ringback": 6.0}
_RINGBACK_PULSE: Final = (0.85, 1.17)


@dataclass(slots=True)
class _Pulse:
    start: int
    end: int = 0
    hops: int = 0
    misses: int = 0
    power: float = 0.0
    norm: float = 0.0
    energy: float = 0.0
    reported: bool = False

    def add(self, end: int, power: float, norm: float, energy: float) -> None:
        self.end, self.misses = end, 0
        self.hops += 1
        self.power += power
        self.norm += norm
        self.energy += energy

    def as_loud_as(self, other: _Pulse) -> bool:
        """Both have the same level within 3 dB."""
        mine, theirs = self.energy / self.hops, other.energy / other.hops
        return mine < _SAME_LEVEL * theirs and theirs < _SAME_LEVEL * mine

    @property
    def cos(self) -> float:
        return self.power / self.norm if self.norm > 0.0 else 0.0


@dataclass(slots=True)
class _Cadence:
    name: str
    start: int
    end: int
    cycles: int
    cos: float
    least: int

    def heard(self, *, final: bool) -> ToneHeard:
        return ToneHeard(self.name, self.start, self.end, self.cycles, self.cos, final)


class ToneDetector:
    """Finds tones in row 0 of a `History` (far leg or mix); `feed` after each push.

    Args:
        history: the signals.
        pair_row: the row of voltage, current behind it; None where direction is not known.
    """

    def __init__(self, history: History, pair_row: int | None) -> None:
        self._history = history
        rows = [0] if pair_row is None else [0, pair_row, pair_row + 1]
        windows = history.windows(WINDOW, HOP)
        self._views = [windows[row] for row in rows]
        self._copy = np.zeros((len(rows), *windows.shape[1:]), np.float32)
        self._matrix, self._bands = _matrix()
        self._near_425 = np.ascontiguousarray(self._matrix[:, _AT_425])
        self._pulses: list[_Pulse | None] = [None, None, None]
        self._last: _Pulse | None = None  # the last complete pulse of 425 Hz
        self._cadence: _Cadence | None = None
        self.sounding = np.zeros(history.block // HOP, np.bool_)
        """Per 10 ms of the newest block: nearly pure tone."""

    def feed(self) -> list[ToneHeard]:
        """Look at the newest block."""
        far, hops = self._copy[0], self._copy.shape[1]
        np.copyto(far, self._views[0])
        energy = np.einsum("ij,ij->i", far, far)
        last = self._history.base + hops * HOP - WINDOW // 2
        self.sounding[:] = False
        if energy.max() < _LOUD:
            return self._follow([[0.0] * 3] * hops, energy, last) if any(self._pulses) else self._pause(last)
        total, in_band = self._bands_of(far)
        purity = [
            share if loud > _LOUD else [0.0] * 3
            for share, loud in zip((in_band / total[:, None]).tolist(), energy.tolist(), strict=True)
        ]
        if not any(self._pulses) and max(map(max, purity)) <= PURE:
            return self._pause(last)
        return self._follow(purity, energy, last)

    def _follow(self, purity: list[list[float]], energy: NDArray[np.float32], last: int) -> list[ToneHeard]:
        hops = len(purity)
        powers = norms = [0.0] * hops
        if len(self._views) > 1 and max(share[0] for share in purity) > LASTING_PURE:
            powers, norms = self._power_at_425()
        events: list[ToneHeard] = []
        for hop, (shares, loudness) in enumerate(zip(purity, energy.tolist(), strict=True)):
            centre = last - (hops - 1 - hop) * HOP
            self.sounding[hop] = max(shares) > PURE
            for band in range(3):
                events += self._advance(band, shares[band], (powers[hop], norms[hop], loudness), centre)
        return events

    def _bands_of(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weighted energy of each window, and how much of it is in each band."""
        squares: NDArray[np.float32] = windows @ self._matrix
        np.multiply(squares, squares, out=squares)
        weighted = windows * _WINDOW_SHAPE
        total: NDArray[np.float32] = np.einsum("ij,ij->i", weighted, weighted)
        total += np.float32(1e-12)
        in_band: NDArray[np.float32] = squares @ self._bands
        return total, in_band

    def _power_at_425(self) -> tuple[list[float], list[float]]:
        """Real power, and voltage times current, of each hop."""
        for row in (1, 2):
            np.copyto(self._copy[row], self._views[row])
        spectrum = (self._copy[1:].reshape(-1, WINDOW) @ self._near_425).reshape(2, -1, _AT_425.size)
        voltage, current = spectrum
        power = np.einsum("ij,ij->i", voltage, current)
        self._copy[1:] = 0.0  # they are filled while tones last only, and would keep what they hold
        norm = np.sqrt(np.einsum("ij,ij->i", voltage, voltage) * np.einsum("ij,ij->i", current, current))
        return power.tolist(), norm.tolist()

    def _advance(self, band: int, purity: float, measured: tuple[float, float, float], centre: int) -> list[ToneHeard]:
        pulse = self._pulses[band]
        if pulse is None:
            if purity > PURE:
                begun = self._pulses[band] = _Pulse(centre - HOP // 2)
                begun.add(centre + HOP // 2, *measured)
                return []
            return self._pause(centre) if band == 0 else []
        if purity > LASTING_PURE:
            pulse.add(centre + HOP // 2, *measured)
            return self._lasting(band, pulse)
        pulse.misses += 1
        return self._broken(band, pulse) if pulse.misses == BROKEN_HOPS else []

    def _broken(self, band: int, pulse: _Pulse) -> list[ToneHeard]:
        """A pulse is over."""
        self._pulses[band] = None
        if pulse.hops < SHORTEST_PULSE:
            return []
        if pulse.reported:
            self._last = None
            return [ToneHeard(_name(band), pulse.start, pulse.end, 1, pulse.cos if band == 0 else 0.0, True)]
        return self._pulse(pulse) if band == 0 else []

    def _lasting(self, band: int, pulse: _Pulse) -> list[ToneHeard]:
        """Dial and fax tones are known by lasting."""
        if pulse.reported or pulse.end - pulse.start < (FAX_AFTER.get(band) or DIAL_AFTER):
            return []
        pulse.reported = True
        events = self._finish() if band == 0 else []
        cos = pulse.cos if band == 0 else 0.0
        return [*events, ToneHeard(_name(band), pulse.start, pulse.end, 1, cos, False)]

    def _pulse(self, pulse: _Pulse) -> list[ToneHeard]:
        """A pulse of 425 Hz has ended: with the one before it, it may make a cycle."""
        events: list[ToneHeard] = []
        before, self._last = self._last, pulse
        if before is not None:
            on, off = (before.end - before.start) / RATE, (pulse.start - before.end) / RATE
            match = next((c for c in _CADENCES if c[1][0] <= on <= c[1][1] and c[2][0] <= off <= c[2][1]), None)
            if match is None or (self._cadence is not None and self._cadence.name != match[0]):
                events += self._finish()
            if match is not None and match[0] != "ringback":
                events += self._cycle(match[0], match[3], before, pulse.start)
        on = (pulse.end - pulse.start) / RATE
        if _RINGBACK_PULSE[0] <= on <= _RINGBACK_PULSE[1]:
            if self._cadence is not None and self._cadence.name != "ringback":
                events += self._finish()
            events += self._cycle("ringback", 1, pulse, pulse.end)
        return events

    def _cycle(self, name: str, least: int, pulse: _Pulse, end: int) -> list[ToneHeard]:
        if self._cadence is None:
            self._cadence = _Cadence(name, pulse.start, end, 0, pulse.cos, least)
        self._cadence.cycles += 1
        self._cadence.end = end
        if self._cadence.cycles < least:
            return []
        return [self._cadence.heard(final=False)]

    def _pause(self, centre: int) -> list[ToneHeard]:
        if self._cadence is None or self._last is None:
            return []
        if (centre - self._last.end) / RATE <= _LONGEST_PAUSE[self._cadence.name]:
            return []
        return self._finish()

    def _finish(self) -> list[ToneHeard]:
        cadence, self._cadence = self._cadence, None
        if cadence is None or cadence.cycles < cadence.least:
            return []
        return [cadence.heard(final=True)]

    def forget(self) -> None:
        """Drop everything held."""
        self._copy.fill(0.0)
        self._pulses = [None, None, None]
        self._last = self._cadence = None
        self.sounding[:] = False


def _name(band: int) -> str:
    return "dial" if band == 0 else "fax"


_LOUD: Final = 0.5 * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0) * WINDOW
_WINDOW_SHAPE: Final = (0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)).astype(np.float32)
_AT_425: Final = np.array([1, 2, 3, 12, 13, 14])  # 400, 425 and 450 Hz: cosines, then sines


def _matrix() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hann-weighted cosines and sines at all bins, scaled so that a band's squares sum to its energy; bins to bands."""
    bins = [frequency for band in _BANDS for frequency in band]
    turn = 2.0 * np.pi / RATE * np.outer(np.arange(WINDOW), bins)
    scale = np.sqrt(2.0 / WINDOW)
    matrix = np.concatenate([np.cos(turn), np.sin(turn)], axis=1) * _WINDOW_SHAPE[:, None] * scale
    bands = np.zeros((len(bins), 3), np.float32)
    first = 0
    for column, band in enumerate(_BANDS):
        bands[first : first + len(band), column] = 1.0
        first += len(band)
    return matrix.astype(np.float32), np.concatenate([bands, bands])
