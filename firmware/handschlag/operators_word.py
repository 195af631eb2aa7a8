"""What a verified command of the operator means to the core."""

from __future__ import annotations

from handschlag.core.events import OperatorSaid
from handschlag.sealing.command import Command, expires_at


def operator_said(command: Command, at: float) -> OperatorSaid:
    """What a verified command means to the core."""
    return OperatorSaid(
        at,
        command.id,
        command.name,
        command.counter,
        expires_at(command),
        level=command.level or "",
        minutes=command.minutes or 0,
    )
