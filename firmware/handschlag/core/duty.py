"""The duty rota: who answers the telephone at which hour, and how the box asks then.

Hours are local: the clock tells how far the workshop's time is ahead of UTC. A shift that ends before it begins goes
over midnight and belongs to the day on which it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from handschlag.core.policy import AskWhen, Shift

DAY_S = 86_400
MONDAY_OFFSET = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty now, and how the box asks; None: as settled for the workshop."""

    staff: tuple[int, ...]
    ask: AskWhen | None


def on_duty(shifts: Iterable[Shift], wall: float, utc_offset_s: float) -> Duty | None:
    """The duty at wall time `wall`; None when no shift runs; where several do, all of them are on duty."""
    local = int(wall + utc_offset_s)
    day, minute = local // DAY_S, local % DAY_S // 60
    running = [shift for shift in shifts if _runs(shift, day, minute)]
    if not running:
        return None
    staff = dict.fromkeys(number for shift in running for number in shift.staff)
    return Duty(tuple(staff), next((shift.ask for shift in running if shift.ask is not None), None))


def _runs(shift: Shift, day: int, minute: int) -> bool:
    weekday = (day + MONDAY_OFFSET) % 7
    if shift.begin < shift.end:
        return weekday in shift.days and shift.begin <= minute < shift.end
    evening = weekday in shift.days and minute >= shift.begin
    return evening or ((weekday - 1) % 7 in shift.days and minute < shift.end)
