"""A wire that breaks: a TCP proxy that cuts each connection after a drawn number of bytes, either way.

It sees only TLS; where it cuts, a record, a packet or a handshake is torn. A cut is a reset for both sides.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Self

CHUNK = 4096
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """Listens on `port`, leads to `to_port`. `whole` lets everything through; else each connection has its end."""

    def __init__(self, to_port: int, *, seed: int, bytes_at_most: int) -> None:
        self.whole = False
        self.cuts = 0
        self._to_port = to_port
        self._draw = random.Random(seed)
        self._most = bytes_at_most
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="wire", daemon=True)
        self._serving: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._thread.join()
        for thread in self._serving:
            thread.join()
        self._server.close()

    def _accept(self) -> None:
        while True:
            near, _ = self._server.accept()
            if self._ends.is_set():
                near.close()
                return
            thread = threading.Thread(target=self._serve, args=(near, self._draw.randrange(self._most)), daemon=True)
            self._serving.append(thread)
            thread.start()

    def _serve(self, near: socket.socket, left: int) -> None:
        with near:
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port), timeout=5)
            except OSError:
                return
            with far, contextlib.suppress(OSError):
                self._carry(near, far, left)

    def _carry(self, near: socket.socket, far: socket.socket, left: int) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(near, selectors.EVENT_READ, far)
            waiting.register(far, selectors.EVENT_READ, near)
            while not self._ends.is_set():
                for key, _ in waiting.select(0.2):
                    data = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
                    if not data:
                        return
                    if not self.whole and len(data) >= left:
                        key.data.sendall(data[:left])
                        self.cuts += 1
                        for side in (near, far):
                            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        return
                    left -= len(data)
                    key.data.sendall(data)
