"""A FRITZ!Box's call monitor, for tests: a real TCP server that says what it is told."""

from __future__ import annotations

import socket
import threading


class FritzPeer:
    """Listens on a free port of this machine; `port` stays the same over `hang_up` and `answer`."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._came = threading.Condition()
        self._link: socket.socket | None = None
        self.connections = 0
        self._listen()

    def say(self, text: str) -> None:
        """Send lines, as soon as somebody has connected."""
        self.send("".join(f"24.11.26 09:15:02;{line}\r\n" for line in text.split()).encode())

    def send(self, data: bytes) -> None:
        """Send bytes."""
        with self._came:
            assert self._came.wait_for(lambda: self._link is not None, timeout=20)
            assert self._link is not None
            self._link.sendall(data)

    def hang_up(self) -> None:
        """Close the connection and stop listening."""
        self._server.shutdown(socket.SHUT_RDWR)  # ends the waiting accept
        self._server.close()
        with self._came:
            if self._link is not None:
                self._link.close()
            self._link = None

    def answer(self) -> None:
        """Listen again."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with self._came:
                self._link = link
                self.connections += 1
                self._came.notify_all()
