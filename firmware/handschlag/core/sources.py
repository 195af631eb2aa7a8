"""A line read by several parts instead of one tap: who decides what, and what happens when they disagree.

An opto-isolated input knows the hook, a voice modem the ring and the number, a FRITZ!Box the calls. Each is a *source*:
it tells facts, and the settings say which sources decide the hook, the ring and the number. The combiner makes of the
facts what a tap would say (TapHello, LineTold, TapGone), so that the core knows one kind of line only. Its rules:

- Restricting wins. The line is off-hook only while every source that decides the hook says so; one that says on-hook
  makes it on-hook, one that does not know makes it unknown.
- When a source that decides the hook or the ring is lost, the line is unknown until all are back. Then it is another
  boot, so that no consent outlives the loss. A lost number source costs the number only.
- Sources do not count seizures, so they are counted here: each rise to off-hook is one, and a ring on a line that is
  off-hook begins another, as the old seizure cannot have lasted.
- A ring that was already going on when the line was seized has been answered, however late its end is told; what
  comes within `LATE_RING_S` is late word of it. A ring that only the network tells (a call waiting) ends nothing.
- What is only heard (`vox`) is a hint and decides nothing: not the hook, the ring or the number. A hint permits
  nothing, for it never makes an unknown line known and lifts no other source's doubt; and it restricts nothing, for a
  silent caller must not end a call. It is told, for people to read, only while no wire knows the line; where nothing
  but hints is wired the line is unknown for ever, so that nothing is asked, played or recorded.
- Numbers come from the first source in the settings' order that told one for this ring; a later one never replaces it.

Nothing here proves a key's direction: the audio is `mix`, and only the oral way is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from handschlag.core.events import (
    CallerIdHeard,
    Dialled,
    Event,
    Flashed,
    LineSounds,
    LineTold,
    Pulsed,
    TapAudio,
    TapGone,
    TapHello,
)

SERIAL = "sources"
"""What stands in place of a tap's serial number; no bench proves it."""

LATE_RING_S = 1.5
"""A modem tells a ring at its end, a ring detector holds on: after lifting, for so long, it was the ring answered."""

SAME_RING_S = 8.0
"""Rings and numbers closer than this are of one call."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a source tells, at monotonic seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class SourceCame(Fact):
    """The source can be heard; what it knows comes with the facts that follow."""


@dataclass(frozen=True, slots=True)
class SourceLost(Fact):
    """The source cannot be heard, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class HookRead(Fact):
    """The telephone is off-hook or not; None where the source does not know."""

    off_hook: bool | None


@dataclass(frozen=True, slots=True)
class HookHint(Fact):
    """The telephone is probably off-hook or not, as it sounds; None where nothing is known."""

    off_hook: bool | None


@dataclass(frozen=True, slots=True)
class RingRead(Fact):
    """Ringing goes on or not; `electric` when ring voltage was seen, not only a message about it."""

    ring: bool
    electric: bool = True


@dataclass(frozen=True, slots=True)
class NumberRead(Fact):
    """Who is calling. Number and name are not in the representation (P9)."""

    number: str = field(repr=False)
    name: str = field(default="", repr=False)
    time: str = ""
    absence: str = ""


