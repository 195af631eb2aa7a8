"""The ledger on disk: one file of lines per month, chained across files, appended and never changed.

A line gets its number and its hash when it is appended, in the caller's thread; the worker writes all lines that wait
with one fsync, and only then tells each as `EntryDurable`. What a cut leaves of the last line is dropped at the start.
Anything else that does not fit (a broken chain, a missing file) is `LedgerDamaged`: the box may not record on a journal
that somebody has edited, and nothing is mended here.

The month in a file's name is for people. It moves on only by a synchronised clock and never back (P11), so that the
order of names is the order of numbers.

When the disk refuses, the lines wait in memory, are told as DiskFailed, and are written again before the next one,
after cutting off whatever part of them had arrived: after a failed fsync nobody knows.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from handschlag.core.effects import Value
from handschlag.core.events import DiskFailed, EntryDurable
from handschlag.errors import HandschlagError
from handschlag.ports import Clock, FileOps, Post, Worker
from handschlag.sealing import ledger
from handschlag.sealing.errors import SealingError
from handschlag.sealing.ledger import LedgerPosition

_NAME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class LedgerDamaged(HandschlagError, ValueError):
    """The ledger found at the start is not the one that was written."""


@dataclass(slots=True)
class _Month:
    """One file: where its durable lines begin, and where they end."""

    name: str
    first_seq: int
    starts: array[int] = field(default_factory=lambda: array("Q"))
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A line that is not durable yet."""

    month: str
    position: LedgerPosition
    line: bytes
    ticket: int


