"""The duty rota: who answers the telephone at which hour, and how the box asks then.

Its hours are those of `hours`: local, and over midnight where a shift ends before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from handschlag.core.policy import AskWhen, Shift


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty now, and how the box asks; None: as settled for the workshop."""

    staff: tuple[int, ...]
    ask: AskWhen | None


def on_duty(shifts: Iterable[Shift], wall: float, utc_offset_s: float) -> Duty | None:
    """The duty at wall time `wall`; None when no shift runs; where several do, all of them are on duty."""
    running = [shift for shift in shifts if shift.run(wall, utc_offset_s)]
    if not running:
        return None
    staff = dict.fromkeys(number for shift in running for number in shift.staff)
    return Duty(tuple(staff), next((shift.ask for shift in running if shift.ask is not None), None))
