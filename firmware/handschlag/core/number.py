"""Whose number this call has, and whether it stands on the do-not-record list.

A dialled number is settled when nothing more was dialled for two seconds; keys pressed later (a menu, a PIN) are no
part of it. The list holds hashes, so that comparing takes time: it is asked for with `MatchNumber`, and while the
answer is on its way nothing is asked or granted. A call on the list is barred, and what is being recorded goes.

Where audio is lost before a number is settled, keys may be missing, or one may have been heard as two. Then the number
is unknown: it is not asked by itself. And while 110 or 112 may lie behind what was heard, not a sound is made; if that
is so when the number is settled, the call counts as one that was not seen (`Call.unseen`).
"""

from __future__ import annotations

from handschlag.core import question
from handschlag.core.consent import drop_take, end_take, recordings_of
from handschlag.core.draft import Draft
from handschlag.core.effects import MatchNumber
from handschlag.core.emergency import last_number
from handschlag.core.events import NumberMatched
from handschlag.core.readiness import may_be_emergency
from handschlag.core.state import LIFTED_BY_FLASH, Bar, Phase
from handschlag.core.voice import hush

SETTLED_S = 2.0


def digit_came(d: Draft) -> None:
    """One more digit of a number that is not settled yet."""
    if d.call.dials and not d.call.number:
        d.wake("number", d.at + SETTLED_S)


def audio_lost(d: Draft) -> None:
    """Something was not heard: if a number may have been dialled in it, that number is not known.

    Once it is settled, or the exchange has begun to ring the other party, or that one has agreed, nothing more belongs
    to it.
    """
    call = d.call
    if not call.dials or call.number or call.ringback or (not call.digits and _has_agreed(d)):
        return
    d.put_call(number_lost=True)
    d.wake("number", d.at + SETTLED_S)
    _fall_silent(d)


def _has_agreed(d: Draft) -> bool:
    """Whether the other party is there, for it has agreed since the call began, or since the flash."""
    take = d.state.take
    if d.state.phase is Phase.RECORDING or (take is not None and take.evidence.way == "key"):
        return True
    return not d.call.flashed and recordings_of(d, d.call.seizure) != []


def _fall_silent(d: Draft) -> None:
    """Not a word more while the number may be an emergency number."""
    if may_be_emergency(d.state):
        hush(d)
        if d.state.phase is Phase.ASKING:
            question.cancel(d, "audio")
        end_take(d, "audio")


def begins_anew(d: Draft) -> None:
    """A dial tone, or another party: whatever number there was is not this one's."""
    d.wake("number", None)
    d.put_call(number="", match_ticket=0)


def settled(d: Draft) -> None:
    """Nothing more was dialled."""
    call = d.state.call
    if call is None or not call.dials:
        return
    if not call.number_lost:
        _settle(d, last_number(call.digits))
    elif may_be_emergency(d.state):
        _fall_silent(d)
        d.put_call(unseen=True, bar=Bar.UNSEEN if d.call.bar in LIFTED_BY_FLASH else d.call.bar)


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
