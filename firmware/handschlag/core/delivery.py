"""Getting recordings to the archive: what is sent when, and what is done with the answers.

A broker's acknowledgement means nothing here; only the archive's receipt moves a recording on. During a call the head,
the first details and the clips are sent as they become durable; keys, lists and manifest follow when the recording is
closed and the ledger has it, so that a withdrawal during the call leaves no wrapped key anywhere but on the box.
Revocations go before everything. Nothing is ever given up: without a receipt the manifest is sent again, with
full-jitter back-off; a recording that the archive refuses five times is set aside and blocks nobody.

Only few recordings are `active` at a time; the rest waits in `queue`, and gets its turn in the order in which it is
due, at the same time by recording id, that is by age.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from handschlag.core.effects import (
    CheckLedger,
    DestroyRecording,
    DropRevoke,
    DropRow,
    Effect,
    KeepReceipt,
    ListFiles,
    Record,
    SaveRow,
    Send,
    SendLedger,
    Value,
    WakeAt,
    WriteKeys,
)
from handschlag.core.events import (
    ArchiveDestroyed,
    Booted,
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
    Stored,
    Woke,
)
from handschlag.core.shelf import Dues, Shelf

IN_FLIGHT = 8
WITHOUT_PROGRESS = 256
ACTIVE_AT_MOST = 3
RECEIPT_TIMEOUT_S = 12.0
BACK_OFF_S = (2.0, 900.0)
REFUSALS_AT_MOST = 5
LEDGER_BATCH = 200
LEDGER_TIMEOUT_S = 15.0
MANIFEST = "manifest.jws"
REVOKE = "revoke.jws"
LEDGER_ROW = "ledger"
LIVE_NAMES = ("head.json", "details.0")
FILE_NAME = re.compile(r"head\.json|keys\.json|details\.[01]|[0-9]{6}\.clip|clips\.[0-9]{1,4}\.json|manifest\.jws")
OLD_BACKLOG_S = 86400.0
HASTY_REPAIRS = 3  # so many repairs follow each other at once, later ones back off


class Stage(StrEnum):
    """Where an active recording stands."""

    LIVE = "live"  # its call is running
    CLOSING = "closing"  # its manifest is durable, the ledger's `closed` is not yet
    LISTING = "listing"  # its file names are being read from disk
    SENDING = "sending"
    WAITING = "waiting"  # the manifest was sent


JUDGED = frozenset({Stage.SENDING, Stage.WAITING})  # the archive may have seen the manifest


@dataclass(frozen=True, slots=True)
class Active:
    """A recording whose files are on their way; `unanswered` were taken by the broker, not yet named by `progress`."""

    stage: Stage
    to_send: tuple[str, ...] = ()
    in_flight: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()
    manifest_hash: str = ""
    ticket: int = 0
    attempts: int = 0
    refusals: int = 0
    hold_until: float = 0.0
    since: float | None = None  # when it was closed


@dataclass(frozen=True, slots=True)
class Queued:
    """A closed recording that waits for its turn; with `manifest_only` its files are believed to be there."""

    manifest_hash: str
    since: float
    due_at: float
    attempts: int = 0
    refusals: int = 0
    manifest_only: bool = False


@dataclass(frozen=True, slots=True)
class Revoke:
    """A revocation that the archive has not answered yet."""

    due_at: float
    attempts: int = 0
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Everything the delivery machine remembers."""

    connected: bool = False
    seed: bytes = b""
    draws: int = 0
    ticket: int = 1
    active: Mapping[str, Active] = field(default_factory=dict)
    held_back: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: Shelf[Queued] = field(default_factory=Shelf)
    dues: Dues = field(default_factory=Dues)  # of the queue: whose turn is next
    waiting: Dues = field(default_factory=Dues)  # of the queue: who waits for longest
    revokes: Mapping[str, Revoke] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()
    hints: Shelf[RowFound] = field(default_factory=Shelf)
    ledger_durable: int = 0
    ledger_acked: int = 0
    ledger_asked_at: float | None = None
    receipts: int = 0


