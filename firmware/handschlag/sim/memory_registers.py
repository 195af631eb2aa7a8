"""The registers without a disk."""

from __future__ import annotations

from collections.abc import Callable

from handschlag.core.events import NumberMatched, RegisterTold
from handschlag.core.staff import StaffConsent
from handschlag.ports import Post


class MemoryRegisters:
    """`ports.Registers` in memory; `put` is what `handschlag staff` does to the file, `exclude` what `exclude` does."""

    def __init__(self, now: Callable[[], float], consents: tuple[StaffConsent, ...] = ()) -> None:
        self._now = now
        self._consents = consents
        self._excluded: frozenset[str] = frozenset()
        self._changed = True
        self._post: Post | None = None

    def put(self, *consents: StaffConsent) -> None:
        """The register is another one now."""
        self._consents = consents
        self._changed = True

    def exclude(self, *numbers: str) -> None:
        """The do-not-record list is another one now; numbers as they are dialled."""
        self._excluded = frozenset(numbers)
        self._changed = True

    def start(self, post: Post) -> None:
        """Tell it."""
        self._post = post
        self.look()

    def look(self) -> None:
        """Tell it if it has changed."""
        if self._changed and self._post is not None:
            self._changed = False
            self._post(RegisterTold(self._now(), self._consents, "", len(self._excluded)))

    def match(self, number: str, ticket: int) -> None:
        """Answer at once."""
        if self._post is not None:
            self._post(NumberMatched(self._now(), ticket, number in self._excluded))

    def close(self) -> None:
        """End."""
