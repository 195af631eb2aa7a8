"""A simulated world to call from: two people, a telephone line with a tap, and time.

The world runs in steps of 20 ms. What the people say goes through the line model; what the tap measures goes to the
box, and what the box plays comes back onto the line while the tap's play transformer is connected. People act by
scripts: generators that yield conditions and go on when one has come true. The parts of the box that the world talks to
(a sound channel, a serial line, a button) are given, so the same world drives a box in this process, one behind a
socket, and one on a real sound device.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handschlag.sim.line import RATE, LineModel, dbm0
from handschlag.sim.tap import SimTap

BLOCK = 960
"""Frames of one step: 20 ms at 48 kHz."""

KEY_HZ = {
    key: (row, column)
    for row, keys in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for key, column in zip(keys, (1209, 1336, 1477, 1633), strict=True)
}
RAMP_S = 0.003
SILENT_AFTER_S = 0.4
HEARD_DBM0 = -45.0

Signal = NDArray[np.float32]
Condition = Callable[[], bool]
Script = Generator[Condition, None, None]


class Exchange(Protocol):
    """Hands the box one block of the line's two channels, and gives what the box plays next."""

    def __call__(self, frames: NDArray[np.float32], /) -> Signal:
        """(n, 2) in, (n,) out."""
        ...


def key_tone(key: str, length_s: float, level_dbm0: float = -10.0) -> Signal:
    """A telephone key: two tones of `level_dbm0` each."""
    time = np.arange(round(length_s * RATE)) / RATE
    low, high = KEY_HZ[key]
    tone = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
    ramp = np.minimum(1.0, np.minimum(time, time[::-1]) / RAMP_S)
    return np.asarray(dbm0(level_dbm0) * tone * ramp, np.float32)


class Party:
    """Somebody with a telephone: what is said waits here until its time on the line has come."""

    def __init__(self) -> None:
        self._waiting: list[Signal] = []
        self.said = np.zeros(BLOCK, np.float32)

    @property
    def quiet(self) -> bool:
        """Everything has been said."""
        return not self._waiting

    def say(self, samples: Signal) -> None:
        """Say this after what is being said."""
        self._waiting.append(np.asarray(samples, np.float32))

    def press(self, key: str, length_s: float = 0.15) -> None:
        """Press a key."""
        self.say(key_tone(key, length_s))

    def hush(self) -> None:
        """Stop in the middle of the word."""
        self._waiting.clear()

    def pull(self) -> Signal:
        """The next block."""
        self.said = np.zeros(BLOCK, np.float32)
        at = 0
        while self._waiting and at < BLOCK:
            head = self._waiting[0]
            take = min(len(head), BLOCK - at)
            self.said[at : at + take] = head[:take]
            at += take
            if take == len(head):
                self._waiting.pop(0)
            else:
                self._waiting[0] = head[take:]
        return self.said


class World:
    """The line, the two people, the tap, and the scripts that move them."""

    def __init__(
        self,
        tap: SimTap,
        exchange: Exchange,
        *,
        pump: Callable[[float], None],
        button: Callable[[bool], None],
        line: LineModel | None = None,
    ) -> None:
        self.tap = tap
        self.line = line or LineModel()
        self.near = Party()
        self.far = Party()
        self.network = Party()
        self.now = 0.0
        self.box_said = False
        self.memory: list[Signal] | None = None
        self._exchange = exchange
        self._pump = pump
        self._button = button
        self._play = np.zeros(BLOCK, np.float32)
        self._box_heard_at = -10.0
        self._scripts: list[tuple[Script, Condition]] = []

    # --- what scripts wait for

    def after(self, seconds: float) -> Condition:
        """So much time has passed from now on."""
        until = self.now + seconds
        return lambda: self.now >= until

    def both_quiet(self) -> bool:
        """Nobody has anything more to say."""
        return self.near.quiet and self.far.quiet

    def network_quiet(self) -> bool:
        """The exchange itself has nothing more to send."""
        return self.network.quiet

    def box_speaks(self) -> bool:
        """The box is heard on the line."""
        return self.now - self._box_heard_at < SILENT_AFTER_S

    def box_silent(self) -> bool:
        """The box has not been heard for a while."""
        return not self.box_speaks()

    # --- what scripts do

    def begin(self, script: Script) -> None:
        """Let a script run beside the others."""
        self._scripts.append((script, lambda: True))

    @property
    def busy(self) -> bool:
        """A script is still running."""
        return bool(self._scripts)

    def short_press(self) -> Script:
        """Press the button for 0.3 s."""
        self._button(True)
        yield self.after(0.3)
        self._button(False)

    def hold_button(self, seconds: float) -> Script:
        """Hold the button."""
        self._button(True)
        yield self.after(seconds)
        self._button(False)

    # --- time

    def step(self) -> None:
        """20 ms pass."""
        self.now += BLOCK / RATE
        self._run_scripts()
        self._pump(self.now)
        near, far, network = self.near.pull(), self.far.pull(), self.network.pull()
        connected = self.tap.playing and not self.tap.bypass
        if connected and float(np.max(np.abs(self._play))) > dbm0(HEARD_DBM0):
            self._box_heard_at = self.now
        off_hook = self.tap.off_hook
        frames = self.line.step(
            far + network if off_hook else network,
            near if off_hook else np.zeros(BLOCK, np.float32),
            self._play if connected and off_hook else None,
        )
        if self.memory is not None:
            self.memory.append(frames)
        self._play = self._exchange(frames)

    def run(self, seconds: float) -> None:
        """So much time passes."""
        until = self.now + seconds
        while self.now < until:
            self.step()

    def _run_scripts(self) -> None:
        going: list[tuple[Script, Condition]] = []
        for script, condition in self._scripts:
            waits_for: Condition | None = condition
            while waits_for is not None and waits_for():
                waits_for = next(script, None)
            if waits_for is not None:
                going.append((script, waits_for))
        self._scripts = going
