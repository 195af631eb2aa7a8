"""The staff register without a disk."""

from __future__ import annotations

from collections.abc import Callable

from handschlag.core.events import RegisterTold
from handschlag.core.staff import StaffConsent
from handschlag.ports import Post


class MemoryRegisters:
    """`ports.Registers` in memory; `put` is what `handschlag staff` does to the file."""

    def __init__(self, now: Callable[[], float], consents: tuple[StaffConsent, ...] = ()) -> None:
        self._now = now
        self._consents = consents
        self._changed = True
        self._post: Post | None = None

    def put(self, *consents: StaffConsent) -> None:
        """The register is another one now."""
        self._consents = consents
        self._changed = True

    def start(self, post: Post) -> None:
        """Tell it."""
        self._post = post
        self.look()

    def look(self) -> None:
        """Tell it if it has changed."""
        if self._changed and self._post is not None:
            self._changed = False
            self._post(RegisterTold(self._now(), self._consents))

    def close(self) -> None:
        """End."""
