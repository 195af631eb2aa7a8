"""The tap on a serial port (a board on 115200 8N1 or USB-CDC), as `ports.Line`.

One thread owns the port: it opens it, reads, posts what it heard, and opens it again when it has gone, for ever.
Sending happens in the caller's thread without blocking, so that a command is in the kernel before the caller goes on;
what the kernel does not take at once waits in a short queue that the thread empties. A full queue drops the line: the
core repeats what matters, and the tap falls back to bypass by itself when nothing reaches it. A bypass never waits: it
takes the place of everything in the queue.

A tap gone mad must neither starve the core nor fill its queue. What is read is limited to `READ_BYTES_PER_S`; the rest
waits in the kernel, whose buffer is bounded. A LINE that tells nothing new is passed on each `REPEAT_S` only, which
keeps the core sure of the line. All that is new is passed on, for a change must not be lost; but more of it than any
line can do (`MOST_NEWS`) means that none of it is true: the tap counts as gone, the port is left alone for
`FLOOD_REST_S`, in which the tap falls back to bypass, and then it is met anew.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import serial

from handschlag.core.events import Event, LineTold, PlayConnected, TapGone
from handschlag.core.tap_protocol import SILENCE_S, TapTalk
from handschlag.errors import HandschlagError
from handschlag.ports import Post

REOPEN_S = 0.5
"""Between two attempts to open the port."""

QUEUE_BYTES = 2048
"""What may wait for the port: about 60 lines, 0.2 s at 115200 baud."""

GOODBYE_S = 1.0
"""How long closing waits for the port to take the bypass."""

READ_BYTES_PER_S = 115_200
"""Ten times what 115200 baud carry, for USB has no such limit."""

READ_BURST_BYTES = 32_768
"""What may have gathered, as after a pause of ours, and is read at once."""

REPEAT_S = 0.5
"""A tap tells the line each second; what comes more often and says the same is left out."""

MOST_NEWS = 100
"""So much that is new may come at once, as after a pause of ours ..."""

NEWS_PER_S = 25.0
"""... and then as fast as this: more than pulses, rings and bad contacts can do in the long run."""

FLOOD_REST_S = SILENCE_S + 0.5
"""A tap that floods is left alone for so long, by the box's clock."""

_READ_BYTES = 4096


class TapFloods(HandschlagError, OSError):
    """A tap tells more that is new than a line can do."""


class News:
    """Tells news from repetition, and floods from news. Times are the box's."""

    def __init__(self) -> None:
        self._last: LineTold | None = None
        self._room = float(MOST_NEWS)
        self._at = 0.0

    def forget(self) -> None:
        """Nothing told so far counts; how much came does."""
        self._last = None

    def is_news(self, event: Event) -> bool:
        """Whether to pass the event on. Raises TapFloods."""
        last = self._last
        if isinstance(event, LineTold):
            if last is not None and replace(event, at=last.at) == last:
                if event.at - last.at < REPEAT_S:
                    return False
                self._last = event
                return True
            self._last = event
        else:
            self._last = None  # what comes after it means something else, as LINE does after HELLO
        self._room = min(float(MOST_NEWS), self._room + max(0.0, event.at - self._at) * NEWS_PER_S)
        self._at = event.at
        if self._room < 1.0:
            raise TapFloods(f"tells more than a line can do; allowed are {NEWS_PER_S:g} changes a second")
        self._room -= 1.0
        return True


class Pace:
    """How much may be read now, by real time."""

    def __init__(self) -> None:
        self._room = float(READ_BURST_BYTES)
        self._at = time.monotonic()

    def took(self, count: int) -> float:
        """So much was read; how many seconds to wait before the next."""
        now = time.monotonic()
        self._room = min(float(READ_BURST_BYTES), self._room + (now - self._at) * READ_BYTES_PER_S) - count
        self._at = now
        return max(0.0, -self._room / READ_BYTES_PER_S)


