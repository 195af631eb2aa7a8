"""The owner's messages, for tests."""

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.owner import Name, OwnerMessage, sign_owner
from tests.sealing.builder import AT, BOX, OWNER, RECORDING


def word(
    name: Name,
    *,
    counter: int = 1,
    recording: str | None = RECORDING,
    box: str = BOX,
    kept_for: str | None = None,
    epoch: int | None = None,
    key: SigningKey | None = None,
) -> bytes:
    """A message as the owner signs it."""
    message = OwnerMessage(
        box=box,
        name=name,
        counter=counter,
        at=AT,
        recording=None if name == "epoch" else recording,
        kept_for=kept_for,
        epoch=epoch,
    )
    return sign_owner(message, key or OWNER.signing())
