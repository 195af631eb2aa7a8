"""A pair of wires for the firmware: what its converters would say, a millisecond at a time.

Edges take the time that capacitances give them, contacts bounce, ring voltage rides on the battery. `FirmwareTap` puts
the firmware's `Tap` on such a pair and offers what `SimTap` offers, so that one suite runs on both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from handschlag_tap.tap import Tap

IDLE_MV: Final = 48_000
LOOP_MV: Final = 10_500
LOOP_UA: Final = 25_000
RING_MV: Final = 84_000  # the peak of 60 V
DETECTOR_MV: Final = 20_000
SLEW_MV: Final = 20_000  # per millisecond

BOUNCES: Final = ((1, True), (1, False), (2, True), (1, False))
"""A contact that closes: milliseconds closed and open before it stays closed."""


BOUNCING_MS: Final = sum(ms for ms, _ in BOUNCES)


class Wires:
    """Line voltage and current over time; `closed`, `dead`, `ring_hz` and `reversed` say what is done to them."""

    def __init__(self) -> None:
        self.closed = False
        self.dead = False
        self.ring_hz = 0.0
        self.reversed = False
        self.mv = IDLE_MV
        self.ua = 0
        self.pulses = 0
        self._flows = False
        self._ms = 0

    def step(self) -> None:
        """One millisecond passes."""
        self._ms += 1
        sign = -1 if self.reversed else 1
        aim = sign * (0 if self.dead else LOOP_MV if self.closed else IDLE_MV)
        self.ua = sign * LOOP_UA if self.closed and not self.dead else 0
        ring = RING_MV * math.sin(2 * math.pi * self.ring_hz * self._ms / 1000) if self.ring_hz else 0.0
        if self.closed or self.dead:
            ring = 0.0  # tripped, or nobody there
        flows = abs(ring) > DETECTOR_MV
        self.pulses = int(flows and not self._flows)
        self._flows = flows
        base = self.mv + max(-SLEW_MV, min(SLEW_MV, aim - self.mv))
        self.mv = aim + round(ring) if ring else base


class FirmwareTap:
    """The firmware on a pair of wires, with a clock in seconds that the owner moves; acts as a `SimTap` does."""

    def __init__(self, boot: str = "a1", serial: str = "T-7") -> None:
        self._serial = serial
        self.wires = Wires()
        self.core = Tap(boot, serial)
        self.ms = 0
        self._told = b""
        self.run(200)

    @property
    def bypass(self) -> bool:
        """Whether the bypass relay has fallen."""
        return not self.core.to_line

    @property
    def playing(self) -> bool:
        """Whether the play relay is drawn."""
        return self.core.playing

    @property
    def off_hook(self) -> bool:
        """Whether the firmware takes the line for seized."""
        return self.core.line.off_hook

    def run(self, milliseconds: int) -> None:
        """Let time pass."""
        for _ in range(milliseconds):
            self.ms += 1
            wires = self.wires
            wires.step()
            self.core.step(1, wires.mv, wires.ua if self.core.to_line else 0, wires.pulses)
        self._told += self.core.take()

    def tick(self, now: float) -> None:
        """It is `now`."""
        self.run(max(0, round(now * 1000) - self.ms))

    def receive(self, data: bytes) -> None:
        """Bytes from the box."""
        self.core.receive(data)

    def take(self) -> bytes:
        """Bytes for the box."""
        told, self._told = self._told + self.core.take(), b""
        return told

    def seize(self) -> None:
        """The handset is lifted, with bouncing contacts; a ring is tripped by the exchange."""
        self._contact(closed=True)
        self.wires.ring_hz = 0.0
        self.run(150)

    def hang_up(self) -> None:
        """The handset is put down."""
        self.wires.closed = False
        self.run(600)

    def ringing(self, *, on: bool) -> None:
        """Ring voltage sets in or ends."""
        self.wires.ring_hz = 25.0 if on else 0.0
        self.run(200)

    def flash(self, ms: int) -> None:
        """The own telephone flashes."""
        self._open_for([ms])
        self.run(250)

    def pulse(self, digit: str) -> None:
        """The own telephone dials a digit by pulses of 60 ms at 10 Hz."""
        self._open_for([60] * (int(digit) or 10))
        self.run(250)

    def interrupt(self, ms: int) -> None:
        """The exchange's side breaks for a moment."""
        self.wires.dead = True
        self.run(ms)
        self.wires.dead = False
        self.run(50)

    def reboot(self, boot: str) -> None:
        """Power came back."""
        self.core = Tap(boot, self._serial)
        self.run(200)

    def _open_for(self, lengths: Iterable[int]) -> None:
        for length in lengths:
            self.wires.closed = False
            self.run(length - BOUNCING_MS)
            self._contact(closed=True)
            self.run(40)

    def _contact(self, *, closed: bool) -> None:
        for ms, shut in BOUNCES:
            self.wires.closed = shut
            self.run(ms)
        self.wires.closed = closed
