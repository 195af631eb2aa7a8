"""What the two lamps show: one pure function of the whole state."""

from __future__ import annotations

from handschlag.core.command import shows_itself
from handschlag.core.effects import Lamps, RecLamp, StatusLamp
from handschlag.core.readiness import cannot, warnings, way_to_ask
from handschlag.core.state import CAPTURING, CallState, Phase


def lamps(state: CallState, *, archive_reachable: bool, backlog_warning: bool) -> Lamps:
    """The highest-ranking pattern that applies (call.md, "The lamps")."""
    rec = RecLamp.ON if state.phase in CAPTURING else RecLamp.OFF
    return Lamps(rec, _status(state, archive_reachable=archive_reachable, backlog_warning=backlog_warning))


def _status(state: CallState, *, archive_reachable: bool, backlog_warning: bool) -> StatusLamp:
    if state.booted_at is None or not (state.line.tap_boot or state.line.missed):
        return StatusLamp.OFF
    ranks = (
        (shows_itself(state), StatusLamp.IDENTIFY),
        (cannot(state) != "", StatusLamp.CANNOT_RECORD),
        (_your_turn(state), StatusLamp.YOUR_TURN),
        (state.phase in {Phase.ASKING, Phase.GRANTING}, StatusLamp.ASKING),
        (state.private, StatusLamp.PRIVATE),
        (bool(warnings(state)) or backlog_warning, StatusLamp.WARNING),
        (not archive_reachable, StatusLamp.READY_ALONE),
    )
    return next((lamp for applies, lamp in ranks if applies), StatusLamp.READY)


def _your_turn(state: CallState) -> bool:
    return state.phase is Phase.PENDING or way_to_ask(state) is not None
