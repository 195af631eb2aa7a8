"""What the box still keeps, and for how long.

Three ways lead out before a person withdraws anything, and all take `consent.destroy` once their ledger entry is
durable; a restart in between finishes them by that entry (recovery, rule 2):

- *purge*: the archive has it. 14 days after its receipt, or earlier, oldest first, while less than
  `PURGE_BELOW_BYTES` is free above the reserve. Never one without a receipt of the archive's present epoch (an archive
  that was restored from a backup may have lost it), never a held one.
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
from handschlag.core.events import EntryDurable, FolderFound, ReceiptDurable, RecordingClosed
from handschlag.core.retention import Retention, keep_until
from handschlag.core.state import IN_CALL, CallState, Closed, Destroying, Keeping, Leaving, Phase

PURGE_AFTER_S = 14 * 86400.0
PURGE_BELOW_BYTES = 3 * 1024**3
"""Free above the reserve; the storage warning begins below 2 GiB, when there is nothing left to purge."""


# --- what there is


def found(d: Draft, e: FolderFound) -> None:
    """A folder at the start: only what is closed, and rests on a yes, is kept by rule."""
    if not (e.has_keys and e.has_manifest and e.consented) or e.gone or e.ended_by_ledger:
        return
    receipted_at = e.receipted_at if e.receipted else None
    closed = Closed(e.closed_at, e.retain_until, e.receipted, e.receipt_epoch, receipted_at, e.held)
    _put(d, e.recording, kept_as(closed, e.kept_for) if e.kept_for else closed)


def closed_now(d: Draft, e: RecordingClosed) -> None:
    """A recording's manifest is durable."""
    known = d.state.keeping.closed.get(e.recording, Closed(e.closed_at, e.retain_until))
    _put(d, e.recording, known)


def receipted(d: Draft, e: ReceiptDurable) -> None:
    """The archive's receipt is on disk; one of another epoch than the last counts its 14 days anew."""
    closed = d.state.keeping.closed.get(e.recording)
    if closed is not None and not (closed.receipted and closed.epoch == e.epoch):
        _put(d, e.recording, replace(closed, receipted=True, epoch=e.epoch, receipted_at=None))


def in_epoch(state: CallState, epoch: str) -> CallState:
    """The archive's epoch is this one now."""
    return replace(state, keeping=replace(state.keeping, epoch=epoch))


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
    end, purge = _end(closed), _purge(closed)
    if end is not None:
        keeping = replace(keeping, ends=keeping.ends.put(end, recording))
    if purge is not None:
        keeping = replace(keeping, purges=keeping.purges.put(purge, recording))
    if closed.receipted and not closed.held:
        keeping = replace(keeping, by_age=keeping.by_age.put(0.0, recording))
    d.put(keeping=keeping)


def _confirmed(keeping: Keeping, recording: str) -> bool:
    """Whether the archive has it, as far as its present epoch goes."""
    closed = keeping.closed.get(recording)
    return closed is not None and closed.receipted and closed.epoch == keeping.epoch and not closed.held


def _end(closed: Closed | None) -> float | None:
    """When its retention is over, by the wall; None: not known, or held."""
    return None if closed is None or closed.held else closed.retain_until


def _purge(closed: Closed | None) -> float | None:
    """When the 14 days after its receipt are over, likewise."""
    if closed is None or closed.held or closed.receipted_at is None:
        return None
    return closed.receipted_at + PURGE_AFTER_S


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
    by_age = keeping.by_age.settled(lambda _, recording: _confirmed(keeping, recording))
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
    closed = keeping.closed
    ends = keeping.ends.settled(lambda at, recording: _end(closed.get(recording)) == at)
    purges = keeping.purges.settled(
        lambda at, recording: _confirmed(keeping, recording) and _purge(closed.get(recording)) == at
    )
    if ends is not keeping.ends or purges is not keeping.purges:
        d.put(keeping=replace(keeping, ends=ends, purges=purges))
    if ends.first is not None and ends.first[0] <= _wall(d):
        _lead_out(d, ends.first[1], "expired", "")
    elif purges.first is not None and purges.first[0] <= _wall(d):
        _lead_out(d, purges.first[1], "purged", "age")


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
