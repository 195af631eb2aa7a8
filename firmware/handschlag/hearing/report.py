"""Events as the lines of `handschlag hear --json`: plain dictionaries in the order and with the names of wire.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from handschlag.hearing.events import RATE, CallerIdHeard, Event, ExchangeHeard, KeyHeard, SpeechHeard, ToneHeard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def line(event: Event) -> dict[str, str | int | float] | None:
    """One event as a JSON object, seconds rounded to milliseconds; None for what is not final."""
    if not event.final or event.end is None:
        return None
    span: dict[str, str | int | float] = {
        "start": round(event.start / RATE, 3),
        "end": round(event.end / RATE, 3),
    }
    match event:
        case KeyHeard():
            evidence = {
                "level": round(event.level_dbm0, 1),
                "twist": round(event.twist_db, 1),
                "cos": round(event.cos, 2),
            }
            return {"kind": "key", "key": event.key, "leg": event.leg.value, **span, **evidence}
        case ToneHeard():
            return {"kind": "tone", "name": event.name, **span, "cycles": event.cycles}
        case ExchangeHeard():
            return None  # the tone itself is told as a tone
        case SpeechHeard():
            return {"kind": "speech", "leg": event.leg.value, **span}
        case CallerIdHeard():
            said = {"number": event.number, "name": event.name, "time": event.time, "type": event.type}
            return {"kind": "caller-id", **said, **({"absence": event.absence} if event.absence else {})}
    assert_never(event)


def lines(events: Iterable[Event]) -> Iterator[dict[str, str | int | float]]:
    """The final ones of these events, in the order of their starts."""
    for event in sorted(events, key=lambda each: each.start):
        said = line(event)
        if said is not None:
            yield said