class SerialTap:
    """The tap behind `port` (a stable name such as /dev/serial/by-id/...). `now` gives monotonic seconds."""

    def __init__(self, port: str, baud: int = 115200, now: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._baud = baud
        self._now = now
        self._talk = TapTalk()
        self._post: Post | None = None
        self._lock = threading.Lock()
        self._serial: serial.Serial | None = None
        self._waiting = bytearray()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing = False
        self._told_gone = False
        self._news = News()
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)
        self.lines_dropped = 0
        """Lines that were not sent because the port took nothing for too long."""

    @property
    def talk(self) -> TapTalk:
        """The conversation, for its counters."""
        return self._talk

    def start(self, post: Post) -> None:
        """Begin to report; a tap that is missing is reported, looked for again, and no error."""
        self._post = post
        self._thread.start()

    def ping(self) -> None:
        """Say that the core is alive."""
        with self._lock:
            if self._serial is not None:
                self._send(self._talk.ping(self._now()))

    def path(self, *, bypass: bool) -> None:
        """Bypass the sense element, or take it into the line."""
        with self._lock:
            self._send(self._talk.path(bypass=bypass), overtakes=bypass)

    def connect_play(self, *, on: bool, ms: int) -> None:
        """Connect the play transformer for at most `ms`; answered by `PlayConnected` when `on`."""
        with self._lock:
            sent = self._send(self._talk.play(on=on, ms=ms))
        if on and not sent and self._post is not None:
            self._post(PlayConnected(self._now(), ok=False, why="gone"))

    def close(self) -> None:
        """Bypass, and end; waits at most a second for the port to take it."""
        with self._lock:
            if self._closing:
                return
            self._send(self._talk.path(bypass=True), overtakes=True)
            self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        if not self._thread.is_alive():
            self._forget_port()
            os.close(self._wake_r)
            os.close(self._wake_w)

    def _send(self, line: bytes, *, overtakes: bool = False) -> bool:
        """Write or queue a line, `overtakes` in place of all that still waits; the caller holds the lock."""
        if self._serial is None or self._closing:
            return False
        if overtakes:
            del self._waiting[self._waiting.find(b"\n") + 1 :]  # a line that has begun is finished
        if len(self._waiting) + len(line) > QUEUE_BYTES:
            self.lines_dropped += 1
            return False
        self._waiting += line
        self._flush(self._serial)
        if self._waiting:
            self._wake()
        return True

    def _flush(self, port: serial.Serial) -> None:
        # Serial.write() with a zero timeout spins while the kernel's buffer is full; the descriptor is non-blocking.
        while self._waiting:
            try:
                taken = os.write(port.fileno(), self._waiting)
            except OSError:  # full, or gone: the reading side notices the latter
                return
            del self._waiting[:taken]

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already
            os.write(self._wake_w, b"\0")

    def _run(self) -> None:
        while not self._closing:
            try:
                self._open()
                self._listen()
            except TapFloods as error:
                self._forget_port()
                self._tell_gone(error)
                self._rest()
            except (OSError, ValueError) as error:  # SerialException is an OSError; ValueError: the device refuses 8N1
                self._forget_port()
                self._tell_gone(error)
                self._pause(REOPEN_S)

    def _open(self) -> None:
        port = serial.Serial(self._port, self._baud, timeout=0, write_timeout=0, exclusive=True)
        with self._lock:
            self._talk.opened()
            self._waiting.clear()
            self._serial = port
            self._news.forget()

    def _listen(self) -> None:
        port = self._serial
        if port is None:
            return
        descriptor = port.fileno()
        while not self._closing:
            wanting = [descriptor] if self._waiting else []
            readable, writable, _ = select.select([descriptor, self._wake_r], wanting, [])
            if self._wake_r in readable:
                self._swallow_wakes()
            if writable:
                with self._lock:
                    self._flush(port)
            if descriptor in readable:
                data = port.read(_READ_BYTES)
                self._hear(data)
                self._hold_back(port, self._pace.took(len(data)))
        self._drain(port)

    def _hold_back(self, port: serial.Serial, seconds: float) -> None:
        """Read nothing for so long; what is to be sent is sent all the same."""
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            wanting = [port.fileno()] if self._waiting else []
            readable, writable, _ = select.select([self._wake_r], wanting, [], left)
            if readable:
                self._swallow_wakes()
            if writable:
                with self._lock:
                    self._flush(port)

    def _hear(self, data: bytes) -> None:
        with self._lock:
            events = self._talk.receive(data, self._now())
        for event in events:
            if self._news.is_news(event) and self._post is not None:
                self._told_gone = False
                self._post(event)

    def _drain(self, port: serial.Serial) -> None:
        until = time.monotonic() + GOODBYE_S
        while self._waiting and (left := until - time.monotonic()) > 0:
            select.select([], [port], [], left)
            with self._lock:
                self._flush(port)

    def _forget_port(self) -> None:
        with self._lock:
            port, self._serial = self._serial, None
            self._waiting.clear()
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()

    def _tell_gone(self, error: Exception) -> None:
        if not self._told_gone and self._post is not None and not self._closing:
            self._told_gone = True
            self._post(TapGone(self._now(), f"{self._port}: {_reason(error)}"))

    def _pause(self, seconds: float) -> None:
        select.select([self._wake_r], [], [], seconds)
        self._swallow_wakes()

    def _rest(self) -> None:
        until = self._now() + FLOOD_REST_S
        while not self._closing and self._now() < until:
            self._pause(REOPEN_S / 10)

    def _swallow_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_r, 512):
                pass


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
