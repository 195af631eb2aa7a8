"""The owner's messages: erase, hold, release, class, and a new epoch of the ledger.

Each is written down with what came of it, and answered when that is durable. The counter must rise; a message that
comes again (whoever carries it repeats it until it is answered) is answered as before, and an older one is answered
without an entry, so that nobody can fill the ledger with it. A hold counts at once, everything that permits something
when its entry is durable.
"""

from __future__ import annotations

from handschlag.core import keeping
from handschlag.core.draft import Draft
from handschlag.core.effects import Reply, Value
from handschlag.core.events import EntryDurable, LastWord, LedgerDoubted, OwnerSaid
from handschlag.core.fold import LEDGER_FAULT
from handschlag.core.state import CallState

DONE = "done"
REPLAYED = "replayed"


def said(d: Draft, e: OwnerSaid) -> None:
    """A message came, by whatever way."""
    word = d.state.owner
    if e.id == word.id:
        if all(message.id != e.id for _, message, _ in d.state.owner_waiting):
            d.do(Reply(e.id, word.outcome))
        return
    if e.counter <= word.counter:
        d.do(Reply(e.id, REPLAYED))
        return
    outcome = _outcome(d.state, e)
    ticket = d.record("command", **_fields(e), outcome=outcome)
    d.put(owner=LastWord(e.counter, e.id, outcome), owner_waiting=(*d.state.owner_waiting, (ticket, e, outcome)))
    if outcome == DONE and e.name == "hold":
        keeping.hold(d, e.recording, held=True)
    elif outcome == DONE and e.name == "erase":
        keeping.erase(d, e.recording, ticket)


def _fields(e: OwnerSaid) -> dict[str, Value]:
    fields: dict[str, Value] = {"by": "owner", "id": e.id, "name": e.name, "counter": e.counter}
    if e.name == "epoch":
        return {**fields, "epoch": e.epoch, "token": e.token}
    return {**fields, "recording": e.recording, **({"kept_for": e.kept_for} if e.kept_for else {})}


def _outcome(state: CallState, e: OwnerSaid) -> str:
    """`done`, or why not."""
    if e.name == "epoch":
        return DONE if e.epoch > state.epoch else "old-epoch"
    closed = state.keeping.closed.get(e.recording)
    if closed is None:
        return "running" if _runs(state, e.recording) else "not-here"
    if keeping.is_leaving(state, e.recording):
        return "leaving"
    return "held" if e.name == "erase" and closed.held else DONE


def _runs(state: CallState, recording: str) -> bool:
    take = () if state.take is None else (state.take.recording,)
    return recording in {*take, *(k.recording for k in state.kept), *(i.recording for i in state.interrupted)}


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """What the owner wanted is in the ledger: it counts, and is answered."""
    for ticket, message, outcome in d.state.owner_waiting:
        if ticket == e.ticket:
            d.put(owner_waiting=tuple(each for each in d.state.owner_waiting if each[0] != ticket))
            if outcome == DONE:
                _carry_out(d, message)
            d.do(Reply(message.id, outcome))


def _carry_out(d: Draft, message: OwnerSaid) -> None:
    if message.name == "epoch":
        d.put(epoch=message.epoch, ledger_doubt="", doubted_to=0)
    elif message.recording in d.state.keeping.closed:
        if message.name == "release":
            keeping.hold(d, message.recording, held=False)
        elif message.name == "class":
            keeping.reclass(d, message.recording, message.kept_for)


def ledger_doubted(d: Draft, e: LedgerDoubted) -> None:
    """Nothing new is recorded until the owner opens a new epoch; what runs goes on: its yes was durable."""
    if d.state.ledger_doubt and e.seq <= d.state.doubted_to:
        return
    if any(message.name == "epoch" and outcome == DONE for _, message, outcome in d.state.owner_waiting):
        return  # the owner has spoken after it was asked; what still does not fit is asked about again
    d.put(ledger_doubt=d.state.ledger_doubt or e.why, doubted_to=max(e.seq, d.state.doubted_to))
    d.record("fault", what=LEDGER_FAULT, why=e.why, head_seq=e.seq, head_hash=e.hash)
