"""What is sent next, as far as flow control allows."""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.ledger import fill_ledger
from handschlag.core.delivery.state import (
    ACTIVE_AT_MOST,
    IN_FLIGHT,
    LEDGER_TIMEOUT_S,
    MANIFEST,
    REVOKE,
    WITHOUT_PROGRESS,
    Active,
    Queued,
    Stage,
)
from handschlag.core.effects import ListFiles, SaveRow, Send, WakeAt


def fill(d: Draft) -> None:
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
        if flying >= IN_FLIGHT:
            break
        flying += _send_some(d, recording, IN_FLIGHT - flying)
    fill_ledger(d)
    _wake(d)


def _send_some(d: Draft, recording: str, room: int) -> int:
    active = d.state.active[recording]
    if active.stage not in {Stage.LIVE, Stage.SENDING} or active.hold_until > d.at:
        return 0
    room = min(room, WITHOUT_PROGRESS - len(active.unanswered) - len(active.in_flight))
    chosen = active.to_send[: max(0, room)]
    if chosen[-1:] == (MANIFEST,) and (len(chosen) > 1 or active.in_flight):
        chosen = chosen[:-1]  # it comes last and says "now judge": everything else must have been taken before
    if not chosen:
        return 0
    d.do(*(Send(recording, name) for name in chosen))
    rest = active.to_send[len(chosen) :]
    d.put_active(recording, replace(active, to_send=rest, in_flight=active.in_flight.union(chosen)))
    return len(chosen)


def _take_from_queue(d: Draft) -> None:
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


def _wake(d: Draft) -> None:
    state = d.state
    first = state.dues.first
    times = [] if first is None else [first[0]]
    times += [r.due_at for r in state.revokes.values() if not r.in_flight]
    times += [a.hold_until for a in state.active.values() if a.hold_until > d.at]
    if state.ledger_asked_at is not None:
        times.append(state.ledger_asked_at + LEDGER_TIMEOUT_S)
    later = [t for t in times if t > d.at]
    d.do(WakeAt("delivery", min(later) if later else None))


def requeue(d: Draft, recording: str, *, manifest_only: bool, delay_s: float) -> None:
    """It waits for its turn again."""
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
