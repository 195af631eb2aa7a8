"""What the line is doing, from its voltage, its current and the ring detector, a millisecond at a time.

Three bands tell everything: *idle* (21 V and more: the loop is open), *loop* (a telephone draws current) and *dead*
(neither voltage nor current: the line is broken between the exchange and here). Figures: idle 40 to 60 V, off-hook 10
to 12 V at more than 20 mA, seizure threshold 21 V, hang-up after 500 ms (facts/line.md, design/call.md).

A seized line that leaves the loop band for less than 500 ms was interrupted, and by whom shows in the band: an open
loop (the voltage rises) is the own telephone, dialling by pulses or flashing; a dead line is the exchange's doing or a
bad contact.

One overlap cannot be resolved by time: a single pulse (digit 1, about 60 ms) and a short flash (from 50 ms). Where
dialling is to be expected (within 15 s of the own seizure, of a flash or of a digit) it is the digit, for 110 must be
understood; elsewhere both are said, the flash first, so that neither a hold nor a digit is missed.

The hot path (`step`) takes no memory: small whole numbers only, no floats, no new objects. Times are counted in
milliseconds since something, never as a time of day, so nothing wraps.
"""

SEIZURE_MV = 21000
DEAD_MV = 3000
LOOP_UA = 5000
"""Less is no loop current; a telephone draws more than 20 mA."""

SEIZE_MS = 20
"""The loop must be closed for so long (contact bounce) before it counts as a seizure."""

HANG_UP_MS = 500
BOUNCE_MS = 5
"""A loop closed for less within an interruption does not end it."""

BREAK_MIN_MS = 10
PULSE_MIN_MS = 30
PULSE_MAX_MS = 90
FLASH_MIN_MS = 50
DIGIT_ENDS_MS = 160
"""Loop closed for so long after a pulse: the digit is complete (within a digit it is closed for 40 ms)."""

DIALLING_MS = 15000
AFTER_RING_MS = 8000
"""A seizure so soon after a ring is an answer: nobody dials then."""

RING_EDGE_MIN_MS = 6
RING_EDGE_MAX_MS = 28
"""Between two pulses of the ring detector, on both half-waves of 20 to 60 Hz, looked at every 3 ms or more often."""

RING_EDGES = 4
RING_OVER_MS = 80
POLARITY_MS = 30
"""Longer than a half-wave of 20 Hz, so that ring voltage reverses nothing."""

KNOWN_MS = 150
"""After the start the line's state is told only when a ring of 20 Hz, too, had time to be recognised."""

_LONG_MS = 1000000

IDLE, LOOP, DEAD = 0, 1, 2


