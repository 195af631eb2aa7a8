"""Cadences: what pulses and pauses mean.

Each `Listener` knows one kind of tone and hears of every pulse of its bands: when it has begun, while it lasts, and
when it has ended (100 ms later, so that it is known what followed); and of the time that passes. All are told of
everything and none knows of the others, since no two tones fit one cadence.

The figures are those of facts/line.md (spandsp's and asterisk's German tones) with 10 % of tolerance, and of ITU-T
E.180/Q.35 (special information: 330 ±70 ms each, gaps of at most 30 ms, pause 1000 ±250 ms) and T.30 (CNG: 0.5 s each
3 s, ±15 %); 10 ms more are allowed for the measurement.

A *clean* pulse is steady, far (where direction is measured) and stands in quiet; a clean cycle of busy or congestion
is such a pulse and a quiet pause of the right length, at whose end the next pulse begins. Whoever speaks over the tone
spoils cycles, but the count goes on with the next clean one as long as the pulses keep their time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from handschlag.hearing.direction import FAR_FROM
from handschlag.hearing.events import RATE, ToneHeard
from handschlag.hearing.pulses import ANSWERING, CALLING, INFORMATION, LINE

if TYPE_CHECKING:
    from handschlag.hearing.pulses import Band, Pulse

Span = tuple[float, float]
"""From, to, in seconds."""

QUIET: Final = 0.25
"""Around a pulse and in pauses there is at most this part (-6 dB) of its energy."""
SILENT: Final = 0.012
"""Once the pulse is over the band holds at most this part (-19 dB): a generator stops, a string or a hall rings on."""
DIAL_AFTER_S: Final = 1.3
ANSWER_AFTER_S: Final = 0.7
REPORTED_FROM: Final = 3
"""So many cycles make a busy or congestion tone."""
_DRIFT_S: Final = 0.03
"""By how much pulses and pauses of one tone may differ."""
_MISSED: Final = 4
"""So many periods a busy tone may be covered by speech, and go on being counted."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What a listener asks of a pulse; see `Pulse`."""

    coherence: float
    spread: float
    share: float


CLEAN: Final = Steadiness(0.97, 0.25, 0.65)
ALONE: Final = Steadiness(0.985, 0.15, 0.75)
"""For a tone that one or two pulses decide."""
MODULATED: Final = Steadiness(0.93, 0.3, 0.7)
"""For a tone whose amplitude is modulated by 20 %."""


