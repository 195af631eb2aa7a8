"""The owner's messages without a folder: a test says them."""

from __future__ import annotations

from handschlag.core.events import OwnerSaid
from handschlag.ports import Post


class MemoryOwner:
    """`ports.Owner` in memory; `answers` are the ids that were answered."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self._post: Post | None = None

    def start(self, post: Post) -> None:
        """Nothing is there yet."""
        self._post = post

    def say(self, message: OwnerSaid) -> None:
        """The owner says something."""
        if self._post is not None:
            self._post(message)

    def look(self) -> None:
        """What is said is told at once."""

    def answered(self, message: str) -> None:
        """Note it."""
        self.answers.append(message)

    def close(self) -> None:
        """End."""
