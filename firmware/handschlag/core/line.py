"""The line: what the tap says about it, and what is heard on it that ends or bars a call.

Consent belongs to one seizure of one boot of the tap. Whatever makes the seizure doubtful (another number, a reboot, a
ring, a dial tone, no word from the tap) ends capture at once; the call itself is left alone.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core import caller, emergency, number, question
from handschlag.core.consent import close_what_may_close, end_take, note_speech, recordings_of, stop_and_keep, withdraw
from handschlag.core.draft import Draft
from handschlag.core.effects import FinishInterrupted, Listen, SetPath
from handschlag.core.events import (
    Dialled,
    KeyHeard,
    Leg,
    LineSounds,
    LineTold,
    Pulsed,
    SpeechBegan,
    SpeechEnded,
    TapAudio,
    TapHello,
    ToneHeard,
)
from handschlag.core.fold import DIRECTION_FAULT
from handschlag.core.readiness import asks_by_itself, direction_doubted, proven_leg
from handschlag.core.state import CAPTURING, IN_CALL, LIFTED_BY_FLASH, Bar, Call, Line, Phase, Seizure
from handschlag.core.voice import hush

RING_TO_ANSWER_S = 8.0  # longest pause between two rings (5 s and some) before an answer no longer belongs to them
BUSY_CYCLES = 4


def hello(d: Draft, e: TapHello) -> None:
    """The tap is there: its boot id is half of what consent binds to."""
    line = d.state.line
    if (e.boot, e.serial, e.audio) != (line.tap_boot, line.tap_serial, line.audio):
        if d.state.call is not None:
            end_call(d, "tap-reboot")
        caller.forget(d)
        d.put(line=Line(tap_boot=e.boot, tap_serial=e.serial, audio=e.audio))
        d.wake("line", None)
        d.enter(Phase.UNKNOWN)
    d.do(SetPath(bypass=not d.state.policy.accepted))


def told(d: Draft, e: LineTold) -> None:
    """A LINE report."""
    line = d.state.line
    if not line.tap_boot:
        return  # whose seizure it counts is not known before HELLO
    d.wake("line", d.at + d.state.policy.line_timeout_s)
    seizure = Seizure(line.tap_boot, e.seizure)
    call = d.state.call
    if call is not None:
        if not e.off_hook:
            end_call(d, "hangup")
        elif e.ring:
            end_call(d, "ring")
        elif call.seizure != seizure:
            end_call(d, "seizure-changed")
    d.put(line=replace(line, known=True, off_hook=e.off_hook, ring=e.ring, seizure=e.seizure, reversed=e.reversed))
    _await_caller(d, line, e)
    if e.off_hook and not e.ring:
        if d.state.call is None:
            _begin_call(d, seizure, seen=line.known)
    else:
        _forget_digits(d)
        phase = Phase.RINGING if e.ring else Phase.IDLE
        if d.state.phase is not phase:
            d.enter(phase)
    _finish_interrupted(d, seizure)
    close_what_may_close(d)


def _await_caller(d: Draft, before: Line, e: LineTold) -> None:
    """The exchange says who is calling between rings, or after a reversal of the idle line."""
    if e.ring:
        d.put(rang_at=d.at)
        caller.stop_listening(d)
    elif e.off_hook or before.off_hook or not before.known:
        return
    elif before.ring:
        caller.listen_between_rings(d, RING_TO_ANSWER_S)
    elif e.reversed != before.reversed:
        caller.listen_between_rings(d, caller.REVERSAL_S)


def _forget_digits(d: Draft) -> None:
    """What was dialled stays in memory until the call ends, and no longer."""
    last = d.state.last_call
    if last is not None and (last.digits or last.number or last.caller is not None):
        d.put(last_call=replace(last, digits="", number="", caller=None))


def _begin_call(d: Draft, seizure: Seizure, *, seen: bool) -> None:
    was_listening = d.state.awaits_caller
    who = caller.answered(d)
    last = d.state.last_call
    if last is not None and last.seizure == seizure:
        # The tap was silent for a while: the same call goes on, and what was dialled meanwhile is not known.
        d.put(call=replace(last, unseen=True, bar=Bar.UNSEEN if last.bar in LIFTED_BY_FLASH else last.bar))
    else:
        incoming = d.state.rang_at is not None and d.at - d.state.rang_at <= RING_TO_ANSWER_S
        new = seen and seizure.number > d.state.line.newest  # a tap that counts backwards proves no new call
        d.put(call=Call(seizure, d.at, incoming, bar=None if new else Bar.UNSEEN, caller=who if incoming else None))
        d.put_call(unseen=not new)
        _forget_digits(d)
    d.put(line=replace(d.state.line, newest=max(d.state.line.newest, seizure.number)))
    if d.state.private and d.call.bar is not Bar.EMERGENCY:
        d.put_call(bar=Bar.PRIVATE, outcome="private")
    d.put(rang_at=None)
    d.enter(Phase.OPEN)
    d.record(
        "call",
        at_end=False,
        tap_boot=seizure.tap_boot,
        seizure=seizure.number,
        incoming=d.call.incoming,
    )
    number.caller_known(d)
    if not d.state.private and d.state.policy.accepted:
        d.do(Listen(on=True))
    elif was_listening:
        d.do(Listen(on=False))


def end_call(d: Draft, ended: str) -> None:
    """The seizure is over, or no longer certain: nothing of its consent outlives it."""
    if d.state.phase is Phase.ASKING:
        question.cancel(d, ended)
    end_take(d, ended)
    hush(d)
    d.wake("number", None)
    call = d.call
    d.record(
        "call",
        at_end=True,
        tap_boot=call.seizure.tap_boot,
        seizure=call.seizure.number,
        outcome=call.outcome,
        bar=call.bar.value if call.bar else "",
        ended=ended,
        seconds=round(d.at - call.began_at, 1),
    )
    d.do(Listen(on=False))
    d.put(call=None, last_call=call)
    d.enter(Phase.UNKNOWN)


def lost(d: Draft, ended: str, why: str = "") -> None:
    """No word from the tap: the state of the line is unknown, and nothing may be recorded.

    `ended` is one of few words, for manifests hold no free text; `why` is what the part itself says of it.
    """
    if d.state.call is not None:
        end_call(d, ended)
    if d.state.line.known:
        d.record("fault", what=f"line:{ended}:{why}" if why else f"line:{ended}")
    caller.forget(d)
    d.put(line=replace(d.state.line, known=False, missed=True))
    d.wake("line", None)
    d.enter(Phase.UNKNOWN)


def sounds(d: Draft, e: LineSounds) -> None:
    """How a line sounds that is not known; nothing but the status asks for it."""
    if not d.state.line.known:
        d.put(sounds_off_hook=e.off_hook)


def listen_while_unknown(d: Draft) -> None:
    """Hear a line that no wire knows, if it is to be read by its sound: never in private mode, never unaccepted.

    Looked at after each step; what else turns hearing on and off (`caller`, the call itself) goes before.
    """
    for effect in d.effects:
        if isinstance(effect, Listen):
            d.put(hears=effect.on)
    state = d.state
    if not state.policy.by_sound:
        return
    wanted = state.phase is Phase.UNKNOWN and state.policy.accepted and not state.private
    if wanted and state.booted_at is not None and not state.hears:
        d.put(hears=True)
        d.do(Listen(on=True))
    elif not wanted and state.hears and state.phase not in IN_CALL and not state.awaits_caller:
        d.put(hears=False)
        d.do(Listen(on=False))
    if not d.state.hears or state.line.known:
        d.put(sounds_off_hook=None)


def _finish_interrupted(d: Draft, seizure: Seizure) -> None:
    over = [i for i in d.state.interrupted if not d.state.line.off_hook or i.seizure != seizure]
    if d.state.button.down or d.state.button.raw:
        return
    for item in over:
        d.record("interrupted", recording=item.recording)
        d.do(FinishInterrupted(item.recording))
    d.put(interrupted=tuple(i for i in d.state.interrupted if i not in over))


def flashed(d: Draft) -> None:
    """Hold, transfer, conference: who is there now has not been asked."""
    if d.state.phase is Phase.ASKING:
        question.cancel(d, "flash")
    end_take(d, "flash")
    number.begins_anew(d)
    # what is dialled now is another number, and who is there, perhaps another one
    d.put_call(digits="", caller=None, flashed=True, number_lost=False, ringback=False)
    if d.call.bar in LIFTED_BY_FLASH:
        d.put_call(asked=False, bar=None, near_spoke=False, near_paused=False, far_spoke=False)


def dialled(d: Draft, e: Pulsed) -> None:
    """A digit by loop interruptions."""
    _digit(d, e.digit)


def number_dialled(d: Draft, e: Dialled) -> None:
    """The network told the whole number: it replaces what was heard of it."""
    number.begins_anew(d)
    d.put_call(digits="", number_lost=False)
    for digit in e.number[: emergency.DIGITS_AT_MOST]:
        _digit(d, digit)
    d.wake("number", None)
    number.settled(d)


def key_dialled(d: Draft, e: KeyHeard) -> None:
    """A key that may have come from the own telephone is a dialled digit, whatever is going on."""
    if e.final and proven_leg(d.state, e.leg) is not Leg.FAR:
        _digit(d, e.key)


def _digit(d: Draft, digit: str) -> None:
    d.put_call(digits=emergency.with_digit(d.call.digits, digit))
    number.digit_came(d)
    policy = d.state.policy
    if emergency.is_dialled(d.call.digits, policy.emergency, policy.outside) and d.call.bar is not Bar.EMERGENCY:
        _emergency(d)


def _emergency(d: Draft) -> None:
    """Not a sound from now on, no question, no recording, whatever was going on."""
    recorded = d.state.phase is Phase.RECORDING
    d.put_call(bar=Bar.EMERGENCY)
    hush(d)
    if d.state.phase is Phase.ASKING:
        question.cancel(d, "emergency")
    end_take(d, "emergency")
    if not recorded:
        d.put_call(outcome="emergency")


def withdraw_key(d: Draft, e: KeyHeard) -> None:
    """Key 9 from the far leg, or from who knows where: what was recorded in this call goes."""
    near = proven_leg(d.state, e.leg) is Leg.NEAR
    if e.key != "9" or near or e.held_s < d.state.policy.withdraw_held_s:
        return
    running = d.state.phase in CAPTURING or d.state.phase is Phase.GRANTING
    if running or recordings_of(d, d.call.seizure):
        withdraw(d, "key", d.call.seizure)


def tone(d: Draft, e: ToneHeard) -> None:
    """A network tone."""
    if d.state.phase not in IN_CALL:
        return
    match e.name:
        case "dial":
            _dial_tone(d, e)
        case "busy" | "congestion":
            if e.cycles >= BUSY_CYCLES:
                _conversation_over(d, "busy", Bar.ENDED)
        case "fax":
            _conversation_over(d, "fax", Bar.FAX)
        case "ringback":
            _ringback(d, e)
        case _:
            pass


def _ringback(d: Draft, e: ToneHeard) -> None:
    if not e.final:  # who spoke before the last ring was not the other party
        d.put_call(ringback=True, far_spoke=False)


def _dial_tone(d: Draft, e: ToneHeard) -> None:
    if not e.final:
        d.put_call(digits=emergency.with_dial_tone(d.call.digits))
        number.begins_anew(d)
    if d.state.phase is not Phase.OPEN:
        _conversation_over(d, "dial-tone", Bar.ENDED)


def prove_direction(d: Draft, leg: Leg) -> None:
    """The exchange's dial tone must be far; once it was not, nothing is proven until the bench was done again.

    The ledger remembers it, for this tap and this bench result, across restarts (`fold`).
    """
    line, bench = d.state.line, d.state.policy.bench
    if leg is Leg.FAR or line.audio is TapAudio.MIX or direction_doubted(d.state):
        return
    d.put(doubted=d.state.doubted | {(line.tap_serial, bench)})
    d.record("fault", what=DIRECTION_FAULT, tap=line.tap_serial, bench=bench)


def _conversation_over(d: Draft, why: str, bar: Bar) -> None:
    if d.call.bar is Bar.EMERGENCY:
        return
    if d.state.phase is Phase.ASKING:
        question.cancel(d, why, bar)
    end_take(d, why)
    if d.call.bar is None:
        d.put_call(bar=bar)


def silent_too_long(d: Draft) -> None:
    """A minute without a word on either leg."""
    stop_and_keep(d, "silence")
    d.put_call(bar=Bar.ENDED)


def speech(d: Draft, e: SpeechBegan | SpeechEnded) -> None:
    """Somebody begins or pauses: moments at which the box may ask by itself, and what an oral yes needs."""
    began = isinstance(e, SpeechBegan)
    note_speech(d, e.leg, began=began)
    if d.state.phase is not Phase.OPEN:
        return
    if e.leg is Leg.NEAR:
        d.put_call(near_spoke=True, near_paused=d.call.near_paused or (not began and d.call.near_spoke))
    elif e.leg is Leg.FAR and began:
        d.put_call(far_spoke=True)
    if asks_by_itself(d.state):
        question.ask(d)
