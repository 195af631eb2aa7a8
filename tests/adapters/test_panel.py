"""The lamp patterns, and the panel on gpiozero's mock pins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from handschlag.adapters import panel as panel_module
from handschlag.adapters.panel import BadPanel, GpioPanel
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.core.lamp_patterns import Colour, lit, pattern
from tests.support.inbox import Inbox

RED, GREEN, BLUE, REC, BUTTON = 5, 6, 13, 17, 27


class Bench:
    """A panel and its pins."""

    def __init__(self) -> None:
        self.factory = MockFactory()
        self.inbox = Inbox()
        self.panel = GpioPanel(REC, (RED, GREEN, BLUE), BUTTON, self.factory)

    def pin(self, number: int) -> Any:
        """A mock pin."""
        return self.factory.pin(number)

    def status(self) -> tuple[bool, bool, bool]:
        """Which of the three colours are lit."""
        red, green, blue = (bool(self.pin(number).state) for number in (RED, GREEN, BLUE))
        return red, green, blue


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A panel that was not started yet."""
    bench = Bench()
    yield bench
    bench.panel.close()
    bench.factory.close()


def test_rec_is_lit_when_show_returns(bench: Bench) -> None:
    """REC is on before the first sample can be captured: no thread stands between."""
    bench.panel.show(RecLamp.ON, StatusLamp.READY)
    assert bench.pin(REC).state
    bench.panel.show(RecLamp.OFF, StatusLamp.READY)
    assert not bench.pin(REC).state


@pytest.mark.parametrize(
    ("status", "colours"),
    [
        (StatusLamp.OFF, (False, False, False)),
        (StatusLamp.CANNOT_RECORD, (True, True, False)),
        (StatusLamp.YOUR_TURN, (False, False, True)),
        (StatusLamp.ASKING, (False, False, True)),
        (StatusLamp.PRIVATE, (True, True, True)),
        (StatusLamp.WARNING, (True, True, False)),
        (StatusLamp.READY_ALONE, (False, True, False)),
        (StatusLamp.READY, (False, True, False)),
    ],
)
def test_each_status_has_its_colour(bench: Bench, status: StatusLamp, colours: tuple[bool, bool, bool]) -> None:
    """The lamp begins each pattern lit in the colour of design/call.md."""
    bench.panel.show(RecLamp.OFF, status)
    assert bench.status() == colours


def test_the_thread_plays_the_pattern(bench: Bench) -> None:
    """Once started, a blinking lamp goes dark and comes back by itself, and a steady one stays."""
    bench.panel.start(bench.inbox.post)
    bench.panel.show(RecLamp.OFF, StatusLamp.CANNOT_RECORD)
    bench.inbox.until(lambda: bench.status() == (False, False, False))
    bench.inbox.until(lambda: bench.status() == (True, True, False))


def test_close_darkens(bench: Bench) -> None:
    """Both lamps are off when the panel is closed, and showing afterwards does nothing."""
    states: list[tuple[int, bool]] = []
    bench.panel.start(bench.inbox.post)
    bench.panel.show(RecLamp.ON, StatusLamp.READY)
    for number in (REC, GREEN):
        bench.pin(number).clear_states()
    bench.panel.close()
    for number in (REC, GREEN):
        states += [(number, bool(change.state)) for change in bench.pin(number).states[1:2]]
    assert states == [(REC, False), (GREEN, False)]
    bench.panel.show(RecLamp.ON, StatusLamp.READY)


def test_every_edge_is_posted(bench: Bench) -> None:
    """Bounces come through as they are; the core debounces."""
    bench.panel.start(bench.inbox.post)
    for _ in range(3):
        bench.pin(BUTTON).drive_low()
        bench.pin(BUTTON).drive_high()
    bench.inbox.until(lambda: len(bench.inbox.of(ButtonMoved)) >= 6)
    assert [edge.down for edge in bench.inbox.of(ButtonMoved)] == [True, False] * 3


def test_a_lost_edge_is_found_by_looking(bench: Bench) -> None:
    """An edge that the kernel never reported is told anyway, within the next looks."""
    bench.panel.start(bench.inbox.post)
    bench.pin(BUTTON).when_changed = None  # the kernel says nothing from now on
    bench.pin(BUTTON).drive_low()
    bench.inbox.until(lambda: [edge.down for edge in bench.inbox.of(ButtonMoved)] == [True])
    bench.pin(BUTTON).drive_high()
    bench.inbox.until(lambda: [edge.down for edge in bench.inbox.of(ButtonMoved)] == [True, False])


