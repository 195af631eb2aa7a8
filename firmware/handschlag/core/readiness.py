"""Whether the box may ask and record, told as a reason rather than as a flag."""

from __future__ import annotations

from handschlag.core.emergency import last_number, may_be_dialled
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import AskWhen, Way
from handschlag.core.state import Call, CallState, Phase


def cannot(state: CallState) -> str:
    """Why nothing could be recorded right now; "" if it could."""
    reasons = (
        (state.booted_at is None, "starting"),
        (not state.policy.accepted, "not-accepted"),
        (not state.people.covered, "staff"),
        (not state.policy.by_wire, "line-not-by-wire"),
        (not state.line.known, "line-unknown"),
        (not state.audio_ok, "audio"),
        (not state.ledger_ok, "ledger"),
        (state.ledger_doubt != "", "ledger-doubted"),
        (state.disk_failed_at is not None, "disk"),
        (state.free_bytes is None or state.free_bytes <= 0, "space"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def direction_doubted(state: CallState) -> bool:
    """Whether a dial tone has disproved what the bench found for this tap, in this run of the box or an earlier one."""
    return (state.line.tap_serial, state.policy.bench) in state.doubted


def key_way_possible(state: CallState) -> bool:
    """Whether a key's direction is proven: an in-line tap whose polarity was proven and is not contradicted."""
    line = state.line
    return (
        line.audio is TapAudio.VI
        and line.tap_serial != ""
        and line.tap_serial == state.policy.proven_tap
        and not direction_doubted(state)
    )


def proven_leg(state: CallState, leg: Leg) -> Leg:
    """Whose key it was as far as that is proven: without a proven direction every key is `uncertain`."""
    return leg if key_way_possible(state) else Leg.UNCERTAIN


def unsettled(state: CallState, call: Call) -> bool:
    """Whether it is still open which number this call has, or whether that one may be recorded."""
    if call.match_ticket != 0 or "number" in state.deadlines:
        return True
    return call.dials and not call.number and not call.number_lost and last_number(call.digits) != ""


def may_be_emergency(state: CallState) -> bool:
    """Whether audio was lost while dialling, so that an emergency number may lie behind what was heard."""
    call, policy = state.call, state.policy
    return call is not None and call.number_lost and may_be_dialled(call.digits, policy.emergency, policy.outside)


def way_to_ask(state: CallState) -> Way | None:
    """How a press of the button would ask in this call; None if it would not.

    The question is asked once for each seizure; after an unanswered one the oral way stays open.
    """
    call = state.call
    if state.phase is not Phase.OPEN or call is None or call.bar is not None or state.private or cannot(state):
        return None
    if unsettled(state, call) or may_be_emergency(state):
        return None
    if state.policy.way is Way.KEY and key_way_possible(state) and not call.asked:
        return Way.KEY
    return Way.ORAL


def asks_by_itself(state: CallState) -> bool:
    """Whether this is the moment at which the box asks without a press."""
    call = state.call
    if call is None or call.asked or way_to_ask(state) is not Way.KEY:
        return False
    when = state.ask_when
    if call.incoming:
        return when in {AskWhen.INCOMING, AskWhen.ALWAYS} and call.near_paused
    return when in {AskWhen.OUTGOING, AskWhen.ALWAYS} and call.ringback and call.far_spoke and call.number != ""


def warnings(state: CallState) -> tuple[str, ...]:
    """What deserves a look although recording works."""
    low_space = 2 * 1024**3
    found = (
        (not state.clock_synced, "clock"),
        (state.free_bytes is not None and 0 < state.free_bytes < low_space, "storage"),
        (state.button.stuck, "button"),
        (state.set_aside > 0, "set-aside"),
        (direction_doubted(state), "direction"),
    )
    return tuple(name for applies, name in found if applies)
