"""A client at the broker that says exactly what it is told to, packet by packet (MQTT 5 over TLS).

A library would hide what a test of the broker's rules must see: the reason in each answer, and that nothing came.
`barrier` makes "nothing came" certain: what the broker handed over before it answered a ping is read before the answer.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

PATIENCE_S: Final = 20.0

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 0x20, 0x30, 0x40, 0x90, 0xD0, 0xE0
NOT_AUTHORIZED: Final = 0x87
NOBODY: Final = 0x10
PACKET_TOO_LARGE: Final = 0x95


@dataclass(frozen=True)
class Got:
    """A message that came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True)
class Will:
    """What the broker is to say when the connection is lost."""

    topic: str
    payload: bytes = b"lost"


@dataclass
class Guest:
    """Whoever holds these files. `connect` raises OSError (ssl.SSLError among them) when TLS turns it away."""

    port: int
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    client_id: str = "guest"
    will: Will | None = None
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    reads: bool = True
    """Whether it acknowledges what comes."""
    got: list[Got] = field(default_factory=list)
    ended: int | None = None
    """The reason of the broker's DISCONNECT; -1 when the connection just ended."""
    session: ssl.SSLSession | None = None
    _number: int = 0
    _buffer: bytes = b""
    tls: ssl.SSLContext | None = None
    """Made when None; a session is resumed in the context that it began in."""

    def __post_init__(self) -> None:
        self._connection: ssl.SSLSocket | None = None

    def __enter__(self) -> Self:
        assert self.connect() == 0
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def connect(self) -> int:
        """CONNECT; the reason in the answer."""
        self._shake_hands()
        try:
            flags = 0x02 | (0x2C if self.will else 0)  # clean start; will, QoS 1, retained
            body = _text("MQTT") + bytes((5, flags)) + struct.pack("!H", 60) + b"\0" + _text(self.client_id)
            if self.will:
                body += b"\0" + _text(self.will.topic) + struct.pack("!H", len(self.will.payload)) + self.will.payload
            self._send(0x10, body)
            reason = self._until(CONNACK)[1]
        except OSError:
            self.drop()
            raise
        self.ended = None
        return reason

    def knock(self) -> None:
        """TLS only, and wait what is said to it: raises ssl.SSLError with the alert of whoever is turned away."""
        self._shake_hands()
        try:
            self._read(1)
        finally:
            self.drop()

    def _shake_hands(self) -> None:
        if self.tls is None:
            self.tls = ssl.create_default_context(cafile=str(self.ca))
            self.tls.maximum_version = self.newest
            if self.certificate is not None:
                self.tls.load_cert_chain(self.certificate, self.key)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        try:
            self._connection = self.tls.wrap_socket(plain, server_hostname="localhost", session=self.session)
        except OSError:
            plain.close()
            raise

    def try_the_door(self) -> int:
        """Connect, and be gone; the reason in the answer."""
        try:
            return self.connect()
        finally:
            self.drop()

    @property
    def ticket(self) -> ssl.SSLSession | None:
        """What TLS would resume this session with."""
        assert self._connection is not None
        return self._connection.session

    @property
    def resumed(self) -> bool:
        """Whether TLS has resumed a session, without looking at certificates."""
        assert self._connection is not None
        return bool(self._connection.session_reused)

    def drop(self) -> None:
        """Be gone without a word."""
        self._buffer = b""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        """PUBLISH with QoS 1; the reason in the answer."""
        self._number = self._number % 65535 + 1
        body = _text(topic) + struct.pack("!H", self._number) + b"\0" + payload
        self._send(PUBLISH | 0x02 | retain, body)
        answer = self._until(PUBACK, lambda body: body[:2] == struct.pack("!H", self._number))
        return answer[2] if len(answer) > 2 else 0

    def attempt(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        """PUBLISH, and come back where the broker ends a connection for what it refuses (Mosquitto 2.0.11 does)."""
        reason = self.publish(topic, payload, retain=retain)
        if reason == NOT_AUTHORIZED and not self.alive():
            self.drop()
            assert self.connect() == 0
        return reason

    def flood(self, topic: str, payload: bytes, count: int) -> None:
        """PUBLISH so often with QoS 0, and read nothing."""
        body = _text(topic) + b"\0" + payload
        packet = bytes((PUBLISH,)) + _length(len(body)) + body
        assert self._connection is not None
        for _ in range(count):
            self._connection.sendall(packet)

    def subscribe(self, *filters: str) -> list[int]:
        """SUBSCRIBE with QoS 1; the reasons in the answer."""
        self._number = self._number % 65535 + 1
        body = struct.pack("!H", self._number) + b"\0" + b"".join(_text(each) + b"\x01" for each in filters)
        self._send(0x82, body)
        return list(self._until(SUBACK)[3:])

    def barrier(self) -> None:
        """Everything that the broker handed over until now has come."""
        self._send(0xC0, b"")
        self._until(PINGRESP)

    def alive(self) -> bool:
        """Whether the broker still knows this connection."""
        try:
            self.barrier()
        except OSError:
            return False
        return True

    def wait(self, condition: Callable[[], bool]) -> None:
        """Read until something has come."""
        while not condition():
            self._take(*self._packet())

    def why_it_ends(self) -> int:
        """Read until the connection ends; the reason that the broker gave, or -1."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.wait(lambda: False)
        return -1 if self.ended is None else self.ended

    def _until(self, kind: int, wanted: Callable[[bytes], bool] = lambda _body: True) -> bytes:
        while True:
            first, body = self._packet()
            if first & 0xF0 == kind and wanted(body):
                return body
            self._take(first, body)

    def _take(self, first: int, body: bytes) -> None:
        if first & 0xF0 == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            number, rest = (body[end : end + 2], end + 2) if first & 0x06 else (b"", end)
            assert body[rest] < 128  # properties of more than 127 bytes are nobody's here
            self.got.append(Got(body[2:end].decode(), body[rest + 1 + body[rest] :], bool(first & 1)))
            if number and self.reads:
                self._send(PUBACK, number)
        elif first & 0xF0 == DISCONNECT:
            self.ended = body[0] if body else 0

    def _packet(self) -> tuple[int, bytes]:
        first = self._read(1)[0]
        length = shift = 0
        while True:
            (byte,) = self._read(1)
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, self._read(length)

    def _read(self, count: int) -> bytes:
        assert self._connection is not None
        while len(self._buffer) < count:
            more = self._connection.recv(65536)
            if not more:
                self.ended = -1 if self.ended is None else self.ended
                raise ConnectionResetError(f"the broker has ended the connection ({self.ended})")
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _send(self, first: int, body: bytes) -> None:
        assert self._connection is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # why, is read
            self._connection.sendall(bytes((first,)) + _length(len(body)) + body)


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


def _length(length: int) -> bytes:
    out = bytearray()
    while True:
        length, low = length >> 7, length & 127
        out.append(low | (128 if length else 0))
        if not length:
            return bytes(out)
