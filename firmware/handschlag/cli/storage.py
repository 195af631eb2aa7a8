"""Ledger, catalog and spool of a box, wired to each other as they must be: one place, for the box and for its trials.

The ledger asks at its start what is named elsewhere (manifests in the spool, the archive's acknowledgement in the
catalog); the spool asks the folded ledger what it may keep, and tells it of manifests that name lines it does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handschlag.adapters.catalog import TinyCatalog
from handschlag.adapters.ledger_file import LedgerFile, Signer
from handschlag.adapters.spool import DiskSpool, Identity
from handschlag.adapters.spool.terms import newest_line_named, seconds
from handschlag.core.delivery import LEDGER_ROW
from handschlag.core.fold import Folded, fold
from handschlag.ports import Clock, Codec, ConsentRecord, FileOps, LedgerFacts, Post, Worker
from handschlag.sealing.ledger import LedgerPosition


@dataclass(frozen=True, slots=True)
class Storage:
    """What a box has on disk, and what its ledger said when it was opened."""

    ledger: LedgerFile
    catalog: TinyCatalog
    spool: DiskSpool
    facts: Folded


def open_storage(
    data: Path,
    *,
    identity: Identity,
    boot: str,
    files: FileOps,
    worker: Callable[[str], Worker],
    codec: Codec,
    clock: Clock,
    post: Post,
    reserve_bytes: int,
    spool_of: type[DiskSpool] = DiskSpool,
) -> Storage:
    """Open everything below `data`, which is made when missing. `worker` gives a thread by its name.

    `spool_of` is for trials that stand between the spool and its disk.
    """
    for folder in (data, data / "spool", data / "ledger"):
        files.mkdir(str(folder))
    catalog = TinyCatalog(data, files=files, worker=worker("catalog"), post=post, clock=clock)
    signer = Signer(identity.box, identity.key)
    ledger = LedgerFile(
        data / "ledger",
        boot=boot,
        files=files,
        worker=worker("ledger"),
        post=post,
        clock=clock,
        signer=signer,
        relied=lambda: max(newest_line_named(data / "spool"), _acknowledged(catalog)),
    )

    def claims(position: LedgerPosition, manifest: bytes) -> None:
        """A manifest of this box's own hand that names a line which is not there is asked about."""
        if not ledger.holds(position.seq, position.hash) and signer.signed(manifest):
            ledger.check(position.seq, position.hash, "a manifest")

    facts = fold(ledger.entries())
    spool = spool_of(
        data,
        identity=identity,
        files=files,
        worker=worker("spool"),
        codec=codec,
        clock=clock,
        post=post,
        facts=lambda recording: facts_of(facts, recording),
        reserve_bytes=reserve_bytes,
        claims=claims,
    )
    return Storage(ledger, catalog, spool, facts)


def _acknowledged(catalog: TinyCatalog) -> int:
    """The ledger's line that the archive has acknowledged, as the catalog knows it."""
    return int(catalog.rows().get(LEDGER_ROW, {}).get("attempts") or 0)


def facts_of(folded: Folded, recording: str) -> LedgerFacts:
    """The ledger's word on one recording, as the spool wants it."""
    ended, ended_seq = folded.ended.get(recording, ("", 0))
    consent = folded.consents.get(recording)
    record = None
    if consent is not None:
        record = ConsentRecord(
            way=consent.way,
            at=consent.at,
            text_version=consent.text_version,
            text_hash=consent.text_hash,
            mark_s=None,
            leg=consent.leg,
            ledger_seq=consent.seq,
        )
    return LedgerFacts(
        consented=folded.consented(recording),
        ended=ended,
        ended_seq=ended_seq,
        closed=recording in folded.closed,
        receipted=recording in folded.receipted,
        consent=record,
        receipted_at=seconds(folded.receipted.get(recording)),
        held=recording in folded.held,
        kept_for=folded.kept_for.get(recording, ""),
    )
