"""The ledger on its way to the archive: in batches, only durable lines, from behind the last that it has."""

from __future__ import annotations

from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.state import LEDGER_BATCH, LEDGER_ROW, LEDGER_TIMEOUT_S
from handschlag.core.effects import CheckLedger, SaveRow, SendLedger
from handschlag.core.events import LedgerDoubted, LedgerSynced


def fill_ledger(d: Draft) -> None:
    """Send the next batch, unless an answer to the last one is awaited."""
    state = d.state
    waiting = state.ledger_asked_at is not None and d.at - state.ledger_asked_at < LEDGER_TIMEOUT_S
    if state.ledger_acked >= state.ledger_durable or waiting:
        return
    last = min(state.ledger_durable, state.ledger_acked + LEDGER_BATCH)
    d.put(ledger_asked_at=d.at)
    d.do(SendLedger(state.ledger_acked + 1, last))


def ledger_synced(d: Draft, e: LedgerSynced) -> None:
    """The archive has the ledger up to here."""
    if e.seq != d.state.ledger_acked:
        d.do(CheckLedger(e.seq, e.hash, "the archive"))
    if d.state.ledger_acked < e.seq <= d.state.ledger_durable:
        d.put(ledger_acked=e.seq, ledger_asked_at=None)
        d.do(SaveRow(LEDGER_ROW, "acked", e.seq, e.hash))


def ledger_doubted(d: Draft, e: LedgerDoubted) -> None:
    """The chain goes on behind the line that is known elsewhere: what the box lost of it cannot be sent."""
    if e.hash and e.seq > d.state.ledger_durable:
        d.put(ledger_acked=max(d.state.ledger_acked, e.seq), ledger_asked_at=None)
