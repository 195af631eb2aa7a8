"""What browsers may send: one form per route, strict. Binary values are base64url."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing.encoding import BoxName, RecordingId, from_base64url
from handschlag.sealing.errors import BadFile
from handschlag_archive.web.asked import bad_request
from handschlag_archive.web.journal import Reason
from handschlag_archive.web.roles import HOLD_KEYS, Role
from handschlag_archive.web.vault import LOGIN_BYTES, SALT_BYTES

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Login = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Salt = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{22}\Z")]
Token = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Wrapped = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]+\Z", max_length=16_384)]
Code = Annotated[str, Meta(pattern=r"\A[0-9]{6}\Z")]


class LoginBegin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose salt?"""

    name: Name


class LoginForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A login."""

    name: Name
    login: Login
    code: Code | None = None


class PasswordForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password, and what is wrapped with it."""

    old: Login
    salt: Salt
    login: Login
    wrapped: Wrapped | None = None


class Confirmed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that needs the password once more."""

    login: Login


class CodeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the second factor."""

    code: Code


class TotpRemoval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Password and code."""

    login: Login
    code: Code


class InvitationForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite."""

    name: Name
    role: Role
    wrapped: Wrapped | None = None


class InvitationToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the link holds."""

    token: Token


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new account."""

    token: Token
    salt: Salt
    login: Login
    wrapped: Wrapped | None = None


class Openings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which recordings."""

    recordings: Annotated[list[tuple[BoxName, RecordingId]], Meta(min_length=1, max_length=200)]


class OwnerForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that the owner has signed, and why."""

    message: Annotated[str, Meta(min_length=1, max_length=8192)]
    reason: Reason


class AuditForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser did by itself and must tell."""

    what: Literal["export", "search-person"]
    reason: Reason
    box: BoxName | None = None
    recording: RecordingId | None = None


def login_bytes(text: str) -> bytes:
    """A login secret. Raises Refused."""
    return _bytes(text, "login", LOGIN_BYTES)


def salt_bytes(text: str) -> bytes:
    """A salt. Raises Refused."""
    return _bytes(text, "salt", SALT_BYTES)


def wrapped_bytes(text: str | None, role: Role, *, first_owner: bool = False) -> bytes | None:
    """A wrapped bundle, which only those may and must have who hold keys. Raises Refused."""
    if (text is not None) != (role in HOLD_KEYS) and not (text is None and first_owner):
        needs = "needs" if role in HOLD_KEYS else "has no"
        raise bad_request(f"the role {role} {needs} `wrapped`")
    return None if text is None else _bytes(text, "wrapped", None)


def _bytes(text: str, name: str, size: int | None) -> bytes:
    try:
        return from_base64url(text, name, size=size)
    except BadFile as error:
        raise bad_request(str(error)) from None
