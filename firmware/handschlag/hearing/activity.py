"""Who speaks when, and how loud.

Each 10 ms the power of each leg, the highs weighed less as a voice has less of them (6 dB less at 3 kHz), is held
against its own noise floor: the least power of the last seconds. It takes more power to begin than to go on. A leg
counts only while it is not merely the other one's leak: 6-19 dB is what two wires separate without a fitted balance.
Keys are no speech; what stays at its floor (comfort noise, hum) is none, either.

A steady vowel can pass for a tone for a tenth of a second and more, but a tone's power does not move: what sounds like
a tone is speech all the same, and was so from its first hop, once its power has moved by 2 dB, or when it ends too
early. White noise that sets in, breath and clicks do not begin speech: four hops in its beginning must have more lows
than highs, as a voice has.

All powers are sums of squares over three hops, doubled by that weighing, so no logarithm is needed.
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
BEGIN_DB: Final = 4.0
"""So far above the floor speech begins."""
GO_ON_DB: Final = 3.0
"""And so far above it it goes on."""
LEAST_DBM0: Final = -54.0
LEAK_DB: Final = 5.0
"""A leg this much below the other one is taken for the other one's leak."""
BEGIN_HOPS: Final = (5, 7)
"""So many active hops within so many make a beginning."""
HANGOVER_HOPS: Final = 20
SMOOTH_HOPS: Final = 3
EVEN_DB: Final = 5.0
TONE_MOVES_DB: Final = 2.0
TONE_EDGE_HOPS: Final = 3
"""Hops by which a tone is told from its power after the end of it."""
SHORTEST_TONE_HOPS: Final = 16
"""What ends earlier was none."""
VOICED_SHARE: Final = 0.58
"""Share of the power that is left when the highs are weighed less; noise and clicks have half."""
VOICED_HOPS: Final = 4
"""So many of the hops that make a beginning are voiced."""
_SPAN_HOPS: Final = 10
_SPANS: Final = 30
_EVEN_SPANS: Final = 4
_RECENT: Final = (1 << BEGIN_HOPS[1]) - 1


def level_dbm0(mean_square: float) -> float:
    """Level of this mean square (full scale 1.0), -100 at the least."""
    return max(10.0 * math.log10(max(mean_square, 1e-12) * 2.0) + FULL_SCALE_DBM0, -100.0)


def _ratio(db: float) -> float:
    return math.pow(10.0, db / 10.0)


_LEAST: Final = _ratio(LEAST_DBM0 - FULL_SCALE_DBM0) * SMOOTH_HOPS * HOP
_VOICED: Final = 2.0 * VOICED_SHARE
_BEGIN, _GO_ON, _EVEN, _MOVES = _ratio(BEGIN_DB), _ratio(GO_ON_DB), _ratio(EVEN_DB), _ratio(TONE_MOVES_DB)


class _Floor:
    """The least power of the last three seconds; or of the last 0.4 s, where all of it stays within a few decibels.

    Speech never stays so even; noise that sets in does, and need not be taken for speech for long.
    """

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float]] = deque(maxlen=_SPANS)  # least and greatest power of each 0.1 s
        self._hops = -SMOOTH_HOPS - 1  # the first hops are half from before the stream
        self._least = self._greatest = 0.0
        self._past = math.inf
        self._even = self._floor = 0.0

    def hear(self, power: float) -> float:
        """Take the next power; give the floor."""
        if self._hops <= 0:
            self._least, self._greatest = math.inf, 0.0
        self._greatest = max(self._greatest, power)
        if power < self._least:
            self._least = power
            self._floor = max(self._even, min(self._past, power))
        self._hops += 1
        if self._hops == _SPAN_HOPS:
            self._close_span()
        return self._floor

    def _close_span(self) -> None:
        self._spans.append((self._least, self._greatest))
        self._hops = 0
        self._past = min(least for least, _ in self._spans)
        latest = [self._spans[place] for place in range(-min(_EVEN_SPANS, len(self._spans)), 0)]
        quietest = min(least for least, _ in latest)
        even = len(latest) == _EVEN_SPANS and max(most for _, most in latest) < quietest * _EVEN
        self._even = quietest if even else 0.0


class _Tone:
    """Whether what sounds like a tone moves in power, edges aside."""

    def __init__(self) -> None:
        self.hops = 0
        self._least = self._greatest = 0.0

    def moves(self, power: float) -> bool:
        """Take the next hop of it."""
        self.hops += 1
        if self.hops <= TONE_EDGE_HOPS + 1:
            self._least = self._greatest = power
        elif power < self._least:
            self._least = power
        elif power > self._greatest:
            self._greatest = power
        return self._greatest > self._least * _MOVES