class Listener(Protocol):
    """Reads one kind of tone out of the pulses of some bands."""

    bands: tuple[Band, ...]
    trusted: bool

    @property
    def waits(self) -> bool:
        """Time that goes by may mean something to it."""

    def begun(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A pulse has begun, and its start is known."""

    def lasting(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A pulse goes on."""

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A pulse has ended, and what followed it is known."""

    def passed(self, now: int, /) -> list[ToneHeard]:
        """Time goes by."""

    def finish(self) -> list[ToneHeard]:
        """Nothing more comes."""


@dataclass(slots=True)
class _Tone:
    """A tone that is being counted."""

    name: str
    start: int
    end: int
    cos: float
    cycles: int = 1
    period_s: float = 0.0

    def heard(self, *, final: bool) -> ToneHeard:
        return ToneHeard(self.name, self.start, self.end, self.cycles, self.cos, final)


class _Counting:
    """What the listeners share: one tone at a time, reported when it grows and when it is over."""

    bands: tuple[Band, ...] = (LINE,)
    least = 1
    any_direction = False

    def __init__(self) -> None:
        self.tone: _Tone | None = None
        self.trusted: bool = True
        """False: the tap's direction proves nothing, and is not asked for."""

    @property
    def waits(self) -> bool:
        """A tone is open."""
        return self.tone is not None

    def begun(self, _pulse: Pulse, /) -> list[ToneHeard]:
        """Nothing to say."""
        return []

    def lasting(self, _pulse: Pulse, /) -> list[ToneHeard]:
        """Nothing to say."""
        return []

    def finish(self) -> list[ToneHeard]:
        """The tone is over."""
        tone, self.tone = self.tone, None
        return [tone.heard(final=True)] if tone is not None and tone.cycles >= self.least else []

    def _clean(self, pulse: Pulse, asked: Steadiness, *, quiet: bool = True) -> bool:
        far = self.any_direction or not self.trusted or not pulse.directed or pulse.cos >= FAR_FROM
        if not far or not _steady(pulse, asked):
            return False
        return not quiet or (max(pulse.before, pulse.after) <= QUIET * pulse.energy and pulse.tail <= SILENT)

    def _grown(self, pulse: Pulse) -> list[ToneHeard]:
        tone = self.tone
        if tone is None:
            return []
        tone.cycles += 1
        tone.end = pulse.end
        return [tone.heard(final=False)]

    def _new(self, name: str, first: Pulse, last: Pulse) -> list[ToneHeard]:
        over = self.finish()
        self.tone = _Tone(name, first.start, last.end, last.cos)
        return [*over, self.tone.heard(final=False)]


@dataclass(frozen=True, slots=True)
class _Interruption:
    name: str
    on: Span
    off: Span


class Interrupted(_Counting):
    """Busy and congestion: the same pulse and the same pause again and again."""

    least = REPORTED_FROM
    kinds = (
        _Interruption("busy", (0.422, 0.56), (0.422, 0.56)),
        _Interruption("busy", (0.125, 0.175), (0.417, 0.533)),
        _Interruption("congestion", (0.17, 0.274), (0.17, 0.274)),
    )

    def __init__(self) -> None:
        super().__init__()
        self._last: Pulse | None = None  # the clean pulse whose pause runs
        self._anchor: Pulse | None = None  # the last clean pulse
        self._kind: _Interruption | None = None
        self._on_s = self._off_s = 0.0

    @property
    def waits(self) -> bool:
        """A pause runs, or a tone is covered."""
        return self._anchor is not None

    def begun(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A pause is over: with the pulse before it, it may make a cycle."""
        last, self._last = self._last, None
        if last is None:
            return []
        on_s, off_s = last.length_s, (pulse.start - last.end) / RATE
        kind = next((kind for kind in self.kinds if _in(on_s, kind.on) and _in(off_s, kind.off)), None)
        if kind is None or pulse.before > QUIET * last.energy:
            return []
        regular = abs(on_s - self._on_s) <= _DRIFT_S and abs(off_s - self._off_s) <= _DRIFT_S
        events = [] if kind is self._kind and regular else self.finish()
        if self.tone is None:
            self.tone = _Tone(kind.name, last.start, pulse.start, last.cos, 0)
            self._kind, self._on_s, self._off_s = kind, on_s, off_s
        self.tone.cycles += 1
        self.tone.end = pulse.start
        return [*events, self.tone.heard(final=False)] if self.tone.cycles >= self.least else events

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A clean pulse begins the next cycle."""
        events: list[ToneHeard] = []
        if not self._clean(pulse, CLEAN):
            return events
        if self._anchor is not None and not (pulse.like(self._anchor) and self._in_time(pulse, self._anchor)):
            events = self.finish()
        self._last = self._anchor = pulse
        return events

    def _in_time(self, pulse: Pulse, anchor: Pulse) -> bool:
        periods = (pulse.start - anchor.start) / RATE / max(self._on_s + self._off_s, 1e-3)
        return abs(periods - round(periods)) * (self._on_s + self._off_s) <= 2.0 * _DRIFT_S

    def passed(self, now: int, /) -> list[ToneHeard]:
        """A pause that is too long ends the tone; where speech covers pulses, several periods are waited for."""
        if self._anchor is None:
            return []
        period_s = self._on_s + self._off_s if self.tone is not None else 1.2
        covered = self._last is None
        if now - self._anchor.start <= (_MISSED + 0.5 if covered else 1.35) * period_s * RATE:
            return []
        return self.finish()

    def finish(self) -> list[ToneHeard]:
        """The tone is over."""
        self._last = self._anchor = self._kind = None
        return super().finish()


class Ringback(_Counting):
    """One second each five, six or ten; the first may be a short one."""

    ring = (0.89, 1.11)
    short = (0.215, 0.285)
    pauses = ((3.58, 4.42), (4.48, 5.52), (8.08, 9.92))

    def __init__(self) -> None:
        super().__init__()
        self._last: Pulse | None = None

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A ring, a short one before the first ring, or something else that ends the ringing."""
        if not self._clean(pulse, ALONE):
            return []
        last, self._last = self._last, pulse
        pause_s = (pulse.start - last.end) / RATE if last is not None else 0.0
        follows = last is not None and pulse.like(last) and any(_in(pause_s, pause) for pause in self.pauses)
        ring, short = _in(pulse.length_s, self.ring), _in(pulse.length_s, self.short)
        if follows and last is not None and self.tone is not None and (ring or short):
            self.tone.period_s = (pulse.start - last.start) / RATE
            return self._grown(pulse)
        if follows and last is not None and ring and _in(last.length_s, self.short):
            self._new("ringback", last, pulse)
            return self._grown(pulse)
        return self._new("ringback", pulse, pulse) if ring else self.finish()

    def passed(self, now: int, /) -> list[ToneHeard]:
        """A pause that is too long ends it."""
        if self.tone is None:
            return []
        longest_s = 1.25 * self.tone.period_s if self.tone.period_s else self.pauses[-1][1] + 1.3
        return self.finish() if now - self.tone.end > longest_s * RATE else []


class Waiting(_Counting):
    """Two short pulses, and again after five seconds."""

    pulse = (0.17, 0.23)
    pause = (4.48, 5.52)
    alone_s = 0.4

    def __init__(self) -> None:
        super().__init__()
        self._pair: list[Pulse] = []
        self._since = -RATE  # end of the last pulse of any kind

    @property
    def waits(self) -> bool:
        """A pair may stay one, or a tone is open."""
        return self.tone is not None or bool(self._pair)

    def begun(self, pulse: Pulse, /) -> list[ToneHeard]:
        """A third pulse makes something else of a pair."""
        last = self._pair[-1] if self._pair else None
        if last is None or not _in((pulse.start - last.end) / RATE, self.pulse) or len(self._pair) > 1:
            self._pair = []
        return []

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """One half of a pair."""
        near_s, self._since = (pulse.start - self._since) / RATE, pulse.end
        if not self._clean(pulse, ALONE) or not _in(pulse.length_s, self.pulse):
            self._pair = []
        elif self._pair:
            self._pair = [*self._pair, pulse] if pulse.like(self._pair[0]) else []
        elif near_s > self.alone_s:
            self._pair = [pulse]
        return []

    def passed(self, now: int, /) -> list[ToneHeard]:
        """A pair that has stayed one."""
        if len(self._pair) > 1 and now - self._pair[1].end > self.alone_s * RATE:
            (first, last), self._pair = self._pair, []
            if self.tone is not None and _in((first.start - self.tone.end) / RATE, self.pause):
                return self._grown(last)
            return self._new("waiting", first, last)
        over = self.tone is not None and now - self.tone.end > (self.pause[1] + 1.2) * RATE
        return self.finish() if over else []


class Information(_Counting):
    """Three rising tones in a row."""

    bands: tuple[Band, ...] = INFORMATION
    pulse = (0.25, 0.41)
    gap = (-0.03, 0.06)
    pause = (0.74, 1.26)

    def __init__(self) -> None:
        super().__init__()
        self._row: list[Pulse] = []

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """One of the three."""
        row, place = self._row, INFORMATION.index(pulse.band)
        joins = place == 0 or (place == len(row) and _in((pulse.start - row[-1].end) / RATE, self.gap))
        if not joins or not _in(pulse.length_s, self.pulse) or not self._clean(pulse, ALONE, quiet=False):
            self._row = []
            return []
        self._row = row = [*row[:place], pulse]
        if len(row) < len(INFORMATION):
            return []
        self._row = []
        if self.tone is not None and _in((row[0].start - self.tone.end) / RATE, self.pause):
            return self._grown(pulse)
        return self._new("sit", row[0], pulse)

    def passed(self, now: int, /) -> list[ToneHeard]:
        """A pause that is too long ends it."""
        over = self.tone is not None and now - self.tone.end > 2.8 * RATE
        return self.finish() if over else []


class Calling(_Counting):
    """A fax that calls; either side may be one."""

    bands: tuple[Band, ...] = (CALLING,)
    any_direction = True
    pulse = (0.415, 0.585)
    pause = (2.54, 3.46)

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """One pulse is enough."""
        if not _in(pulse.length_s, self.pulse) or not self._clean(pulse, ALONE):
            return []
        if self.tone is not None and _in((pulse.start - self.tone.end) / RATE, self.pause):
            return self._grown(pulse)
        return self._new("fax", pulse, pulse)

    def passed(self, now: int, /) -> list[ToneHeard]:
        """A pause that is too long ends it."""
        over = self.tone is not None and now - self.tone.end > (self.pause[1] + 0.8) * RATE
        return self.finish() if over else []


class Lasting:
    """Dial tone, or a fax that answers: known by lasting. A dial tone is reported whatever its direction."""

    def __init__(self, name: str, band: Band, after_s: float, asked: Steadiness) -> None:
        self.bands: tuple[Band, ...] = (band,)
        self.trusted: bool = True
        self._name, self._after_s, self._asked = name, after_s, asked
        self._pulse: Pulse | None = None

    @property
    def waits(self) -> bool:
        """Never: its pulse says when it is over."""
        return False

    def begun(self, _pulse: Pulse, /) -> list[ToneHeard]:
        """Nothing to say."""
        return []

    def lasting(self, pulse: Pulse, /) -> list[ToneHeard]:
        """Long enough: it is one, or never will be."""
        if pulse.taken or pulse.length_s < self._after_s:
            return []
        if not _steady(pulse, self._asked):
            pulse.spoilt = True
            return []
        pulse.taken = True
        self._pulse = pulse
        return [self._heard(pulse, final=False)]

    def ended(self, pulse: Pulse, /) -> list[ToneHeard]:
        """The tone is over."""
        return self.finish() if pulse is self._pulse else []

    def passed(self, _now: int, /) -> list[ToneHeard]:
        """Nothing to say."""
        return []

    def finish(self) -> list[ToneHeard]:
        """The tone is over."""
        pulse, self._pulse = self._pulse, None
        return [self._heard(pulse, final=True)] if pulse is not None else []

    def _heard(self, pulse: Pulse, *, final: bool) -> ToneHeard:
        return ToneHeard(self._name, pulse.start, pulse.end, 1, pulse.cos, final)


def listeners() -> list[Listener]:
    """One of each."""
    return [
        Interrupted(),
        Ringback(),
        Waiting(),
        Information(),
        Calling(),
        Lasting("dial", LINE, DIAL_AFTER_S, ALONE),
        Lasting("fax", ANSWERING, ANSWER_AFTER_S, MODULATED),
    ]


def _steady(pulse: Pulse, asked: Steadiness) -> bool:
    return pulse.steady(coherence=asked.coherence, spread=asked.spread, share=asked.share)


def _in(seconds: float, span: Span) -> bool:
    return span[0] <= seconds <= span[1]
