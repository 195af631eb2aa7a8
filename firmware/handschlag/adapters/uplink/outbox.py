"""What waits for its turn, and the bell that wakes the uplink's thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass

MAX_WAITING = 4096
"""Sends that may wait for their turn."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a recording."""

    recording: str
    name: str


@dataclass(frozen=True, slots=True)
class LedgerLines:
    """Ledger lines by number, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a message, by its id."""

    message: str
    outcome: str


Waiting = File | LedgerLines | Reply


class Outbox:
    """What waits for its turn, and the bell that wakes the uplink's thread. Safe from any thread."""

    def __init__(self) -> None:
        self.closing = False
        self.bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._open = False

    def offer(self, what: Waiting, *, first: bool = False) -> str:
        """Take it, and give "", or why not."""
        with self._lock:
            if not self._open:
                return "not connected"
            if len(self._waiting) >= MAX_WAITING:
                return "too many are waiting"
            if first:
                self._waiting.appendleft(what)
            else:
                self._waiting.append(what)
        self.ring()
        return ""

    def next(self) -> Waiting | None:
        """Whose turn it is."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def open(self) -> None:
        """The broker is there: sends are taken."""
        with self._lock:
            self._open = True

    def shut(self) -> list[File]:
        """The broker is gone: nothing more is taken. Gives the files whose turn never came."""
        with self._lock:
            self._open = False
            left = [each for each in self._waiting if isinstance(each, File)]
            self._waiting.clear()
        return left

    def ring(self) -> None:
        """Wake the thread."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            os.write(self._rope, b"\0")

    def heard(self) -> None:
        """The thread is awake."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.bell, 512):
                pass

    def close(self) -> None:
        """Take the bell down."""
        os.close(self.bell)
        os.close(self._rope)
