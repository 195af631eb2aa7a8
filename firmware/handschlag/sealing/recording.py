"""Sealing a recording while the call runs.

A `Sealer` is born with its key and dies with it: between `begin` and `wipe` it turns FLAC files and details into
sealed bytes, and after `wipe` it refuses everything. Clips and details are built alike:

    header | AES-256-GCM(sub-key, nonce = 8 zero bytes + number u32, aad = header + recording id (16 raw bytes))

with the header `"HSC1"`, index u32, first sample u64, samples u32 for clips and `"HSD1"`, number u32 for details,
all big-endian, and the plaintext: length u32, content, zeros up to a multiple of 4 KiB (clips) or 1 KiB (details). As
the number is the nonce, a number is used up before it is sealed and never sealed again.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from handschlag.sealing.encoding import (
    MAX_FILE_BYTES,
    MAX_INTEGER,
    BoxName,
    Clock,
    Count,
    RecordingId,
    Time,
    Token,
    canonical,
    decode,
    encode_checked,
    from_base64url,
    to_base64url,
)
from handschlag.sealing.errors import AlreadySealed, BadFile, Tampered
from handschlag.sealing.keys import (
    SECRET_BYTES,
    SUITE,
    RecordingKey,
    WrappedKey,
    check_workshop_public,
    kid,
    recording_bytes,
)
from handschlag.sealing.manifest import (
    HEAD,
    KEYS,
    MAX_CLIP_SAMPLES,
    clip_name,
    details_name,
)

MAX_RECIPIENTS: Final = 16
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 4


class _Shape(NamedTuple):
    magic: bytes
    header: struct.Struct
    block: int

    def content_limit(self) -> int:
        """Largest content whose sealed file one message carries."""
        room = MAX_FILE_BYTES - self.header.size - _TAG_BYTES
        return room // self.block * self.block - _LENGTH_BYTES


class _Place(NamedTuple):
    """What is sealed, where: number and recording go into nonce and aad, the name into errors."""

    shape: _Shape
    number: int
    recording: str
    name: str


_CLIP: Final = _Shape(b"HSC1", struct.Struct(">4sIQI"), 4096)
_DETAILS: Final = _Shape(b"HSD1", struct.Struct(">4sI"), 1024)

MAX_FLAC_BYTES: Final = _CLIP.content_limit()
MAX_DETAILS_BYTES: Final = _DETAILS.content_limit()


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The public start of a recording. `boot` and `seizure` are the tap's; `commitment` is base64url of 32 bytes."""

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    suite: str
    commitment: str
    sample_rate: Literal[8000, 16000]
    channels: Literal[1, 2]
    opened_at: Time
    clock: Clock
    boot: Token
    seizure: Count


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recording's key, wrapped for each recipient."""

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    suite: str
    recipients: Annotated[tuple[WrappedKey, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What stands in clear before a sealed clip."""

    index: int
    first_sample: int
    samples: int


class Sealer:
    """Seals one recording; made by `begin`."""

    __slots__ = ("_box", "_details_done", "_key", "_next_index", "_next_sample", "_recording", "head")

    def __init__(self, head: Head, key: RecordingKey) -> None:
        self.head: Final = encode_checked(head, HEAD)
        self._box = head.box
        self._recording = head.recording
        self._key = key
        self._next_index = 0
        self._next_sample = 0
        self._details_done: set[int] = set()

    @classmethod
    def begin(
        cls,
        *,
        box: str,
        recording: str,
        sample_rate: int,
        channels: int,
        opened_at: str,
        clock: str,
        boot: str,
        seizure: int,
        key: RecordingKey | None = None,
    ) -> Sealer:
        """Make the key and the head; raises BadFile naming the field that is wrong. `key` is for committed vectors."""
        key = key or RecordingKey.new()
        head = {
            "box": box,
            "recording": recording,
            "suite": SUITE,
            "commitment": to_base64url(key.commit),
            "sample_rate": sample_rate,
            "channels": channels,
            "opened_at": opened_at,
            "clock": clock,
            "boot": boot,
            "seizure": seizure,
        }
        try:
            return cls(msgspec.convert(head, type=Head), key)
        except msgspec.ValidationError as error:
            key.wipe()
            raise BadFile(f"{HEAD}: {error}") from None

    def __repr__(self) -> str:
        return f"Sealer({self._recording}, {self._key!r})"

    def clip(self, index: int, first_sample: int, samples: int, flac: bytes) -> bytes:
        """Seal one FLAC file. Indexes and samples rise; an index that failed is used up, too.

        Raises AlreadySealed for what does not rise, BadFile for what is too long, Wiped.
        """
        secret = self._key.clip
        if index < self._next_index or first_sample < self._next_sample:
            raise AlreadySealed(f"{clip_name(index)}: comes at or before a clip that was sealed already")
        name = clip_name(index)
        if not 1 <= samples <= MAX_CLIP_SAMPLES or not 0 <= first_sample <= MAX_INTEGER - MAX_CLIP_SAMPLES:
            raise BadFile(f"{name}: {samples} samples, allowed are 1 to {MAX_CLIP_SAMPLES}")
        self._next_index = index + 1
        self._next_sample = first_sample + samples
        header = _CLIP.header.pack(_CLIP.magic, index, first_sample, samples)
        return _seal(_Place(_CLIP, index, self._recording, name), header, secret, flac)

    def details(self, number: int, fields: Mapping[str, Any]) -> bytes:
        """Seal what is personal: 0 at opening, 1 at closing, each once. Raises AlreadySealed, BadFile, Wiped."""
        secret = self._key.details
        name = details_name(number)
        if number in self._details_done:
            raise AlreadySealed(f"{name}: was sealed already")
        try:
            content = canonical(dict(fields))
        except (TypeError, ValueError, msgspec.MsgspecError):
            raise BadFile(f"{name}: holds something that JSON cannot say") from None
        self._details_done.add(number)
        header = _DETAILS.header.pack(_DETAILS.magic, number)
        return _seal(_Place(_DETAILS, number, self._recording, name), header, secret, content)

    def keys(self, recipients: Sequence[bytes]) -> bytes:
        """keys.json for these workshop public keys (1216 bytes each). Raises BadKey, BadFile, Wiped."""
        return encode_checked(wrap_all(self._key, recipients, box=self._box, recording=self._recording), KEYS)

    def wipe(self) -> None:
        """Overwrite the key; everything but `head` refuses from now on. Safe to repeat."""
        self._key.wipe()


def wrap_all(key: RecordingKey, recipients: Sequence[bytes], *, box: str, recording: str) -> Keys:
    """A recording's key wrapped for each recipient; raises BadKey, BadFile."""
    for public in recipients:
        check_workshop_public(public)
    if not 1 <= len(recipients) <= MAX_RECIPIENTS or len({kid(public) for public in recipients}) != len(recipients):
        raise BadFile(f"{KEYS}: {len(recipients)} recipients, allowed are 1 to {MAX_RECIPIENTS}, each once")
    wrapped = tuple(key.wrap(public, box=box, recording=recording) for public in recipients)
    return Keys(box=box, recording=recording, suite=SUITE, recipients=wrapped)


def read_head(data: bytes) -> Head:
    """head.json; raises BadFile, also for a suite this program does not know."""
    head = decode(data, Head, HEAD)
    check_suite(head.suite, HEAD)
    from_base64url(head.commitment, f"{HEAD}: commitment", size=SECRET_BYTES)
    return head


def read_keys(data: bytes) -> Keys:
    """keys.json; raises BadFile."""
    keys = decode(data, Keys, KEYS)
    check_wrapped(keys.suite, keys.recipients, KEYS)
    return keys


def check_wrapped(suite: str, recipients: Sequence[WrappedKey], name: str) -> None:
    """Raise BadFile unless the suite is known and every wrapped key has its form, each recipient once."""
    check_suite(suite, name)
    for number, wrapped in enumerate(recipients):
        wrapped.check(f"{name}: recipients[{number}]")
    if len({wrapped.kid for wrapped in recipients}) != len(recipients):
        raise BadFile(f"{name}: a recipient is listed twice")


def check_suite(suite: str, name: str) -> None:
    """Raise BadFile unless this program knows the suite."""
    if suite != SUITE:
        raise BadFile(f"{name}: suite {suite[:80]!r} is not known to this program; it knows {SUITE!r}")


def check_commitment(head: Head, key: RecordingKey) -> None:
    """Raise Tampered unless the head commits to this very key (AES-GCM alone does not)."""
    if not hmac.compare_digest(from_base64url(head.commitment, f"{HEAD}: commitment"), bytes(key.commit)):
        raise Tampered(f"{HEAD}: commits to another key than the one that was wrapped")


def read_clip_header(data: bytes, name: str) -> ClipHeader:
    """The clear part of a sealed clip, whose length must fit; raises BadFile."""
    _check_form(_CLIP, data, name)
    _, index, first_sample, samples = _CLIP.header.unpack_from(data)
    return ClipHeader(index, first_sample, samples)


def check_details(data: bytes, number: int) -> None:
    """Raise BadFile unless sealed details have their form and number."""
    name = details_name(number)
    _check_form(_DETAILS, data, name)
    if _DETAILS.header.unpack_from(data)[1] != number:
        raise BadFile(f"{name}: says that it is details.{_DETAILS.header.unpack_from(data)[1]}")


def open_clip(data: bytes, key: RecordingKey, recording: str, name: str) -> tuple[ClipHeader, bytes]:
    """Header and FLAC file of a sealed clip; raises BadFile, Tampered."""
    header = read_clip_header(data, name)
    return header, _open(_Place(_CLIP, header.index, recording, name), data, key.clip)


def open_details(data: bytes, number: int, key: RecordingKey, recording: str) -> dict[str, Any]:
    """The sealed details; raises BadFile, Tampered."""
    name = details_name(number)
    check_details(data, number)
    plain = _open(_Place(_DETAILS, number, recording, name), data, key.details)
    return decode(plain, dict[str, Any], name)


def _seal(place: _Place, header: bytes, secret: bytearray, content: bytes) -> bytes:
    shape = place.shape
    if len(content) > shape.content_limit():
        raise BadFile(f"{place.name}: {len(content)} bytes, at most {shape.content_limit()} are allowed")
    filled = _LENGTH_BYTES + len(content)
    plain = b"".join((len(content).to_bytes(_LENGTH_BYTES, "big"), content, bytes(-filled % shape.block)))
    return header + AESGCM(secret).encrypt(_nonce(place.number), plain, header + recording_bytes(place.recording))


def _open(place: _Place, data: bytes, secret: bytearray) -> bytes:
    shape, name = place.shape, place.name
    header, sealed = data[: shape.header.size], data[shape.header.size :]
    try:
        plain = AESGCM(secret).decrypt(_nonce(place.number), sealed, header + recording_bytes(place.recording))
    except InvalidTag:
        raise Tampered(f"{name}: altered, or sealed for another recording") from None
    end = _LENGTH_BYTES + int.from_bytes(plain[:_LENGTH_BYTES], "big")
    if end > len(plain) or len(plain) - end >= shape.block or any(plain[end:]):
        raise Tampered(f"{name}: its inner length does not fit")
    return plain[_LENGTH_BYTES:end]


def _nonce(number: int) -> bytes:
    return bytes(8) + number.to_bytes(4, "big")


def _check_form(shape: _Shape, data: bytes, name: str) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise BadFile(f"{name}: {len(data)} bytes, at most {MAX_FILE_BYTES} are allowed")
    if data[:4] != shape.magic:
        raise BadFile(f"{name}: does not begin with {shape.magic.decode()}")
    blocks, rest = divmod(len(data) - shape.header.size - _TAG_BYTES, shape.block)
    if blocks < 1 or rest:
        raise BadFile(f"{name}: {len(data)} bytes is no length that a sealed file can have: cut off or extended")
