"""Signatures: compact JWS (RFC 7515) with Ed25519 (RFC 8037), and nothing of JWS beyond that.

The header says `alg` EdDSA, a `typ` of ours, and a `kid`; the key is always looked up by that id among keys that the
reader already trusts. Keys that a header brings along (`jwk`, `x5c`, ...) are ignored, critical extensions refused
(section 4.1.11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from handschlag.sealing.encoding import (
    MAX_FILE_BYTES,
    canonical,
    decode,
    encode_checked,
    from_base64url,
    to_base64url,
)
from handschlag.sealing.errors import BadFile, SealingError, Tampered
from handschlag.sealing.keys import Keyring, SigningKey

_SHAPE: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_SIGNATURE_BYTES: Final = 64

T = TypeVar("T")


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str
    crit: Any = None


class Signed(NamedTuple):
    """What was signed, and by which key."""

    payload: bytes
    kid: str


def sign(payload: bytes, typ: str, key: SigningKey) -> bytes:
    """A compact JWS over `payload`."""
    header = canonical({"alg": "EdDSA", "kid": key.kid, "typ": typ})
    signed = f"{to_base64url(header)}.{to_base64url(payload)}".encode("ascii")
    return signed + b"." + to_base64url(key.sign(signed)).encode("ascii")


def read(token: bytes, typ: str, keys: Keyring, name: str) -> Signed:
    """Payload and signer of the JWS called `name`; raises BadFile, Untrusted or Tampered, each naming `name`."""
    header, payload, signature, signed = _parts(token, name)
    if header.alg != "EdDSA":
        raise BadFile(f"{name}: alg {header.alg[:32]!r}, only EdDSA is allowed")
    if header.crit is not None:
        raise BadFile(f"{name}: critical header extensions are not known here")
    if header.typ != typ:
        raise BadFile(f"{name}: typ {header.typ[:64]!r}, expected {typ!r}")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", header.kid):
        raise BadFile(f"{name}: kid is no key id")
    with naming(name):
        key = keys.find(header.kid)
    if not key.verify(signature, signed):
        raise Tampered(f"{name}: the signature by key {header.kid} does not fit")
    return Signed(payload, header.kid)


def peek(token: bytes, form: type[T], name: str) -> T:
    """The payload without any check of the signature: for readers who have no trust file, and say so."""
    return decode(_parts(token, name)[1], form, name)


def _parts(token: bytes, name: str) -> tuple[_Header, bytes, bytes, bytes]:
    if len(token) > MAX_FILE_BYTES:
        raise BadFile(f"{name}: {len(token)} bytes, at most {MAX_FILE_BYTES} are allowed")
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise BadFile(f"{name}: not a compact JWS")
    header, payload, signature = (part.decode("ascii") for part in shape.groups())
    return (
        decode(from_base64url(header, f"{name}: header"), _Header, f"{name}: header"),
        from_base64url(payload, f"{name}: payload"),
        from_base64url(signature, f"{name}: signature", size=_SIGNATURE_BYTES),
        token[: shape.end(2)],
    )


def sign_struct(value: object, typ: str, key: SigningKey, name: str) -> bytes:
    """Sign a struct's canonical JSON; raises BadFile if its own reader would refuse it."""
    return sign(encode_checked(value, name), typ, key)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a file's name before the errors of those who cannot know it."""
    try:
        yield
    except SealingError as error:
        raise type(error)(f"{name}: {error}") from None