def backlog(state: DeliveryState) -> int:
    """How many closed recordings have no receipt yet."""
    return len(state.queue) + sum(1 for a in state.active.values() if a.stage is not Stage.LIVE)


def backlog_warning(state: DeliveryState, at: float) -> bool:
    """Whether something waits for too long, or was set aside."""
    oldest = state.waiting.first
    return bool(state.aside) or (oldest is not None and at - oldest[0] > OLD_BACKLOG_S)


class _Draft:
    """One step in the making, as in the call machine."""

    def __init__(self, state: DeliveryState, at: float) -> None:
        self.state = state
        self.at = at
        self.effects: list[Effect] = []

    def put(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def do(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def record(self, kind: str, **fields: Value) -> int:
        ticket = self.state.ticket + 2  # odd: the call machine counts the even ones
        self.put(ticket=ticket)
        self.do(Record(kind, fields, ticket))
        return ticket

    def put_active(self, recording: str, active: Active | None) -> None:
        self.put(active=_with(self.state.active, recording, active))

    def put_queued(self, recording: str, queued: Queued | None) -> None:
        state = self.state
        if queued is None and recording not in state.queue:
            return
        queue, dues, waiting = state.queue.put(recording, queued), state.dues, state.waiting
        if queued is not None:
            dues, waiting = dues.put(queued.due_at, recording), waiting.put(queued.since, recording)
        self.put(
            queue=queue,
            dues=dues.settled(lambda at, name: name in queue and queue[name].due_at == at),
            waiting=waiting.settled(lambda at, name: name in queue and queue[name].since == at),
        )

    def put_revoke(self, recording: str, revoke: Revoke | None) -> None:
        self.put(revokes=_with(self.state.revokes, recording, revoke))

    def back_off(self, attempts: int) -> float:
        """Full jitter: anything from nothing to a ceiling that doubles (AWS, "Exponential backoff and jitter")."""
        draws = self.state.draws + 1
        self.put(draws=draws)
        first, last = BACK_OFF_S
        ceiling = min(last, first * 2.0 ** min(attempts, 20))
        digest = hashlib.sha256(self.state.seed + b"jitter" + draws.to_bytes(8, "big")).digest()
        return float(ceiling * int.from_bytes(digest[:6], "big") / (1 << 48))


def _with(old: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    new = dict(old)
    if value is None:
        new.pop(key, None)
    else:
        new[key] = value
    return new


# --- what is sent


def _fill(d: _Draft) -> None:
    """Hand out as much as flow control allows: revocations first, then live and queued recordings by age."""
    if not d.state.connected:
        return
    flying = sum(len(a.in_flight) for a in d.state.active.values())
    for recording, revoke in d.state.revokes.items():
        if not revoke.in_flight and revoke.due_at <= d.at:
            d.put_revoke(recording, replace(revoke, in_flight=True))
            d.do(Send(recording, REVOKE))
    _take_from_queue(d)
    for recording in sorted(d.state.active):
        flying += _send_some(d, recording, IN_FLIGHT - flying)
    _fill_ledger(d)
    _wake(d)


def _send_some(d: _Draft, recording: str, room: int) -> int:
    active = d.state.active[recording]
    if active.stage not in {Stage.LIVE, Stage.SENDING} or active.hold_until > d.at:
        return 0
    room = min(room, WITHOUT_PROGRESS - len(active.unanswered) - len(active.in_flight))
    chosen = list(active.to_send[: max(0, room)])
    if MANIFEST in chosen and (len(chosen) > 1 or active.in_flight):
        chosen.remove(MANIFEST)  # it says "now judge": everything else must have been taken before
    if not chosen:
        return 0
    d.do(*(Send(recording, name) for name in chosen))
    rest = tuple(name for name in active.to_send if name not in set(chosen))
    d.put_active(recording, replace(active, to_send=rest, in_flight=active.in_flight | set(chosen)))
    return len(chosen)


def _take_from_queue(d: _Draft) -> None:
    busy = sum(1 for a in d.state.active.values() if a.stage not in {Stage.LIVE, Stage.CLOSING})
    for _ in range(ACTIVE_AT_MOST - busy):
        first = d.state.dues.first
        if first is None or first[0] > d.at:
            return
        recording = first[1]
        queued = d.state.queue[recording]
        d.put_queued(recording, None)
        stage = Stage.SENDING if queued.manifest_only else Stage.LISTING
        active = Active(
            stage,
            to_send=(MANIFEST,) if queued.manifest_only else (),
            manifest_hash=queued.manifest_hash,
            attempts=queued.attempts,
            refusals=queued.refusals,
            since=queued.since,
        )
        d.put_active(recording, active)
        if stage is Stage.LISTING:
            d.do(ListFiles(recording))


def _fill_ledger(d: _Draft) -> None:
    state = d.state
    waiting = state.ledger_asked_at is not None and d.at - state.ledger_asked_at < LEDGER_TIMEOUT_S
    if state.ledger_acked >= state.ledger_durable or waiting:
        return
    last = min(state.ledger_durable, state.ledger_acked + LEDGER_BATCH)
    d.put(ledger_asked_at=d.at)
    d.do(SendLedger(state.ledger_acked + 1, last))


def _wake(d: _Draft) -> None:
    state = d.state
    first = state.dues.first
    times = [] if first is None else [first[0]]
    times += [r.due_at for r in state.revokes.values() if not r.in_flight]
    times += [a.hold_until for a in state.active.values() if a.hold_until > d.at]
    if state.ledger_asked_at is not None:
        times.append(state.ledger_asked_at + LEDGER_TIMEOUT_S)
    later = [t for t in times if t > d.at]
    d.do(WakeAt("delivery", min(later) if later else None))


def _requeue(d: _Draft, recording: str, *, manifest_only: bool, delay_s: float) -> None:
    active = d.state.active[recording]
    d.put_active(recording, None)
    d.do(WakeAt(f"receipt:{recording}", None))
    queued = Queued(
        active.manifest_hash,
        since=d.at if active.since is None else active.since,
        due_at=d.at + delay_s,
        attempts=active.attempts + 1,
        refusals=active.refusals,
        manifest_only=manifest_only,
    )
    d.put_queued(recording, queued)
    d.do(SaveRow(recording, "queued", queued.attempts))


# --- what the box's own disk says


def _booted(d: _Draft, e: Booted) -> None:
    d.put(seed=e.seed)
    if e.doubted_now is not None:
        _ledger_doubted(d, e.doubted_now)


def release(state: DeliveryState, effect: WriteKeys, at: float) -> tuple[DeliveryState, list[Effect]]:
    """The recording rests on a durable yes: what is on disk of it may be sent from now on."""
    d = _Draft(state, at)
    names = state.held_back.get(effect.recording, ())
    d.put(held_back=_with(state.held_back, effect.recording, None))
    d.put_active(effect.recording, Active(Stage.LIVE, to_send=names))
    _fill(d)
    return d.state, d.effects


def forget(state: DeliveryState, effect: DestroyRecording, at: float) -> tuple[DeliveryState, list[Effect]]:
    """The recording is being destroyed: from this very step on nothing of it is sent."""
    d = _Draft(state, at)
    _drop(d, effect.recording)
    return d.state, d.effects


def _drop(d: _Draft, recording: str) -> None:
    if recording in d.state.active:
        d.do(WakeAt(f"receipt:{recording}", None), WakeAt(f"progress:{recording}", None))
    d.put_active(recording, None)
    d.put_queued(recording, None)
    d.put(held_back=_with(d.state.held_back, recording, None), aside=d.state.aside - {recording})


def _file_durable(d: _Draft, e: FileDurable) -> None:
    if e.name not in LIVE_NAMES and not e.name.endswith(".clip"):
        return
    active = d.state.active.get(e.recording)
    if active is None:
        names = (*d.state.held_back.get(e.recording, ()), e.name)
        d.put(held_back=_with(d.state.held_back, e.recording, names))
    elif active.stage is Stage.LIVE:
        d.put_active(e.recording, replace(active, to_send=(*active.to_send, e.name)))


def _recording_closed(d: _Draft, e: RecordingClosed) -> None:
    active = d.state.active.get(e.recording, Active(Stage.LIVE))
    if active.stage is not Stage.LIVE or e.recording in d.state.queue:
        return
    ticket = d.record("closed", recording=e.recording, manifest=e.manifest_hash)
    to_send = tuple(n for n in _manifest_last(e.names) if n not in active.sent and n not in active.in_flight)
    d.put(held_back=_with(d.state.held_back, e.recording, None), aside=d.state.aside - {e.recording})
    closing = replace(active, stage=Stage.CLOSING, to_send=to_send, manifest_hash=e.manifest_hash, since=d.at)
    d.put_active(e.recording, replace(closing, ticket=ticket))
    d.do(SaveRow(e.recording, "queued", 0))


def _entry_durable(d: _Draft, e: EntryDurable) -> None:
    d.put(ledger_durable=max(d.state.ledger_durable, e.seq))
    for recording, active in d.state.active.items():
        if active.stage is Stage.CLOSING and active.ticket == e.ticket:
            d.put_active(recording, replace(active, stage=Stage.SENDING))


def _files_listed(d: _Draft, e: FilesListed) -> None:
    active = d.state.active.get(e.recording)
    if active is None or active.stage is not Stage.LISTING:
        return
    if MANIFEST not in e.names:
        _set_aside(d, e.recording, "no manifest on disk")
        return
    d.put_active(e.recording, replace(active, stage=Stage.SENDING, to_send=_manifest_last(e.names)))


def _manifest_last(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*(name for name in names if name != MANIFEST), MANIFEST)


def _disk_failed(d: _Draft, e: DiskFailed) -> None:
    """What could not be listed is listed again later."""
    active = d.state.active.get(e.recording)
    if active is not None and active.stage is Stage.LISTING:
        _requeue(d, e.recording, manifest_only=False, delay_s=BACK_OFF_S[0] + d.back_off(active.attempts))


def _recording_gone(d: _Draft, e: RecordingGone) -> None:
    _drop(d, e.recording)
    d.do(DropRow(e.recording))


def _revoke_durable(d: _Draft, e: RevokeDurable | RevokeFound) -> None:
    d.put_revoke(e.recording, Revoke(due_at=d.at))


def _row_found(d: _Draft, e: RowFound) -> None:
    if e.recording == LEDGER_ROW:
        d.put(ledger_acked=max(d.state.ledger_acked, e.attempts))
        d.do(CheckLedger(e.attempts, e.reason, "the archive's last answer"))
    else:
        d.put(hints=d.state.hints.put(e.recording, e))


def _folder_found(d: _Draft, e: FolderFound) -> None:
    hint = d.state.hints.get(e.recording)
    d.put(hints=d.state.hints.put(e.recording, None))
    whole = e.has_keys and e.has_manifest and e.consented and not e.gone and not e.ended_by_ledger
    if not whole or e.receipted:
        return
    if hint is not None and hint.state == "aside":
        d.put(aside=d.state.aside | {e.recording})
        return
    attempts = hint.attempts if hint is not None else 0
    if e.closed_in_ledger:
        d.put_queued(e.recording, Queued(e.manifest_hash, since=d.at, due_at=d.at, attempts=attempts))
        return
    ticket = d.record("closed", recording=e.recording, manifest=e.manifest_hash)
    active = Active(Stage.CLOSING, manifest_hash=e.manifest_hash, ticket=ticket, attempts=attempts, since=d.at)
    d.put_active(e.recording, replace(active, to_send=(MANIFEST,)))
    d.do(SaveRow(e.recording, "queued", attempts))


# --- what the broker says


def _connected(d: _Draft, _e: Connected) -> None:
    _take_back(d)
    d.put(connected=True)


def _disconnected(d: _Draft, _e: Disconnected) -> None:
    _take_back(d)
    d.put(connected=False)


def _take_back(d: _Draft) -> None:
    """Whatever was in flight is to be sent again; whatever was unanswered is asked about by the manifest."""
    d.put(ledger_asked_at=None)
    for recording, active in d.state.active.items():
        stage = Stage.SENDING if active.stage is Stage.WAITING else active.stage
        again = tuple(sorted(active.in_flight - {MANIFEST})) + active.to_send
        if active.stage is Stage.WAITING or MANIFEST in active.in_flight:
            again = (*(n for n in again if n != MANIFEST), MANIFEST)
            d.do(WakeAt(f"receipt:{recording}", None))
        d.put_active(
            recording, replace(active, stage=stage, to_send=again, in_flight=frozenset(), unanswered=frozenset())
        )
    for recording, revoke in d.state.revokes.items():
        d.put_revoke(recording, replace(revoke, in_flight=False, due_at=d.at))


def _file_sent(d: _Draft, e: FileSent) -> None:
    if e.name == REVOKE:
        _revoke_again_later(d, e.recording)
        return
    active = d.state.active.get(e.recording)
    if active is None or e.name not in active.in_flight:
        return
    active = replace(active, in_flight=active.in_flight - {e.name}, sent=active.sent | {e.name})
    if e.name == MANIFEST:
        active = replace(active, stage=Stage.WAITING)
        d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S))
    else:
        active = replace(active, unanswered=active.unanswered | {e.name})
        if len(active.unanswered) >= WITHOUT_PROGRESS:
            d.do(WakeAt(f"progress:{e.recording}", d.at + RECEIPT_TIMEOUT_S))
    d.put_active(e.recording, active)


def _send_failed(d: _Draft, e: SendFailed) -> None:
    if e.name == REVOKE:
        _revoke_again_later(d, e.recording)
        return
    active = d.state.active.get(e.recording)
    if active is None or e.name not in active.in_flight:
        return
    if e.permanent:
        _set_aside(d, e.recording, f"{e.name}: {e.why}")
        return
    to_send = (e.name, *active.to_send) if e.name != MANIFEST else (*active.to_send, MANIFEST)
    d.put_active(
        e.recording,
        replace(
            active,
            in_flight=active.in_flight - {e.name},
            to_send=to_send,
            attempts=active.attempts + 1,
            hold_until=d.at + d.back_off(active.attempts),
        ),
    )


def _revoke_again_later(d: _Draft, recording: str) -> None:
    revoke = d.state.revokes.get(recording)
    if revoke is not None:
        due_at = d.at + BACK_OFF_S[0] + d.back_off(revoke.attempts)
        d.put_revoke(recording, Revoke(due_at, revoke.attempts + 1))


# --- what the archive says


def _progressed(d: _Draft, e: Progressed) -> None:
    active = d.state.active.get(e.recording)
    if active is not None:
        d.put_active(e.recording, replace(active, unanswered=active.unanswered - e.names))


def _stored(d: _Draft, e: Stored) -> None:
    active = d.state.active.get(e.recording)
    queued = d.state.queue.get(e.recording)
    expected = active.manifest_hash if active else queued.manifest_hash if queued else ""
    if not expected or expected != e.manifest_hash:
        return
    d.put_queued(e.recording, None)
    d.put_active(e.recording, replace(active or Active(Stage.WAITING), manifest_hash=expected, stage=Stage.WAITING))
    d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S), KeepReceipt(e.recording, e.receipt))


