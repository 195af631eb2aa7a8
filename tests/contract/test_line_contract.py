"""What every `ports.Line` keeps: the simulated one, and the one on a serial port with either tap behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

import pytest

from handschlag.adapters.tap import SerialTap
from handschlag.core.events import Flashed, LineBroke, LineTold, PlayConnected, Pulsed, TapAudio, TapGone, TapHello
from handschlag.ports import Line
from handschlag.sim.line_port import SimLine
from handschlag.sim.tap import PtyTap, SimTap
from tests.hardware.wires import FirmwareTap
from tests.support.inbox import Inbox


class Rig(Protocol):
    """A line port with its simulated tap at hand."""

    tap: SimTap
    inbox: Inbox
    line: Line
    time: float

    def pump(self) -> None:
        """Let bytes flow."""

    def unplug(self) -> None:
        """Pull the plug."""

    def plug(self) -> None:
        """Put it in again."""


class InProcess:
    """The simulated line."""

    def __init__(self, _folder: Path) -> None:
        self.time = 0.0
        self.tap = SimTap(boot="a1", serial="T-7")
        self.inbox = Inbox()
        line = SimLine(self.tap, lambda: self.time)
        self.line: Line = line
        self.pump = line.pump
        self.unplug = line.unplug
        self.plug = line.plug


class OnPty:
    """The serial line, on a pseudo terminal."""

    def __init__(self, folder: Path) -> None:
        self.time = 0.0
        self.tap = SimTap(boot="a1", serial="T-7")
        self.inbox = Inbox()
        pty = PtyTap(self.tap, folder / "tap")
        self.line: Line = SerialTap(pty.port, now=lambda: self.time)
        self.pump = lambda: pty.pump(self.time)
        self.unplug = pty.unplug
        self.plug = pty.plug


class FirmwareOnPty:
    """The serial line with the real tap's firmware at the other end."""

    def __init__(self, folder: Path) -> None:
        self.time = 1.0
        self.tap = cast("SimTap", FirmwareTap(boot="a1", serial="T-7"))
        self.inbox = Inbox()
        pty = PtyTap(self.tap, folder / "tap")
        self.line: Line = SerialTap(pty.port, now=lambda: self.time)
        self.pump = lambda: pty.pump(self.time)
        self.unplug = pty.unplug
        self.plug = pty.plug


@pytest.fixture(params=[InProcess, OnPty, FirmwareOnPty])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each kind of line, started."""
    rig: Rig = request.param(tmp_path)
    rig.line.start(rig.inbox.post)
    yield rig
    rig.line.close()
    rig.unplug()


def until(rig: Rig, condition: Callable[[], bool], *, ping: bool = False) -> None:
    """Pump until `condition` holds; with `ping`, time passes and the box pings each second."""

    def step() -> None:
        if ping:
            rig.time += 1
            rig.line.ping()
        rig.pump()

    rig.inbox.until(condition, step)


def meet(rig: Rig) -> None:
    """Ping until the tap has said HELLO."""
    until(rig, lambda: bool(rig.inbox.of(TapHello)), ping=True)


def test_the_tap_introduces_itself_first(rig: Rig) -> None:
    """Nothing of the line is told before the tap has said which boot it is."""
    until(rig, lambda: bool(rig.inbox.of(LineTold)), ping=True)
    first = next(event for event in rig.inbox.events if not isinstance(event, TapGone))
    assert isinstance(first, TapHello)
    assert (first.boot, first.serial, first.audio) == ("a1", "T-7", TapAudio.VI)


def test_line_events(rig: Rig) -> None:
    """Ring, seizure, flash, digit and break each arrive as their own event."""
    meet(rig)
    rig.tap.ringing(on=True)
    until(rig, lambda: any(told.ring for told in rig.inbox.of(LineTold)))
    rig.tap.seize()
    rig.tap.flash(120)
    rig.tap.pulse("7")
    rig.tap.interrupt(90)
    until(rig, lambda: bool(rig.inbox.of(LineBroke)))
    assert [flash.ms for flash in rig.inbox.of(Flashed)] == [120]
    assert [pulse.digit for pulse in rig.inbox.of(Pulsed)] == ["7"]
    assert rig.inbox.of(LineTold)[-1].seizure == 1


def test_silence_bypasses_and_parts_the_play_transformer(rig: Rig) -> None:
    """A core that stops pinging for 5 s leaves a bypassed line with nothing connected."""
    meet(rig)
    rig.line.path(bypass=False)
    rig.line.connect_play(on=True, ms=60000)
    until(rig, lambda: rig.tap.playing)
    rig.time += 5
    until(rig, lambda: rig.tap.bypass)
    assert not rig.tap.playing


def test_play_ends_by_the_taps_own_clock(rig: Rig) -> None:
    """The play transformer is parted after `ms`, whatever the box does."""
    meet(rig)
    rig.line.path(bypass=False)
    rig.line.connect_play(on=True, ms=1500)
    until(rig, lambda: bool(rig.inbox.of(PlayConnected)))
    assert rig.tap.playing
    rig.time += 1.6
    until(rig, lambda: not rig.tap.playing)


def test_a_rebooted_tap_is_a_new_boot(rig: Rig) -> None:
    """A tap that restarts says so, and its seizures count anew."""
    meet(rig)
    rig.tap.seize()
    rig.tap.reboot("b2")
    until(rig, lambda: any(hello.boot == "b2" for hello in rig.inbox.of(TapHello)))


def test_gone_once_and_back(rig: Rig) -> None:
    """Unplugging posts TapGone once; PLAY while gone is answered with no; replugging brings HELLO again."""
    meet(rig)
    rig.unplug()
    until(rig, lambda: bool(rig.inbox.of(TapGone)))
    rig.line.connect_play(on=True, ms=100)
    assert not rig.inbox.of(PlayConnected)[-1].ok
    rig.plug()
    hellos = len(rig.inbox.of(TapHello))
    until(rig, lambda: len(rig.inbox.of(TapHello)) > hellos, ping=True)
    assert len(rig.inbox.of(TapGone)) == 1


def test_close_leaves_a_bypassed_line(rig: Rig) -> None:
    """Closing the port is a bypass."""
    meet(rig)
    rig.line.path(bypass=False)
    until(rig, lambda: not rig.tap.bypass)
    rig.line.close()
    until(rig, lambda: rig.tap.bypass)
