"""Ring and hook behind opto-couplers: a train of pulses and a contact that bounces, each made one steady word.

Ring voltage is 25 Hz (small exchanges: 50 Hz), so that the opto-coupler gives a pulse each 20 or 40 ms. A ring is on
from its second pulse (one alone is a spike: a hook that is moved), and off `RING_OFF_S` after the last.

The hook counts once it has stood still for its time: long for on-hook, as a tap takes 500 ms for a hang-up too; short
for off-hook. Shorter interruptions are told apart by their length: 30-85 ms are pulses of a dialled digit (60 ms by the
standard), which ends `DIGIT_S` after the last of them; what is longer is a flash; what is shorter bounced.
"""

from __future__ import annotations

from dataclasses import dataclass

from handschlag.core.sources import DigitPulsed, Fact, FlashRead, HookRead, RingRead

RING_OFF_S = 0.2
PULSES_APART_S = 0.1
OFF_HOOK_S = 0.05
ON_HOOK_S = 0.5
PULSE_S = (0.03, 0.085)
DIGIT_S = 0.2


@dataclass(slots=True)
class RingTrain:
    """Readings of the ring input in, RingRead out."""

    ringing: bool = False
    _active: bool = False
    _last: float | None = None

    def edge(self, at: float, *, active: bool) -> list[Fact]:
        """The input was read."""
        rose, self._active = active and not self._active, active
        if not rose:
            return []
        facts = self.tick(at)
        close = self._last is not None and at - self._last <= PULSES_APART_S
        self._last = at
        if close and not self.ringing:
            self.ringing = True
            facts.append(RingRead(at, ring=True))
        return facts

    def tick(self, at: float) -> list[Fact]:
        """Time passes."""
        if self.ringing and self._last is not None and at - self._last >= RING_OFF_S:
            self.ringing = False
            return [RingRead(at, ring=False)]
        return []


@dataclass(slots=True)
class HookContact:
    """Readings of the hook input in, HookRead, FlashRead, DigitPulsed out; `off_hook` is None before it stood still."""

    off_hook: bool | None = None
    _raw: bool | None = None
    _since: float = 0.0
    _pulses: int = 0

    def edge(self, at: float, *, off_hook: bool) -> list[Fact]:
        """The input was read."""
        facts = self.tick(at)
        if off_hook is not self._raw:
            lasted_s = at - self._since
            was_open = self._raw is False
            self._raw, self._since = off_hook, at
            if off_hook and was_open and self.off_hook:
                facts += self._interrupted(at, lasted_s)
        return facts

    def tick(self, at: float) -> list[Fact]:
        """Time passes."""
        still_s = at - self._since
        facts: list[Fact] = []
        if self._raw and self._pulses and still_s >= DIGIT_S:
            pulses, self._pulses = self._pulses, 0
            if pulses <= 10:
                facts.append(DigitPulsed(at, str(pulses % 10)))
        if self._raw is not None and still_s >= (OFF_HOOK_S if self._raw else ON_HOOK_S):
            if self._raw is not self.off_hook:
                self.off_hook = self._raw
                facts.append(HookRead(at, self._raw))
            if not self._raw:
                self._pulses = 0
        return facts

    def _interrupted(self, at: float, lasted_s: float) -> list[Fact]:
        shortest, longest = PULSE_S
        if lasted_s < shortest:
            return []
        if lasted_s <= longest:
            self._pulses += 1
            return []
        self._pulses = 0
        # between the longest flash and a hang-up: nobody knows who is there now, as after a flash
        return [FlashRead(at, round(lasted_s * 1000))]