def test_a_press_that_is_over_when_its_edge_arrives(bench: Bench) -> None:
    """A late edge still counts: down as the kernel said, and up as it is found."""
    bench.panel.start(bench.inbox.post)
    bench.panel._edge_down()
    assert [edge.down for edge in bench.inbox.of(ButtonMoved)] == [True, False]


def test_a_button_held_at_the_start_is_told(bench: Bench) -> None:
    """A button that is down when the panel starts is reported as down."""
    bench.pin(BUTTON).drive_low()
    bench.panel.start(bench.inbox.post)
    assert [edge.down for edge in bench.inbox.of(ButtonMoved)] == [True]


def test_a_pin_named_twice_is_refused() -> None:
    """Two parts on one pin are an error that names all pins, and nothing stays taken."""
    factory = MockFactory()
    with pytest.raises(BadPanel, match="five different free pins"):
        GpioPanel(REC, (RED, RED, BLUE), BUTTON, factory)
    GpioPanel(REC, (RED, GREEN, BLUE), BUTTON, factory).close()
    factory.close()


def test_the_player_sleeps_between_changes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No busy loop: the thread looks at the button at most as often as its own interval says."""
    looks = 0
    waited: list[float] = []
    enough = threading.Event()
    original = threading.Condition.wait

    def wait(self: threading.Condition, timeout: float | None = None) -> bool:
        nonlocal looks
        if threading.current_thread() is bench.panel._thread:
            looks += 1
            waited.append(timeout or 0.0)
            if looks >= 5:
                enough.set()
        return original(self, timeout)

    monkeypatch.setattr(threading.Condition, "wait", wait)
    bench.panel.show(RecLamp.OFF, StatusLamp.READY)
    bench.panel.start(bench.inbox.post)
    assert enough.wait(20)
    assert waited[:5] == [panel_module.LOOK_S] * 5


def test_patterns_are_unique_without_their_colour() -> None:
    """Nobody needs to see colours: every status has its own rhythm, compared over 30 s."""
    rhythms = {status: tuple(lit(pattern(status)[1], tick / 100)[0] for tick in range(3000)) for status in StatusLamp}
    assert len(set(rhythms.values())) == len(StatusLamp)


def test_patterns_are_those_of_the_design() -> None:
    """Blinks per second, share lit, blips and cycles as in the table of design/call.md."""

    def blinks(status: StatusLamp, seconds: float) -> int:
        shown = [lit(pattern(status)[1], tick / 1000)[0] for tick in range(round(seconds * 1000) + 1)]
        return sum(after and not before for before, after in zip([False, *shown], shown, strict=False))

    def share(status: StatusLamp) -> float:
        beats = pattern(status)[1]
        return sum(on for on, _ in beats) / sum(on + dark for on, dark in beats)

    assert blinks(StatusLamp.CANNOT_RECORD, 9.99) == 20
    assert blinks(StatusLamp.YOUR_TURN, 9.99) == 8
    assert share(StatusLamp.YOUR_TURN) == 0.5
    assert blinks(StatusLamp.ASKING, 14.9) == 20
    assert blinks(StatusLamp.PRIVATE, 29.9) == 10
    assert blinks(StatusLamp.WARNING, 29.9) == 30
    assert sum(on + dark for on, dark in pattern(StatusLamp.READY_ALONE)[1]) == 5.0
    assert share(StatusLamp.READY_ALONE) > 0.9
    assert share(StatusLamp.READY) == 1.0
    assert share(StatusLamp.OFF) == 0.0


def test_every_change_is_announced() -> None:
    """The time until the next change is never too long: right before it nothing has changed, right after it has."""
    for status in StatusLamp:
        _, beats = pattern(status)
        at = 0.0
        for _ in range(20):
            on, change_s = lit(beats, at)
            if change_s == float("inf"):
                assert status in {StatusLamp.OFF, StatusLamp.READY}
                break
            assert change_s > 0
            assert lit(beats, at + change_s * 0.999)[0] == on
            assert lit(beats, at + change_s + 1e-6)[0] != on
            at += change_s + 1e-6


def test_the_design_has_no_red_status() -> None:
    """Red belongs to REC alone."""
    assert {pattern(status)[0] for status in StatusLamp} == set(Colour)
