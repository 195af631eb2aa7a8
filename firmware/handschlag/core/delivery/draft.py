"""One step of delivery in the making: the state as it becomes, and the effects in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from handschlag.core.delivery.state import BACK_OFF_S, Active, Confirmed, DeliveryState, OfEpoch, Queued, Revoke
from handschlag.core.effects import Effect, Record, Value


class Draft:
    """The state of delivery and the effects of one step at time `at`."""

    def __init__(self, state: DeliveryState, at: float) -> None:
        self.state = state
        self.at = at
        self.effects: list[Effect] = []

    def put(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def do(self, *effects: Effect) -> None:
        """Append effects."""
        self.effects.extend(effects)

    def record(self, kind: str, **fields: Value) -> int:
        """Append a ledger entry; gives its ticket."""
        ticket = self.state.ticket + 2  # odd: the call machine counts the even ones
        self.put(ticket=ticket)
        self.do(Record(kind, fields, ticket))
        return ticket

    def put_active(self, recording: str, active: Active | None) -> None:
        """Replace an active recording, or take it out (None)."""
        self.put(active=changed(self.state.active, recording, active))

    def put_queued(self, recording: str, queued: Queued | None) -> None:
        """Replace a queued recording, or take it out (None)."""
        state = self.state
        if queued is None and recording not in state.queue:
            return
        queue, dues, waiting = state.queue.put(recording, queued), state.dues, state.waiting
        if queued is not None:
            dues, waiting = dues.put(queued.due_at, recording), waiting.put(queued.since, recording)
        self.put(
            queue=queue,
            dues=dues.settled(lambda at, name: name in queue and queue[name].due_at == at),
            waiting=waiting.settled(lambda at, name: name in queue and queue[name].since == at),
        )

    def put_confirmed(self, recording: str, confirmed: Confirmed | None) -> None:
        """Replace what is known of its receipt, or take it out (None)."""
        before = self.state.confirmed.get(recording)
        by_epoch = dict(self.state.by_epoch)
        if before is not None:
            held = by_epoch[before.epoch]
            by_epoch[before.epoch] = replace(held, count=held.count - 1)
        if confirmed is not None:
            held = by_epoch.get(confirmed.epoch, OfEpoch())
            by_epoch[confirmed.epoch] = OfEpoch(held.count + 1, held.by_age.put(0.0, recording))
        if before is not None or confirmed is not None:
            self.put(confirmed=self.state.confirmed.put(recording, confirmed), by_epoch=by_epoch)

    def put_revoke(self, recording: str, revoke: Revoke | None) -> None:
        """Replace a revocation, or take it out (None)."""
        self.put(revokes=changed(self.state.revokes, recording, revoke))

    def back_off(self, attempts: int) -> float:
        """Full jitter: anything from nothing to a ceiling that doubles (AWS, "Exponential backoff and jitter")."""
        draws = self.state.draws + 1
        self.put(draws=draws)
        first, last = BACK_OFF_S
        ceiling = min(last, first * 2.0 ** min(attempts, 20))
        digest = hashlib.sha256(self.state.seed + b"jitter" + draws.to_bytes(8, "big")).digest()
        return float(ceiling * int.from_bytes(digest[:6], "big") / (1 << 48))


def changed(old: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The mapping with this value in its place, or without the key (None)."""
    new = dict(old)
    if value is None:
        new.pop(key, None)
    else:
        new[key] = value
    return new
