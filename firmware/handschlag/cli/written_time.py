"""How a command writes a moment down: UTC, to the second, with `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """`2026-11-24T10:00:00Z`, of a moment that knows its zone."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def now_text() -> str:
    """The system's wall time."""
    return utc_text(datetime.now(UTC))
