"""Caller id sent as keys: `A 0355123456 C` and its relatives, by country.

An exchange sends the number as DTMF before or between the rings, framed by keys that telephones do not have: `A...C`,
`A...#`, `D...C` or `D...#`; `B00C`, `B10C` and `D1#`, `D2#`, `D3#` say why there is no number. (Which country sends
which is general knowledge, not read in a standard; German lines send FSK.)

Keys carry no checksum. But a machine sends them, so evenly that a key which was missed, split or put in by a click
shows in the rhythm: a number counts only if all keys and all pauses are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from handschlag.hearing.events import RATE, KeyHeard, Leg

STARTS: Final = frozenset("ABD")
ENDS: Final = frozenset("C#")
LONGEST: Final = 24
"""Keys, with those of the frame."""
SHORTEST_NUMBER: Final = 2

GAP: Final = round(0.35 * RATE)
"""A longer pause ends what has begun (the standard has 70 ms and allows up to 100 ms more)."""
ALIKE_KEYS: Final = round(0.016 * RATE)
"""Keys are as long as their median, to 16 ms."""
ALIKE_STEPS: Final = round(0.024 * RATE)
"""Likewise from beginning to beginning."""
ALIKE_DB: Final = 6.0
"""Level against the mean."""

_ABSENCES: Final = {"B00": "unavailable", "B10": "private", "D1": "private", "D2": "unavailable", "D3": "unavailable"}


@dataclass(frozen=True, slots=True)
class SentAsKeys:
    """A number, or why there is none."""

    number: str
    absence: str
    start: int
    end: int


class DtmfCallerId:
    """Follows keys, one by one."""

    def __init__(self) -> None:
        self._keys: list[KeyHeard] = []

    def feed(self, key: KeyHeard) -> SentAsKeys | None:
        """Take the next report of a key; keys of the own telephone and unfinished ones mean nothing."""
        if not key.final:
            return None
        if key.leg is Leg.NEAR:
            self._keys.clear()
            return None
        if self._keys and (key.start - self._keys[-1].end > GAP or len(self._keys) >= LONGEST):
            self._keys.clear()
        if key.key in STARTS:
            self._keys = [key]
            return None
        if not self._keys:
            return None
        self._keys.append(key)
        if key.key not in ENDS:
            return None
        keys, self._keys = self._keys, []
        return _sent(keys) if _are_even(keys) else None

    def forget(self) -> None:
        """Drop what has begun."""
        self._keys = []


def _sent(keys: list[KeyHeard]) -> SentAsKeys | None:
    text = "".join(key.key for key in keys[:-1])
    start, end = keys[0].start, keys[-1].end
    absence = _ABSENCES.get(text)
    if absence is not None:
        return SentAsKeys("", absence, start, end)
    number = text[1:]
    if text[0] == "B" or len(number) < SHORTEST_NUMBER or not number.isdecimal():
        return None
    return SentAsKeys(number, "", start, end)


def _are_even(keys: list[KeyHeard]) -> bool:
    lengths = [key.end - key.start for key in keys]
    steps = [after.start - before.start for before, after in pairwise(keys)]
    level = sum(key.level_dbm0 for key in keys) / len(keys)
    return (
        _alike(lengths, ALIKE_KEYS)
        and _alike(steps, ALIKE_STEPS)
        and all(abs(key.level_dbm0 - level) <= ALIKE_DB for key in keys)
    )


def _alike(values: list[int], within: int) -> bool:
    middle = sorted(values)[len(values) // 2]
    return all(abs(value - middle) <= within for value in values)
