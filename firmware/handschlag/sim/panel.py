"""A panel without pins: remembers what it was told to show, and can be pressed."""

from __future__ import annotations

import time
from collections.abc import Callable

from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.ports import Post


class SimPanel:
    """`shown` is everything shown so far, as (time, rec, status), the newest last; it begins with both lamps off."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.down = False
        self._now = now
        self._post: Post | None = None
        self.shown: list[tuple[float, RecLamp, StatusLamp]] = [(now(), RecLamp.OFF, StatusLamp.OFF)]

    @property
    def rec(self) -> RecLamp:
        """The red lamp now."""
        return self.shown[-1][1]

    @property
    def status(self) -> StatusLamp:
        """The second lamp now."""
        return self.shown[-1][2]

    def start(self, post: Post) -> None:
        """Begin to report edges, and the button's position if it is down at the start."""
        self._post = post
        if self.down:
            post(ButtonMoved(self._now(), down=True))

    def show(self, rec: RecLamp, status: StatusLamp) -> None:
        """Remember."""
        if (rec, status) != (self.rec, self.status):
            self.shown.append((self._now(), rec, status))

    def close(self) -> None:
        """Lamps off, and end."""
        self.show(RecLamp.OFF, StatusLamp.OFF)
        self._post = None

    def press(self) -> None:
        """The button goes down."""
        self._move(down=True)

    def release(self) -> None:
        """The button goes up."""
        self._move(down=False)

    def _move(self, *, down: bool) -> None:
        if down != self.down:
            self.down = down
            if self._post is not None:
                self._post(ButtonMoved(self._now(), down))
