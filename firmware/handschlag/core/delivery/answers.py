"""What the archive says of a recording."""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.sending import requeue
from handschlag.core.delivery.state import (
    BACK_OFF_S,
    FILE_NAME,
    HASTY_REPAIRS,
    JUDGED,
    RECEIPT_TIMEOUT_S,
    REFUSALS_AT_MOST,
    Active,
    Stage,
    manifest_last,
)
from handschlag.core.effects import DropRevoke, KeepReceipt, SaveRow, WakeAt
from handschlag.core.events import ArchiveDestroyed, Missing, Progressed, ReceiptDurable, Refused, Stored


def progressed(d: Draft, e: Progressed) -> None:
    """The archive has these files."""
    active = d.state.active.get(e.recording)
    if active is not None:
        d.put_active(e.recording, replace(active, unanswered=active.unanswered - e.names))


def stored(d: Draft, e: Stored) -> None:
    """The archive keeps it: the receipt goes to the disk first."""
    active = d.state.active.get(e.recording)
    queued = d.state.queue.get(e.recording)
    expected = active.manifest_hash if active else queued.manifest_hash if queued else ""
    if not expected or expected != e.manifest_hash:
        return
    d.put_queued(e.recording, None)
    d.put_active(e.recording, replace(active or Active(Stage.WAITING), manifest_hash=expected, stage=Stage.WAITING))
    d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S), KeepReceipt(e.recording, e.receipt))


def receipt_durable(d: Draft, e: ReceiptDurable) -> None:
    """The receipt is on disk: delivered."""
    known = d.state.active.get(e.recording) or d.state.queue.get(e.recording)
    if known is None:
        return
    d.put_active(e.recording, None)
    d.put_queued(e.recording, None)
    d.put(receipts=d.state.receipts + 1)
    d.record("receipted", recording=e.recording, manifest=known.manifest_hash)
    d.do(WakeAt(f"receipt:{e.recording}", None), SaveRow(e.recording, "stored", known.attempts))


def missing(d: Draft, e: Missing) -> None:
    """The archive asks for files again."""
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
            to_send=manifest_last(names),
            unanswered=frozenset(),
            attempts=active.attempts + 1,
            hold_until=0.0 if patient else d.at + d.back_off(active.attempts),
        ),
    )


def refused(d: Draft, e: Refused) -> None:
    """The archive refuses it: again later, and after five times no more."""
    active = d.state.active.get(e.recording)
    if active is None or active.stage not in JUDGED:
        return
    refusals = active.refusals + 1
    d.put_active(e.recording, replace(active, refusals=refusals))
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
    """The withdrawal has arrived."""
    if e.recording in d.state.revokes:
        d.put_revoke(e.recording, None)
        d.do(DropRevoke(e.recording))
