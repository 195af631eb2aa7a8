"""Is the current channel the right way round? A clear dial tone tells: it comes from the exchange, so it must be far.

The verdict is asked of the voltage alone, not of a leg, since legs are wrong where the polarity is. It switches the
keypress way off until the bench was done again, so it takes a tone that nothing but an exchange makes: 425 Hz within
8 Hz (a musical scale has notes at 415 and 440 Hz), or 400 + 425 Hz, louder than -30 dBm0, with nearly all energy in it,
at one level within 1.5 dB and one frequency, for 1.3 s. Then voltage and current over all of it, and over each fifth of
it, say whose it is: far, or not far. Where the fifths disagree, nothing is said. A channel without any signal makes the
tone not far.

What lasts on is judged once; pulses (ringback, busy) are too short to be asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.direction import FAR_FROM
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, ExchangeHeard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

HOP: Final = 80
WINDOW: Final = 320  # 40 ms: one beat of 400 + 425 Hz
FLOOR_DBM0: Final = -30.0
PURE: Final = 0.9
STEADY: Final = 10.0 ** (1.5 / 10.0)
LASTS_HOPS: Final = 130
PARTS: Final = 5
WIDTH_HZ: Final = 8.0
EVEN: Final = 0.98  # how evenly the phase advances; a vibrato of ±5 Hz stays below
SETTLE: Final = 10  # hops from which the level is taken
_KEPT: Final = (400.0, 425.0, 450.0)


@dataclass(slots=True)
class _Run:
    """A tone that may be a dial tone. Of its audio only sums are kept, and the newest window's phasors."""

    start: int
    hops: int = 0
    levels: list[float] = field(default_factory=list)  # of the newest three hops
    mean: float = 0.0  # of the first hops, smoothed
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((PARTS, 3)))  # power, voltage, current squared
    newest: NDArray[np.complex128] | None = None
    advance: NDArray[np.complex128] = field(default_factory=lambda: np.zeros(3, np.complex128))
    pace: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    strength: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    def as_loud(self, level: float) -> bool:
        """At the level that it has had; over two windows half a beat apart, so that two tones' beat does not count."""
        if len(self.levels) < 2:
            return True
        smooth = 0.5 * (level + self.levels[-2])
        return self.hops < SETTLE or self.mean / STEADY < smooth < self.mean * STEADY

    def add(self, level: float, voltage: NDArray[np.complex128], current: NDArray[np.complex128]) -> None:
        """One more hop."""
        self.levels = [*self.levels[-2:], level]
        if self.hops < SETTLE:
            self.mean += level / SETTLE
        squares = np.abs(voltage) ** 2
        power = float((voltage * current.conj()).real.sum())
        part = min(self.hops * PARTS // LASTS_HOPS, PARTS - 1)
        self.sums[part] += (power, float(squares.sum()), float((np.abs(current) ** 2).sum()))
        self.strength += squares
        if self.newest is not None:
            self.advance += voltage * self.newest.conj()
            self.pace += np.abs(voltage * self.newest)
        self.newest = voltage
        self.hops += 1

    def cosine(self) -> float | None:
        """Of the whole tone, or None where it is no dial tone or its parts disagree."""
        strong = int(self.strength.argmax())
        turned = float(np.angle(self.advance[strong] * _ADVANCE[strong].conj()))
        if strong == len(_KEPT) - 1 or abs(turned) * RATE / (2.0 * np.pi * HOP) > WIDTH_HZ:
            return None
        if abs(self.advance[strong]) < EVEN * self.pace[strong]:
            return None
        sums = np.concatenate([self.sums, self.sums.sum(axis=0, keepdims=True)])
        cosines = sums[:, 0] / np.maximum(np.sqrt(sums[:, 1] * sums[:, 2]), 1e-15)
        return float(cosines[-1]) if len(set((cosines >= FAR_FROM).tolist())) == 1 else None


class PolarityWatch:
    """Looks at voltage and current in a `History`; `feed` after each push.

    Args:
        history: the signals.
        pair_row: the row of the voltage; the current stands behind it.
    """

    def __init__(self, history: History, pair_row: int) -> None:
        self._history = history
        self._view = history.windows(WINDOW, HOP)[pair_row : pair_row + 2]
        self._copy = np.zeros(self._view.shape, np.float32)
        self._run: _Run | None = None

    def feed(self) -> list[ExchangeHeard]:
        """Look at the newest block."""
        voltage = self._copy[0]
        np.copyto(voltage, self._view[0])
        energy = np.vecdot(voltage, voltage)
        if energy.max() < _LOUD or not self._may_be_clear(voltage, energy):
            self._run = None
            self._copy.fill(0.0)
            return []
        np.copyto(self._copy[1], self._view[1])
        spectrum = (self._copy.reshape(-1, WINDOW) @ _TURN).reshape(2, -1, len(_KEPT))
        level = (np.abs(spectrum[0]) ** 2).sum(axis=1) * _SCALE
        clear = (level > PURE * energy) & (energy > _LOUD)
        self._copy.fill(0.0)
        last = self._history.base + energy.size * HOP
        events: list[ExchangeHeard] = []
        for hop, is_clear in enumerate(clear.tolist()):
            end = last - (energy.size - 1 - hop) * HOP
            events += self._hop(float(level[hop]) if is_clear else None, spectrum[:, hop], end)
        return events

    @staticmethod
    def _may_be_clear(voltage: NDArray[np.float32], energy: NDArray[np.float32]) -> bool:
        """A sieve for next to nothing: the same, but for rounding, in real numbers and of the voltage alone."""
        spectrum = voltage @ _REAL_TURN
        np.multiply(spectrum, spectrum, out=spectrum)
        level = spectrum.sum(axis=1)
        return bool((level * np.float32(_SCALE / (0.99 * PURE)) > energy).any())

    def _hop(self, level: float | None, pair: NDArray[np.complex128], end: int) -> list[ExchangeHeard]:
        """One window: its level where it is clear, else None."""
        if level is None:
            self._run = None
            return []
        run = self._run
        if run is None or not run.as_loud(level):
            run = self._run = _Run(end - WINDOW)
        if run.hops < LASTS_HOPS:
            run.add(level, pair[0], pair[1])
            cosine = run.cosine() if run.hops == LASTS_HOPS else None
            if cosine is not None:
                return [ExchangeHeard(run.start, end, cosine)]
        return []

    def forget(self) -> None:
        """Drop everything held."""
        self._copy.fill(0.0)
        self._run = None


_LOUD: Final = 0.5 * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0) * WINDOW
_TURN: Final = np.exp(-2j * np.pi / RATE * np.outer(np.arange(WINDOW), _KEPT)).astype(np.complex64)
_REAL_TURN: Final = np.concatenate([_TURN.real, _TURN.imag], axis=1)
_SCALE: Final = 2.0 / WINDOW
_ADVANCE: Final = np.exp(2j * np.pi / RATE * HOP * np.array(_KEPT))
