"""How long a recording may be kept: a class for each purpose, none without an end.

The same table as on the box (`handschlag.core.retention`, of which the archive may know nothing; a test compares
them). The box counts from the call; where its clock was not to be trusted the manifest has no end, and the archive
counts from the moment at which it stored the recording, which lies behind the call: it then goes late, never early
(P11). For the same reason no end lies behind the one that is counted from there, whatever a box's clock said.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

CLASSES: Final = ("inquiry", "order", "repair", "building")


def keep_until(kept_for: str, made: datetime) -> datetime | None:
    """When a recording made at `made` (UTC) expires; None for a class that nobody knows."""
    match kept_for:
        case "inquiry":
            return made + timedelta(days=90)
        case "order":
            return datetime(made.year + 4, 1, 1, tzinfo=UTC)
        case "repair":
            return _years_later(made, 2)
        case "building":
            return _years_later(made, 5)
        case _:
            return None


def end_of(kept_for: str, *, said: str | None, stored_at: str) -> str | None:
    """When a stored recording expires: as its manifest `said`, but never later than its class from `stored_at` on.

    A day that no calendar has (31 February) was not said. None when neither is known: such a recording is kept, and
    the archive's reports name it.
    """
    ends = [at for at in (moment_if_any(said), keep_until(kept_for, moment(stored_at))) if at is not None]
    return written(min(ends)) if ends else None


def moment(text: str) -> datetime:
    """A time as it is written everywhere (`Z`)."""
    return datetime.fromisoformat(text)


def written(at: datetime) -> str:
    """A moment in UTC, always with milliseconds, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_if_any(text: str | None) -> datetime | None:
    """A time; None for none, and for a day that no calendar has: what others write only has a time's form."""
    try:
        return None if text is None else moment(text)
    except ValueError:
        return None


def _years_later(made: datetime, years: int) -> datetime:
    """The same day some years later; a 29 February becomes 1 March."""
    try:
        return made.replace(year=made.year + years)
    except ValueError:
        return made.replace(year=made.year + years, month=3, day=1)
