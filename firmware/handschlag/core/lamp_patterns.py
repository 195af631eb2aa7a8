"""How the STATUS lamp says what it says: in the rhythm, so that nobody depends on telling colours apart.

The table is that of design/call.md; a pattern is a colour and a cycle of (lit, dark) seconds that repeats for ever.
The REC lamp has no pattern: it is steady or off.
"""

from __future__ import annotations

from enum import StrEnum

from handschlag.core.effects import StatusLamp

Beats = tuple[tuple[float, float], ...]
"""A cycle: seconds lit, then seconds dark, one pair after the other."""

STEADY: Beats = ((1.0, 0.0),)
DARK: Beats = ((0.0, 1.0),)

_BLIP_S = 0.1
_PAUSE_S = 0.2


class Colour(StrEnum):
    """What the lamp is lit in."""

    DARK = "dark"
    YELLOW = "yellow"
    BLUE = "blue"
    WHITE = "white"
    GREEN = "green"


def _blips(count: int, cycle_s: float) -> Beats:
    rest_s = cycle_s - count * _BLIP_S - (count - 1) * _PAUSE_S
    return ((_BLIP_S, _PAUSE_S),) * (count - 1) + ((_BLIP_S, rest_s),)


_PATTERNS = {
    StatusLamp.OFF: (Colour.DARK, DARK),
    StatusLamp.IDENTIFY: (Colour.WHITE, _blips(5, 3.0)),
    StatusLamp.CANNOT_RECORD: (Colour.YELLOW, ((0.25, 0.25),)),
    StatusLamp.YOUR_TURN: (Colour.BLUE, ((0.625, 0.625),)),
    StatusLamp.ASKING: (Colour.BLUE, _blips(2, 1.5)),
    StatusLamp.PRIVATE: (Colour.WHITE, _blips(1, 3.0)),
    StatusLamp.WARNING: (Colour.YELLOW, _blips(3, 3.0)),
    StatusLamp.READY_ALONE: (Colour.GREEN, ((4.8, 0.2),)),
    StatusLamp.READY: (Colour.GREEN, STEADY),
}


def pattern(status: StatusLamp) -> tuple[Colour, Beats]:
    """Colour and cycle for what the lamp is to say."""
    return _PATTERNS[status]


def lit(beats: Beats, since_s: float) -> tuple[bool, float]:
    """Whether the lamp is lit `since_s` seconds after the pattern began, and in how many seconds that changes.

    Steady patterns never change: infinity.
    """
    if all(dark == 0 for _, dark in beats):
        return True, float("inf")
    if all(on == 0 for on, _ in beats):
        return False, float("inf")
    cycle_s = sum(on + dark for on, dark in beats)
    at = since_s % cycle_s
    for on, dark in beats:
        if at < on:
            return True, on - at
        at -= on
        if at < dark:
            return False, dark - at
        at -= dark
    return True, beats[0][0]  # rounding put `at` on the cycle's very end, which is its beginning
