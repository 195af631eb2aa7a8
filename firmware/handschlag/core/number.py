"""Whose number this call has, and whether it stands on the do-not-record list.

A dialled number is settled when nothing more was dialled for two seconds; keys pressed later (a menu, a PIN) are no
part of it. The list holds hashes, so that comparing takes time: it is asked for with `MatchNumber`, and while the
answer is on its way nothing is asked or granted. A call on the list is barred, and what is being recorded goes.
"""

from __future__ import annotations

from handschlag.core import question
from handschlag.core.consent import drop_take
from handschlag.core.draft import Draft
from handschlag.core.effects import MatchNumber
from handschlag.core.emergency import last_number
from handschlag.core.events import NumberMatched
from handschlag.core.state import Bar, Phase
from handschlag.core.voice import hush

SETTLED_S = 2.0


def digit_came(d: Draft) -> None:
    """One more digit of a number that is not settled yet."""
    if not d.call.incoming and not d.call.number:
        d.wake("number", d.at + SETTLED_S)


def begins_anew(d: Draft) -> None:
    """A dial tone, or another party: whatever number there was is not this one's."""
    d.wake("number", None)
    d.put_call(number="", match_ticket=0)


def settled(d: Draft) -> None:
    """Nothing more was dialled."""
    if d.state.call is not None and not d.call.incoming:
        _settle(d, last_number(d.call.digits))


def caller_known(d: Draft) -> None:
    """An incoming call has begun; the exchange may have said who is calling."""
    if d.call.incoming and d.call.caller is not None:
        _settle(d, d.call.caller.number)


def _settle(d: Draft, number: str) -> None:
    d.put_call(number=number)
    if number and d.state.people.exclusions:
        ticket = d.state.match_ticket + 1
        d.put(match_ticket=ticket)
        d.put_call(match_ticket=ticket)
        d.do(MatchNumber(number, ticket))


def matched(d: Draft, e: NumberMatched) -> None:
    """The list has been asked."""
    if e.ticket != d.call.match_ticket:
        return  # about a number that this call has no longer
    d.put_call(match_ticket=0)
    if not e.excluded or d.call.bar is Bar.EMERGENCY:
        return
    hush(d)
    if d.state.phase is Phase.ASKING:
        question.cancel(d, "excluded")
    drop_take(d, "excluded", "excluded")
    d.put_call(bar=Bar.EXCLUDED, outcome="excluded")
