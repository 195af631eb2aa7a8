"""A broker that does as it is told: takes any number of connections, and lets a test answer each PUBLISH.

CONNECT and SUBSCRIBE are answered as a broker does, messages about the box's own state are acknowledged, PINGREQ is
answered unless told otherwise (MQTT 5, chapter 3).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Published:
    """A PUBLISH of a file, and by which connection it came (counted from 1)."""

    link: Link
    number: int
    name: str
    payload: bytes
    mid: int


class Link:
    """One connection."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.number = number
        self._connection = connection

    def acknowledge(self, mid: int, code: int = 0) -> None:
        """PUBACK."""
        self.send(b"\x40\x03" + mid.to_bytes(2, "big") + bytes([code]))

    def disconnect(self, code: int) -> None:
        """DISCONNECT with a reason, and the connection's end."""
        self.send(b"\xe0\x01" + bytes([code]))
        self.cut()

    def cut(self) -> None:
        """The connection's end, without a word."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def send(self, packet: bytes) -> None:
        """Any bytes."""
        with contextlib.suppress(OSError):
            self._connection.sendall(packet)


class ScriptedBroker:
    """Listens on `port`. `on_file` is called for each PUBLISH of a file, in the connection's thread."""

    def __init__(
        self,
        on_file: Callable[[Published], None],
        *,
        on_subscribed: Callable[[Link], None] = lambda _link: None,
        pings: bool = True,
    ) -> None:
        self._on_file = on_file
        self._on_subscribed = on_subscribed
        self._pings = pings
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._links: list[Link] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.cut()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            link = Link(connection, self.connections)
            self._links.append(link)
            thread = threading.Thread(target=self._serve, args=(connection, link), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, link: Link) -> None:
        with connection, contextlib.suppress(OSError, EOFError), connection.makefile("rb") as stream:
            while True:
                self._answer(link, *packet(stream.read))

    def _answer(self, link: Link, kind: int, body: bytes) -> None:
        if kind == 0x10:  # CONNECT
            link.send(b"\x20\x03\x00\x00\x00")
        elif kind == 0x80:  # SUBSCRIBE
            link.send(b"\x90\x04" + body[:2] + b"\x00\x01")
            self._on_subscribed(link)
        elif kind == 0xC0 and self._pings:  # PINGREQ
            link.send(b"\xd0\x00")
        elif kind == 0x30:  # PUBLISH
            length = int.from_bytes(body[:2], "big")
            topic, mid = body[2 : 2 + length].decode(), int.from_bytes(body[2 + length : 4 + length], "big")
            if topic.startswith("homie/"):
                link.acknowledge(mid)
            else:
                name = topic.rsplit("/", 1)[1]
                self._on_file(Published(link, link.number, name, body[5 + length :], mid))


def packet(read: Callable[[int], bytes]) -> tuple[int, bytes]:
    """One MQTT packet: its type nibble and its body."""
    first = read(1)
    if not first:
        raise EOFError
    length = shift = 0
    while True:
        digit = read(1)
        if not digit:
            raise EOFError
        length |= (digit[0] & 0x7F) << shift
        shift += 7
        if digit[0] < 0x80:
            return first[0] & 0xF0, read(length)
