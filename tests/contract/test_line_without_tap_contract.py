"""What every `ports.Line` keeps that is read by sources instead of a tap: the same story over each way to wire one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from handschlag.adapters.fritz import FritzLine
from handschlag.adapters.gpio_line import GpioLine
from handschlag.adapters.modem import ModemLine
from handschlag.adapters.sources import SourcesLine
from handschlag.adapters.vox import VoxLine
from handschlag.core.events import (
    CallerIdHeard,
    Leg,
    LineSounds,
    LineTold,
    PlayConnected,
    SpeechBegan,
    TapAudio,
    TapGone,
    TapHello,
)
from handschlag.core.sources import Deciders
from handschlag.ports import Line
from tests.support.fritz_peer import FritzPeer
from tests.support.inbox import Inbox
from tests.support.modem_peer import ModemPeer

HOOK, RING = 5, 6


class Rig(Protocol):
    """A line without a tap, and the world that it reads."""

    inbox: Inbox
    line: Line
    time: float
    tells_numbers: bool
    loses: str

    def pump(self) -> None:
        """Let the world and time go on a little."""

    def ring(self) -> None:
        """Somebody calls."""

    def lift(self) -> None:
        """The call is answered."""

    def hang_up(self) -> None:
        """The call is over."""

    def unplug(self) -> None:
        """A source that decides is lost."""

    def plug(self) -> None:
        """It is back, and the line is idle."""

    def end(self) -> None:
        """Take the world apart."""


class ReadablePin(MockPin):  # type: ignore[misc]  # gpiozero ships no types
    """A mock pin that can refuse to be read."""

    broken = False

    def _get_state(self) -> int:
        if self.broken:
            raise OSError("the chip is gone")
        return int(super()._get_state())


class Pins:
    """Hook and ring on mock pins."""

    tells_numbers = False
    loses = "gpio"

    def __init__(self, _folder: Path) -> None:
        self.time = 0.0
        self.inbox = Inbox()
        self.factory = MockFactory(pin_class=ReadablePin)
        self.gpio = GpioLine(HOOK, RING, self.factory, now=lambda: self.time)
        self._rings = False
        deciders = Deciders(hook=("gpio",), ring=("gpio",))
        self.line: Line = SourcesLine({"gpio": self.gpio}, deciders, now=lambda: self.time)

    def pump(self) -> None:
        """A hundredth of a second, with 50 Hz pulses while it rings."""
        self.time += 0.01
        pin = self.factory.pin(RING)
        if self._rings:
            pin.drive_low() if pin.state else pin.drive_high()
        self.gpio.look()

    def ring(self) -> None:
        """Ring voltage."""
        self._rings = True

    def lift(self) -> None:
        """Current flows, and ring voltage is taken away."""
        self._rings = False
        self.factory.pin(RING).drive_high()
        self.factory.pin(HOOK).drive_low()

    def hang_up(self) -> None:
        """No current."""
        self.factory.pin(HOOK).drive_high()

    def unplug(self) -> None:
        """The hook cannot be read any more."""
        self.factory.pin(HOOK).broken = True

    def plug(self) -> None:
        """It can again."""
        self.factory.pin(HOOK).broken = False
        self.hang_up()

    def end(self) -> None:
        """Give the pins back."""
        self.factory.close()


class PinAndModem:
    """The hook on a mock pin, ring and number from a modem."""

    tells_numbers = True
    loses = "modem"

    def __init__(self, folder: Path) -> None:
        self.time = 0.0
        self.inbox = Inbox()
        self.factory = MockFactory()
        self.peer = ModemPeer(folder / "modem", "conexant")
        self.gpio = GpioLine(HOOK, None, self.factory, now=lambda: self.time)
        modem = ModemLine(str(self.peer.port), now=lambda: self.time)
        deciders = Deciders(hook=("gpio",), ring=("modem",), number=("modem",))
        self.line: Line = SourcesLine({"gpio": self.gpio, "modem": modem}, deciders, now=lambda: self.time)

    def pump(self) -> None:
        """A hundredth of a second."""
        self.time += 0.01
        self.peer.pump()
        self.gpio.look()

    def ring(self) -> None:
        """RING and caller id."""
        self.peer.call()

    def lift(self) -> None:
        """Current flows."""
        self.factory.pin(HOOK).drive_low()

    def hang_up(self) -> None:
        """No current."""
        self.factory.pin(HOOK).drive_high()

    def unplug(self) -> None:
        """The modem is pulled out."""
        self.peer.unplug()

    def plug(self) -> None:
        """It is put in again; the telephone was hung up meanwhile."""
        self.hang_up()
        self.peer.plug()

    def end(self) -> None:
        """Take both out."""
        if self.peer.port.is_symlink():
            self.peer.unplug()
        self.factory.close()


class Router:
    """Everything from a FRITZ!Box."""

    tells_numbers = True
    loses = "fritz"

    def __init__(self, _folder: Path) -> None:
        self.time = 0.0
        self.inbox = Inbox()
        self.peer = FritzPeer()
        fritz = FritzLine("127.0.0.1", self.peer.port, now=lambda: self.time, reopen_s=0.01)
        deciders = Deciders(hook=("fritz",), ring=("fritz",), number=("fritz",))
        self.line: Line = SourcesLine({"fritz": fritz}, deciders, now=lambda: self.time)
        self._start_idle()

    def pump(self) -> None:
        """A hundredth of a second."""
        self.time += 0.01

    def ring(self) -> None:
        """RING."""
        self.peer.say("RING;0;03023125042;4930123;SIP0;")

    def lift(self) -> None:
        """CONNECT."""
        self.peer.say("CONNECT;0;4;03023125042;")

    def hang_up(self) -> None:
        """DISCONNECT."""
        self.peer.say("DISCONNECT;0;12;")

    def unplug(self) -> None:
        """The router restarts."""
        self.peer.hang_up()

    def plug(self) -> None:
        """It is back, and some call of which nothing is known ends."""
        self.peer.answer()
        self._start_idle()

    def end(self) -> None:
        """Stop the server."""
        self.peer.hang_up()

    def _start_idle(self) -> None:
        threading.Thread(target=self.hang_up, daemon=True).start()


class PinsAndVox(Pins):
    """Hook and ring on mock pins, and somebody beside who hears now this and now that: the story stays the same."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vox = VoxLine(quiet_s=0.05)
        deciders = Deciders(hook=("gpio",), ring=("gpio",), hint=("vox",))
        self.line = SourcesLine({"gpio": self.gpio, "vox": self.vox}, deciders, now=lambda: self.time)
        self._blocks = 0

    def pump(self) -> None:
        """Speech in every tenth block."""
        self._blocks += 1
        self.vox.heard(self.time, [SpeechBegan(self.time, Leg.UNCERTAIN)] if self._blocks % 10 == 0 else [])
        super().pump()


