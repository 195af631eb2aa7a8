"""What a verified receipt means to the core."""

from __future__ import annotations

from typing import assert_never

from handschlag.core.events import ArchiveDestroyed, Event, LedgerSynced, Missing, Progressed, Refused, Stored
from handschlag.sealing import receipt


def event_of(said: receipt.Receipt, token: bytes, at: float) -> Event:
    """What a verified receipt means to the core; raises BadFile for names that cannot be unfolded."""
    match said:
        case receipt.Progress():
            return Progressed(at, said.recording, frozenset(receipt.unfold_names(said.names, said.clips)))
        case receipt.Stored():
            return Stored(at, said.recording, said.manifest_hash, said.copies, said.epoch, token)
        case receipt.Incomplete():
            return Missing(at, said.recording, said.manifest_hash, receipt.unfold_names(said.names, said.clips))
        case receipt.Refused():
            return Refused(at, said.recording, said.why)
        case receipt.Destroyed():
            return ArchiveDestroyed(at, said.recording)
        case receipt.LedgerSynced():
            return LedgerSynced(at, said.seq, said.hash)
        case _:
            assert_never(said)
