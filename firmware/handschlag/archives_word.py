"""What a verified receipt of the archive means to the core, by whatever way it came."""

from __future__ import annotations

from typing import assert_never

from handschlag.core.events import ArchiveDestroyed, Event, LedgerSynced, Missing, Progressed, Refused, Stored
from handschlag.sealing import receipt


def archive_said(said: receipt.Receipt, token: bytes, at: float) -> Event:
    """What a verified receipt means to the core; raises BadFile for names or times that cannot be read."""
    epoch, said_at = said.epoch, receipt.said_at(said)
    match said:
        case receipt.Progress():
            return Progressed(at, said.recording, frozenset(said.every_name), epoch, said_at)
        case receipt.Stored():
            return Stored(at, said.recording, said.manifest_hash, said.copies, token, epoch, said_at)
        case receipt.Incomplete():
            return Missing(at, said.recording, said.manifest_hash, said.every_name, epoch, said_at)
        case receipt.Refused():
            return Refused(at, said.recording, said.why, said.manifest_hash or "", epoch, said_at)
        case receipt.Destroyed():
            return ArchiveDestroyed(at, said.recording, epoch, said_at)
        case receipt.LedgerSynced():
            return LedgerSynced(at, said.seq, said.hash, epoch, said_at)
        case _:
            assert_never(said)
