"""The FRITZ!Box call monitor over TCP, as `ports.LineSource`: one thread that reads, and connects again for ever.

The monitor is switched on at a telephone with #96*5*. It never speaks first and is silent for days, so a dead
connection is found by TCP keep-alive.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from handschlag.core.call_monitor import CallMonitor
from handschlag.core.sources import Fact

PORT = 1012
REOPEN_S = 2.0
CONNECT_S = 5.0
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))

_READ_BYTES = 4096


class FritzLine:
    """The call monitor at `host`:`port`; with `extension`, only that telephone's calls move the hook."""

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        extension: int | None = None,
        now: Callable[[], float] = time.monotonic,
        reopen_s: float = REOPEN_S,
    ) -> None:
        self._address = (host, port)
        self._now = now
        self._reopen_s = reopen_s
        self.monitor = CallMonitor(extension)
        self._tell: Callable[[Fact], None] = lambda _fact: None
        self._told_lost = False
        self._closing = False
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="fritz", daemon=True)

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
            self._thread.join(timeout=CONNECT_S + 1)
        if not self._thread.is_alive():
            for descriptor in (self._wake_r, self._wake_w):
                os.close(descriptor)

    def _run(self) -> None:
        while not self._closing:
            try:
                with socket.create_connection(self._address, timeout=CONNECT_S) as link:
                    self._told_lost = False
                    self._listen(link)
            except OSError as error:
                self._lost(error.strerror or str(error))
            if not self._closing:
                select.select([self._wake_r], [], [], self._reopen_s)

    def _listen(self, link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE:
            link.setsockopt(socket.IPPROTO_TCP, option, value)
        self._say(self.monitor.opened(self._now()))
        while not self._closing:
            readable, _, _ = select.select([link.fileno(), self._wake_r], [], [])
            if link.fileno() in readable:
                data = link.recv(_READ_BYTES)
                if not data:
                    self._lost("the call monitor hung up")
                    return
                self._say(self.monitor.receive(data, self._now()))

    def _lost(self, why: str) -> None:
        if not self._told_lost and not self._closing:
            self._told_lost = True
            host, port = self._address
            self._say(self.monitor.closed(self._now(), f"{host}:{port}: {why}"))

    def _say(self, facts: list[Fact]) -> None:
        for fact in facts:
            self._tell(fact)
