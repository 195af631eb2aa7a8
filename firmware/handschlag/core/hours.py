"""Hours of the week, in local time: the duty rota's, and those in which the uplink stays quiet.

The clock tells how far the workshop's time is ahead of UTC. Hours that end before they begin go over midnight and
belong to the day on which they begin.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400
MONDAY_OFFSET = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class Hours:
    """`days` from 0 (Monday), `begin` and `end` in minutes of the local day."""

    days: frozenset[int]
    begin: int
    end: int

    def run(self, wall: float, utc_offset_s: float) -> bool:
        """Whether they are running at wall time `wall` (seconds since 1970)."""
        local = int(wall + utc_offset_s)
        day, minute = local // DAY_S, local % DAY_S // 60
        weekday = (day + MONDAY_OFFSET) % 7
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        evening = weekday in self.days and minute >= self.begin
        return evening or ((weekday - 1) % 7 in self.days and minute < self.end)
