"""Receipts: the archive's signed word on what it has, and the only word that lets a box forget.

All name box and recording, the archive's time and its epoch (another epoch means an archive restored from a backup).
Clips are named as ranges, because a long call has thousands of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import (
    BoxName,
    Count,
    RecordingId,
    Sha256,
    Time,
    Token,
    decode,
    encode_checked,
)
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring, SigningKey
from handschlag.sealing.manifest import MAX_CLIPS, clip_index, clip_name, is_name

_TYP: Final = "handschlag-receipt"
_NAME: Final = "receipt"
MAX_RANGE_CHARS: Final = 32768
MAX_NAMES: Final = 1024
_RANGES: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,5})(?:-[1-9][0-9]{0,5})?(?:,(?=[0-9])|\Z))*")

Ranges = Annotated[str, Meta(max_length=MAX_RANGE_CHARS)]
"""Clip indexes as `0-17,19`: rising, as few ranges as possible; empty for none."""

FileNames = Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=MAX_NAMES)]
"""Files that are no clips, sorted."""


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    box: BoxName
    at: Time
    epoch: Token


class _OfRecording(_About, frozen=True, forbid_unknown_fields=True, kw_only=True):
    recording: RecordingId


class _Names(_OfRecording, frozen=True, forbid_unknown_fields=True, kw_only=True):
    names: FileNames = ()
    clips: Ranges = ""

    @property
    def every_name(self) -> tuple[str, ...]:
        """All names, the clips' included."""
        return unfold_names(self.names, self.clips)


class Progress(_Names, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="progress"):
    """The archive has these files so far (cumulative)."""


class Stored(_OfRecording, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="stored"):
    """The archive keeps the recording durably; `retain_until` None: by its class."""

    manifest_hash: Sha256
    copies: Annotated[int, Meta(ge=1, le=1000)]
    retain_until: Time | None = None


class Incomplete(_Names, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="incomplete"):
    """The archive has the manifest and misses these files."""

    manifest_hash: Sha256


class Refused(_OfRecording, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="refused"):
    """The archive refuses the recording."""

    manifest_hash: Sha256 | None = None
    why: Annotated[str, Meta(max_length=500)]


class Destroyed(_OfRecording, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="destroyed"):
    """The archive destroyed the keys it had, and takes nothing more of this recording."""


class LedgerSynced(_About, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ledger"):
    """The archive has the box's ledger without gaps up to `seq`; 0, with 64 zeros, when its beginning is missing."""

    seq: Count
    hash: Sha256


Receipt = Progress | Stored | Incomplete | Refused | Destroyed | LedgerSynced


def sign_receipt(receipt: Receipt, key: SigningKey) -> bytes:
    """The receipt as JWS by the archive; raises BadFile for one that no reader would take."""
    payload = encode_checked(receipt, _NAME)
    _check(receipt, _NAME)
    return jws.sign(payload, _TYP, key)


def read_receipt(token: bytes, keys: Keyring, name: str = _NAME) -> Receipt:
    """A receipt by a trusted archive key; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, name)
    receipt: Receipt = decode(signed.payload, Receipt, name)  # type: ignore[arg-type]  # a union is no class
    _check(receipt, name)
    with jws.naming(name):
        keys.admit(signed.kid, at=receipt.at)
    return receipt


def peek_receipt(token: bytes, name: str = _NAME) -> Receipt:
    """A receipt without any check of its signature, for what the box itself has put on its disk; raises BadFile."""
    receipt: Receipt = jws.peek(token, Receipt, name)  # type: ignore[arg-type]  # a union is no class
    return receipt


def said_at(receipt: Receipt) -> float:
    """The archive's time of a receipt, in seconds since 1970; raises BadFile for one that no calendar has."""
    try:
        return datetime.fromisoformat(receipt.at).timestamp()
    except ValueError:
        raise BadFile(f"{_NAME}: at {receipt.at!r} is no time of the calendar") from None


def fold_names(names: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Names of files as (names that are no clips, clips as ranges)."""
    others: list[str] = []
    indexes: list[int] = []
    for name in names:
        index = clip_index(name)
        if index is None:
            others.append(name)
        else:
            indexes.append(index)
    return tuple(sorted(set(others))), encode_ranges(indexes)


def unfold_names(names: Iterable[str], clips: str) -> tuple[str, ...]:
    """The reverse of `fold_names`; raises BadFile."""
    return (*names, *map(clip_name, decode_ranges(clips)))


def encode_ranges(indexes: Iterable[int]) -> str:
    """Indexes as ranges. Where they do not fit into 32 KiB the highest are left out: less is said, nothing wrong."""
    text = ""
    rising = sorted(set(indexes))
    for index in (*rising[:1], *rising[-1:]):
        clip_name(index)
    start = 0
    for at, index in enumerate(rising):
        if at + 1 < len(rising) and rising[at + 1] == index + 1:
            continue
        more = ("," if text else "") + (f"{rising[start]}-{index}" if at > start else f"{index}")
        if len(text) + len(more) > MAX_RANGE_CHARS:
            break
        text += more
        start = at + 1
    return text


def decode_ranges(text: str) -> list[int]:
    """Indexes of ranges, rising; raises BadFile unless `encode_ranges` would write it that way."""
    if len(text) > MAX_RANGE_CHARS or not _RANGES.fullmatch(text):
        raise BadFile("clip ranges: not of the form 0-17,19")
    indexes: list[int] = []
    last = -2
    for part in text.split(",") if text else ():
        first_text, _, last_text = part.partition("-")
        first, before = int(first_text), last
        last = int(last_text or first_text)
        if first <= before + 1 or (last_text and last <= first) or last >= MAX_CLIPS:
            raise BadFile("clip ranges: must rise, and neighbours be one range")
        indexes.extend(range(first, last + 1))
    return indexes


def _check(receipt: Receipt, name: str) -> None:
    if isinstance(receipt, (Progress, Incomplete)):
        decode_ranges(receipt.clips)
        for file in receipt.names:
            if not is_name(file) or clip_index(file) is not None:
                raise BadFile(f"{name}: {file[:40]!r} is no name of a file, or a clip outside the ranges")
