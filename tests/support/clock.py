"""A clock that tests set by hand."""

from __future__ import annotations

NOON = 1_795_435_200.0
"""2026-11-23, noon UTC."""


class HandClock:
    """`ports.Clock`: `mono_s` and `now` (seconds since 1970) stand until they are set."""

    def __init__(self, now: float = NOON, *, synced: bool = True, mono_s: float = 5.0) -> None:
        self.now = now
        self.synced = synced
        self.mono_s = mono_s

    def mono(self) -> float:
        """What was set."""
        return self.mono_s

    def wall(self) -> tuple[float, bool]:
        """What was set."""
        return self.now, self.synced

    def utc_offset_s(self) -> float:
        """UTC."""
        return 0.0

    def wait_s(self, until: float) -> float | None:
        """Nobody waits."""
        return until
