"""Names of people, sealed for the workshop: the box needs to know that somebody has agreed, never who it is (P4, P9).

A name is UTF-8, padded with zeros to a fixed size, and sealed by HPKE for each workshop key with `info` =
`"handschlag/1 name" | 0x00 | box id | 0x00 | number` (decimal), so that it opens at its own place only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from handschlag.sealing.encoding import BoxName, Kid, check, from_base64url, to_base64url
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import ENC_BYTES, WorkshopKey, encrypt_for, kid

NAME_BYTES: Final = 96
_SEALED_BYTES: Final = ENC_BYTES + NAME_BYTES + 16


class SealedName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name as one workshop key can open it; `sealed` is base64url."""

    kid: Kid
    sealed: str


def seal_name(name: str, publics: Iterable[bytes], *, box: str, number: int) -> tuple[SealedName, ...]:
    """The name of person `number`, once for each workshop key; raises BadFile for a name that is empty or too long."""
    plain = name.strip().encode()
    if not plain or len(plain) > NAME_BYTES or b"\0" in plain:
        raise BadFile(f"name: {len(plain)} bytes of UTF-8; allowed are 1 to {NAME_BYTES}, without zero bytes")
    padded = plain.ljust(NAME_BYTES, b"\0")
    info = _info(box, number)
    return tuple(SealedName(kid(public), to_base64url(encrypt_for(public, padded, info))) for public in publics)


def open_name(names: Iterable[SealedName], key: WorkshopKey, *, box: str, number: int) -> str:
    """The name of person `number`; raises BadKey when it was altered, BadFile when it is not sealed for this key."""
    for name in names:
        if name.kid == key.kid:
            sealed = from_base64url(name.sealed, f"name of person {number}", size=_SEALED_BYTES)
            plain = key.decrypt(sealed, _info(box, number), f"name of person {number}", "another box or person")
            return plain.rstrip(b"\0").decode()
    raise BadFile(f"name of person {number}: is not sealed for workshop key {key.kid}")


def _info(box: str, number: int) -> bytes:
    check(box, BoxName, "box id")
    return b"handschlag/1 name\x00" + box.encode("ascii") + b"\x00" + str(number).encode("ascii")
