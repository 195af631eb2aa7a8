"""Revocations: the signed order to destroy a recording's keys wherever they are.

A box may revoke while no manifest of the recording is stored; later it takes the owner's signature. The reader learns
who signed; the archive decides by what it has stored.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from handschlag.sealing import jws
from handschlag.sealing.encoding import BoxName, Clock, Count, RecordingId, Time, Token, decode
from handschlag.sealing.keys import Keyring, SigningKey
from handschlag.sealing.manifest import REVOKE

_TYP: Final = "handschlag-revoke"


class Revoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recording is withdrawn; `ledger_seq` is the entry that says so (0 for the owner's, who keeps no ledger)."""

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    reason: Token
    at: Time
    clock: Clock = "unsynced"
    ledger_seq: Count


def sign_revoke(
    *, box: str, recording: str, reason: str, at: str, clock: Clock = "unsynced", ledger_seq: int, key: SigningKey
) -> bytes:
    """A revocation as JWS by the box or the owner; raises BadFile naming the field that is wrong."""
    revoke = Revoke(box=box, recording=recording, reason=reason, at=at, clock=clock, ledger_seq=ledger_seq)
    return jws.sign_struct(revoke, _TYP, key, REVOKE)


def read_revoke(token: bytes, keys: Keyring) -> Revoke:
    """A revocation by a key that may speak for its box; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, REVOKE)
    revoke = decode(signed.payload, Revoke, REVOKE)
    with jws.naming(REVOKE):
        keys.admit(signed.kid, box=revoke.box, at=revoke.at if revoke.clock == "synced" else None)
    return revoke
