"""A `ports.Line` around a `SimTap`, in the same process and without threads or ports."""

from __future__ import annotations

from collections.abc import Callable

from handschlag.core.events import PlayConnected, TapGone
from handschlag.core.tap_protocol import TapTalk
from handschlag.ports import Post
from handschlag.sim.tap import SimTap


class SimLine:
    """The line port of a box whose tap is `tap`; `now` gives the time of both. Call `pump` when time has passed."""

    def __init__(self, tap: SimTap, now: Callable[[], float]) -> None:
        self.tap = tap
        self._now = now
        self._talk = TapTalk()
        self._post: Post | None = None
        self._plugged = True

    def start(self, post: Post) -> None:
        """Begin to report; a tap that is unplugged is reported, and no error."""
        self._post = post
        if self._plugged:
            self.pump()
        else:
            post(TapGone(self._now(), "unplugged"))

    def ping(self) -> None:
        """Say that the core is alive."""
        if self._plugged:
            self._send(self._talk.ping(self._now()))

    def path(self, *, bypass: bool) -> None:
        """Bypass the sense element, or take it into the line."""
        self._send(self._talk.path(bypass=bypass))

    def connect_play(self, *, on: bool, ms: int) -> None:
        """Connect the play transformer for at most `ms`; answered by `PlayConnected` when `on`."""
        sent = self._send(self._talk.play(on=on, ms=ms))
        if on and not sent and self._post is not None:
            self._post(PlayConnected(self._now(), ok=False, why="gone"))

    def close(self) -> None:
        """Bypass, and end."""
        self._send(self._talk.path(bypass=True))
        self._post = None

    def pump(self) -> None:
        """Let the tap's time pass and post what it says."""
        self.tap.tick(self._now())
        self.inject(self.tap.take())

    def inject(self, data: bytes) -> None:
        """Bytes from the tap's side of the wire, good or bad."""
        if self._plugged and self._post is not None:
            for event in self._talk.receive(data, self._now()):
                self._post(event)

    def unplug(self) -> None:
        """Pull the plug."""
        if self._plugged:
            self._plugged = False
            if self._post is not None:
                self._post(TapGone(self._now(), "unplugged"))

    def plug(self) -> None:
        """Put the plug in again."""
        self._plugged = True
        self._talk.opened()

    def _send(self, line: bytes) -> bool:
        if not self._plugged or self._post is None:
            return False
        self.tap.tick(self._now())
        self.tap.receive(line)
        self.inject(self.tap.take())
        return True
