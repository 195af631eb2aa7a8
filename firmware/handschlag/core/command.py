"""The operator's commands: what a service centre may do from afar.

Each is written down with what comes of it, acts once that is durable, and is answered then. The counter must rise; the
newest, when it comes again, is answered as before, and an older one without an entry, so that nobody can fill the
ledger with it. Whoever carries a command can hold it back or repeat it, so it counts only before its end, by a clock
that is trusted. None acts during ring or call, and there is none that starts, opens or forwards a recording.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core import keeping
from handschlag.core.draft import Draft
from handschlag.core.effects import Reply, Restart, SetLogLevel
from handschlag.core.events import EntryDurable, LastWord, OperatorSaid
from handschlag.core.state import CallState, Ordered, Phase

DONE = "done"
REPLAYED = "replayed"
KNOWN = frozenset({"identify", "log-level", "report", "restart"})
NOT_YET = frozenset({"selftest", "update"})
IDENTIFY_S = 60.0


def said(d: Draft, e: OperatorSaid) -> None:
    """A command came."""
    word = d.state.operator
    if (e.counter, e.id) == (word.counter, word.id):
        if all(each.message.id != e.id for each in d.state.ordered):
            d.do(Reply(e.id, word.outcome))
        return
    if e.counter <= word.counter:
        d.do(Reply(e.id, REPLAYED))
        return
    outcome = _outcome(d, e)
    name = e.name if e.name in KNOWN | NOT_YET else "unknown"
    ticket = d.record("command", by="operator", id=e.id, name=name, counter=e.counter, outcome=outcome)
    d.put(operator=LastWord(e.counter, e.id, outcome), ordered=(*d.state.ordered, Ordered(ticket, e, outcome)))


def _outcome(d: Draft, e: OperatorSaid) -> str:
    """`done`, or why not."""
    reasons = (
        (not d.state.clock_synced, "clock"),
        (e.expires <= d.state.wall_offset + d.at, "expired"),
        (e.name in NOT_YET, "not-supported"),
        (e.name not in KNOWN, "unknown"),
        (not _may_act(d.state, e.name), "busy"),
    )
    return next((outcome for applies, outcome in reasons if applies), DONE)


def _may_act(state: CallState, name: str) -> bool:
    """No ring and no call; for a restart nothing of the last call may be left to do either."""
    if not keeping.quiet(state):
        return False
    busy = state.kept or state.destroying or state.keeping.leaving is not None
    return name != "restart" or not busy


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """A command is in the ledger."""
    if any(each.ticket == e.ticket for each in d.state.ordered):
        d.put(ordered=tuple(replace(each, durable=each.durable or each.ticket == e.ticket) for each in d.state.ordered))
        look(d)


def look(d: Draft) -> None:
    """Do what is durable and may be done now; what a ring came between waits for the end of its call."""
    for each in d.state.ordered:
        refused = each.outcome != DONE
        if each.durable and (refused or _may_act(d.state, each.message.name)):
            d.put(ordered=tuple(other for other in d.state.ordered if other is not each))
            d.do(Reply(each.message.id, each.outcome, report=not refused and each.message.name == "report"))
            if not refused:
                _carry_out(d, each.message)


def _carry_out(d: Draft, message: OperatorSaid) -> None:
    match message.name:
        case "identify":
            d.put(identifies=True)
            d.wake("identify", d.at + IDENTIFY_S)
        case "log-level":
            d.do(SetLogLevel(message.level))
            d.wake("log-level", d.at + message.minutes * 60.0)
        case "restart":
            d.do(Restart())
        case _:
            pass  # `report` is its answer


def identified(d: Draft) -> None:
    """The minute is over."""
    d.put(identifies=False)


def log_level_over(d: Draft) -> None:
    """The time that the operator gave is over."""
    d.do(SetLogLevel(""))


def shows_itself(state: CallState) -> bool:
    """Whether the lamps say which box this is: not while a call needs them."""
    return state.identifies and keeping.quiet(state) and state.phase is not Phase.PENDING
