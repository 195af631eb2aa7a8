"""Two lamps and a button on GPIO pins, through gpiozero.

REC is one pin; STATUS a three-colour lamp (or a two-colour one, with fewer pins lit). The button closes to ground. Its
edges are posted as they come, bounces included, since debouncing is a decision and belongs to the core; because the
kernel loses edges when they come too fast, the position is read again after each of them and 20 times a second. One
thread plays the pattern and does that reading; it sleeps between.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from gpiozero import LED, DeviceClosed, DigitalInputDevice, GPIOZeroError

from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.core.lamp_patterns import Colour, lit, pattern
from handschlag.errors import HandschlagError
from handschlag.ports import Post

LOOK_S = 0.05
"""How often the button's position is read without being asked for."""

_MIX = {  # red, green, blue
    Colour.DARK: (False, False, False),
    Colour.YELLOW: (True, True, False),
    Colour.BLUE: (False, False, True),
    Colour.WHITE: (True, True, True),
    Colour.GREEN: (False, True, False),
}


class BadPanel(HandschlagError, ValueError):
    """The pins cannot be used as they are named."""


class GpioPanel:
    """The panel at the given pins, as gpiozero names them ("GPIO17", 17, "BOARD11").

    Args:
        red_pin: REC.
        status_pins: STATUS red, green, blue.
        button_pin: closes to ground when pressed.
        pin_factory: gpiozero's; None is its default for the machine.
        now: monotonic seconds, for events.

    Raises:
        BadPanel: a pin that does not exist, is taken or named twice.
    """

    def __init__(
        self,
        red_pin: int | str,
        status_pins: tuple[int | str, int | str, int | str],
        button_pin: int | str,
        pin_factory: Any = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._post: Post = lambda _event: None
        self._parts: list[Any] = []
        try:
            self._rec = self._part(LED(red_pin, pin_factory=pin_factory))
            self._status = [self._part(LED(pin, pin_factory=pin_factory)) for pin in status_pins]
            self._button = self._part(DigitalInputDevice(button_pin, pull_up=True, pin_factory=pin_factory))
        except GPIOZeroError as error:
            self._release()
            raise BadPanel(
                f"panel pins rec={red_pin}, status={status_pins}, button={button_pin}: {error}; "
                "allowed are five different free pins"
            ) from error
        self._change = threading.Condition()
        self._button_lock = threading.Lock()
        self._down = False
        self._showing = StatusLamp.OFF
        self._since = time.monotonic()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)

    def start(self, post: Post) -> None:
        """Begin to report edges, and the button's position if it is down at the start."""
        self._post = post
        self._button.when_activated = self._edge_down
        self._button.when_deactivated = self._edge_up
        self._look()
        self._thread.start()

    def show(self, rec: RecLamp, status: StatusLamp) -> None:
        """Show a pattern from now on; REC is switched before this returns."""
        with self._change:
            if self._closing:
                return
            _switch(self._rec, on=rec is RecLamp.ON)
            if status is not self._showing:
                self._showing = status
                self._since = time.monotonic()
                self._light()
                self._change.notify()

    def close(self) -> None:
        """Lamps off, and end."""
        with self._change:
            if self._closing:
                return
            self._closing = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        for lamp in (self._rec, *self._status):
            lamp.off()
        self._release()

    def _part(self, part: Any) -> Any:
        self._parts.append(part)
        return part

    def _release(self) -> None:
        for part in self._parts:
            part.close()

    def _run(self) -> None:
        while not self._closing:
            self._look()
            with self._change:
                if not self._closing:
                    self._change.wait(min(LOOK_S, self._light()))

    def _light(self) -> float:
        """Light the lamp as its pattern has it now; in how many seconds that changes. The caller holds `_change`."""
        colour, beats = pattern(self._showing)
        on, change_s = lit(beats, time.monotonic() - self._since)
        for lamp, part in zip(self._status, _MIX[colour], strict=True):
            _switch(lamp, on=on and part)
        return change_s

    def _edge_down(self) -> None:
        self._tell(down=True)
        self._look()

    def _edge_up(self) -> None:
        self._tell(down=False)
        self._look()

    def _look(self) -> None:
        with contextlib.suppress(DeviceClosed):  # an edge while the panel is being closed
            self._tell(down=bool(self._button.is_active))

    def _tell(self, *, down: bool) -> None:
        with self._button_lock:  # gpiozero's thread and ours; the order of posting is the order of edges
            if down != self._down:
                self._down = down
                self._post(ButtonMoved(self._now(), down))


def _switch(lamp: Any, *, on: bool) -> None:
    if on:
        lamp.on()
    else:
        lamp.off()
