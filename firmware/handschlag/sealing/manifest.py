"""The manifest: the signed end of a recording, and the lists of clips that it names.

It names every other file by its SHA-256, says on what consent the recording rests, how it ended, and where the ledger
stood. Whoever has the box's public key can check it; nothing in it is personal (P9). Clip lists keep it small: each
holds up to 512 clips in order, and all but the last are full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import (
    BoxName,
    Clock,
    Count,
    Kid,
    Positive,
    RecordingId,
    Sha256,
    Time,
    Token,
    decode,
    encode_checked,
)
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring, SigningKey
from handschlag.sealing.ledger import LedgerPosition

HEAD: Final = "head.json"
KEYS: Final = "keys.json"
MANIFEST: Final = "manifest.jws"
RECEIPT: Final = "receipt.jws"
REVOKE: Final = "revoke.jws"

CLIPS_PER_LIST: Final = 512
MAX_CLIPS: Final = 1_000_000
MAX_GAPS: Final = 2000
MAX_CLIP_SAMPLES: Final = 16_000
"""2 s at 8 kHz, 1 s at 16 kHz."""

_TYP: Final = "handschlag-manifest"
_CLIP: Final = re.compile(r"([0-9]{6})\.clip")
_LIST: Final = re.compile(r"clips\.(0|[1-9][0-9]{0,3})\.json")
_REWRAP: Final = re.compile(r"keys\.([1-9][0-9]{0,5})\.jws")


def clip_name(index: int) -> str:
    """`000000.clip`; raises BadFile beyond 999999."""
    if not 0 <= index < MAX_CLIPS:
        raise BadFile(f"clip index {index}: allowed is 0 to {MAX_CLIPS - 1}")
    return f"{index:06}.clip"


def clip_index(name: str) -> int | None:
    """The index in a clip's name; None if it is no clip's name."""
    found = _CLIP.fullmatch(name)
    return int(found[1]) if found else None


def details_name(number: int) -> str:
    """`details.0` (at opening) or `details.1` (at closing)."""
    if number not in {0, 1}:
        raise BadFile(f"details {number}: allowed are 0 and 1")
    return f"details.{number}"


def list_name(number: int) -> str:
    """`clips.0.json`, ..."""
    return f"clips.{number}.json"


def rewrap_name(counter: int) -> str:
    """`keys.1.jws`, ..."""
    return f"keys.{counter}.jws"


def rewrap_counter(name: str) -> int | None:
    """The counter in a rewrap's name; None if it is no rewrap's name."""
    found = _REWRAP.fullmatch(name)
    return int(found[1]) if found else None


def is_name(name: str) -> bool:
    """Whether a file of a recording may be called that."""
    return name in {HEAD, KEYS, MANIFEST, RECEIPT, REVOKE, "details.0", "details.1"} or any(
        pattern.fullmatch(name) for pattern in (_CLIP, _LIST, _REWRAP)
    )


class ClipEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One clip in a list; samples are counted per channel from the start of the recording."""

    index: Annotated[int, Meta(ge=0, lt=MAX_CLIPS)]
    first_sample: Count
    samples: Annotated[int, Meta(ge=1, le=MAX_CLIP_SAMPLES)]
    sha256: Sha256

    @property
    def name(self) -> str:
        """Its file."""
        return clip_name(self.index)

    @property
    def end_sample(self) -> int:
        """The sample after its last."""
        return self.first_sample + self.samples


def clip_lists(entries: Sequence[ClipEntry]) -> dict[str, bytes]:
    """The list files of all clips, by name, 512 clips each; none for no clips. Raises BadFile for a wrong order."""
    check_order(entries)
    return {
        list_name(number): encode_checked(tuple(entries[start : start + CLIPS_PER_LIST]), list_name(number))
        for number, start in enumerate(range(0, len(entries), CLIPS_PER_LIST))
    }


def read_clip_list(data: bytes, name: str) -> tuple[ClipEntry, ...]:
    """The clips of a list file; raises BadFile."""
    entries = decode(data, tuple[ClipEntry, ...], name)
    if not 1 <= len(entries) <= CLIPS_PER_LIST:
        raise BadFile(f"{name}: {len(entries)} clips, allowed are 1 to {CLIPS_PER_LIST}")
    return entries


def check_order(entries: Iterable[ClipEntry], after: ClipEntry | None = None) -> ClipEntry | None:
    """The last of `entries`, all of which must follow one another and `after`; raises BadFile."""
    last = after
    for entry in entries:
        if last is not None and (entry.index <= last.index or entry.first_sample < last.end_sample):
            raise BadFile(f"{entry.name}: does not come after {last.name}, by index and by samples")
        last = entry
    return last


def holes(entries: Iterable[ClipEntry], start: int = 0) -> tuple[tuple[int, int], ...]:
    """(first sample, samples) of what no clip covers, from `start` to the last clip's end."""
    found: list[tuple[int, int]] = []
    for entry in entries:
        if entry.first_sample > start:
            found.append((start, entry.first_sample - start))
        start = entry.end_sample
    return tuple(found)


