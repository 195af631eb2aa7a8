"""Hook and ring on GPIO pins behind opto-couplers, through gpiozero, as `ports.LineSource`.

An opto-coupler pulls its pin to ground while current flows: the hook input while the telephone is off-hook, the ring
input in each half wave of the ring voltage. Decisions stand in `core.pulse_train`. The kernel loses edges that come too
fast, so the pins are read again after each edge and each `LOOK_S`; one thread does that and lets time pass.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from gpiozero import DeviceClosed, DigitalInputDevice, GPIOZeroError

from handschlag.core.pulse_train import HookContact, RingTrain
from handschlag.core.sources import Fact, SourceCame, SourceLost
from handschlag.errors import HandschlagError

LOOK_S = 0.02


class BadLinePin(HandschlagError, ValueError):
    """A pin cannot be used as it is named."""


class GpioLine:
    """The line at the given pins; None where an input is not wired.

    Args:
        hook_pin: low while off-hook.
        ring_pin: low in each half wave of the ring voltage.
        pin_factory: gpiozero's; None is its default for the machine.
        now: monotonic seconds.

    Raises:
        BadLinePin: a pin that does not exist, is taken or named twice.
    """

    def __init__(
        self,
        hook_pin: int | str | None,
        ring_pin: int | str | None,
        pin_factory: Any = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._tell: Callable[[Fact], None] = lambda _fact: None
        self._parts: list[Any] = []
        try:
            self._hook_input = self._part(hook_pin, pin_factory)
            self._ring_input = self._part(ring_pin, pin_factory)
        except GPIOZeroError as error:
            self._release()
            raise BadLinePin(
                f"line pins hook={hook_pin}, ring={ring_pin}: {error}; allowed are two different free pins"
            ) from error
        self._hook = HookContact()
        self._ring = RingTrain()
        self._lock = threading.RLock()
        self._lost = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="line-pins", daemon=True)

    def start(self, tell: Callable[[Fact], None]) -> None:
        """Begin to tell."""
        self._tell = tell
        tell(SourceCame(self._now()))
        if self._ring_input is not None:
            self._ring_input.when_activated = lambda: self._ring_edge(active=True)
            self._ring_input.when_deactivated = lambda: self._ring_edge(active=False)
        if self._hook_input is not None:
            self._hook_input.when_activated = lambda: self._hook_edge(off_hook=True)
            self._hook_input.when_deactivated = lambda: self._hook_edge(off_hook=False)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        self._release()

    def look(self) -> None:
        """Read the pins again, and let time pass."""
        try:
            with self._lock:
                off_hook = self._hook_input is not None and bool(self._hook_input.is_active)
                ringing = self._ring_input is not None and bool(self._ring_input.is_active)
                self._found()
                at = self._now()
                if self._hook_input is not None:
                    self._say(self._hook.edge(at, off_hook=off_hook))
                if self._ring_input is not None:
                    self._say(self._ring.edge(at, active=ringing) + self._ring.tick(at))
        except DeviceClosed:
            return
        except (GPIOZeroError, OSError) as error:
            self._gone(error)

    def _part(self, pin: int | str | None, factory: Any) -> Any:
        if pin is None:
            return None
        part = DigitalInputDevice(pin, pull_up=True, pin_factory=factory)
        self._parts.append(part)
        return part

    def _release(self) -> None:
        for part in self._parts:
            with contextlib.suppress(GPIOZeroError):
                part.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self.look()
            self._closing.wait(LOOK_S)

    def _ring_edge(self, *, active: bool) -> None:
        with self._lock:
            self._say(self._ring.edge(self._now(), active=active))

    def _hook_edge(self, *, off_hook: bool) -> None:
        with self._lock:
            self._say(self._hook.edge(self._now(), off_hook=off_hook))

    def _say(self, facts: list[Fact]) -> None:
        for fact in facts:
            self._tell(fact)

    def _gone(self, error: Exception) -> None:
        with self._lock:
            if not self._lost:
                self._lost = True
                self._tell(SourceLost(self._now(), f"pins: {error}"))

    def _found(self) -> None:
        if self._lost:
            self._lost = False
            self._hook, self._ring = HookContact(), RingTrain()
            self._tell(SourceCame(self._now()))
