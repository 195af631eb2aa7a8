"""One step in the making: the state as it becomes, and the effects in their order.

Handlers change a `Draft`; `step` hands out what it became. Nothing of a draft outlives its step, so the machine as a
whole stays a pure function.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from handschlag.core.effects import Effect, Record, Value, WakeAt
from handschlag.core.state import Bar, Call, CallState, Phase, Seizure


class Draft:
    """The state of the call machine and the effects of one step at time `at`."""

    def __init__(self, state: CallState, at: float) -> None:
        self.state = state
        self.at = at
        self.effects: list[Effect] = []

    def put(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def put_call(self, **changes: Any) -> None:
        """Change fields of the running call; an emergency call stays one, whatever happens in it."""
        if self.call.bar is Bar.EMERGENCY:
            changes.pop("bar", None)
        self.put(call=replace(self.call, **changes))

    @property
    def call(self) -> Call:
        """The running call; only handlers of phases within a call ask for it."""
        if self.state.call is None:
            raise AssertionError(f"no call in phase {self.state.phase}")
        return self.state.call

    def do(self, *effects: Effect) -> None:
        """Append effects."""
        self.effects.extend(effects)

    def wake(self, tag: str, at: float | None) -> None:
        """Ask for `Woke(tag)` at `at`, or take that back."""
        deadlines = dict(self.state.deadlines)
        if deadlines.pop(tag, None) is None and at is None:
            return
        if at is not None:
            deadlines[tag] = at
        self.put(deadlines=deadlines)
        self.do(WakeAt(tag, at))

    def enter(self, phase: Phase) -> None:
        """Go to a phase; presses are ignored for a second after it."""
        self.put(phase=phase, since=self.at)

    def record(self, kind: str, **fields: Value) -> int:
        """Append a ledger entry; gives its ticket."""
        ticket = self.state.ticket + 2  # even: the delivery machine counts the odd ones
        self.put(ticket=ticket)
        self.do(Record(kind, fields, ticket))
        return ticket

    def new_recording_id(self) -> str:
        """A UUIDv7 (RFC 9562, 5.7) made of the clock as far as it is known and of the boot's seed."""
        counter = self.state.counter + 1
        self.put(counter=counter)
        random = hashlib.sha256(self.state.seed + counter.to_bytes(8, "big")).digest()
        milliseconds = max(0, int((self.state.wall_offset + self.at) * 1000)) & (1 << 48) - 1
        raw = bytearray(milliseconds.to_bytes(6, "big") + random[:10])
        raw[6] = raw[6] & 0x0F | 0x70
        raw[8] = raw[8] & 0x3F | 0x80
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def line_seizure(self) -> Seizure:
        """What consent binds to right now."""
        return Seizure(self.state.line.tap_boot, self.state.line.seizure)
