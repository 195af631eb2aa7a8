"""What the archive says of a recording.

Whoever carries receipts can repeat, hold back and reorder them, but not make one. So a verdict counts only while one is
awaited (the manifest was sent, or is on its way) and for the manifest that it names; of refusals, which add up, each
one counts once, in the order of the archive's own time. `progress` only lets more be sent.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.sending import requeue
from handschlag.core.delivery.state import (
    BACK_OFF_S,
    FILE_NAME,
    HASTY_REPAIRS,
    RECEIPT_TIMEOUT_S,
    REFUSALS_AT_MOST,
    Active,
    Confirmed,
    Stage,
    manifest_last,
)
from handschlag.core.effects import DropRevoke, KeepReceipt, SaveRow, WakeAt
from handschlag.core.events import ArchiveDestroyed, Missing, Progressed, ReceiptDurable, Refused, Stored


def progressed(d: Draft, e: Progressed) -> None:
    """The archive has these files."""
    active = d.state.active.get(e.recording)
    if active is not None and active.unanswered:
        d.put_active(e.recording, replace(active, unanswered=active.unanswered - e.names))


def stored(d: Draft, e: Stored) -> None:
    """The archive keeps it: the receipt goes to the disk first."""
    state = d.state
    known = state.active.get(e.recording) or state.queue.get(e.recording)
    before = state.confirmed.get(e.recording)
    if known is None and before is not None and before.epoch == state.archive.epoch:
        return  # said before, and on disk
    expected = known or before
    if expected is None or not expected.manifest_hash or expected.manifest_hash != e.manifest_hash:
        return
    active = Active(Stage.WAITING, since=d.at, until=expected.until)
    if isinstance(known, Active):
        active = replace(known, stage=Stage.WAITING)
    d.put_queued(e.recording, None)
    d.put_confirmed(e.recording, None)
    d.put_active(e.recording, replace(active, manifest_hash=e.manifest_hash))
    d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S), KeepReceipt(e.recording, e.receipt, e.epoch))


def receipt_durable(d: Draft, e: ReceiptDurable) -> None:
    """The receipt is on disk: delivered, as far as this epoch goes."""
    known = d.state.active.get(e.recording) or d.state.queue.get(e.recording)
    if known is None:
        return
    d.put_active(e.recording, None)
    d.put_queued(e.recording, None)
    confirmed = Confirmed(known.manifest_hash, e.epoch, known.until)
    d.put_confirmed(e.recording, confirmed)
    d.put(receipts=d.state.receipts + 1)
    d.record("receipted", recording=e.recording, manifest=known.manifest_hash)
    d.do(WakeAt(f"receipt:{e.recording}", None), SaveRow(e.recording, "stored", known.attempts))


def missing(d: Draft, e: Missing) -> None:
    """The archive asks for files again."""
    active = d.state.active.get(e.recording)
    if active is None or active.manifest_hash != e.manifest_hash or not active.judged:
        return
    d.do(WakeAt(f"receipt:{e.recording}", None))
    names = tuple(n for n in dict.fromkeys(e.names) if FILE_NAME.fullmatch(n) and n not in active.in_flight)
    patient = active.attempts < HASTY_REPAIRS
    d.put_active(
        e.recording,
        replace(
            active,
            stage=Stage.SENDING,
            to_send=manifest_last(names),
            handed=0,
            unanswered=frozenset(),
            attempts=active.attempts + 1,
            hold_until=0.0 if patient else d.at + d.back_off(active.attempts),
        ),
    )


def refused(d: Draft, e: Refused) -> None:
    """The archive refuses it: again later, and after five times no more."""
    active = d.state.active.get(e.recording)
    if active is None or not active.judged or e.manifest_hash not in {"", active.manifest_hash}:
        return
    if e.said_at <= active.refused_at:
        return  # counted before
    refusals = active.refusals + 1
    d.put_active(e.recording, replace(active, refusals=refusals, refused_at=e.said_at))
    if refusals >= REFUSALS_AT_MOST:
        set_aside(d, e.recording, f"refused: {e.why}")
    else:
        requeue(d, e.recording, manifest_only=False, delay_s=BACK_OFF_S[0] + d.back_off(refusals))


def set_aside(d: Draft, recording: str, why: str) -> None:
    """It is left to a person, and blocks nobody."""
    active = d.state.active[recording]
    d.put_active(recording, None)
    d.put(aside=d.state.aside | {recording})
    d.record("fault", what="delivery:set-aside", recording=recording)
    d.do(WakeAt(f"receipt:{recording}", None), SaveRow(recording, "aside", active.attempts, why))


def archive_destroyed(d: Draft, e: ArchiveDestroyed) -> None:
    """The withdrawal has arrived; of what the box did not take back, a person has to know."""
    active = d.state.active.get(e.recording)
    if e.recording in d.state.revokes:
        d.put_revoke(e.recording, None)
        d.do(DropRevoke(e.recording))
    elif active is not None and active.judged:
        set_aside(d, e.recording, "the archive has destroyed it, and takes nothing more")
