"""How long a recording is kept: a class for each purpose, none without an end.

The periods are those of the civil code's limitation rules (§§ 195, 199, 634a BGB); "after year-end" counts from the end
of the year of the call.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Retention(StrEnum):
    """What the recording was made for."""

    INQUIRY = "inquiry"  # 90 days
    ORDER = "order"  # 3 years after year-end
    REPAIR = "repair"  # 2 years
    BUILDING = "building"  # 5 years


def period(kept_for: Retention) -> str:
    """How long that is, in the words of settings and of the prompts' `period`; the announcement must say the same."""
    return {
        Retention.INQUIRY: "90 days",
        Retention.ORDER: "3 years after year-end",
        Retention.REPAIR: "2 years",
        Retention.BUILDING: "5 years",
    }[kept_for]


def keep_until(kept_for: Retention, wall: float) -> datetime:
    """When a recording made at `wall` (seconds since 1970) expires, in UTC."""
    made = datetime.fromtimestamp(wall, UTC)
    match kept_for:
        case Retention.INQUIRY:
            return made + timedelta(days=90)
        case Retention.ORDER:
            return datetime(made.year + 4, 1, 1, tzinfo=UTC)
        case Retention.REPAIR:
            return _years_later(made, 2)
        case Retention.BUILDING:
            return _years_later(made, 5)


def _years_later(made: datetime, years: int) -> datetime:
    """The same day some years later; a 29 February becomes 1 March."""
    try:
        return made.replace(year=made.year + years)
    except ValueError:
        return made.replace(year=made.year + years, month=3, day=1)
