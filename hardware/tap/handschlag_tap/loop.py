"""The main loop: sample, step, drive the relays, carry bytes, feed the watchdog; for ever.

Given a board, so that the same loop runs against a fake one. Whatever raises in here ends in a reset: the watchdog is
fed at one place only, after a whole turn, and a fallen relay is the safe state.
"""

from handschlag_tap.tap import Tap

WRITE_BYTES = 64
MAX_STEP_MS = 100
"""A longer pause (there should be none) counts as so much: it must not look like a hang-up by itself."""


class Loop:
    """One turn at a time. `clock` offers `ticks()` and `elapsed(since, now)`."""

    def __init__(self, tap: Tap, board, clock, watchdog) -> None:  # type: ignore[no-untyped-def]  # fakes and MicroPython
        self._tap = tap
        self._board = board
        self._clock = clock
        self._watchdog = watchdog
        self._last = clock.ticks()

    def turn(self) -> None:
        """Do what is due now."""
        tap, board = self._tap, self._board
        now = self._clock.ticks()
        passed = self._clock.elapsed(self._last, now)
        if passed > 0:
            self._last = now
            dt = passed if passed < MAX_STEP_MS else MAX_STEP_MS
            tap.step(dt, board.millivolts(), board.microamperes(), board.ring_pulses())
            if passed > dt:
                tap.pass_time(passed - dt)
        data = board.link.read()
        if data:
            tap.receive(data)
        board.relays(tap.to_line, tap.playing)
        if board.link.writable():
            data = tap.take(WRITE_BYTES)
            if data:
                board.link.write(data)
        self._watchdog.feed()
