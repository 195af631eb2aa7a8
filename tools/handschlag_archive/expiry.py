"""The note that a recording's time was over: the archive's own word, signed with the key that signs its receipts.

It stands in the erasure list where a withdrawal has the box's word and an erasure the owner's, so that each entry of
that list can be checked by itself.
"""

from typing import Final, Literal

import msgspec

from handschlag.sealing import jws
from handschlag.sealing.encoding import BoxName, RecordingId, Sha256, Time, Token, decode
from handschlag.sealing.keys import Keyring, SigningKey

_TYP: Final = "handschlag-expiry"
_NAME: Final = "expiry note"


class Expiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recording was kept for what it was made for until its time was over, and destroyed at `at`."""

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    at: Time
    epoch: Token
    kept_for: Token | None
    retain_until: Time
    manifest_hash: Sha256 | None


def sign_expiry(note: Expiry, key: SigningKey) -> bytes:
    """The note as JWS by the archive."""
    return jws.sign_struct(note, _TYP, key, _NAME)


def read_expiry(token: bytes, keys: Keyring) -> Expiry:
    """A note by a trusted archive key; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, _NAME)
    note = decode(signed.payload, Expiry, _NAME)
    with jws.naming(_NAME):
        keys.admit(signed.kid, at=note.at)
    return note