@pytest.fixture(params=[Pins, PinAndModem, Router, PinsAndVox])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each way to wire a line without a tap, started and idle."""
    rig: Rig = request.param(tmp_path)
    rig.line.start(rig.inbox.post)
    until(rig, lambda: bool(rig.inbox.of(LineTold)))
    yield rig
    rig.line.close()
    rig.end()


def until(rig: Rig, condition: Callable[[], bool]) -> None:
    """Let the world go on until `condition` holds."""
    rig.inbox.until(condition, rig.pump)


def last(rig: Rig) -> tuple[bool, bool, int]:
    """Off-hook, ring and seizure as last told."""
    told = rig.inbox.of(LineTold)[-1]
    return told.off_hook, told.ring, told.seizure


def test_it_introduces_itself_before_the_line(rig: Rig) -> None:
    """HELLO as a mix comes before anything else is told; a mix proves nobody's key."""
    first = next(event for event in rig.inbox.events if not isinstance(event, TapGone | LineSounds))
    assert isinstance(first, TapHello)
    assert first.audio is TapAudio.MIX
    assert last(rig) == (False, False, 0)


def test_ring_answer_hang_up(rig: Rig) -> None:
    """A call from the ring to the end, and a second one that is another seizure."""
    for number in (1, 2):
        rig.ring()
        until(rig, lambda: last(rig)[1])
        rig.lift()
        until(rig, lambda number=number: last(rig) == (True, False, number))  # type: ignore[misc]
        rig.hang_up()
        until(rig, lambda: not last(rig)[0])
    assert len(rig.inbox.of(TapHello)) == 1


def test_the_number_is_told(rig: Rig) -> None:
    """Sources that read caller id tell it once for a ring."""
    rig.ring()
    until(rig, lambda: last(rig)[1])
    if rig.tells_numbers:
        until(rig, lambda: bool(rig.inbox.of(CallerIdHeard)))
    rig.lift()
    until(rig, lambda: last(rig)[0])
    assert [heard.number for heard in rig.inbox.of(CallerIdHeard)] == ["03023125042"] * rig.tells_numbers


def test_the_line_is_repeated_with_each_ping(rig: Rig) -> None:
    """The core's second is answered with the line as it stands, as a tap would report by itself."""
    before = len(rig.inbox.of(LineTold))
    rig.line.ping()
    assert len(rig.inbox.of(LineTold)) == before + 1


def test_playing_is_for_an_answered_line(rig: Rig) -> None:
    """Nothing is played into an idle or a ringing line (P3)."""
    rig.line.connect_play(on=True, ms=100)
    rig.ring()
    until(rig, lambda: last(rig)[1])
    rig.line.connect_play(on=True, ms=100)
    rig.lift()
    until(rig, lambda: last(rig)[0])
    rig.line.connect_play(on=True, ms=100)
    rig.line.connect_play(on=False, ms=0)
    answers = [(answer.ok, answer.why) for answer in rig.inbox.of(PlayConnected)]
    assert answers == [(False, "onhook"), (False, "ringing"), (True, "")]


def test_lost_in_a_call_is_told_once_and_comes_back_as_another_boot(rig: Rig) -> None:
    """Losing a deciding source in a call is TapGone; playing is refused; back again nothing of the old boot holds."""
    rig.ring()
    until(rig, lambda: last(rig)[1])
    rig.lift()
    until(rig, lambda: last(rig)[0])
    before = len(rig.inbox.of(TapGone))
    rig.unplug()
    until(rig, lambda: len(rig.inbox.of(TapGone)) > before)
    assert rig.inbox.of(TapGone)[-1].why.startswith(f"{rig.loses}: ")
    told = len(rig.inbox.of(LineTold))
    rig.line.ping()
    rig.line.connect_play(on=True, ms=100)
    assert len(rig.inbox.of(LineTold)) == told
    assert rig.inbox.of(PlayConnected)[-1] == PlayConnected(rig.inbox.of(PlayConnected)[-1].at, ok=False, why="gone")
    rig.plug()
    until(rig, lambda: len(rig.inbox.of(TapHello)) == 2)
    until(rig, lambda: last(rig) == (False, False, 0))
    first, second = rig.inbox.of(TapHello)
    assert first.boot != second.boot
    assert len(rig.inbox.of(TapGone)) == before + 1
