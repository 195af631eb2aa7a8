"""Caller id as an exchange sends it: messages (ETSI EN 300 659-3) and their V.23 signal (EN 300 659-1, 5).

Everything that an exchange may do wrong or a line may do to it is a parameter, so that tests can push the receiver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handschlag.sim.line import dbm0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CALL_SETUP = 0x80
SINGLE = 0x04
TIME, NUMBER, CALLED, NO_NUMBER, NAME, NO_NAME, CALL_TYPE = 0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x11
MARK_HZ = 1300.0
SPACE_HZ = 2100.0
BAUD = 1200.0


def framed(message_type: int, content: bytes) -> bytes:
    """A message with its length and checksum."""
    body = bytes([message_type, len(content)]) + content
    return body + bytes([-sum(body) & 0xFF])


def call_setup(*parameters: tuple[int, bytes]) -> bytes:
    """An MDMF message of these parameters."""
    return framed(CALL_SETUP, b"".join(bytes([kind, len(value)]) + value for kind, value in parameters))


def call(number: str, name: str = "", time: str = "11240915") -> bytes:
    """The ordinary MDMF message of a call; `time` is MMDDHHMM."""
    parameters = [(TIME, time.encode()), (NUMBER, number.encode())]
    return call_setup(*parameters, *([(NAME, name.encode("latin-1"))] if name else []))


def single(number: str, time: str = "11240915") -> bytes:
    """An SDMF message."""
    return framed(SINGLE, (time + number).encode())


@dataclass(frozen=True, slots=True)
class Sender:
    """How an exchange sends. Errors are relative (0.01: 1 % too high); twist is space over mark.

    `stuffed` are mark bits between characters, `tail` mark bits after the last one.
    """

    level_dbm0: float = -14.0
    seizure_bits: int = 300
    mark_bits: int = 180
    tail: int = 5
    stuffed: int = 0
    twist_db: float = 0.0
    baud_error: float = 0.0
    mark_error: float = 0.0
    space_error: float = 0.0
    phase: float = 0.0

    def send(self, message: bytes, rate: int = 48_000) -> NDArray[np.float32]:
        """The signal of a message, its phase continuous; the level is the power of both tones' mean."""
        return self.keyed(self.bits(message), rate)

    def bits(self, message: bytes) -> NDArray[np.int8]:
        """Seizure, mark, and the characters as 8N1, least significant bit first; 1 is mark."""
        data = np.unpackbits(np.frombuffer(message, np.uint8), bitorder="little").reshape(-1, 8)
        start = np.zeros((len(data), 1), np.uint8)
        stop = np.ones((len(data), 1 + self.stuffed), np.uint8)
        characters = np.concatenate([start, data, stop], axis=1).reshape(-1)
        seizure = np.arange(self.seizure_bits) % 2
        ones = np.ones(self.mark_bits), characters, np.ones(self.tail)
        return np.concatenate([seizure, *ones]).astype(np.int8)

    def keyed(self, bits: Sequence[int] | NDArray[np.int8], rate: int) -> NDArray[np.float32]:
        """These bits as a signal."""
        marks = np.asarray(bits) == 1
        baud = BAUD * (1.0 + self.baud_error)
        edges = np.arange(marks.size + 1) * rate / baud
        frequencies = np.where(marks, MARK_HZ * (1.0 + self.mark_error), SPACE_HZ * (1.0 + self.space_error))
        turns = np.concatenate([[0.0], np.cumsum(frequencies / baud)])
        n = np.arange(int(edges[-1]) + 1)
        phase = 2.0 * np.pi * np.interp(n, edges, turns) + self.phase
        half = 10.0 ** (self.twist_db / 40.0)
        power = 0.5 * (half**2 + half**-2)
        gains = np.where(marks, 1.0 / half, half) / np.sqrt(power)
        at = np.minimum((n * baud / rate).astype(np.int64), marks.size - 1)
        return np.asarray(dbm0(self.level_dbm0) * gains[at] * np.cos(phase), np.float32)
