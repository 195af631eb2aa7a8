"""The tap's side of its serial protocol, without a board: bytes in, bytes out, and a line to hang up or seize.

`SimTap` has no clock and no port: whoever owns it says what time it is. `PtyTap` puts one on a pseudo terminal, where
a box finds it as it finds a real board, and can unplug it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import tty
from pathlib import Path

from handschlag.core.tap_protocol import BOX_WORDS, SEQ_MODULUS, SILENCE_S, LineParser, TapLine, encode

MAX_PLAY_MS = 60_000
"""A tap refuses to hold its play transformer on the line for longer."""

CLOCK_ROUNDS_S = 1e-6
"""Seconds as floats: what is due at this very millisecond is due, however sums of them round."""

UNSENT_BYTES = 32 * 1024
"""What may wait for the terminal."""


class SimTap:
    """A tap with its line. Times are seconds of the owner's clock.

    The state is public to read: `off_hook`, `ring`, `seizure`, `bypass`, `playing`.
    """

    def __init__(self, boot: str = "1", serial: str = "sim-1", audio: str = "vi") -> None:
        self.boot = boot
        self.serial = serial
        self.audio = audio
        self.off_hook = False
        self.ring = False
        self.seizure = 0
        self.bypass = True
        self.parser = LineParser(BOX_WORDS)
        self.heard: list[TapLine] = []
        """Every good line the box said, for tests to look at."""
        self._now = 0.0
        self._seq = 0
        self._out = bytearray()
        self._play_until: float | None = None
        self._last_ping: float | None = None
        self._taken_in = 0.0  # a PATH before the first PING is granted the same 5 s
        self._next_line = 0.0
        self._say_hello()

    @property
    def playing(self) -> bool:
        """Whether the play transformer is on the line."""
        return self._play_until is not None

    def tick(self, now: float) -> None:
        """It is `now`: timers run out, and each second the line is told."""
        self._now = now
        now += CLOCK_ROUNDS_S
        if self._play_until is not None and now >= self._play_until:
            self._play_until = None
        if self._last_ping is not None and now - self._last_ping >= SILENCE_S:
            self._last_ping = None
        if self._last_ping is None and now - self._taken_in >= SILENCE_S:
            self._fall_back()
        if now >= self._next_line:
            self._say_line()

    def receive(self, data: bytes) -> None:
        """Bytes from the box."""
        for line in self.parser.feed(data):
            self.heard = [*self.heard[-999:], line]
            self._obey(line)

    def take(self) -> bytes:
        """Bytes for the box, since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def seize(self) -> None:
        """The handset is lifted: a new seizure."""
        if not self.off_hook:
            self.off_hook = True
            self.ring = False
            self.seizure += 1
            self._say_line()

    def hang_up(self) -> None:
        """The line is idle again."""
        if self.off_hook:
            self.off_hook = False
            self._say_line()

    def ringing(self, *, on: bool) -> None:
        """Ring voltage sets in or ends."""
        if self.ring != on:
            self.ring = on
            self._say_line()

    def flash(self, ms: int) -> None:
        """A hook flash."""
        self._say("FLASH", ms=ms)

    def pulse(self, digit: str) -> None:
        """A digit dialled by loop interruptions."""
        self._say("PULSE", digit=digit)

    def interrupt(self, ms: int) -> None:
        """A short break of the line."""
        self._say("BREAK", ms=ms)

    def reboot(self, boot: str) -> None:
        """Power came back: all counters start over, the path is bypassed."""
        self.boot = boot
        self.seizure = 1 if self.off_hook else 0
        self._last_ping = None
        self._seq = 0
        self._fall_back()
        self._say_hello()
        self._say_line()

    def _fall_back(self) -> None:
        self.bypass = True
        self._play_until = None

    def _obey(self, line: TapLine) -> None:
        match line.word:
            case "PING":
                if self._last_ping is None:
                    self._say_hello()
                    self._say_line()
                self._last_ping = self._now
            case "PATH":
                if line.fields["to"] == "bypass":
                    self._fall_back()
                else:
                    self.bypass = False
                    self._taken_in = self._now
                self._say("OK", re=line.seq)
            case "PLAY":
                self._play(line)

    def _play(self, line: TapLine) -> None:
        ms = int(line.fields.get("ms", "0"))
        if line.fields["on"] == "0":
            self._play_until = None
        elif self.bypass:
            self._say("ERR", re=line.seq, why="bypass")
            return
        elif not 0 < ms <= MAX_PLAY_MS:
            self._say("ERR", re=line.seq, why="range")
            return
        else:
            self._play_until = self._now + ms / 1000
        self._say("OK", re=line.seq)

    def _say_hello(self) -> None:
        self._say("HELLO", proto=1, boot=self.boot, serial=self.serial, hw="sim", fw="1", audio=self.audio)

    def _say_line(self) -> None:
        self._next_line = self._now + 1.0
        self._say(
            "LINE",
            hook="offhook" if self.off_hook else "onhook",
            ring=int(self.ring),
            seiz=self.seizure,
            mv=9000 if self.off_hook else 48000,
            ua=25000 if self.off_hook else 0,
            pol="+",
        )

    def _say(self, word: str, **fields: str | int) -> None:
        self._out += encode(self._seq, word, fields)
        self._seq = (self._seq + 1) % SEQ_MODULUS


class PtyTap:
    """A `SimTap` on a pseudo terminal. `link` is the stable name a box opens; it points to the terminal of the day.

    Nothing runs by itself: call `pump(now)` whenever time has passed.
    """

    def __init__(self, tap: SimTap, link: Path) -> None:
        self.tap = tap
        self._link = link
        self._master: int | None = None
        self._slave: int | None = None  # held to see what the box has not taken; opened before a box claims it
        self._unsent = bytearray()
        self.plug()

    @property
    def port(self) -> str:
        """What to give to the box as the tap's port."""
        return str(self._link)

    @property
    def waiting(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return len(self._unsent)

    @property
    def untaken(self) -> int:
        """Bytes that the box has not read from its end of the terminal yet."""
        if self._slave is None:
            return 0
        waiting = fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", waiting)[0])

    def plug(self) -> None:
        """Put the tap on a new terminal."""
        if self._master is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(slave))
        self._master, self._slave = master, slave

    def unplug(self) -> None:
        """Pull the plug: the terminal is gone."""
        if self._master is not None and self._slave is not None:
            self._link.unlink(missing_ok=True)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = None
            self._unsent.clear()

    def pump(self, now: float) -> None:
        """Pass on what the box said, let time pass for the tap, and pass on what the tap says."""
        if self._master is not None:
            with contextlib.suppress(OSError):  # nothing to read, or nobody has the other end open
                while data := os.read(self._master, 4096):
                    self.tap.receive(data)
        self.tap.tick(now)
        self.inject(self.tap.take())

    def inject(self, data: bytes) -> None:
        """Put bytes on the wire to the box, good or bad.

        What the terminal does not take at once waits for the next `pump`, as in a board's transmit buffer; when that
        is full, too, the bytes are lost.
        """
        if self._master is None:
            return
        self._unsent += data[: max(0, UNSENT_BYTES - len(self._unsent))]
        with contextlib.suppress(OSError):  # the terminal is full
            while self._unsent:
                del self._unsent[: os.write(self._master, self._unsent)]

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()
