"""What the box's own disk says: files, manifests, folders found at the start."""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.answers import set_aside
from handschlag.core.delivery.draft import Draft, changed
from handschlag.core.delivery.epoch import found
from handschlag.core.delivery.sending import requeue
from handschlag.core.delivery.state import (
    BACK_OFF_S,
    LEDGER_ROW,
    LIVE_NAMES,
    MANIFEST,
    Active,
    Confirmed,
    Queued,
    Revoke,
    Stage,
    manifest_last,
)
from handschlag.core.effects import CheckLedger, DropRow, SaveRow, WakeAt
from handschlag.core.events import (
    DiskFailed,
    EntryDurable,
    FileDurable,
    FilesListed,
    FolderFound,
    RecordingClosed,
    RecordingGone,
    RevokeDurable,
    RevokeFound,
    RowFound,
)


def drop(d: Draft, recording: str) -> None:
    """Nothing of it is sent any more."""
    if recording in d.state.active:
        d.do(WakeAt(f"receipt:{recording}", None), WakeAt(f"progress:{recording}", None))
    d.put_active(recording, None)
    d.put_queued(recording, None)
    d.put_confirmed(recording, None)
    d.put(held_back=changed(d.state.held_back, recording, None), aside=d.state.aside - {recording})


def file_durable(d: Draft, e: FileDurable) -> None:
    """A file that may be sent while its call runs."""
    if e.name not in LIVE_NAMES and not e.name.endswith(".clip"):
        return
    active = d.state.active.get(e.recording)
    if active is None:
        names = (*d.state.held_back.get(e.recording, ()), e.name)
        d.put(held_back=changed(d.state.held_back, e.recording, names))
    elif active.stage is Stage.LIVE:
        d.put_active(e.recording, replace(active, to_send=(*active.to_send[active.handed :], e.name), handed=0))


def recording_closed(d: Draft, e: RecordingClosed) -> None:
    """All of it is on disk."""
    active = d.state.active.get(e.recording, Active(Stage.LIVE))
    if active.stage is not Stage.LIVE or e.recording in d.state.queue:
        return
    ticket = d.record("closed", recording=e.recording, manifest=e.manifest_hash)
    to_send = tuple(n for n in manifest_last(e.names) if n not in active.sent and n not in active.in_flight)
    d.put(held_back=changed(d.state.held_back, e.recording, None), aside=d.state.aside - {e.recording})
    closing = replace(active, stage=Stage.CLOSING, to_send=to_send, handed=0, manifest_hash=e.manifest_hash)
    d.put_active(e.recording, replace(closing, ticket=ticket, since=d.at, until=e.retain_until))
    d.do(SaveRow(e.recording, "queued", 0))


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """What waited for `closed` may go now."""
    d.put(ledger_durable=max(d.state.ledger_durable, e.seq))
    for recording, active in d.state.active.items():
        if active.stage is Stage.CLOSING and active.ticket == e.ticket:
            d.put_active(recording, replace(active, stage=Stage.SENDING))


def files_listed(d: Draft, e: FilesListed) -> None:
    """What a queued recording consists of."""
    active = d.state.active.get(e.recording)
    if active is None or active.stage is not Stage.LISTING:
        return
    if MANIFEST not in e.names:
        set_aside(d, e.recording, "no manifest on disk")
        return
    d.put_active(e.recording, replace(active, stage=Stage.SENDING, to_send=manifest_last(e.names), handed=0))


def disk_failed(d: Draft, e: DiskFailed) -> None:
    """What could not be listed is listed again later."""
    active = d.state.active.get(e.recording)
    if active is not None and active.stage is Stage.LISTING:
        requeue(d, e.recording, manifest_only=False, delay_s=BACK_OFF_S[0] + d.back_off(active.attempts))


def recording_gone(d: Draft, e: RecordingGone) -> None:
    """It is away."""
    drop(d, e.recording)
    d.do(DropRow(e.recording))


def revoke_durable(d: Draft, e: RevokeDurable | RevokeFound) -> None:
    """A withdrawal that the archive must be told."""
    d.put_revoke(e.recording, Revoke(due_at=d.at))


def row_found(d: Draft, e: RowFound) -> None:
    """What the catalog remembers."""
    if e.recording == LEDGER_ROW:
        d.put(ledger_acked=max(d.state.ledger_acked, e.attempts))
        d.do(CheckLedger(e.attempts, e.reason, "the archive's last answer"))
    else:
        d.put(hints=d.state.hints.put(e.recording, e))


def folder_found(d: Draft, e: FolderFound) -> None:
    """A folder at the start: what has no receipt is queued."""
    hint = d.state.hints.get(e.recording)
    if hint is not None:
        d.put(hints=d.state.hints.put(e.recording, None))
    whole = e.has_keys and e.has_manifest and e.consented and not e.gone and not e.ended_by_ledger
    if not whole:
        return
    if hint is not None and hint.state == "aside":
        d.put(aside=d.state.aside | {e.recording})
    if e.receipted:
        found(d, e.receipt_epoch, e.receipt_said_at)
        d.put_confirmed(e.recording, Confirmed(e.manifest_hash, e.receipt_epoch, e.retain_until))
        return
    if e.recording in d.state.aside:
        return
    attempts = hint.attempts if hint is not None else 0
    if e.closed_in_ledger:
        queued = Queued(e.manifest_hash, since=d.at, due_at=d.at, attempts=attempts, until=e.retain_until)
        d.put_queued(e.recording, queued)
        return
    ticket = d.record("closed", recording=e.recording, manifest=e.manifest_hash)
    active = Active(Stage.CLOSING, manifest_hash=e.manifest_hash, ticket=ticket, attempts=attempts, since=d.at)
    d.put_active(e.recording, replace(active, to_send=(MANIFEST,), until=e.retain_until))
    d.do(SaveRow(e.recording, "queued", attempts))