class LedgerFile:
    """`ports.Ledger` in `folder`, for the box's run `boot`.

    The worker belongs to the ledger from here on: `close` ends it. Raises LedgerDamaged when the chain is broken, and
    OSError when the folder cannot be read or an incomplete last line cannot be cut off.
    """

    def __init__(self, folder: Path, *, boot: str, files: FileOps, worker: Worker, post: Post, clock: Clock) -> None:
        self._folder = folder
        self._boot = boot
        self._files = files
        self._worker = worker
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._months: list[_Month] = []
        self._durable = ledger.GENESIS
        self._pending: list[_Waiting] = []
        self._torn = False
        self._load()
        self._newest = self._durable
        self._month = self._months[-1].name if self._months else ""

    def append(self, kind: str, fields: Mapping[str, Value], ticket: int) -> None:
        """Append an entry with the next number; EntryDurable comes when its fsync has returned.

        Raises sealing's BadFile, and appends nothing, for a kind or a field that no ledger may hold.
        """
        wall, synced = self._clock.wall()
        month = time.strftime("%Y-%m", time.gmtime(wall))
        if not self._month or (synced and month > self._month):
            self._month = month
        line, self._newest = ledger.next_line(
            self._newest,
            kind,
            fields,
            at=_utc(wall),
            clock="synced" if synced else "unsynced",
            mono=self._clock.mono(),
            boot=self._boot,
        )
        with self._lock:
            self._pending.append(_Waiting(self._month, self._newest, line, ticket))
        self._worker.submit(self._flush)

    def durable(self) -> tuple[int, str]:
        """Number and hash of the newest durable entry; (0, 64 zeros) when there is none."""
        with self._lock:
            return self._durable.seq, self._durable.hash

    def lines(self, first: int, last: int) -> Sequence[bytes]:
        """Durable lines by number, both ends included, without newlines; numbers beyond them give nothing."""
        with self._lock:
            spans = self._spans(max(first, 1), min(last, self._durable.seq))
        return [line for name, start, end in spans for line in _split(self._read(name, start, end))]

    def entries(self) -> Iterable[Mapping[str, Any]]:
        """All durable entries in order, one month in memory at a time."""
        with self._lock:
            months = [(month.name, month.size) for month in self._months]
        for name, size in months:
            for line in _split(self._read(name, 0, size)):
                yield ledger.parse_line(line)

    def try_again(self) -> None:
        """Write what the disk refused, if there is such a thing."""
        if self._torn:
            self._worker.submit(self._flush)

    def close(self) -> None:
        """Wait until everything is on disk, and end the worker."""
        self._worker.submit(self._flush)
        self._worker.close()

    def _spans(self, first: int, last: int) -> Iterator[tuple[str, int, int]]:
        """Bytes to read for lines `first` to `last`: (month, start, end)."""
        at = max(bisect_right(self._months, first, key=lambda month: month.first_seq) - 1, 0)
        for month in self._months[at:]:
            begin, stop = max(first - month.first_seq, 0), min(last + 1 - month.first_seq, len(month.starts))
            if begin < stop:
                yield (
                    month.name,
                    month.starts[begin],
                    month.starts[stop] if stop < len(month.starts) else month.size,
                )

    def _read(self, name: str, start: int, end: int) -> bytes:
        with self._path(name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    # --- on the worker

    def _flush(self) -> None:
        """Write what waits: one fsync per file, and then the word to whoever waits for it."""
        with self._lock:
            batch = list(self._pending)
        for name, group in groupby(batch, key=lambda waiting: waiting.month):
            waiting = list(group)
            try:
                self._write(name, waiting)
            except OSError as error:
                self._torn = True
                self._post(
                    DiskFailed(self._clock.mono(), what=f"ledger: {errno.errorcode.get(error.errno or 0, 'EIO')}")
                )
                return
            for entry in waiting:
                at, position = self._clock.mono(), entry.position
                self._post(EntryDurable(at, entry.ticket, position.seq, position.hash))

    def _write(self, name: str, waiting: list[_Waiting]) -> None:
        path = self._path(name)
        known = self._months[-1] if self._months and self._months[-1].name == name else None
        size = known.size if known else 0
        if not self._months:
            self._files.mkdir(str(self._folder))
            self._files.fsync_dir(str(self._folder.parent))
        if self._torn and path.exists():
            self._files.truncate(str(path), size)
        self._files.append(str(path), b"".join(entry.line + b"\n" for entry in waiting))
        self._files.fsync(str(path))
        if known is None:
            self._files.fsync_dir(str(self._folder))
        self._torn = False
        with self._lock:
            month = known or _Month(name, waiting[0].position.seq)
            if known is None:
                self._months.append(month)
            for entry in waiting:
                month.starts.append(month.size)
                month.size += len(entry.line) + 1
            self._durable = waiting[-1].position
            del self._pending[: len(waiting)]

    # --- at the start

    def _load(self) -> None:
        names = sorted(path.stem for path in self._folder.glob("*.jsonl") if _NAME.fullmatch(path.stem))
        for name in names:
            self._take(name, last=name == names[-1])
        if names:
            # A process that died before its fsync leaves lines that only memory holds; nothing may build upon those.
            self._files.fsync(str(self._path(names[-1])))
            self._files.fsync_dir(str(self._folder))

    def _take(self, name: str, *, last: bool) -> None:
        """Check a month's chain and index its lines; cut an incomplete last line off the last file."""
        data = self._path(name).read_bytes()
        size = data.rfind(b"\n") + 1
        if size < len(data):
            if not last:
                raise LedgerDamaged(f"ledger {name}.jsonl: incomplete last line, and a later month after it")
            self._files.truncate(str(self._path(name)), size)
        month = _Month(name, self._durable.seq + 1)
        lines = _split(data[:size])
        try:
            for line, (position, _) in zip(lines, ledger.walk(lines, self._durable), strict=True):
                self._durable = position
                month.starts.append(month.size)
                month.size += len(line) + 1
        except SealingError as error:
            raise LedgerDamaged(f"ledger {name}.jsonl: {error}") from error
        self._months.append(month)


def _split(data: bytes) -> list[bytes]:
    """Whole lines, without their newlines."""
    return data.split(b"\n")[:-1]


def _utc(wall: float) -> str:
    whole = int(wall // 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((wall - whole) * 1000):03}Z"
