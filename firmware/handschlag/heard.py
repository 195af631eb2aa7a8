"""What the ear reports, as the core's events: other names for legs, and times of the monotonic clock for positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from handschlag import hearing
from handschlag.core import events as ev
from handschlag.hearing.direction import leg_of
from handschlag.hearing.events import RATE


def core_event(event: hearing.Event, at: float, time_of: Callable[[int], float]) -> ev.Event:
    """What an event of the ear, told at `at`, is to the core; `time_of` gives when a stream position was heard."""
    match event:
        case hearing.KeyHeard():
            return ev.KeyHeard(
                at,
                event.key,
                ev.Leg(event.leg.value),
                time_of(event.start),
                (event.end - event.start) / RATE,
                event.level_dbm0,
                event.twist_db,
                event.cos,
                event.final,
            )
        case hearing.ToneHeard():
            return ev.ToneHeard(at, event.name, ev.Leg(leg_of(event.cos).value), event.cycles, event.final)
        case hearing.ExchangeHeard():
            return ev.ExchangeHeard(at, ev.Leg(leg_of(event.cos).value))
        case hearing.SpeechHeard():
            leg = ev.Leg(event.leg.value)
            return ev.SpeechEnded(at, leg) if event.final else ev.SpeechBegan(at, leg)
        case hearing.CallerIdHeard():
            return ev.CallerIdHeard(at, event.number, event.name, event.time, event.type, event.absence)
        case _:
            assert_never(event)
