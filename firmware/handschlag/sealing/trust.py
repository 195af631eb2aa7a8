"""The trust file: whose word counts for what.

JSON, one list per role. A box's key speaks for the box it is listed under and for nobody else; the archive's key signs
receipts, the owner's key authorises, the operator's key commands. `workshop` may list the public keys that recordings
are wrapped for; if it lists any, a recording wrapped for another key is refused. Every entry can be limited in time;
that is only asked where the time in question is trusted (P11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing.encoding import (
    BoxName,
    Kid,
    Time,
    decode,
    encode_checked,
    from_base64url,
    is_before,
    to_base64url,
)
from handschlag.sealing.errors import BadFile, BadKey, Untrusted
from handschlag.sealing.jws import naming
from handschlag.sealing.keys import VerifyKey, check_workshop_public, kid

Role = Literal["boxes", "archive", "owner", "operator"]

_MAX_TRUST_BYTES: Final = 64 * 1024 * 1024


class TrustedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One Ed25519 key (`public`: 32 bytes in base64url) of a role; `box` is set for boxes, and for them only."""

    kid: Kid
    public: str
    valid_from: Time | None = None
    valid_until: Time | None = None
    box: BoxName | None = None

    @classmethod
    def of(
        cls, key: VerifyKey, *, box: str | None = None, valid_from: str | None = None, valid_until: str | None = None
    ) -> TrustedKey:
        """The entry for a key."""
        return cls(key.kid, to_base64url(key.public), valid_from, valid_until, box)


class TrustedRecipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One workshop public key (`public`: 1216 bytes in base64url)."""

    kid: Kid
    public: str
    generation: Annotated[int, Meta(ge=1)] = 1

    @classmethod
    def of(cls, public: bytes, *, generation: int = 1) -> TrustedRecipient:
        """The entry for a workshop public key."""
        return cls(kid(public), to_base64url(public), generation)


class RoleKeys:
    """The keys of one or more roles, as a `Keyring`."""

    def __init__(self, role: str, entries: Sequence[TrustedKey]) -> None:
        self._role = role
        self._entries = {entry.kid: entry for entry in entries}

    def find(self, kid: str) -> VerifyKey:
        """The key of that id; raises Untrusted naming role and id."""
        return VerifyKey(from_base64url(self._entry(kid).public, "public", size=32))

    def admit(self, kid: str, *, box: str | None = None, at: str | None = None) -> None:
        """Raise Untrusted unless that key may speak for `box` at `at`."""
        entry = self._entry(kid)
        if box is not None and entry.box is not None and entry.box != box:
            raise Untrusted(f"key {kid} is trusted for box {entry.box}, not for box {box}")
        if at is not None and entry.valid_from is not None and is_before(at, entry.valid_from):
            raise Untrusted(f"{self._role} key {kid} is valid from {entry.valid_from}, used at {at}")
        if at is not None and entry.valid_until is not None and is_before(entry.valid_until, at):
            raise Untrusted(f"{self._role} key {kid} was valid until {entry.valid_until}, used at {at}")

    def _entry(self, kid: str) -> TrustedKey:
        entry = self._entries.get(kid)
        if entry is None:
            raise Untrusted(f"the trust file knows no key {kid} for the role {self._role}")
        return entry


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All trusted keys by role. Empty roles trust nobody."""

    boxes: tuple[TrustedKey, ...] = ()
    archive: tuple[TrustedKey, ...] = ()
    owner: tuple[TrustedKey, ...] = ()
    operator: tuple[TrustedKey, ...] = ()
    workshop: tuple[TrustedRecipient, ...] = ()
    version: Literal[1] = 1

    def keys(self, role: Role) -> RoleKeys:
        """The keys of a role."""
        entries: tuple[TrustedKey, ...] = getattr(self, role)
        return RoleKeys(role, entries)

    def box_keys(self, box: str) -> RoleKeys:
        """The keys of one box."""
        return RoleKeys(f"box {box}", [entry for entry in self.boxes if entry.box == box])

    def revoker_keys(self) -> RoleKeys:
        """Who may revoke a recording: its box while no manifest is stored, and the owner."""
        return RoleKeys("boxes or owner", (*self.owner, *self.boxes))

    def recipients(self) -> tuple[bytes, ...]:
        """The workshop public keys (1216 bytes each)."""
        return tuple(from_base64url(entry.public, "workshop") for entry in self.workshop)

    def admit_recipient(self, kid: str) -> None:
        """Raise Untrusted if workshop keys are listed and this is none of them."""
        if self.workshop and all(entry.kid != kid for entry in self.workshop):
            raise Untrusted(f"wrapped for key {kid}, which is no workshop key of the trust file")


def read_trust(data: bytes, name: str = "trust file") -> Trust:
    """Read a trust file; raises BadFile naming role and entry."""
    trust = decode(data, Trust, name, limit=_MAX_TRUST_BYTES)
    with naming(name):
        _check(trust)
    return trust


def write_trust(trust: Trust) -> bytes:
    """The trust file's bytes; raises BadFile for one that could not be read back."""
    _check(trust)
    return encode_checked(trust, "trust file", limit=_MAX_TRUST_BYTES) + b"\n"


def _check(trust: Trust) -> None:
    for role in ("boxes", "archive", "owner", "operator"):
        entries: tuple[TrustedKey, ...] = getattr(trust, role)
        for number, entry in enumerate(entries):
            where = f"{role}[{number}]"
            public = from_base64url(entry.public, f"{where}.public", size=32)
            _check_kid(where, entry.kid, public)
            VerifyKey(public)
            if (entry.box is None) == (role == "boxes"):
                raise BadFile(f"{where}.box: must be given for boxes, and only for them")
        _check_unique(role, [entry.kid for entry in entries])
    for number, recipient in enumerate(trust.workshop):
        where = f"workshop[{number}]"
        public = from_base64url(recipient.public, f"{where}.public")
        _check_kid(where, recipient.kid, public)
        try:
            check_workshop_public(public)
        except BadKey as error:
            raise BadFile(f"{where}.public: {error}") from None
    _check_unique("workshop", [entry.kid for entry in trust.workshop])


def _check_kid(where: str, given: str, public: bytes) -> None:
    if kid(public) != given:
        raise BadFile(f"{where}.kid: does not belong to the public key beside it")


def _check_unique(role: str, kids: Sequence[str]) -> None:
    if len(set(kids)) != len(kids):
        raise BadFile(f"{role}: a key is listed twice")
