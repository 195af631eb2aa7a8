"""Who is calling: listening between the rings, and keeping what was heard no longer than the call.

The exchange sends caller id after the first ring, after a short ring pulse before it, or after a reversal of the line.
So hearing is on in the pauses of ringing (never while ring voltage is on the line), and off again when nobody answers.
Nothing can be captured then: no call, no consent. The number stays in memory until the call ends, and goes into sealed
details only if there was consent (P9). A caller who is waiting (call waiting during a call) is noted in the details of
the recording that runs, and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.draft import Draft
from handschlag.core.effects import Caller, Listen
from handschlag.core.events import CallerIdHeard
from handschlag.core.state import CAPTURING, Phase

REVERSAL_S = 3.0  # from a reversal of the line to the end of a message: 100 ms, DT-AS, 45-500 ms, up to 2 s
LATE_NUMBER_S = 2.0  # modems tell number and name up to 0.5 s after the last of them, and the hook is quicker
WAITING_AT_MOST = 8  # callers noted during one recording


def listen_between_rings(d: Draft, seconds: float) -> None:
    """Hear what the exchange sends while the line is idle, for so long."""
    if d.state.private or not d.state.policy.accepted:
        return
    if not d.state.awaits_caller:
        d.put(awaits_caller=True)
        d.do(Listen(on=True))
    d.wake("caller", d.at + seconds)


def stop_listening(d: Draft) -> None:
    """The next ring, or the end of waiting; who was heard is kept until `forget`."""
    d.wake("caller", None)
    if d.state.awaits_caller:
        d.put(awaits_caller=False)
        d.do(Listen(on=False))


def forget(d: Draft) -> None:
    """Nobody answered, or the line's state is not known any more."""
    stop_listening(d)
    d.put(caller=None)


def answered(d: Draft) -> Caller | None:
    """The call begins: hearing is turned on anew by it; gives who was heard."""
    caller = d.state.caller
    d.wake("caller", None)
    d.put(awaits_caller=False, caller=None)
    return caller


def heard_on_hook(d: Draft, e: CallerIdHeard) -> None:
    """Caller id on a line that is idle or rings: from between the rings, or from a part that reads it itself."""
    rings = d.state.phase is Phase.RINGING and not d.state.private and d.state.policy.accepted
    if d.state.awaits_caller or rings:
        d.put(caller=_caller(e))


def heard_in_call(d: Draft, e: CallerIdHeard) -> bool:
    """Somebody is waiting: a word in the sealed details of what is being recorded, and nothing else.

    A part that reads the number itself may tell it a little after the answer: then it is the caller, and True is given.
    """
    call = d.call
    if call.incoming and call.caller is None and d.at - call.began_at <= LATE_NUMBER_S and not d.state.private:
        d.put_call(caller=_caller(e))
        return True
    take = d.state.take
    if take is not None and d.state.phase in CAPTURING and len(take.waiting) < WAITING_AT_MOST:
        d.put(take=replace(take, waiting=(*take.waiting, _caller(e))))
    return False


def _caller(e: CallerIdHeard) -> Caller:
    return Caller(e.number, e.name, e.time, e.type, e.absence, e.at)
