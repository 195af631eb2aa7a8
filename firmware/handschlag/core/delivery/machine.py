"""Every event that delivery answers, and its rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

from handschlag.core.delivery.answers import archive_destroyed, missing, progressed, receipt_durable, refused, stored
from handschlag.core.delivery.broker import connected, disconnected, file_sent, send_failed, status_refused
from handschlag.core.delivery.disk import (
    disk_failed,
    drop,
    entry_durable,
    file_durable,
    files_listed,
    folder_found,
    recording_closed,
    recording_gone,
    revoke_durable,
    row_found,
)
from handschlag.core.delivery.draft import Draft, changed
from handschlag.core.delivery.epoch import Said, clock_told, counts
from handschlag.core.delivery.ledger import ledger_doubted, ledger_synced
from handschlag.core.delivery.sending import fill, requeue
from handschlag.core.delivery.state import Active, DeliveryState, Stage
from handschlag.core.effects import DestroyRecording, Effect, WriteKeys
from handschlag.core.events import (
    ArchiveDestroyed,
    Booted,
    ClockTold,
    Connected,
    Disconnected,
    DiskFailed,
    EntryDurable,
    Event,
    FileDurable,
    FileSent,
    FilesListed,
    FolderFound,
    LedgerDoubted,
    LedgerSynced,
    Missing,
    Progressed,
    ReceiptDurable,
    RecordingClosed,
    RecordingGone,
    Refused,
    RevokeDurable,
    RevokeFound,
    RowFound,
    SendFailed,
    StatusRefused,
    Stored,
    Woke,
)


def booted(d: Draft, e: Booted) -> None:
    """The process starts: a seed for jitter, and what the ledger was found to lack."""
    d.put(seed=e.seed, archive=e.archive)
    if e.doubted_now is not None:
        ledger_doubted(d, e.doubted_now)


def release(state: DeliveryState, effect: WriteKeys, at: float) -> tuple[DeliveryState, list[Effect]]:
    """The recording rests on a durable yes: what is on disk of it may be sent from now on."""
    d = Draft(state, at)
    names = state.held_back.get(effect.recording, ())
    d.put(held_back=changed(state.held_back, effect.recording, None))
    d.put_active(effect.recording, Active(Stage.LIVE, to_send=names))
    fill(d)
    return d.state, d.effects


def forget(state: DeliveryState, effect: DestroyRecording, at: float) -> tuple[DeliveryState, list[Effect]]:
    """The recording is being destroyed: from this very step on nothing of it is sent."""
    d = Draft(state, at)
    drop(d, effect.recording)
    return d.state, d.effects


def _woke(d: Draft, e: Woke) -> None:
    kind, _, recording = e.tag.partition(":")
    active = d.state.active.get(recording)
    if kind == "receipt" and active is not None and active.stage is Stage.WAITING:
        requeue(d, recording, manifest_only=True, delay_s=d.back_off(active.attempts))
    elif kind == "delivery":
        d.put(wakes_at=None)
    elif kind == "progress" and active is not None:
        d.put_active(recording, replace(active, unanswered=frozenset()))


RULES: Mapping[type[Event], Callable[[Draft, Any], None]] = {
    Booted: booted,
    ClockTold: clock_told,
    FileDurable: file_durable,
    RecordingClosed: recording_closed,
    EntryDurable: entry_durable,
    FilesListed: files_listed,
    RecordingGone: recording_gone,
    DiskFailed: disk_failed,
    RevokeDurable: revoke_durable,
    RevokeFound: revoke_durable,
    RowFound: row_found,
    FolderFound: folder_found,
    Connected: connected,
    Disconnected: disconnected,
    StatusRefused: status_refused,
    FileSent: file_sent,
    SendFailed: send_failed,
    Progressed: progressed,
    Stored: stored,
    ReceiptDurable: receipt_durable,
    Missing: missing,
    Refused: refused,
    ArchiveDestroyed: archive_destroyed,
    LedgerSynced: ledger_synced,
    LedgerDoubted: ledger_doubted,
    Woke: _woke,
}
"""Events that are not here (the line, the keys, the button, ...) are the call machine's business."""


RECEIPTS = frozenset(get_args(Said))


def step_delivery(state: DeliveryState, event: Event) -> tuple[DeliveryState, list[Effect]]:
    """Take one event; give the next state and what is to be done, in order."""
    rule = RULES.get(type(event))
    if rule is None:
        return state, []
    d = Draft(state, event.at)
    if type(event) not in RECEIPTS or counts(d, event):  # type: ignore[arg-type]  # what is in the set is a Said
        rule(d, event)
    fill(d)
    return d.state, d.effects
