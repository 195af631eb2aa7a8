"""A converter's clock beside the monotonic clock: when a sample was heard, and how far the two drift apart.

`StreamTime` maps stream time to the monotonic clock by an anchor that follows the blocks' arrival slowly, so that
neither jitter of the arrival nor drift of the converter moves it.

`Drift` measures. A block may come late, never early: scheduling only adds. Of each `WINDOW_S` the earliest arrival
counts (arrival less the stream's own time), and a straight line through these minima has the drift for its slope: some
ppm after a minute, where single arrivals, which jitter by milliseconds, would give hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FOLLOW = 0.02
WINDOW_S = 5.0
WINDOWS_NEEDED = 6
WINDOWS_KEPT = 720
"""An hour; older windows are forgotten."""


@dataclass(slots=True)
class Drift:
    """Fed with each block's stream time and arrival; of one uninterrupted stream, so `restart` after a loss."""

    _windows: list[tuple[float, float]] = field(default_factory=list)  # stream time, lateness of the earliest
    _until: float | None = None
    _earliest: tuple[float, float] | None = None

    def restart(self) -> None:
        """The stream was interrupted: what came before cannot be compared with what comes."""
        self._windows.clear()
        self._until = self._earliest = None

    def add(self, stream_s: float, at: float) -> None:
        """A block's end: where in the stream, and when it came."""
        late = at - stream_s
        if self._until is None or stream_s >= self._until:
            if self._earliest is not None:
                self._windows = [*self._windows[1 - WINDOWS_KEPT :], self._earliest]
            self._until = stream_s + WINDOW_S
            self._earliest = None
        if self._earliest is None or late < self._earliest[1]:
            self._earliest = (stream_s, late)

    @property
    def ppm(self) -> float | None:
        """How much faster the converter runs than the monotonic clock, in millionths; None before it can be told."""
        count = len(self._windows)
        if count < WINDOWS_NEEDED:
            return None
        mean_s = sum(stream_s for stream_s, _ in self._windows) / count
        mean_late = sum(late for _, late in self._windows) / count
        spread = sum((stream_s - mean_s) ** 2 for stream_s, _ in self._windows)
        slope = sum((stream_s - mean_s) * (late - mean_late) for stream_s, late in self._windows) / spread
        return -slope / (1.0 + slope) * 1e6


@dataclass(slots=True)
class StreamTime:
    """Fed as `Drift` is; `restart` when stream time does not go on as it was."""

    _anchor: float | None = None

    def restart(self) -> None:
        """The next block says anew where the stream stands."""
        self._anchor = None

    def add(self, stream_s: float, at: float) -> None:
        """A block's end: where in the stream, and when it came."""
        anchor = at - stream_s
        self._anchor = anchor if self._anchor is None else self._anchor + FOLLOW * (anchor - self._anchor)

    def of(self, stream_s: float) -> float:
        """When, on the monotonic clock."""
        return (self._anchor or 0.0) + stream_s