class Line:
    """The state of the line. `told` is whoever wants to know: `changed()`, `flash(ms)`, `pulse(digit)`, `broke(ms)`."""

    def __init__(self, told) -> None:  # type: ignore[no-untyped-def]  # MicroPython has no Protocol to name
        self._told = told
        self.off_hook = False
        self.ring = False
        self.seizures = 0
        self.positive = True
        self.known = False
        self.mv = 0
        self.ua = 0
        self._mv8 = 0
        self._ua8 = 0
        self._age = 0
        self._loop = 0  # ms closed without a gap, while on-hook
        self._gap = 0  # ms since the loop was left, while off-hook; 0: not left
        self._open = 0  # of these, ms with an open loop
        self._back = 0  # ms closed again
        self._pulses = 0
        self._pulse_ms = 0
        self._dialling = 0  # ms for which a digit is still to be expected
        self._opposite = 0
        self._since_edge = _LONG_MS
        self._since_ring = _LONG_MS
        self._edges = 0

    def step(self, dt: int, mv: int, ua: int, pulses: int, sensing: bool) -> None:  # noqa: FBT001 - the hot path
        """`dt` ms have passed; now these are voltage and current, and the ring detector pulsed so often.

        `sensing`: whether the sense element is in the line; bypassed, it shows no current, and voltage alone decides.
        """
        self._mv8 += mv - self._mv8 // 8
        self._ua8 += ua - self._ua8 // 8
        self.mv = self._mv8 // 8
        self.ua = self._ua8 // 8
        changed = self._hear_ring(dt, pulses)
        size = mv if mv >= 0 else -mv
        if size >= SEIZURE_MV:
            band = IDLE
        elif size < DEAD_MV or (sensing and -LOOP_UA < ua < LOOP_UA):
            band = DEAD
        else:
            band = LOOP
        if self._look_at_polarity(dt, mv, size):
            changed = True
        if self.off_hook:
            if self._while_off_hook(dt, band):
                changed = True
        elif self._while_on_hook(dt, band):
            changed = True
        if not self.known:
            self._age += dt
            if self._age >= KNOWN_MS:
                self.known = True
                changed = True
        if changed and self.known:
            self._told.changed()

    def _hear_ring(self, dt: int, pulses: int) -> bool:
        since = self._since_edge + dt
        self._since_edge = since if since < _LONG_MS else _LONG_MS
        since = self._since_ring + dt
        self._since_ring = 0 if self.ring else (since if since < _LONG_MS else _LONG_MS)
        changed = False
        if pulses:
            if RING_EDGE_MIN_MS * pulses <= self._since_edge <= RING_EDGE_MAX_MS * pulses:
                self._edges += pulses
            else:
                self._edges = 0
            self._since_edge = 0
            if self._edges >= RING_EDGES:
                self._edges = RING_EDGES
                if not self.ring:
                    self.ring = True
                    self._hang_up()  # nothing rings on a seized line
                    changed = True
        if self.ring and self._since_edge > RING_OVER_MS:
            self.ring = False
            self._edges = 0
            changed = True
        return changed

    def _look_at_polarity(self, dt: int, mv: int, size: int) -> bool:
        if size < DEAD_MV or (mv > 0) == self.positive:
            self._opposite = 0
            return False
        self._opposite += dt
        if self._opposite < POLARITY_MS:
            return False
        self._opposite = 0
        self.positive = not self.positive
        return True

    def _while_on_hook(self, dt: int, band: int) -> bool:
        if band != LOOP:
            self._loop = 0
            return False
        self._loop += dt
        if self._loop < SEIZE_MS or self._since_edge <= RING_OVER_MS:
            return False  # under ring voltage the momentary voltage means nothing
        self.off_hook = True
        self._loop = 0
        self.seizures = (self.seizures + 1) % 1000000000
        self._dialling = 0 if self._since_ring <= AFTER_RING_MS else DIALLING_MS
        return True

    def _while_off_hook(self, dt: int, band: int) -> bool:
        if self._dialling > 0:
            self._dialling -= dt
        if band != LOOP:
            self._gap += dt + (self._back if self._gap else 0)  # a loop closed for less than 5 ms was a bounce
            self._back = 0
            if band == IDLE:
                self._open += dt
            if self._gap < HANG_UP_MS:
                return False
            self._hang_up()
            return True
        self._back += dt
        if self._gap:
            if self._back >= BOUNCE_MS:
                gap, was_open = self._gap, self._open
                self._gap = self._open = 0
                self._interrupted(gap, was_open * 2 >= gap)
        elif self._back >= DIGIT_ENDS_MS:
            self._back = DIGIT_ENDS_MS
            if self._pulses:
                self._digit_ends()
        return False

    def _hang_up(self) -> None:
        self.off_hook = False
        self._gap = self._open = self._back = self._loop = 0
        self._pulses = 0
        self._dialling = 0

    def _interrupted(self, ms: int, was_open: bool) -> None:  # noqa: FBT001
        if ms < BREAK_MIN_MS:
            return
        if not was_open or ms < PULSE_MIN_MS:
            self._told.broke(ms)
        elif ms <= PULSE_MAX_MS:
            self._pulses += 1
            self._pulse_ms = ms
        else:
            self._pulses = 0
            self._flashed(ms)

    def _digit_ends(self) -> None:
        pulses = self._pulses
        self._pulses = 0
        if pulses > 10:
            self._told.broke(self._pulse_ms)
            return
        if pulses == 1 and self._dialling <= 0 and self._pulse_ms >= FLASH_MIN_MS:
            self._flashed(self._pulse_ms)
        self._dialling = DIALLING_MS
        self._told.pulse(pulses % 10)

    def _flashed(self, ms: int) -> None:
        self._dialling = DIALLING_MS
        self._told.flash(ms)
