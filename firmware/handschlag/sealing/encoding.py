"""One value, one spelling.

Whatever is signed or hashed is written in exactly one way: JSON with sorted keys and no spaces (UTF-8), base64url
without padding (RFC 4648 section 5) whose unused bits are zero, UUIDs in lower case, times in UTC with `Z`. Reading is
strict: unknown fields, wrong types and anything oversized are refused with the name of the file and of the field.
The base64url check matters because the last character has several spellings that decode alike, and a signature
with two spellings is two files.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from handschlag.sealing.errors import BadFile

MAX_FILE_BYTES: Final = 96 * 1024
"""Largest file of a recording: what one MQTT message carries."""

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader, browsers included, takes exactly."""

_TIME: Final = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z"
)

BoxName = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
RecordingId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Kid = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Time = Annotated[str, Meta(pattern=rf"\A{_TIME}\Z")]
Clock = Annotated[str, Meta(pattern=r"\A(un)?synced\Z")]
"""How far a wall time is trusted: `synced` or `unsynced`."""
Token = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z._:+-]{1,64}\Z")]
"""A word out of a fixed vocabulary, a version or an id: never free text."""
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]

T = TypeVar("T")


def canonical(value: object) -> bytes:
    """`value` (structs, dicts, lists, flat values) as canonical JSON."""
    return msgspec.json.encode(value, order="sorted")


def decode(data: bytes, form: type[T], name: str, *, limit: int = MAX_FILE_BYTES) -> T:
    """The `form` that `data`, called `name`, holds; raises BadFile."""
    if len(data) > limit:
        raise BadFile(f"{name}: {len(data)} bytes, at most {limit} are allowed")
    try:
        return msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFile(f"{name}: {error}") from None


def encode_checked(value: T, name: str, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """Canonical JSON of a struct, refused (BadFile) unless its own reader takes it."""
    try:
        data = canonical(value)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise BadFile(f"{name}: cannot be written: {error}") from None
    decode(data, type(value), name, limit=limit)
    return data


def check(value: object, form: object, name: str) -> None:
    """Raise BadFile unless `value` has the `form` (an annotated type above)."""
    try:
        msgspec.convert(value, type=form)
    except msgspec.ValidationError as error:
        raise BadFile(f"{name}: {error}") from None


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def to_base64url(data: bytes | bytearray) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str, name: str, *, size: int | None = None) -> bytes:
    """Bytes of canonical base64url, `size` of them if given; raises BadFile, which never shows the text."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise BadFile(f"{name}: not base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise BadFile(f"{name}: not canonical base64url (unused bits of the last character are not zero)")
    if size is not None and len(data) != size:
        raise BadFile(f"{name}: {len(data)} bytes, {size} are needed")
    return data


def is_before(earlier: str, later: str) -> bool:
    """Whether one `Time` lies before another."""
    return earlier[:-1] < later[:-1]  # without the Z, a longer fraction of the same second sorts behind