def _receipt_durable(d: _Draft, e: ReceiptDurable) -> None:
    known = d.state.active.get(e.recording) or d.state.queue.get(e.recording)
    if known is None:
        return
    d.put_active(e.recording, None)
    d.put_queued(e.recording, None)
    d.put(receipts=d.state.receipts + 1)
    d.record("receipted", recording=e.recording, manifest=known.manifest_hash)
    d.do(WakeAt(f"receipt:{e.recording}", None), SaveRow(e.recording, "stored", known.attempts))


def _missing(d: _Draft, e: Missing) -> None:
    active = d.state.active.get(e.recording)
    if active is None or active.manifest_hash != e.manifest_hash or active.stage not in JUDGED:
        return
    d.do(WakeAt(f"receipt:{e.recording}", None))
    names = tuple(n for n in dict.fromkeys(e.names) if FILE_NAME.fullmatch(n) and n not in active.in_flight)
    patient = active.attempts < HASTY_REPAIRS
    d.put_active(
        e.recording,
        replace(
            active,
            stage=Stage.SENDING,
            to_send=_manifest_last(names),
            unanswered=frozenset(),
            attempts=active.attempts + 1,
            hold_until=0.0 if patient else d.at + d.back_off(active.attempts),
        ),
    )


def _refused(d: _Draft, e: Refused) -> None:
    active = d.state.active.get(e.recording)
    if active is None or active.stage not in JUDGED:
        return
    refusals = active.refusals + 1
    d.put_active(e.recording, replace(active, refusals=refusals))
    if refusals >= REFUSALS_AT_MOST:
        _set_aside(d, e.recording, f"refused: {e.why}")
    else:
        _requeue(d, e.recording, manifest_only=False, delay_s=BACK_OFF_S[0] + d.back_off(refusals))


