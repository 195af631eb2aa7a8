"""What every `ports.Panel` keeps, the simulated one and the one on (mock) pins."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gpiozero.pins.mock import MockFactory

from handschlag.adapters.panel import GpioPanel
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.ports import Panel
from handschlag.sim.panel import SimPanel
from tests.support.inbox import Inbox


class Rig:
    """A panel, a finger, and eyes for REC and for whether STATUS can be lit."""

    def __init__(
        self, panel: Panel, press: Callable[[], object], release: Callable[[], object], rec: Callable[[], bool]
    ) -> None:
        self.inbox = Inbox()
        self.panel = panel
        self.press = press
        self.release = release
        self.rec = rec

    def edges(self) -> list[bool]:
        """What was posted of the button."""
        return [edge.down for edge in self.inbox.of(ButtonMoved)]


@pytest.fixture(params=["sim", "pins"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Each kind of panel, not yet started."""
    if request.param == "sim":
        sim = SimPanel()
        rig = Rig(sim, sim.press, sim.release, lambda: sim.rec is RecLamp.ON)
    else:
        factory = MockFactory()
        button, lamp = factory.pin(27), factory.pin(17)
        panel = GpioPanel(17, (5, 6, 13), 27, factory)
        rig = Rig(panel, button.drive_low, button.drive_high, lambda: bool(lamp.state))
    yield rig
    rig.panel.close()


def test_edges_arrive_in_order(rig: Rig) -> None:
    """Down and up are two events, in the order of the finger."""
    rig.panel.start(rig.inbox.post)
    rig.press()
    rig.inbox.until(lambda: rig.edges() == [True])
    rig.release()
    rig.inbox.until(lambda: rig.edges() == [True, False])


def test_a_released_button_is_not_news(rig: Rig) -> None:
    """Starting with the button up posts nothing."""
    rig.panel.start(rig.inbox.post)
    assert rig.edges() == []


def test_a_button_that_is_down_at_the_start_is_news(rig: Rig) -> None:
    """Starting with the button down posts that it is."""
    rig.press()
    rig.panel.start(rig.inbox.post)
    rig.inbox.until(lambda: rig.edges() == [True])


def test_rec_follows_at_once(rig: Rig) -> None:
    """REC is what show said as soon as show has returned, started or not."""
    assert not rig.rec()
    rig.panel.show(RecLamp.ON, StatusLamp.YOUR_TURN)
    assert rig.rec()
    rig.panel.start(rig.inbox.post)
    rig.panel.show(RecLamp.OFF, StatusLamp.YOUR_TURN)
    assert not rig.rec()


def test_closing_twice_is_closing(rig: Rig) -> None:
    """A second close is no error."""
    rig.panel.start(rig.inbox.post)
    rig.panel.close()
    rig.panel.close()