@dataclass(frozen=True, slots=True)
class NumberDialled(Fact):
    """The whole number that was called from here."""

    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlashRead(Fact):
    """A hook flash of `ms` milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class DigitPulsed(Fact):
    """One digit dialled by loop interruptions."""

    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deciders:
    """Which sources decide what. Without `hook` and `hint` there is a tap, and only numbers come from the sources."""

    hook: tuple[str, ...] = ()
    ring: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """What one source has told."""

    there: bool = False
    why: str = "not heard from yet"
    off_hook: bool | None = None
    ring: bool = False


class Combiner:
    """Facts in, a line's events out. `new_boot` gives a random id; equal ids would let a consent outlive a loss."""

    def __init__(self, deciders: Deciders, new_boot: Callable[[], str]) -> None:
        self._deciders = deciders
        self._new_boot = new_boot
        names = {*deciders.hook, *deciders.ring, *deciders.number}
        self._known: Mapping[str, _Known] = {name: _Known() for name in sorted(names)}
        self._reads_line = bool(deciders.hook or deciders.hint)
        self._hints: dict[str, bool | None] = {}
        self._hint: bool | None = None
        self._is_known = False
        self._told_gone = False
        self._off_hook = False
        self._ring = False
        self._lifted_at: float | None = None
        self._seizure = 0
        self._rank: int | None = None
        self._ranked_at = 0.0

    @property
    def line(self) -> tuple[bool, bool] | None:
        """Off-hook and ring as last told; None while the line is unknown."""
        return (self._off_hook, self._ring) if self._is_known else None

    def begin(self, at: float) -> list[Event]:
        """Nothing has been told yet: the line is unknown."""
        return self._settle(at) if self._reads_line else []

    def take(self, source: str, fact: Fact) -> list[Event]:
        """What a fact means; facts of a source that decides nothing mean nothing."""
        events: list[Event] = []
        if isinstance(fact, HookHint):
            if source in self._deciders.hint:
                self._hints[source] = fact.off_hook
        elif source in self._known:
            events = self._read(source, self._known[source], fact)
        else:
            return []
        return self._settle(fact.at) + events if self._reads_line else events

    def _read(self, source: str, known: _Known, fact: Fact) -> list[Event]:
        events: list[Event] = []
        match fact:
            case SourceCame():
                known.there, known.off_hook, known.ring = True, None, False
            case SourceLost():
                known.there, known.why, known.off_hook, known.ring = False, fact.why, None, False
            case HookRead():
                known.off_hook = fact.off_hook
            case RingRead():
                self._take_ring(source, known, fact)
            case NumberRead():
                events += self._number(source, fact)
            case FlashRead():
                events += [Flashed(fact.at, fact.ms)] if self._off_hook else []
            case DigitPulsed():
                events += [Pulsed(fact.at, fact.digit)] if self._off_hook else []
            case NumberDialled():
                events.append(Dialled(fact.at, fact.number))
            case _:
                raise TypeError(f"no such fact: {type(fact).__name__}")
        return events

    def tick(self, at: float) -> list[Event]:
        """The line as it stands, once a second: what a tap repeats by itself."""
        return [self._told(at)] if self._is_known else []

    def _sounds(self, at: float) -> list[Event]:
        """What the hints come to, where it has changed: nothing beside a line that is known, or where they differ."""
        said = {hint for hint in self._hints.values() if hint is not None}
        hint = said.pop() if len(said) == 1 and not self._is_known else None
        if hint is self._hint:
            return []
        self._hint = hint
        return [LineSounds(at, hint)]

    def _take_ring(self, source: str, known: _Known, fact: RingRead) -> None:
        if source not in self._deciders.ring:
            return
        rises = fact.ring and not known.ring
        if fact.ring and self._off_hook:
            late = self._lifted_at is not None and fact.at - self._lifted_at < LATE_RING_S
            if late or not fact.electric:
                return
            if rises:
                self._seizure += 1
        known.ring = fact.ring
        if rises and fact.at - self._ranked_at > SAME_RING_S:
            self._rank = None
        self._ranked_at = fact.at

    def _number(self, source: str, fact: NumberRead) -> list[Event]:
        if source not in self._deciders.number:
            return []
        rank = self._deciders.number.index(source)
        if fact.at - self._ranked_at > SAME_RING_S:
            self._rank = None
        self._ranked_at = fact.at
        if self._rank is not None and rank > self._rank:
            return []
        self._rank = rank
        return [CallerIdHeard(fact.at, fact.number, fact.name, fact.time, "voice", fact.absence)]

    def _settle(self, at: float) -> list[Event]:
        """What changed for the line as a whole, by wire and by hint."""
        wired = self._settle_wires(at)
        return wired + self._sounds(at)

    def _settle_wires(self, at: float) -> list[Event]:
        missing = self._missing()
        if missing:
            was_known, self._is_known = self._is_known, False
            self._off_hook = self._ring = False
            self._lifted_at = None
            if was_known or not self._told_gone:
                self._told_gone = True
                return [TapGone(at, missing)]
            return []
        events: list[Event] = []
        if not self._is_known:
            self._is_known, self._told_gone, self._seizure = True, False, 0
            events.append(TapHello(at, self._new_boot(), SERIAL, TapAudio.MIX))
        off_hook = all(self._known[name].off_hook for name in self._deciders.hook)
        if off_hook and not self._off_hook:
            self._seizure += 1
            self._lifted_at = at
            for known in self._known.values():
                known.ring = False
        if not off_hook:
            self._lifted_at = None
        ring = any(self._known[name].ring for name in self._deciders.ring)
        if events or (off_hook, ring) != (self._off_hook, self._ring):
            self._off_hook, self._ring = off_hook, ring
            events.append(self._told(at))
        return events

    def _missing(self) -> str:
        """Which deciding source makes the line unknown; "" if none does."""
        if not self._deciders.hook:
            return "hook: not known by wire"
        for name in (*self._deciders.hook, *self._deciders.ring):
            known = self._known[name]
            if not known.there:
                return f"{name}: {known.why}"
        unsure = [name for name in self._deciders.hook if self._known[name].off_hook is None]
        return f"{unsure[0]}: does not know the hook yet" if unsure else ""

    def _told(self, at: float) -> LineTold:
        return LineTold(at, self._off_hook, self._ring, self._seizure)
