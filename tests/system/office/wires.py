"""The ways in which a box reads a line, each around the same handset.

The decisions are the product's own (tap protocol, contacts, modem dialogue, call monitor, the combination of sources);
only their threads and ports are left out: the world lets time pass for them with `tick`. A line read by a voice modem
alone does not exist: the settings refuse it, as nobody would know the hook.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from handschlag.adapters.sources import SourcesLine
from handschlag.adapters.vox import VoxLine
from handschlag.core.call_monitor import CallMonitor
from handschlag.core.modem_talk import ModemTalk
from handschlag.core.pulse_train import HookContact, RingTrain
from handschlag.core.sources import Deciders, Fact, SourceCame, SourceLost
from handschlag.ports import Line
from handschlag.sim.line_port import SimLine
from handschlag.sim.tap import SimTap

KINDS = ("tap", "tap+modem", "tap+fritz", "gpio+modem", "gpio+fritz", "fritz", "gpio+fritz+vox", "vox")
Now = Callable[[], float]
Tell = Callable[[Fact], None]


def _nobody(_fact: Fact) -> None:
    """Nobody listens."""


class Handset:
    """The telephone and its line, as they are."""

    def __init__(self) -> None:
        self.off_hook = False
        self.ring = False
        self.broken = False
        """The loop is interrupted, as by a flash or a dialled pulse."""


class Source(Protocol):
    """A `ports.LineSource` that the world moves."""

    def start(self, tell: Tell) -> None:
        """Begin to tell."""

    def close(self) -> None:
        """End."""

    def tick(self) -> None:
        """Time passes."""

    def lose(self) -> None:
        """The part is gone."""

    def find(self) -> None:
        """The part is back."""


class Contacts:
    """Opto-couplers on the hook and the ring."""

    def __init__(self, handset: Handset, now: Now) -> None:
        self._handset = handset
        self._now = now
        self._tell: Tell = _nobody
        self._there = True
        self._begin()

    def _begin(self) -> None:
        self._hook, self._ring, self._half = HookContact(), RingTrain(), False

    def start(self, tell: Tell) -> None:
        """Begin to tell."""
        self._tell = tell
        self._begin()
        if self._there:
            tell(SourceCame(self._now()))

    def close(self) -> None:
        """End."""
        self._tell = _nobody

    def tick(self) -> None:
        """Read the pins."""
        if not self._there:
            return
        at, handset = self._now(), self._handset
        self._half = handset.ring and not self._half
        loop = handset.off_hook and not handset.broken
        facts = [
            *self._hook.edge(at, off_hook=loop),
            *self._ring.edge(at, active=self._half),
            *self._ring.tick(at),
        ]
        for fact in facts:
            self._tell(fact)

    def lose(self) -> None:
        """The pins cannot be read."""
        self._there = False
        self._tell(SourceLost(self._now(), "pins"))

    def find(self) -> None:
        """They can."""
        self._there = True
        self._begin()
        self._tell(SourceCame(self._now()))


class Modem:
    """A voice modem: it answers every command, tells rings at their end, and numbers."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._talk = ModemTalk()
        self._tell: Tell = _nobody
        self._there = True

    def start(self, tell: Tell) -> None:
        """Begin to tell."""
        self._talk, self._tell = ModemTalk(), tell
        if self._there:
            self._answer(self._talk.opened(self._now()))

    def close(self) -> None:
        """End."""
        self._tell = _nobody

    def tick(self) -> None:
        """Time passes for the dialogue."""
        if self._there:
            self._answer(*self._talk.tick(self._now()))

    def say(self, *lines: str) -> None:
        """The modem says lines."""
        if self._there:
            self._answer(*self._talk.receive("".join(f"\r\n{line}\r\n" for line in lines).encode(), self._now()))

    def lose(self) -> None:
        """The modem is pulled out."""
        self._there = False
        self._take(self._talk.closed(self._now(), "unplugged"))

    def find(self) -> None:
        """It is put in again."""
        self._there = True
        self._answer(self._talk.opened(self._now()))

    def _take(self, facts: list[Fact]) -> None:
        for fact in facts:
            self._tell(fact)

    def _answer(self, sent: bytes, facts: list[Fact] | None = None) -> None:
        self._take(facts or [])
        while sent:
            sent, facts = self._talk.receive(b"\r\nOK\r\n", self._now())
            self._take(facts)


