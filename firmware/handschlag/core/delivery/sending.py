"""What is sent next, as far as flow control and quiet hours allow.

Revocations first, and at every hour; then manifests, then the clips of a running call, then the backlog by age.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.epoch import next_to_offer
from handschlag.core.delivery.ledger import fill_ledger
from handschlag.core.delivery.state import (
    ACTIVE_AT_MOST,
    LEDGER_TIMEOUT_S,
    MANIFEST,
    REVOKE,
    SENDING_AT_MOST,
    WITHOUT_PROGRESS,
    Active,
    Queued,
    Stage,
)
from handschlag.core.effects import ListFiles, Rank, SaveRow, Send, WakeAt

BUSY = frozenset({Stage.LIVE, Stage.SENDING})


def fill(d: Draft) -> None:
    """Hand out as much as may be sent now."""
    if not d.state.connected:
        return
    _send_revokes(d)
    if not d.state.clock.quiet:
        _take_turns(d)
        _hand_out(d)
        fill_ledger(d)
    _wake(d)


def _send_revokes(d: Draft) -> None:
    for recording, revoke in d.state.revokes.items():
        if not revoke.in_flight and revoke.due_at <= d.at:
            d.put_revoke(recording, replace(revoke, in_flight=True))
            d.do(Send(recording, REVOKE, Rank.REVOCATION))


def _take_turns(d: Draft) -> None:
    """Those whose turn it is begin: the queue's first, then what the archive had in an earlier epoch."""
    stages = [active.stage for active in d.state.active.values()]
    sending = stages.count(Stage.SENDING) + stages.count(Stage.LISTING)
    room = min(SENDING_AT_MOST - sending, ACTIVE_AT_MOST - sending - stages.count(Stage.WAITING))
    for _ in range(room):
        first = d.state.dues.first
        if first is not None and first[0] <= d.at:
            _take_from_queue(d, first[1])
            continue
        found = next_to_offer(d)
        if found is None:
            return
        recording, known = found
        offer = Active(Stage.SENDING, (MANIFEST,), manifest_hash=known.manifest_hash, since=d.at, until=known.until)
        d.put_active(recording, offer)


def _take_from_queue(d: Draft, recording: str) -> None:
    queued = d.state.queue[recording]
    d.put_queued(recording, None)
    stage = Stage.SENDING if queued.manifest_only else Stage.LISTING
    active = Active(
        stage,
        to_send=(MANIFEST,) if queued.manifest_only else (),
        manifest_hash=queued.manifest_hash,
        attempts=queued.attempts,
        refusals=queued.refusals,
        refused_at=queued.refused_at,
        since=queued.since,
        until=queued.until,
    )
    d.put_active(recording, active)
    if stage is Stage.LISTING:
        d.do(ListFiles(recording))


def _hand_out(d: Draft) -> None:
    active = d.state.active
    room = d.state.handed_out - sum(len(a.in_flight) for a in active.values())
    if room <= 0:
        return
    ready = [(rank, name) for name, each in active.items() if (rank := _rank(each, d.at)) is not None]
    for rank, recording in sorted(ready):
        room -= _send_some(d, recording, rank, room)
        if room <= 0:
            return


def _rank(active: Active, at: float) -> Rank | None:
    """How what comes next of it ranks; None while nothing of it may be sent."""
    if active.stage not in BUSY or active.handed >= len(active.to_send) or active.hold_until > at:
        return None
    if active.stage is Stage.LIVE:
        return Rank.LIVE
    if active.to_send[active.handed] != MANIFEST:
        return Rank.BACKLOG
    return None if active.in_flight else Rank.MANIFEST  # it says "now judge": all others must have been taken before


def _send_some(d: Draft, recording: str, rank: Rank, room: int) -> int:
    active = d.state.active[recording]
    room = min(room, WITHOUT_PROGRESS - len(active.unanswered) - len(active.in_flight))
    chosen = active.to_send[active.handed : active.handed + max(0, room)]
    if len(chosen) > 1 and chosen[-1] == MANIFEST:
        chosen = chosen[:-1]
    if not chosen:
        return 0
    d.do(*(Send(recording, name, rank) for name in chosen))
    handed, in_flight = active.handed + len(chosen), active.in_flight.union(chosen)
    d.put_active(recording, replace(active, handed=handed, in_flight=in_flight))
    return len(chosen)


def _wake(d: Draft) -> None:
    state = d.state
    first = state.dues.first
    times = [] if first is None else [first[0]]
    times += [r.due_at for r in state.revokes.values() if not r.in_flight]
    times += [a.hold_until for a in state.active.values() if a.hold_until > d.at]
    if state.ledger_asked_at is not None:
        times.append(state.ledger_asked_at + LEDGER_TIMEOUT_S)
    wakes_at = min((t for t in times if t > d.at), default=None)
    if wakes_at != state.wakes_at:
        d.put(wakes_at=wakes_at)
        d.do(WakeAt("delivery", wakes_at))


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
        refused_at=active.refused_at,
        manifest_only=manifest_only,
        until=active.until,
    )
    d.put_queued(recording, queued)
    d.do(SaveRow(recording, "queued", queued.attempts))
