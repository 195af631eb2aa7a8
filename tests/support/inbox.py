"""Where posted events arrive in tests: kept in order, waited for by condition and never by sleeping blindly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from handschlag.core.events import Event

E = TypeVar("E", bound=Event)

PATIENCE_S = 20.0
"""How long a condition may take on a busy machine before the test fails."""


class Inbox:
    """Collects what adapters post, from any thread."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._came = threading.Condition()

    @property
    def events(self) -> list[Event]:
        """Everything posted so far."""
        with self._came:
            return list(self._events)

    def post(self, event: Event) -> None:
        """The `Post` to give to an adapter."""
        with self._came:
            self._events.append(event)
            self._came.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def forget(self) -> None:
        """Start over with nothing."""
        with self._came:
            self._events.clear()

    def until(self, condition: Callable[[], bool], step: Callable[[], None] | None = None) -> None:
        """Wait until `condition` holds, looking again after each event; `step` is called between looks.

        Raises:
            AssertionError: with what came instead, after `PATIENCE_S`.
        """
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain; came: {self.events[-20:]}")
            if step is not None:
                step()
            with self._came:
                self._came.wait(0.002 if step else 0.05)