def _set_aside(d: _Draft, recording: str, why: str) -> None:
    active = d.state.active[recording]
    d.put_active(recording, None)
    d.put(aside=d.state.aside | {recording})
    d.record("fault", what="delivery:set-aside", recording=recording)
    d.do(WakeAt(f"receipt:{recording}", None), SaveRow(recording, "aside", active.attempts, why))


def _archive_destroyed(d: _Draft, e: ArchiveDestroyed) -> None:
    if e.recording in d.state.revokes:
        d.put_revoke(e.recording, None)
        d.do(DropRevoke(e.recording))


def _ledger_synced(d: _Draft, e: LedgerSynced) -> None:
    if e.seq != d.state.ledger_acked:
        d.do(CheckLedger(e.seq, e.hash, "the archive"))
    if d.state.ledger_acked < e.seq <= d.state.ledger_durable:
        d.put(ledger_acked=e.seq, ledger_asked_at=None)
        d.do(SaveRow(LEDGER_ROW, "acked", e.seq, e.hash))


def _ledger_doubted(d: _Draft, e: LedgerDoubted) -> None:
    """The chain goes on behind the line that is known elsewhere: what the box lost of it cannot be sent."""
    if e.hash and e.seq > d.state.ledger_durable:
        d.put(ledger_acked=max(d.state.ledger_acked, e.seq), ledger_asked_at=None)


