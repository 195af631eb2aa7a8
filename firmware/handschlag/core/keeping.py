"""What the box still keeps, and for how long.

Three ways lead out before a person withdraws anything, and all take `consent.destroy` once their ledger entry is
durable; a restart in between finishes them by that entry (recovery, rule 2):

- *purge*: the archive has it. 14 days after its receipt, or earlier, oldest first, while less than
  `PURGE_BELOW_BYTES` is free above the reserve. Never one without a receipt, never a held one.
- *expiry*: its retention is over, with or without a receipt; never a held one.
- *erasure*: the owner's signed word (`core.owner`); never of a held one.

Time (P11): nothing expires and no 14 days end on an unsynced clock. A receipt that came under one counts from the first
synced moment that this run sees; a recording that was closed under one carries no end, the archive keeps the date.

All of it happens one at a time, and begins only while the line is idle (or unknown, when nothing can be recorded
anyway): taking a folder away keeps the spool's one worker busy, for about a second with the 1,800 clips of an hour,
and the clips of a call must not wait for that.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.consent import destroy
from handschlag.core.draft import Draft
from handschlag.core.events import EntryDurable, FolderFound, RecordingClosed
from handschlag.core.retention import Retention, keep_until
from handschlag.core.state import IN_CALL, CallState, Closed, Destroying, Leaving, Phase

PURGE_AFTER_S = 14 * 86400.0
PURGE_BELOW_BYTES = 3 * 1024**3
"""Free above the reserve; the storage warning begins below 2 GiB, when there is nothing left to purge."""


# --- what there is


def found(d: Draft, e: FolderFound) -> None:
    """A folder at the start: only what is closed, and rests on a yes, is kept by rule."""
    if not (e.has_keys and e.has_manifest and e.consented) or e.gone or e.ended_by_ledger:
        return
    closed = Closed(e.closed_at, e.retain_until, e.receipted, e.receipted_at if e.receipted else None, held=e.held)
    _put(d, e.recording, kept_as(closed, e.kept_for) if e.kept_for else closed)


def closed_now(d: Draft, e: RecordingClosed) -> None:
    """A recording's manifest is durable."""
    known = d.state.keeping.closed.get(e.recording, Closed(e.closed_at, e.retain_until))
    _put(d, e.recording, known)


def receipted(d: Draft, recording: str) -> None:
    """The archive's receipt is on disk."""
    closed = d.state.keeping.closed.get(recording)
    if closed is not None and not closed.receipted:
        _put(d, recording, replace(closed, receipted=True))


def hold(d: Draft, recording: str, *, held: bool) -> None:
    """Nothing ends a held recording but a withdrawal of its consent."""
    closed = d.state.keeping.closed[recording]
    _put(d, recording, replace(closed, held=held))


def reclass(d: Draft, recording: str, kept_for: str) -> None:
    """It was made for something else: its end is counted anew, from its own date."""
    _put(d, recording, kept_as(d.state.keeping.closed[recording], kept_for))


def kept_as(closed: Closed, kept_for: str) -> Closed:
    """With the end that this class gives it; without one where its own date is not known."""
    if closed.closed_at is None:
        return closed
    return replace(closed, retain_until=keep_until(Retention(kept_for), closed.closed_at).timestamp())


def gone(d: Draft, recording: str) -> None:
    """Its folder is away."""
    keeping = d.state.keeping
    leaving = keeping.leaving
    if leaving is not None and leaving.recording == recording:
        d.put(keeping=replace(keeping, leaving=None))
    if recording in keeping.closed:
        d.put(keeping=replace(d.state.keeping, closed=keeping.closed.put(recording, None)))
    look(d)


def _put(d: Draft, recording: str, closed: Closed) -> None:
    if closed.receipted and closed.receipted_at is None and d.state.clock_synced:
        closed = replace(closed, receipted_at=_wall(d))
    keeping = d.state.keeping
    keeping = replace(keeping, closed=keeping.closed.put(recording, closed))
    if closed.receipted and closed.receipted_at is None:
        keeping = replace(keeping, undated=(*keeping.undated, recording))
    due = _due(closed)
    if due is not None:
        keeping = replace(keeping, dues=keeping.dues.put(due, recording))
    if _purgeable(closed):
        keeping = replace(keeping, by_age=keeping.by_age.put(0.0, recording))
    d.put(keeping=keeping)


