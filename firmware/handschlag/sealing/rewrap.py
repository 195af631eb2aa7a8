"""Rewraps: a recording's key wrapped for other recipients, by the owner's word.

The manifest goes on naming the original keys.json; `keys.N.jws` stands beside it, N being its counter. The newest
counter is the one in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import BoxName, RecordingId, decode
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring, RecordingKey, SigningKey, WrappedKey
from handschlag.sealing.manifest import rewrap_counter, rewrap_name
from handschlag.sealing.recording import MAX_RECIPIENTS, check_wrapped, wrap_all

_TYP: Final = "handschlag-keys"


class Rewrap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recording's key, wrapped anew."""

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    suite: str
    counter: Annotated[int, Meta(ge=1, le=999_999)]
    recipients: Annotated[tuple[WrappedKey, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]


def sign_rewrap(
    *, recording_key: RecordingKey, recipients: Sequence[bytes], box: str, recording: str, counter: int, key: SigningKey
) -> bytes:
    """`keys.<counter>.jws` for these workshop public keys, signed by the owner; raises BadKey, BadFile."""
    wrapped = wrap_all(recording_key, recipients, box=box, recording=recording)
    rewrap = Rewrap(box=box, recording=recording, suite=wrapped.suite, counter=counter, recipients=wrapped.recipients)
    return jws.sign_struct(rewrap, _TYP, key, rewrap_name(counter))


def read_rewrap(token: bytes, keys: Keyring, name: str) -> Rewrap:
    """A rewrap by the owner, whose counter must be the one in its name; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, name)
    return _checked(decode(signed.payload, Rewrap, name), name)


def peek_rewrap(token: bytes, name: str) -> Rewrap:
    """A rewrap without any check of its signature; the key commitment still guards what comes out of it."""
    return _checked(jws.peek(token, Rewrap, name), name)


def _checked(rewrap: Rewrap, name: str) -> Rewrap:
    if rewrap_counter(name) != rewrap.counter:
        raise BadFile(f"{name}: its counter is {rewrap.counter}")
    check_wrapped(rewrap.suite, rewrap.recipients, name)
    return rewrap
