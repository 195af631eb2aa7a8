"""What really happened in the office: written down by the world as it happens, for the judge alone.

Nothing here comes from the core. Times are the world's monotonic seconds, on a grid of 20 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Leg = Literal["far", "near"]
Way = Literal["dtmf", "pulse"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key that somebody pressed."""

    leg: Leg
    key: str
    start: float
    length_s: float

    @property
    def end(self) -> float:
        """When it was let go."""
        return self.start + self.length_s


@dataclass(slots=True)
class Fault:
    """Something that is broken, from when until when.

    "box" (it is off), "line", "audio", "disk refuses", "disk full", or, at a moment, "reboot" (of the tap).
    """

    what: str
    begun: float
    ended: float = math.inf


@dataclass(slots=True)
class Period:
    """One off-hook period, from lifting to hanging up."""

    number: int
    kind: str
    line: str
    proves_keys: bool
    incoming: bool
    off_at: float
    private: bool
    way: str
    on_at: float = 0.0
    keys: list[Key] = field(default_factory=list)
    dialled: list[tuple[float, str]] = field(default_factory=list)
    spoke: list[tuple[float, Leg]] = field(default_factory=list)
    flashes: list[float] = field(default_factory=list)
    presses: list[tuple[float, float]] = field(default_factory=list)
    emergency_at: float | None = None
    faults: list[Fault] = field(default_factory=list)
    covered: list[tuple[float, bool]] = field(default_factory=list)
    excluded: bool = False
    box_on: list[bool] = field(default_factory=list)
    box_sound: list[int] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    frames: list[NDArray[np.float32]] = field(default_factory=list)
    legs: NDArray[np.int32] | None = None
    plays: list[float] = field(default_factory=list)
    """When the tap was told to connect the box's sound."""

    def broke(self, *what: str, since: float = -math.inf, until: float = math.inf) -> bool:
        """Whether one of these was broken in it, at any time from `since` to `until`."""
        return any(each.what in what and each.begun <= until and each.ended >= since for each in self.faults)


@dataclass(slots=True)
class Truth:
    """The day."""

    periods: list[Period] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    personal: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    """Every line of the box's log, and its status each half second of a call."""
    counted: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """Note that something happened, so that a day without it is seen."""
        self.counted[what] = self.counted.get(what, 0) + 1
