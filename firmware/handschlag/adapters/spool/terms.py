"""What a recording's manifest says of its keeping: when it was closed, until when it is kept, where the ledger stood.

And what its receipt says of the archive. Both are read from the box's own disk, so signatures are not asked for here;
who relies on the ledger's position asks. A manifest that cannot be read sets no terms: it expires nowhere, and is found
when it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from handschlag.sealing.errors import SealingError
from handschlag.sealing.ledger import GENESIS, LedgerPosition
from handschlag.sealing.manifest import MANIFEST, peek_manifest
from handschlag.sealing.receipt import Stored, peek_receipt, said_at


@dataclass(frozen=True, slots=True)
class Terms:
    """Times in seconds since 1970; None where there is none, or none to be trusted (P11)."""

    closed_at: float | None = None
    retain_until: float | None = None
    ledger: LedgerPosition = GENESIS


def terms_of(manifest: bytes) -> Terms:
    """The terms of a manifest.jws."""
    try:
        said = peek_manifest(manifest)
    except SealingError:
        return Terms()
    return Terms(seconds(said.closed_at) if said.clock == "synced" else None, seconds(said.retain_until), said.ledger)


def receipt_of(path: Path, recording: str, manifest_hash: str) -> tuple[str, float]:
    """The archive's epoch and time in a receipt.jws; ("", 0.0) without one for this recording and this manifest.

    One that cannot be read is as good as none: the recording is offered again, and the archive says it again.
    """
    try:
        said = peek_receipt(path.read_bytes())
        if isinstance(said, Stored) and (said.recording, said.manifest_hash) == (recording, manifest_hash):
            return said.epoch, said_at(said)
    except (OSError, SealingError):
        pass
    return "", 0.0


def newest_line_named(spool: Path) -> int:
    """The highest ledger line that any manifest in the spool names; 0 for none."""
    found = [terms_of(path.read_bytes()).ledger.seq for path in spool.glob(f"*/{MANIFEST}")]
    return max(found, default=0)


def seconds(time: str | None) -> float | None:
    """A time as it is written down, in seconds since 1970; None for one that no calendar has."""
    try:
        return None if not time else datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None
