"""Pulses of steady tone: what a tone generator sends, and voices and instruments do not.

A generator's tone does not move. Measured in windows of 40 ms, its complex amplitude turns by the same angle from
window to window and keeps its length; the mean of `z[n] * conj(z[n-4])` over the mean of `|z|²` (the *coherence*, 1.0
for a tone that stands still) and the spread of the power say how true that is. Four hops of 10 ms make it blind to a
beat of 25 Hz, so that the special dial tone (400 + 425 Hz) is as steady as a single one. In speech the coherence of a
pulse in which the band holds 80 % of the energy lies between 0.1 and 0.95; of a generator's tone at 10 dB S/N, above
0.99.

A pulse begins when the band's share of the energy says that there is little else, and lasts while its amplitude stays
above 0.4 of its level, so that near speech on top of a tone does not end it. Its edges are where the amplitude of the
whole band crosses 0.66 of the level: that is what it has when the Hann window's centre stands on the edge.

Only sums are kept of what is older than 110 ms.
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from handschlag.hearing.events import RATE

HOP: Final = 80
WINDOW: Final = 320

PURE: Final = 0.7
"""The band's share of the energy at which a pulse begins."""
HELD: Final = 0.2
"""The share that a pulse keeps at least."""
STILL: Final = 0.4
"""The part of its level that its amplitude keeps; 400 + 425 Hz beat down to 0.59 in such windows."""
EDGE: Final = 0.66
"""The part of its level that the amplitude of the whole band has where the window's centre stands on an edge."""
BROKEN_HOPS: Final = 3
"""Hops below that end a pulse: dropouts of 20 ms, and the phase reversals of answer tones, are bridged."""
SETTLED_HOPS: Final = 6
"""A pulse of so many hops has a start that is known to a few milliseconds."""
EDGE_HOPS: Final = 3
"""Hops whose windows may reach over a pulse's edge: they count for the edges only."""
LAG: Final = 4
AFTER_HOPS: Final = 10
"""A pulse is reported so many hops after its end, with what followed it."""
BEFORE_HOPS: Final = 10
_LEVEL: Final = 10.0 ** (3.0 / 20.0)
_SAME_HZ: Final = 4.0


class Hop(NamedTuple):
    """What a window of 40 ms says of one band.

    Attributes:
        centre: of the window, as a stream position.
        share: of the window's energy that lies within the band.
        amplitude: of the band.
        energy: of the whole window.
        phasors: complex amplitudes at the band's bins.
        power, norm: real power at the band, and voltage times current; 0.0 without a `vi` pair.
    """

    centre: int
    share: float
    amplitude: float
    energy: float
    phasors: list[complex]
    power: float
    norm: float


@dataclass(frozen=True, slots=True)
class Band:
    """A tone's band.

    Attributes:
        bins_hz: multiples of 25 Hz that hold a tone within the tolerance whole.
        least_hz, most_hz: mean frequencies that are accepted.
        reversals: the tone may turn to its opposite now and then.
    """

    bins_hz: tuple[float, ...]
    least_hz: float
    most_hz: float
    reversals: bool = False


LINE: Final = Band((375.0, 400.0, 425.0, 450.0, 475.0), 392.0, 458.0)
CALLING: Final = Band((1025.0, 1050.0, 1075.0, 1100.0, 1125.0, 1150.0, 1175.0), 1055.0, 1145.0)
ANSWERING: Final = Band((2050.0, 2075.0, 2100.0, 2125.0, 2150.0), 2080.0, 2120.0, reversals=True)
INFORMATION: Final = tuple(
    Band(tuple(middle + 25.0 * step for step in range(-3, 4)), middle - 57.0, middle + 57.0)
    for middle in (950.0, 1400.0, 1800.0)
)
BANDS: Final = (LINE, CALLING, ANSWERING, *INFORMATION)


