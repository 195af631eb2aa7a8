"""The archive's epoch: another one means that it was restored from a backup, and may have lost what it had receipted.

Receipts are ordered by the archive's own time. One of another epoch opens that epoch when it is newer than every
receipt so far, and counts for nothing otherwise, so whoever repeats old receipts turns nothing back; making a new one
takes the archive's key. A receipt from a day ahead of a trusted clock counts for nothing either: else one wrong hour at
the archive would outrank all that follow.

What the box still has and what is receipted in another epoch is then offered again, the manifest first, and until that
is answered it is not purged (`core.keeping`); the ledger goes again from its beginning, and the archive's answer says
from where it is needed. The truth is the receipt beside each recording; the ledger holds each change, so that a restart
between the change and the first new receipt forgets nothing.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.state import LEDGER_ROW, Confirmed
from handschlag.core.effects import SaveRow
from handschlag.core.events import (
    ArchiveDestroyed,
    ArchiveWord,
    ClockTold,
    LedgerSynced,
    Missing,
    Progressed,
    Refused,
    Stored,
)
from handschlag.core.fold import EPOCH_FAULT

Said = Progressed | Stored | Missing | Refused | ArchiveDestroyed | LedgerSynced
AHEAD_S = 86400.0


def counts(d: Draft, e: Said) -> bool:
    """Whether a receipt is news; the first of a new epoch turns to that one."""
    known = d.state.archive
    if d.state.clock.synced and e.said_at > _wall(d) + AHEAD_S:
        return _stale(d)
    if e.epoch == known.epoch:
        if e.said_at > known.at:
            d.put(archive=replace(known, at=e.said_at))
        return True
    if e.said_at <= known.at:
        return _stale(d)
    d.put(archive=ArchiveWord(e.epoch, e.said_at))
    if known.epoch:
        d.record("fault", what=EPOCH_FAULT, epoch=e.epoch, before=known.epoch, said_at=e.said_at)
        d.put(ledger_acked=0, ledger_asked_at=None)
        d.do(SaveRow(LEDGER_ROW, "acked", 0))
    return True


def _stale(d: Draft) -> bool:
    d.put(stale_receipts=d.state.stale_receipts + 1)
    return False


def found(d: Draft, epoch: str, said_at: float) -> None:
    """A receipt on disk: the newest one says which epoch it is."""
    if said_at > d.state.archive.at:
        d.put(archive=ArchiveWord(epoch, said_at))


def clock_told(d: Draft, e: ClockTold) -> None:
    """The clock: quiet hours count only by a trusted one; what came from too far ahead outranks nothing any more."""
    offset = e.wall - e.at
    quiet = e.synced and any(hours.run(e.wall, e.utc_offset_s) for hours in d.state.quiet)
    clock = d.state.clock
    if (clock.synced, clock.quiet) != (e.synced, quiet) or abs(clock.offset - offset) > 1.0:
        d.put(clock=replace(clock, offset=offset, synced=e.synced, quiet=quiet))
    if e.synced and d.state.archive.at > e.wall + AHEAD_S:
        d.put(archive=replace(d.state.archive, at=e.wall))


def next_to_offer(d: Draft) -> tuple[str, Confirmed] | None:
    """The oldest one whose receipt is of another epoch, taken out of those that are confirmed; None without one."""
    for epoch in [epoch for epoch in d.state.by_epoch if epoch != d.state.archive.epoch]:
        while (recording := _oldest(d, epoch)) is not None:
            known = d.state.confirmed[recording]
            d.put_confirmed(recording, None)
            over = d.state.clock.synced and known.until is not None and known.until <= _wall(d)
            if not over and recording not in d.state.aside:  # what has expired goes, and needs no archive any more
                return recording, known
    return None


def _oldest(d: Draft, epoch: str) -> str | None:
    confirmed, held = d.state.confirmed, d.state.by_epoch[epoch]
    by_age = held.by_age.settled(lambda _, name: name in confirmed and confirmed[name].epoch == epoch)
    if by_age.first is None:
        d.put(by_epoch={other: each for other, each in d.state.by_epoch.items() if other != epoch})
        return None
    d.put(by_epoch={**d.state.by_epoch, epoch: replace(held, by_age=by_age)})
    return by_age.first[1]


def _wall(d: Draft) -> float:
    return d.state.clock.offset + d.at
