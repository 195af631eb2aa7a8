"""Who speaks when, and how loud.

Each 10 ms the level of each leg is held against its own noise floor, the least smoothed level of the last seconds.
A leg counts only while it is not merely the other one's leak: 6-19 dB is what two wires separate without a fitted
balance. Keys and tones are no speech; what stays at its floor (comfort noise, hum) is none, either.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import FULL_SCALE_DBM0, Leg, SpeechHeard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

HOP: Final = 80
ABOVE_FLOOR_DB: Final = 8.0
LEAST_DBM0: Final = -46.0
LEAK_DB: Final = 5.0
"""A leg this much below the other one is taken for the other one's leak."""
BEGIN_HOPS: Final = (5, 7)
"""So many active hops within so many make a beginning."""
HANGOVER_HOPS: Final = 20
SMOOTH_HOPS: Final = 3
_SPAN_HOPS: Final = 10
_SPANS: Final = 30
_EVEN_SPANS: Final = 4
_NEVER: Final = 999.0
EVEN_DB: Final = 5.0


def level_dbm0(mean_square: float) -> float:
    """Level of this mean square (full scale 1.0), -100 at the least."""
    return max(10.0 * math.log10(max(mean_square, 1e-12) * 2.0) + FULL_SCALE_DBM0, -100.0)


class _Floor:
    """The least level of the last three seconds; or of the last 0.4 s, where all of it stays within a few decibels.

    Speech never stays so even; noise that sets in does, and need not be taken for speech for long.
    """

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float]] = deque(maxlen=_SPANS)  # least and greatest level of each 0.1 s
        self._hops = -SMOOTH_HOPS - 1  # the first hops are half from before the stream
        self._least = self._greatest = 0.0
        self._past = self._even = 0.0

    def hear(self, level: float) -> float:
        """Take the next level; give the floor."""
        if self._hops <= 0:
            self._least = self._greatest = level
        elif level < self._least:
            self._least = level
        elif level > self._greatest:
            self._greatest = level
        self._hops += 1
        if self._hops == _SPAN_HOPS:
            self._spans.append((self._least, self._greatest))
            self._hops = 0
            self._past = min(least for least, _ in self._spans)
            latest = list(self._spans)[-_EVEN_SPANS:]
            quietest = min(least for least, _ in latest)
            even = len(latest) == _EVEN_SPANS and max(most for _, most in latest) - quietest < EVEN_DB
            self._even = quietest if even else -_NEVER
        floor = min(self._least, self._past) if self._spans else self._least
        return max(floor, self._even) if self._spans else floor


class _Voice:
    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.floor = _Floor()
        self.smooth = 0.0
        self._energies: deque[float] = deque([0.0] * SMOOTH_HOPS, SMOOTH_HOPS)
        self.recent: deque[bool] = deque(maxlen=BEGIN_HOPS[1])
        self.start: int | None = None
        self.last = 0

    def loudness(self, energy: float) -> float:
        """Mean square over the last hops, this one's energy included."""
        self._energies.append(energy)
        self.smooth = sum(self._energies) / (SMOOTH_HOPS * HOP)
        return self.smooth

    def hear(self, *, active: bool, first: int) -> list[SpeechHeard]:
        """One hop that begins at position `first`."""
        self.recent.append(active)
        if active:
            self.last = first + HOP
        if self.start is None:
            if sum(self.recent) < BEGIN_HOPS[0]:
                return []
            self.start = first - (len(self.recent) - 1 - list(self.recent).index(True)) * HOP
            return [SpeechHeard(self.leg, self.start, None)]
        if first + HOP - self.last < HANGOVER_HOPS * HOP:
            return []
        begun, self.start = self.start, None
        self.recent.clear()
        return [SpeechHeard(self.leg, begun, self.last)]


class ActivityDetector:
    """Speech per leg in a `History`; `feed` after each push.

    Args:
        history: the signals.
        legs: 1 for a mix (its speech is `uncertain`), 2 for far and near.
        crosstalk: the legs leak into each other.
    """

    def __init__(self, history: History, legs: int, *, crosstalk: bool) -> None:
        self._history = history
        self._legs = legs
        self._leak = 10.0 ** (-LEAK_DB / 10.0) if crosstalk else 0.0
        self._voices = self._quiet()

    def _quiet(self) -> list[_Voice]:
        return [_Voice(leg) for leg in ([Leg.UNCERTAIN] if self._legs == 1 else [Leg.FAR, Leg.NEAR])]

    def feed(self, tonal: NDArray[np.bool_]) -> list[SpeechHeard]:
        """Look at the newest block; `tonal` marks the hops that are keys or tones."""
        history = self._history
        newest = history.data[: self._legs, -history.block :].reshape(self._legs, -1, HOP)
        energy = np.einsum("ijk,ijk->ij", newest, newest).tolist()
        events: list[SpeechHeard] = []
        for hop, tone in enumerate(tonal.tolist()):
            first = history.base + hop * HOP
            loudest = 0.0
            for leg, voice in enumerate(self._voices):
                loudest = max(loudest, voice.loudness(energy[leg][hop]))
            for voice in self._voices:
                level = level_dbm0(voice.smooth)
                floor = voice.floor.hear(level)
                active = (
                    not tone
                    and level > LEAST_DBM0
                    and level > floor + ABOVE_FLOOR_DB
                    and voice.smooth >= self._leak * loudest
                )
                events += voice.hear(active=active, first=first)
        return events

    @property
    def speaking(self) -> dict[Leg, int]:
        """Who speaks now, and since which position."""
        return {voice.leg: voice.start for voice in self._voices if voice.start is not None}

    def forget(self) -> None:
        """Drop everything held."""
        self._voices = self._quiet()