@dataclass(slots=True)
class _Sums:
    """Sums over a pulse's inner hops."""

    hops: int = 0
    amplitude: float = 0.0
    share: float = 0.0
    energy: float = 0.0
    power: float = 0.0
    norm: float = 0.0
    turn: complex = 0j  # of one hop
    kept: complex = 0j  # over the lag
    lagged: float = 0.0
    spans: int = 0
    span: float = 0.0
    span_square: float = 0.0


@dataclass(slots=True)
class Pulse:
    """One pulse, while it lasts and afterwards.

    Attributes:
        band: of which it is.
        before: mean energy of the windows of the last 100 ms before it.
        after: mean energy of the windows that followed its end, for up to 70 ms.
    """

    band: Band
    before: float
    start: int = 0
    end: int = 0
    hops: int = 0
    misses: int = 0
    after: float = 0.0
    taken: bool = False
    """It has been reported while it lasts."""
    spoilt: bool = False
    """It has lasted too long for what it is: a new one may begin."""
    _followed: int = 0
    _tail: float = 0.0
    _edge: int = EDGE_HOPS
    _column: int = -1
    _loudest: float = 0.0
    _rise: list[tuple[int, float]] = field(default_factory=list)
    _fall: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=EDGE_HOPS))
    _waiting: deque[Hop] = field(default_factory=deque)
    _last: deque[complex] = field(default_factory=lambda: deque(maxlen=LAG))
    _squares: deque[float] = field(default_factory=lambda: deque(maxlen=LAG))
    _sums: _Sums = field(default_factory=_Sums)

    def precede(self, centre: int, amplitude: float) -> None:
        """A hop just before the first: only the start's edge needs it."""
        self._rise.append((centre, amplitude))

    def holds(self, hop: Hop) -> bool:
        """The tone is still there."""
        if hop.share > PURE and self.hops < SETTLED_HOPS:
            return True
        return hop.share > HELD and hop.amplitude >= STILL * self.level

    def add(self, hop: Hop) -> None:
        """A hop that holds the tone."""
        self.hops += 1
        if self.misses:
            self._resume()
        self._fall.append((hop.centre, hop.amplitude))
        self.end = hop.centre + HOP // 2
        if self.hops <= SETTLED_HOPS:
            self._settle(hop)
        self._waiting.append(hop)
        if len(self._waiting) > EDGE_HOPS:
            inner = self._waiting.popleft()
            if self._edge:
                self._edge -= 1
            else:
                self._sum(inner)

    def _resume(self) -> None:
        """After a dropout or a phase reversal: what lies around it counts as edges do."""
        self.misses, self._edge = 0, EDGE_HOPS
        self._waiting.clear()
        self._last.clear()
        self._squares.clear()

    def _settle(self, hop: Hop) -> None:
        self._rise.append((hop.centre, hop.amplitude))
        self._loudest = max(self._loudest, hop.amplitude)
        if self.hops == EDGE_HOPS + 1:
            sizes = [abs(phasor) for phasor in hop.phasors]
            self._column = sizes.index(max(sizes))
        if self.hops == 1:
            self.start = hop.centre - HOP // 2
        if self.hops == SETTLED_HOPS:
            self.start = _crossing(self._rise, EDGE * sum(a for _, a in self._rise[-3:]) / 3.0)
            self._rise.clear()

    def _sum(self, hop: Hop) -> None:
        sums, phasor = self._sums, hop.phasors[self._column]
        sums.hops += 1
        sums.amplitude += hop.amplitude
        sums.share += hop.share
        sums.energy += hop.energy
        sums.power += hop.power
        sums.norm += hop.norm
        if self._last:
            turn = phasor * self._last[-1].conjugate() * self._unturned
            if self.band.reversals and (turn * sums.turn.conjugate()).real < 0.0:
                self._last.clear()
            else:
                sums.turn += turn
        if len(self._last) == LAG:
            sums.kept += phasor * self._last[0].conjugate()
            sums.lagged += 0.5 * (abs(phasor) ** 2 + abs(self._last[0]) ** 2)
        self._last.append(phasor)
        self._squares.append(abs(phasor) ** 2)
        if len(self._squares) == LAG:
            span = sum(self._squares)
            sums.spans += 1
            sums.span += span
            sums.span_square += span * span

    @property
    def _unturned(self) -> complex:
        """Takes back by how much the bin's own frequency turns in one hop."""
        return cmath.exp(-2j * math.pi * self.band.bins_hz[self._column] * HOP / RATE)

    def miss(self, hop: Hop) -> None:
        """A hop that does not hold the tone."""
        if self.misses == 0:
            self.end = _crossing([(hop.centre, hop.amplitude), *reversed(self._fall)], EDGE * self.level)
        self.misses += 1
        if self.misses >= BROKEN_HOPS:
            self._followed += 1
            self.after += (hop.energy - self.after) / self._followed
            self._tail += (hop.amplitude**2 - self._tail) / self._followed

    def close(self) -> None:
        """It is over: only sums are kept, for as long as a cadence needs them (promise P1)."""
        for held in (self._waiting, self._last, self._squares, self._fall, self._rise):
            held.clear()

    @property
    def level(self) -> float:
        """Mean amplitude."""
        return self._sums.amplitude / self._sums.hops if self._sums.hops else self._loudest

    @property
    def energy(self) -> float:
        """Mean energy of its windows."""
        return self._sums.energy / self._sums.hops if self._sums.hops else 0.0

    @property
    def share(self) -> float:
        """Mean share of the energy."""
        return self._sums.share / self._sums.hops if self._sums.hops else 0.0

    @property
    def cos(self) -> float:
        """Cosine of φ, 0.0 where it is not measured."""
        return self._sums.power / self._sums.norm if self._sums.norm > 0.0 else 0.0

    @property
    def tail(self) -> float:
        """What the band still holds 30-100 ms after its end, as a part of its power."""
        return self._tail / max(self.level**2, 1e-12)

    @property
    def directed(self) -> bool:
        """Its direction was measured."""
        return self._sums.norm > 0.0

    @property
    def length_s(self) -> float:
        """Duration in seconds."""
        return (self.end - self.start) / RATE

    @property
    def frequency_hz(self) -> float:
        """Mean frequency; 0.0 for a pulse too short to have one."""
        if self._column < 0 or self._sums.turn == 0j:
            return 0.0
        return self.band.bins_hz[self._column] + cmath.phase(self._sums.turn) * RATE / (2.0 * math.pi * HOP)

    @property
    def coherence(self) -> float:
        """How still the phasor stands: 1.0 for one steady tone."""
        return abs(self._sums.kept) / self._sums.lagged if self._sums.lagged > 0.0 else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of the power in 40 ms, over its mean; 1.0 for a pulse too short to have one."""
        if not self._sums.spans:
            return 1.0
        mean = self._sums.span / self._sums.spans
        variance = max(self._sums.span_square / self._sums.spans - mean * mean, 0.0)
        return math.sqrt(variance) / mean if mean > 0.0 else 1.0

    def like(self, other: Pulse) -> bool:
        """Both are of one tone: the same level within 3 dB, the same frequency within 4 Hz."""
        ratio = self.level / max(other.level, 1e-12)
        return 1.0 / _LEVEL < ratio < _LEVEL and abs(self.frequency_hz - other.frequency_hz) < _SAME_HZ

    def steady(self, *, coherence: float, spread: float, share: float) -> bool:
        """It has the band's frequency, and stands this still."""
        return (
            self.band.least_hz <= self.frequency_hz <= self.band.most_hz
            and self.coherence >= coherence
            and self.spread <= spread
            and self.share >= share
        )


def _crossing(points: list[tuple[int, float]], level: float) -> int:
    """Where the amplitude first reaches this level."""
    for (before, low), (centre, high) in pairwise(points):
        if low < level <= high:
            return round(before + (centre - before) * (level - low) / (high - low))
    return points[0][0]