def _woke(d: _Draft, e: Woke) -> None:
    kind, _, recording = e.tag.partition(":")
    active = d.state.active.get(recording)
    if kind == "receipt" and active is not None and active.stage is Stage.WAITING:
        _requeue(d, recording, manifest_only=True, delay_s=d.back_off(active.attempts))
    elif kind == "progress" and active is not None:
        d.put_active(recording, replace(active, unanswered=frozenset()))


RULES: Mapping[type[Event], Callable[[_Draft, Any], None]] = {
    Booted: _booted,
    FileDurable: _file_durable,
    RecordingClosed: _recording_closed,
    EntryDurable: _entry_durable,
    FilesListed: _files_listed,
    RecordingGone: _recording_gone,
    DiskFailed: _disk_failed,
    RevokeDurable: _revoke_durable,
    RevokeFound: _revoke_durable,
    RowFound: _row_found,
    FolderFound: _folder_found,
    Connected: _connected,
    Disconnected: _disconnected,
    FileSent: _file_sent,
    SendFailed: _send_failed,
    Progressed: _progressed,
    Stored: _stored,
    ReceiptDurable: _receipt_durable,
    Missing: _missing,
    Refused: _refused,
    ArchiveDestroyed: _archive_destroyed,
    LedgerSynced: _ledger_synced,
    LedgerDoubted: _ledger_doubted,
    Woke: _woke,
}
"""Events that are not here (the line, the keys, the button, ...) are the call machine's business."""


def step_delivery(state: DeliveryState, event: Event) -> tuple[DeliveryState, list[Effect]]:
    """Take one event; give the next state and what is to be done, in order."""
    rule = RULES.get(type(event))
    if rule is None:
        return state, []
    d = _Draft(state, event.at)
    rule(d, event)
    _fill(d)
    return d.state, d.effects
