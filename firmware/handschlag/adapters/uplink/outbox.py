"""What waits for its turn, and the bell that wakes the uplink's thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass

from handschlag.core.effects import Rank

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
    """What came of a message, by its id; `payload` is JSON."""

    message: str
    payload: bytes


Waiting = File | LedgerLines | Reply


class Outbox:
    """What waits, by rank and within a rank in its order. Safe from any thread."""

    def __init__(self) -> None:
        self.closing = False
        self.bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._waiting: tuple[deque[Waiting], ...] = tuple(deque() for _ in Rank)
        self._open = False
        self._rung = False

    def offer(self, what: Waiting, rank: Rank, *, first: bool = False) -> str:
        """Take it, and give "", or why not; `first` of its rank."""
        with self._lock:
            if not self._open:
                return "not connected"
            if sum(map(len, self._waiting)) >= MAX_WAITING and rank > Rank.STATUS:
                return "too many are waiting"
            waits = self.waits
            if first:
                self._waiting[rank].appendleft(what)
            else:
                self._waiting[rank].append(what)
        if not waits or rank <= Rank.STATUS:
            self.ring()  # else the thread knows that something waits, and for what it waits itself
        return ""

    def next(self, lowest: Rank = Rank.BACKLOG) -> Waiting | None:
        """Whose turn it is, among those that rank as high as `lowest` or higher."""
        with self._lock:
            for waiting in self._waiting[: lowest + 1]:
                if waiting:
                    return waiting.popleft()
        return None

    @property
    def waits(self) -> bool:
        """Whether anything waits."""
        return any(self._waiting)

    def withdraw(self, recording: str) -> list[File]:
        """Take out what waits of a recording; gives that."""
        taken: list[File] = []
        with self._lock:
            for waiting in self._waiting:
                of_it = [each for each in waiting if isinstance(each, File) and each.recording == recording]
                for file in of_it:
                    waiting.remove(file)
                taken += of_it
        return taken

    def open(self) -> None:
        """The broker is there: sends are taken."""
        with self._lock:
            self._open = True

    def shut(self) -> list[File]:
        """The broker is gone: nothing more is taken. Gives the files whose turn never came."""
        with self._lock:
            self._open = False
            left = [each for waiting in self._waiting for each in waiting if isinstance(each, File)]
            for waiting in self._waiting:
                waiting.clear()
        return left

    def ring(self) -> None:
        """Wake the thread; a bell that rings already is left alone."""
        if self._rung:
            return
        self._rung = True
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            os.write(self._rope, b"\0")

    def heard(self) -> None:
        """The thread is awake, and looks at everything after this."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.bell, 512)
        self._rung = False  # after the reading: a ring that was left alone meanwhile is looked at now

    def close(self) -> None:
        """Take the bell down."""
        os.close(self.bell)
        os.close(self._rope)