class _Voice:
    """One leg: its power, its floor, and whether it speaks."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self._floor = _Floor()
        self.power = 0.0
        self.start: int | None = None
        self._oldest = 0.0
        self._past = (0.0, 0.0, 0.0)  # powers of the hops before, the oldest one first
        self._voiced = 0  # a bit per hop, the newest one lowest
        self._recent = 0
        self._doubt = 0  # hops that may be a tone's
        self._last = 0
        self._tone = _Tone()

    def take(self, power: float, plain: float) -> float:
        """Power of the newest hop, the highs weighed less, and as it is; gives that of three hops."""
        oldest, old, last = self._past
        self._oldest = oldest
        self._past = (old, last, power)
        self._voiced = (self._voiced << 1 | (power > _VOICED * plain)) & _RECENT
        self.power = old + last + power
        return self.power

    def hear(self, leak: float, first: int, *, key: bool, tone: bool) -> SpeechHeard | None:
        """Judge the hop that begins at `first`; less than `leak` is the other one's."""
        power, start = self.power, self.start
        floor = self._floor.hear(power)
        loud = power > _LEAST and power >= leak and power > floor * (_BEGIN if start is None else _GO_ON) and not key
        if tone or self._tone.hops:
            loud = not self._in_doubt(loud=loud, tone=tone) and loud
        self._recent = (self._recent << 1 | loud) & _RECENT
        if loud:
            self._last = first + HOP
        if start is None:
            if self._recent.bit_count() < BEGIN_HOPS[0] or self._voiced.bit_count() < VOICED_HOPS:
                return None
            self.start = first - (self._recent.bit_length() - 1) * HOP
            return SpeechHeard(self.leg, self.start, None)
        if first + HOP - self._last < HANGOVER_HOPS * HOP:
            return None
        self.start, self._recent = None, 0
        return SpeechHeard(self.leg, start, self._last)

    def _in_doubt(self, *, loud: bool, tone: bool) -> bool:
        """Whether this hop may be a tone's; what turns out to be none was speech."""
        if tone and not self._tone.moves(self._oldest):
            self._doubt = (self._doubt << 1 | loud) & _RECENT
            return True
        if tone or self._tone.hops < SHORTEST_TONE_HOPS:
            self._recent |= self._doubt
        self._doubt = 0
        if not tone:
            self._tone.hops = 0
        return False


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
        newest, before = history.data[:legs, -history.block :], history.data[:legs, -history.block - 1 : -1]
        self._newest, self._before = (signal.reshape(legs, -1, HOP) for signal in (newest, before))  # views
        self._plain = np.zeros((legs, history.block // HOP), np.float32)
        self._low = np.zeros_like(self._plain)

    def _quiet(self) -> list[_Voice]:
        return [_Voice(leg) for leg in ([Leg.UNCERTAIN] if self._legs == 1 else [Leg.FAR, Leg.NEAR])]

    def feed(self, keys: NDArray[np.bool_], tones: NDArray[np.bool_]) -> list[SpeechHeard]:
        """Look at the newest block, whose hops may be marked as a key's or as sounding like a tone."""
        np.vecdot(self._newest, self._newest, out=self._plain)
        np.vecdot(self._newest, self._before, out=self._low)
        self._low += self._plain  # as if each sample had half of its neighbours added: the highs cancel
        events: list[SpeechHeard] = []
        first = self._history.base
        for key, tone, powers, plain in zip(
            keys.tolist(), tones.tolist(), self._low.T.tolist(), self._plain.T.tolist(), strict=True
        ):
            loudest = 0.0
            for voice, power, whole in zip(self._voices, powers, plain, strict=True):
                loudest = max(loudest, voice.take(power, whole))
            for voice in self._voices:
                event = voice.hear(self._leak * loudest, first, key=key, tone=tone)
                if event is not None:
                    events.append(event)
            first += HOP
        return events

    @property
    def speaking(self) -> dict[Leg, int]:
        """Who speaks now, and since which position."""
        return {voice.leg: voice.start for voice in self._voices if voice.start is not None}

    def forget(self) -> None:
        """Drop everything held."""
        self._voices = self._quiet()
        self._plain.fill(0.0)
        self._low.fill(0.0)
