"""Making a manifest: of what was sealed in this process, or of what another one left on disk.

Everything public that the manifest says comes from here: files by hash, recipients, consent, retention, gaps, ledger,
clock. A gap that nobody reported (a clip that never reached the disk, or is damaged) is found between the clips and
named all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handschlag.ports import Clock, ConsentRecord
from handschlag.sealing import manifest as sealed
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.ledger import LedgerPosition
from handschlag.sealing.manifest import HEAD, KEYS, MANIFEST, ClipEntry, details_name
from handschlag.sealing.recording import read_clip_header, read_head, read_keys

INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs, and what every manifest of this box says alike.

    `recipients` are workshop public keys (1216 bytes each); `retention` is the class. `keep_until` gives the end of
    the retention, as UTC with `Z`, for the wall time of closing (seconds since 1970) and whether that is synchronised;
    None leaves it to the archive, which knows the class.
    """

    box: str
    key: SigningKey
    recipients: Sequence[bytes]
    firmware: str
    retention: str
    keep_until: Callable[[float, bool], str | None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a recording ended, on what consent, and where the durable ledger stood."""

    ended: str
    closed_at: str
    clock: str
    consent: ConsentRecord
    ledger_seq: int
    ledger_hash: str
    gaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is of a recording: head, keys and details by name and hash, its clips, its recipients' key ids.

    `damaged` names files that look like clips and are none.
    """

    files: Mapping[str, str]
    clips: Sequence[ClipEntry]
    recipients: tuple[str, ...]
    damaged: tuple[str, ...] = ()


def utc(wall: float) -> str:
    """Seconds since 1970 as UTC with milliseconds and `Z`."""
    whole = int(wall // 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((wall - whole) * 1000):03}Z"


def clock_word(clock: str) -> Literal["synced", "unsynced"]:
    """How far a wall time is trusted, as it is written down; whatever is not `synced` is not."""
    return "synced" if clock == "synced" else "unsynced"


def now(clock: Clock) -> tuple[str, Literal["synced", "unsynced"]]:
    """Wall time, and how far it is trusted, as they are written down."""
    wall, synced = clock.wall()
    return utc(wall), "synced" if synced else "unsynced"


def last_files(
    recording: str, contents: Contents, ending: Ending, identity: Identity, clock: Clock
) -> dict[str, bytes]:
    """The clip lists and, last, the manifest, by name. Raises sealing's BadFile for what no reader would take."""
    lists = sealed.clip_lists(contents.clips)
    consent = ending.consent
    manifest = sealed.Manifest(
        box=identity.box,
        recording=recording,
        files={**contents.files, **{name: sha256_hex(data) for name, data in lists.items()}},
        recipients=contents.recipients,
        consent=(
            sealed.Consent(
                way=consent.way,
                at=consent.at,
                clock=clock_word(consent.clock),
                text_version=consent.text_version,
                text_hash=consent.text_hash,
                mark_s=consent.mark_s,
                leg=consent.leg,
                ledger_seq=consent.ledger_seq,
            ),
        ),
        retention_class=identity.retention,
        retain_until=identity.keep_until(*clock.wall()),
        ended=ending.ended,
        closed_at=ending.closed_at,
        clock=clock_word(ending.clock),
        gaps=sealed.merge_gaps(ending.gaps, sealed.holes(contents.clips)),
        ledger=LedgerPosition(ending.ledger_seq, ending.ledger_hash),
        firmware=identity.firmware,
    )
    return {**lists, MANIFEST: sealed.sign_manifest(manifest, identity.key)}


def read_back(folder: Path, box: str) -> Contents:
    """What an interrupted recording of `box` consists of.

    Raises OSError, and sealing's BadFile when head or keys are damaged or of another box or recording: then there is
    nothing that could be vouched for.
    """
    head, keys = (folder / HEAD).read_bytes(), (folder / KEYS).read_bytes()
    wrapped = read_keys(keys)
    for part, name in ((read_head(head), HEAD), (wrapped, KEYS)):
        if (part.box, part.recording) != (box, folder.name):
            raise BadFile(f"{name}: is of recording {part.recording} of box {part.box}")
    files = {HEAD: sha256_hex(head), KEYS: sha256_hex(keys)}
    for name in map(details_name, (0, 1)):
        if (folder / name).exists():
            files[name] = sha256_hex((folder / name).read_bytes())
    clips: list[ClipEntry] = []
    damaged: list[str] = []
    for path in sorted(path for path in folder.iterdir() if sealed.clip_index(path.name) is not None):
        entry = _entry(path.name, path.read_bytes(), clips)
        if entry is None:
            damaged.append(path.name)
        else:
            clips.append(entry)
    return Contents(files, clips, tuple(recipient.kid for recipient in wrapped.recipients), tuple(damaged))


def _entry(name: str, data: bytes, before: Sequence[ClipEntry]) -> ClipEntry | None:
    try:
        header = read_clip_header(data, name)
        entry = ClipEntry(header.index, header.first_sample, header.samples, sha256_hex(data))
        sealed.clip_lists([*before[-1:], entry])  # its own bounds, and its place after the one before
    except BadFile:
        return None
    return entry if entry.name == name else None