def merge_gaps(*several: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Gaps of several origins as one list for the manifest: in order, overlapping and touching ones made one.

    Where there are more than a manifest holds, those that lie closest together are made one, too: it then says more
    is missing than is, never less.
    """
    merged: list[tuple[int, int]] = []
    for first, samples in sorted(gap for gaps in several for gap in gaps):
        if merged and first <= merged[-1][0] + merged[-1][1]:
            begin, length = merged[-1]
            merged[-1] = (begin, max(length, first + samples - begin))
        else:
            merged.append((first, samples))
    if len(merged) > MAX_GAPS:
        apart = [later[0] - sum(earlier) for earlier, later in pairwise(merged)]
        widest = sorted(sorted(range(len(apart)), key=apart.__getitem__, reverse=True)[: MAX_GAPS - 1])
        starts, ends = [0, *(at + 1 for at in widest)], [*widest, len(merged) - 1]
        return tuple((merged[a][0], sum(merged[b]) - merged[a][0]) for a, b in zip(starts, ends, strict=True))
    return tuple(merged)


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """On what the recording rests, without anything personal.

    `ledger_seq` is the entry that made it valid: `granted` for a key, `confirmed` for a spoken yes. `mark_s` is
    how many seconds after the announcement's mark the key began, `leg` whose key it was; both are empty for a spoken
    yes.
    """

    way: Annotated[str, Meta(pattern=r"\A(key|oral)\Z")]
    at: Time
    clock: Clock = "unsynced"
    text_version: Annotated[str, Meta(max_length=64)]
    text_hash: Sha256
    mark_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    leg: Annotated[str, Meta(pattern=r"\A(far|near|uncertain|)\Z")] = ""
    ledger_seq: Positive


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a recording consists of. `files` are SHA-256 by name: head, keys, details, clip lists.

    `gaps` are (first sample, samples) of what was not captured or not kept: every hole between clips lies in one.
    `ended` is how the call or the take ended; `interrupted` means that a restart did it.
    `ledger` is the newest durable entry when the manifest was made.
    """

    version: Literal[1] = 1
    box: BoxName
    recording: RecordingId
    files: Annotated[dict[str, Sha256], Meta(min_length=3, max_length=600)]
    recipients: Annotated[tuple[Kid, ...], Meta(min_length=1, max_length=16)]
    consent: Annotated[tuple[Consent, ...], Meta(min_length=1, max_length=64)]
    retention_class: Token
    retain_until: Time | None = None
    ended: Token
    closed_at: Time
    clock: Clock
    gaps: Annotated[tuple[tuple[Count, Positive], ...], Meta(max_length=MAX_GAPS)] = ()
    ledger: LedgerPosition
    firmware: Token

    @property
    def lists(self) -> tuple[str, ...]:
        """The names of the clip lists, in order."""
        return tuple(name for name in map(list_name, range(len(self.files))) if name in self.files)


def sign_manifest(manifest: Manifest, key: SigningKey) -> bytes:
    """manifest.jws by the box; raises BadFile for a manifest that no reader would take."""
    payload = encode_checked(manifest, MANIFEST)
    _check(manifest, MANIFEST)
    return jws.sign(payload, _TYP, key)


def read_manifest(token: bytes, keys: Keyring) -> Manifest:
    """The manifest, signed by a key that may speak for its box then; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, MANIFEST)
    manifest = decode(signed.payload, Manifest, MANIFEST)
    _check(manifest, MANIFEST)
    with jws.naming(MANIFEST):
        at = manifest.closed_at if manifest.clock == "synced" else None
        keys.admit(signed.kid, box=manifest.box, at=at)
    return manifest


def peek_manifest(token: bytes) -> Manifest:
    """The manifest without any check of its signature: for opening with the workshop key alone."""
    manifest = jws.peek(token, Manifest, MANIFEST)
    _check(manifest, MANIFEST)
    return manifest


def _check(manifest: Manifest, name: str) -> None:
    _check_files(manifest.files, manifest.ended, name)
    if len(set(manifest.recipients)) != len(manifest.recipients):
        raise BadFile(f"{name}: a recipient is listed twice")
    if any(consent.ledger_seq > manifest.ledger.seq for consent in manifest.consent):
        raise BadFile(f"{name}: a consent is younger than the ledger entry the manifest names")
    end = 0
    for number, (first, samples) in enumerate(manifest.gaps):
        if first < end or (number and first == end):
            raise BadFile(f"{name}: gap {number} at sample {first} does not come after the one before")
        end = first + samples


def _check_files(files: Mapping[str, str], ended: str, name: str) -> None:
    lists = sum(1 for file in files if _LIST.fullmatch(file))
    details = {"details.0"} if ended == "interrupted" and "details.1" not in files else {"details.0", "details.1"}
    expected = {HEAD, KEYS, *details, *map(list_name, range(lists))}
    if set(files) != expected:
        odd = min(set(files) ^ expected)
        raise BadFile(f"{name}: names {odd[:40]!r}" if odd in files else f"{name}: does not name {odd}")