class Fritz:
    """A FRITZ!Box's call monitor. With `hooked` it decides the hook, which it knows from its first line on."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._monitor = CallMonitor()
        self._tell: Tell = _nobody
        self._there = True
        self._calls = 0

    def start(self, tell: Tell) -> None:
        """Connect: what was before is not known."""
        self._monitor, self._tell = CallMonitor(), tell
        if self._there:
            self._take(self._monitor.opened(self._now()))

    def close(self) -> None:
        """End."""
        self._tell = _nobody

    def tick(self) -> None:
        """It has no timers."""

    def say(self, word: str, *fields: str, new: bool = False) -> None:
        """A line of the monitor about the call of the moment, or about a new one."""
        self._calls += new
        if self._there:
            line = ";".join(["24.11.26 09:15:02", word, str(self._calls % 4), *fields, ""])
            self._take(self._monitor.receive(line.encode() + b"\r\n", self._now()))

    def lose(self) -> None:
        """The router reboots."""
        self._there = False
        self._take(self._monitor.closed(self._now(), "the call monitor hung up"))

    def find(self) -> None:
        """It is back."""
        self._there = True
        self._take(self._monitor.opened(self._now()))

    def _take(self, facts: list[Fact]) -> None:
        for fact in facts:
            self._tell(fact)


class Wires:
    """One handset, read in one of `KINDS`; `attach` gives the line port of a box's run."""

    def __init__(self, kind: str, tap: SimTap, handset: Handset, now: Now) -> None:
        self.kind = kind
        self.tap = tap
        self.handset = handset
        self._now = now
        parts = kind.split("+")
        self.has_tap = parts[0] == "tap"
        self._contacts = Contacts(handset, now) if "gpio" in parts else None
        self.modem = Modem(now) if "modem" in parts else None
        self.fritz = Fritz(now) if "fritz" in parts else None
        self.hints = "vox" in parts
        self.vox: VoxLine | None = None
        self._rang = False
        self._sim: SimLine | None = None
        self._attached = False
        self._lost = False

    @property
    def sources(self) -> dict[str, Source]:
        """The parts that tell, by name."""
        named: dict[str, Source | None] = {"gpio": self._contacts, "modem": self.modem, "fritz": self.fritz}
        return {name: part for name, part in named.items() if part is not None}

    def attach(self) -> Line:
        """A line port for a box that starts."""
        self._attached = True
        names = self.kind.split("+")
        number = tuple(name for name in names if name in {"modem", "fritz"})
        if self.has_tap:
            self._sim = SimLine(self.tap, self._now)
            if self._lost:
                self._sim.unplug()
            if not number:
                return self._sim
            return SourcesLine(self.sources, Deciders(number=number), tap=self._sim, now=self._now)
        hook = tuple(name for name in ("gpio", "fritz") if name in names)[:1]
        self.vox = VoxLine() if self.hints else None
        return SourcesLine(
            self.sources | ({} if self.vox is None else {"vox": self.vox}),
            Deciders(hook, number, number, ("vox",) if self.hints else ()),
            now=self._now,
            new_boot=lambda: secrets.token_hex(8),
        )

    def detach(self) -> None:
        """The box is off: nobody reads."""
        self._attached, self._sim = False, None
        for source in self.sources.values():
            source.close()

    def tick(self) -> None:
        """Time passes for the parts."""
        if self._sim is not None:
            self._sim.pump()
        else:
            self.tap.tick(self._now())
            self.tap.take()
        for source in self.sources.values():
            source.tick()

    def lose(self) -> None:
        """The part that decides the hook is gone."""
        self._lost = True
        if self.has_tap:
            if self._sim is not None:
                self._sim.unplug()
        else:
            for source in list(self.sources.values())[:1]:
                source.lose()

    def find(self) -> None:
        """It is back."""
        self._lost = False
        if self.has_tap:
            if self._sim is not None:
                self._sim.plug()
        else:
            for source in list(self.sources.values())[:1]:
                source.find()

    def connected(self, *, play_wanted: bool) -> bool:
        """What the box plays is heard on the line: by a transformer, or wired for good."""
        if self.has_tap:
            return self.tap.playing and not self.tap.bypass
        return play_wanted and self.handset.off_hook

    # --- what the people and the exchange do

    def ringing(self, *, on: bool) -> None:
        """A ring begins, or ends."""
        self.handset.ring = on
        self.tap.ringing(on=on)
        if self.modem is not None and not on:
            self.modem.say("RING")

    def announce(self, number: str) -> None:
        """The exchange tells who is calling, to those who read it themselves; "": withheld."""
        if self.modem is not None:
            self.modem.say("DATE = 1124", "TIME = 0915", f"NMBR = {number or 'P'}")

    def call_comes(self, number: str) -> None:
        """The network announces a call."""
        if self.fritz is not None:
            self.fritz.say("RING", number, "4930123", "SIP0", new=True)
        self._rang = True

    def call_goes_away(self) -> None:
        """Nobody answered."""
        if self.fritz is not None:
            self.fritz.say("DISCONNECT", "0")
        self._rang = False

    def lift(self) -> None:
        """The handset is lifted."""
        self.handset.off_hook, self.handset.ring = True, False
        self.tap.seize()
        if self.fritz is not None and self._rang:
            self.fritz.say("CONNECT", "1", "03023125042")

    def dialled(self, number: str) -> None:
        """A whole number was dialled: the router has it."""
        if self.fritz is not None and not self._rang and self.handset.off_hook:
            self.fritz.say("CALL", "1", "4930123", number, "SIP0", new=True)

    def hang_up(self) -> None:
        """The handset is put down."""
        self.handset.off_hook = False
        self.tap.hang_up()
        if self.fritz is not None:
            self.fritz.say("DISCONNECT", "10")
        self._rang = False
