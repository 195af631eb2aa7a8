"""The whole box as one pure function: the call machine, the delivery machine, and the lamps over both.

The red lamp comes on before the first sample is captured and goes off after the last (call.md, "The lamps"): its effect
stands first in the list when it comes on, and last otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handschlag.core import keeping
from handschlag.core.delivery import DeliveryState, backlog_warning, forget, release, step_delivery
from handschlag.core.effects import DestroyRecording, Effect, Lamps, RecLamp, StatusLamp, WriteKeys
from handschlag.core.events import Event
from handschlag.core.lamps import lamps
from handschlag.core.policy import Policy
from handschlag.core.state import CallState
from handschlag.core.table import step_call


@dataclass(frozen=True, slots=True)
class BoxState:
    """Everything the box remembers."""

    call: CallState
    delivery: DeliveryState = field(default_factory=DeliveryState)
    lamps: Lamps = field(default_factory=lambda: Lamps(RecLamp.OFF, StatusLamp.OFF))

    @classmethod
    def new(cls, policy: Policy) -> BoxState:
        """A box that has just been switched on."""
        return cls(CallState(policy, ask_when=policy.ask_when), DeliveryState.new(policy))


def step(state: BoxState, event: Event) -> tuple[BoxState, tuple[Effect, ...]]:
    """Take one event; give the next state and the effects, to be carried out in their order."""
    call, effects = step_call(state.call, event)
    delivery, more = step_delivery(state.delivery, event)
    effects += more
    if delivery.archive.epoch != call.keeping.epoch:
        call = keeping.in_epoch(call, delivery.archive.epoch)
    for effect in tuple(effects):
        if isinstance(effect, WriteKeys):
            delivery, more = release(delivery, effect, event.at)
            effects += more
        elif isinstance(effect, DestroyRecording):
            delivery, more = forget(delivery, effect, event.at)
            effects += more
    shown = lamps(call, archive_reachable=delivery.connected, backlog_warning=backlog_warning(delivery, event.at))
    if shown != state.lamps:
        turns_on = shown.rec is RecLamp.ON and state.lamps.rec is RecLamp.OFF
        effects.insert(0 if turns_on else len(effects), shown)
    return BoxState(call, delivery, shown), tuple(effects)