def _purgeable(closed: Closed | None) -> bool:
    return closed is not None and closed.receipted and not closed.held


def _due(closed: Closed | None) -> float | None:
    """When it is to go, by the wall; None: no such time is known."""
    if closed is None or closed.held:
        return None
    purge = None if closed.receipted_at is None else closed.receipted_at + PURGE_AFTER_S
    return min((at for at in (purge, closed.retain_until) if at is not None), default=None)


def _wall(d: Draft) -> float:
    return d.state.wall_offset + d.at


# --- what goes


def quiet(state: CallState) -> bool:
    """Whether a folder may be taken away now: no call and no ring."""
    return state.phase not in IN_CALL and state.phase is not Phase.RINGING


def clock_told(d: Draft) -> None:
    """A second has passed; what came under an unsynced clock is dated by the first synced one."""
    undated = d.state.keeping.undated
    if undated and d.state.clock_synced:
        d.put(keeping=replace(d.state.keeping, undated=()))
        for recording in undated:
            closed = d.state.keeping.closed.get(recording)
            if closed is not None and closed.receipted_at is None:
                _put(d, recording, closed)
    look(d)


def space_told(d: Draft) -> None:
    """Make room if it is needed: one recording for each look at the disk."""
    keeping, free = d.state.keeping, d.state.free_bytes
    if free is None or free >= PURGE_BELOW_BYTES or keeping.leaving is not None or not quiet(d.state):
        return
    by_age = keeping.by_age.settled(lambda _, recording: _purgeable(keeping.closed.get(recording)))
    d.put(keeping=replace(keeping, by_age=by_age))
    if by_age.first is not None:
        _lead_out(d, by_age.first[1], "purged", "space")


def look(d: Draft) -> None:
    """Lead out what is due, one at a time."""
    keeping = d.state.keeping
    if keeping.leaving is not None or not quiet(d.state):
        return
    erased = next((each for each in keeping.erasing if each.seq), None)
    if erased is not None:
        d.put(keeping=replace(keeping, erasing=tuple(each for each in keeping.erasing if each is not erased)))
        _take_away(d, erased)
        return
    if d.state.clock_synced:
        _look_at_dues(d)


def _look_at_dues(d: Draft) -> None:
    keeping = d.state.keeping
    dues = keeping.dues.settled(lambda at, recording: _due(keeping.closed.get(recording)) == at)
    if dues is not keeping.dues:
        d.put(keeping=replace(keeping, dues=dues))
    if dues.first is None or dues.first[0] > _wall(d):
        return
    recording = dues.first[1]
    until = keeping.closed[recording].retain_until
    if until is not None and until <= _wall(d):
        _lead_out(d, recording, "expired", "")
    else:
        _lead_out(d, recording, "purged", "age")


def _lead_out(d: Draft, recording: str, kind: str, reason: str) -> None:
    ticket = d.record(kind, recording=recording, **({"reason": reason} if reason else {}))
    d.put(keeping=replace(d.state.keeping, leaving=Leaving(recording, kind, ticket)))


def erase(d: Draft, recording: str, ticket: int) -> None:
    """The owner's word, which the entry of this ticket holds: it goes when its turn comes."""
    keeping = d.state.keeping
    d.put(keeping=replace(keeping, erasing=(*keeping.erasing, Leaving(recording, "erased", ticket))))


def is_leaving(state: CallState, recording: str) -> bool:
    """Whether it is on its way out already."""
    going = [state.keeping.leaving, *state.keeping.erasing]
    return any(each is not None and each.recording == recording for each in going)


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """Its entry is durable: from here on a restart finishes it, too."""
    keeping = d.state.keeping
    leaving = keeping.leaving
    if leaving is not None and not leaving.seq and leaving.ticket == e.ticket:
        _take_away(d, replace(leaving, seq=e.seq))
    elif any(each.ticket == e.ticket for each in keeping.erasing):
        erasing = tuple(replace(each, seq=e.seq) if each.ticket == e.ticket else each for each in keeping.erasing)
        d.put(keeping=replace(keeping, erasing=erasing))
        look(d)


def _take_away(d: Draft, leaving: Leaving) -> None:
    d.put(keeping=replace(d.state.keeping, leaving=leaving))
    destroy(d, leaving.recording, Destroying("", leaving.kind, revoke=False, ledger_seq=leaving.seq))
