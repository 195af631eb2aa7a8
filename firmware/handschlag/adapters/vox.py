"""A line that is heard and not wired, as `ports.LineSource`: what the ear notices becomes hints (`core.vox`).

It has no thread and no audio of its own (P1): the application calls `heard` for each block that it has heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handschlag.core.events import Event
from handschlag.core.sources import Fact
from handschlag.core.vox import QUIET_S, Vox


class VoxLine:
    """Hints at the hook; after `quiet_s` seconds of silence the line is probably idle."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._vox = Vox(quiet_s)
        self._tell: Callable[[Fact], None] = lambda _fact: None

    def start(self, tell: Callable[[Fact], None]) -> None:
        """Begin to tell."""
        self._tell = tell

    def heard(self, at: float, events: Sequence[Event]) -> None:
        """A block was heard, with these events in it."""
        for hint in self._vox.heard(at, events):
            self._tell(hint)

    def close(self) -> None:
        """End."""
        self._tell = lambda _fact: None
