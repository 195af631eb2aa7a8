"""As much of MQTT 5 as a simulated box needs, over asyncio: hundreds of them in one process, each with its own name.

QoS 1 both ways, no properties of our own. Packets and their parts are named as in the standard (OASIS MQTT 5.0); the
numbers in comments are its sections. Whatever the broker does that a box does not expect raises `Unexpected`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _PINGRESP, _DISCONNECT = 2, 3, 4, 9, 13, 14
_NO_SUBSCRIBERS = 0x10
_FAILURE = 0x80
KEEPALIVE_S = 600


class Unexpected(RuntimeError):
    """The broker refused something, or went away."""


class SimpleClient:
    """One connection. `received` gets topic and payload of each message, once it has been acknowledged."""

    def __init__(self, name: str, received: Callable[[str, bytes], None], *, in_flight: int) -> None:
        self._name = name
        self._received = received
        self._places = asyncio.Semaphore(in_flight)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._reading: asyncio.Task[None]

    async def connect(self, port: int, tls: ssl.SSLContext) -> None:
        """Connect and be accepted (3.1, 3.2)."""
        self._reader, self._writer = await asyncio.open_connection(
            "localhost", port, ssl=tls, limit=1 << 18, ssl_handshake_timeout=300
        )
        name = _text(self._name)
        self._write(0x10, _text("MQTT") + b"\x05\x02" + KEEPALIVE_S.to_bytes(2, "big") + b"\0" + name)
        kind, body = await self._packet()
        if kind >> 4 != _CONNACK or body[1]:
            raise Unexpected(f"{self._name}: CONNECT was answered by {kind:#x} {body[:2].hex()}")
        self._reading = asyncio.create_task(self._read())

    async def subscribe(self, topic: str) -> None:
        """Subscribe at QoS 1 and be granted it (3.8, 3.9)."""
        number, done = self._expect()
        self._write(0x82, number + b"\0" + _text(topic) + b"\x01")
        await done

    async def publish(self, topic: str, read: Callable[[], bytes]) -> None:
        """Publish at QoS 1 when there is a place in flight; returns when it is acknowledged (3.3, 3.4).

        The payload is read when its turn comes.
        """
        async with self._places:
            number, done = self._expect()
            self._write(0x32, _text(topic) + number + b"\0", read())
            await self._writer.drain()
            await done

    async def close(self) -> None:
        """Say goodbye (3.14)."""
        self._reading.cancel()
        with contextlib.suppress(OSError):
            self._write(0xE0, b"")
            self._writer.close()
            await self._writer.wait_closed()

    def _expect(self) -> tuple[bytes, asyncio.Future[None]]:
        """A packet identifier, and what its answer will complete."""
        self._number = self._number % 0xFFFF + 1
        done = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = done
        return self._number.to_bytes(2, "big"), done

    def _write(self, first: int, *parts: bytes) -> None:
        length = sum(map(len, parts))
        self._writer.write(bytes([first]) + _variable(length) + b"".join(parts))

    async def _packet(self) -> tuple[int, bytes]:
        first = (await self._reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await self._reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return first, await self._reader.readexactly(length)

    async def _read(self) -> None:
        try:
            while True:
                self._take(*await self._packet())
        except (OSError, asyncio.IncompleteReadError, Unexpected) as error:
            for done in self._waiting.values():
                if not done.done():
                    done.set_exception(Unexpected(f"{self._name}: {error or type(error).__name__}"))

    def _take(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            number = body[end : end + 2]
            self._write(0x40, number)
            length, start = _read_variable(body, end + 2)
            self._received(body[2:end].decode(), body[start + length :])
        elif kind in {_PUBACK, _SUBACK}:
            done = self._waiting.pop(int.from_bytes(body[:2], "big"))
            code = body[-1] if kind == _SUBACK else body[2] if len(body) > 2 else 0
            if code >= _FAILURE:
                done.set_exception(Unexpected(f"{self._name}: the broker refused with {code:#x}"))
            else:
                done.set_result(None)
        elif kind == _DISCONNECT:
            raise Unexpected(f"the broker ended it with {body[:1].hex() or '00'}")


def _text(text: str) -> bytes:
    """A UTF-8 string (1.5.4)."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _variable(number: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 0x80)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _read_variable(data: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where it ends."""
    number = shift = 0
    while True:
        digit = data[at]
        at += 1
        number |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return number, at
