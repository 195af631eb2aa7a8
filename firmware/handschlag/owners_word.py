"""What a verified message of the owner means to the core, by whatever way it came."""

from __future__ import annotations

from handschlag.core.events import OwnerSaid
from handschlag.sealing.owner import OwnerMessage, message_id


def owner_said(message: OwnerMessage, token: bytes, at: float) -> OwnerSaid:
    """What a verified message means to the core."""
    return OwnerSaid(
        at,
        message_id(token),
        message.name,
        message.counter,
        recording=message.recording or "",
        kept_for=message.kept_for or "",
        epoch=message.epoch or 0,
        token=token.decode(),
    )
