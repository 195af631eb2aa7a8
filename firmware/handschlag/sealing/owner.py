"""The owner's messages to a box: erase, hold, release, class, epoch.

Signed with the owner's key, which neither box nor archive has, for one box, with a counter that must rise: an old
message, sent again by whoever carries it, changes nothing. The message's id, under which the box answers, is made of
its bytes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import BoxName, Positive, RecordingId, Time, decode, encode_checked, sha256_hex
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring, SigningKey

_TYP: Final = "handschlag-owner"
_NAME: Final = "owner's message"

Name = Literal["erase", "hold", "release", "class", "epoch"]
KeptFor = Annotated[str, Meta(pattern=r"\A(inquiry|order|repair|building)\Z")]


class OwnerMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the owner wants of a box. `recording` for all but `epoch`, `kept_for` for `class`, `epoch` for `epoch`."""

    version: Literal[1] = 1
    box: BoxName
    name: Name
    counter: Positive
    at: Time
    recording: RecordingId | None = None
    kept_for: KeptFor | None = None
    epoch: Positive | None = None


def sign_owner(message: OwnerMessage, key: SigningKey) -> bytes:
    """The message as JWS by the owner; raises BadFile for one that no reader would take."""
    payload = encode_checked(message, _NAME)
    _check(message, _NAME)
    return jws.sign(payload, _TYP, key)


def read_owner(token: bytes, keys: Keyring, name: str = _NAME, *, at: str | None = None) -> OwnerMessage:
    """A message by a trusted owner key, trusted at that time if one is given; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, name)
    message = decode(signed.payload, OwnerMessage, name)
    _check(message, name)
    with jws.naming(name):
        keys.admit(signed.kid, at=at)
    return message


def message_id(token: bytes) -> str:
    """Under which name the box answers: 32 hex digits."""
    return sha256_hex(token)[:32]


def _check(message: OwnerMessage, name: str) -> None:
    needed = {
        "recording": message.name != "epoch",
        "kept_for": message.name == "class",
        "epoch": message.name == "epoch",
    }
    for field, wanted in needed.items():
        if (getattr(message, field) is not None) != wanted:
            raise BadFile(f"{name}: {message.name!r} {'needs' if wanted else 'has no'} {field!r}")
