"""A voice modem on a serial port, as `ports.LineSource`: it tells rings and numbers, and never takes the line.

One thread owns the port: it opens it, carries on the conversation of `core.modem_talk`, and opens it again when it has
gone, for ever. Nothing else is ever sent than what that conversation says: no dialling, no answering.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

import serial

from handschlag.core.modem_talk import ModemTalk
from handschlag.core.sources import Fact

REOPEN_S = 0.5
LOOK_S = 0.1
"""How often time is told to the conversation."""

_READ_BYTES = 4096


class ModemLine:
    """The modem behind `port` (a stable name such as /dev/serial/by-id/...). `now` gives monotonic seconds."""

    def __init__(self, port: str, baud: int = 57600, now: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._baud = baud
        self._now = now
        self.talk = ModemTalk()
        self._tell: Callable[[Fact], None] = lambda _fact: None
        self._closing = False
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="modem", daemon=True)

    def start(self, tell: Callable[[Fact], None]) -> None:
        """Begin to tell."""
        self._tell = tell
        self._thread.start()

    def close(self) -> None:
        """End."""
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(OSError):
            os.write(self._wake_w, b"\0")
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        if not self._thread.is_alive():
            for descriptor in (self._wake_r, self._wake_w):
                os.close(descriptor)

    def _run(self) -> None:
        while not self._closing:
            try:
                # a write that blocks for longer is a port that takes nothing
                with serial.Serial(self._port, self._baud, timeout=0, write_timeout=1, exclusive=True) as port:
                    self._listen(port)
            except (OSError, ValueError) as error:  # SerialException is an OSError; ValueError: the port refuses 8N1
                if not self._closing:
                    self._say(self.talk.closed(self._now(), f"{self._port}: {_reason(error)}"))
                    select.select([self._wake_r], [], [], REOPEN_S)

    def _listen(self, port: serial.Serial) -> None:
        port.write(self.talk.opened(self._now()))
        while not self._closing:
            readable, _, _ = select.select([port.fileno(), self._wake_r], [], [], LOOK_S)
            if port.fileno() in readable:
                answer, facts = self.talk.receive(port.read(_READ_BYTES), self._now())
                self._carry_out(port, answer, facts)
            self._carry_out(port, *self.talk.tick(self._now()))

    def _carry_out(self, port: serial.Serial, answer: bytes, facts: list[Fact]) -> None:
        self._say(facts)
        if answer:
            port.write(answer)

    def _say(self, facts: list[Fact]) -> None:
        for fact in facts:
            self._tell(fact)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
