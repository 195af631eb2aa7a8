"""The ledger on disk: one file of lines per month, chained across files, appended and never changed.

A line gets its number and its hash when it is appended, in the caller's thread; the worker writes all lines that wait
with one fsync, and only then tells each as `EntryDurable`.

What is found at the start is either a ledger with, at most, a torn end, or one to be doubted. A torn end is what a cut
leaves after the last whole line that fits: part of a line, zeros, garbage, but no further line, and nothing younger
than what anything durable elsewhere relies on (`relied`: heads, manifests, the archive's acknowledgement). It is cut
off, silently. Everything else is doubted (`doubt`): a line in the middle that does not fit, a file that is missing or
cannot be read, an end before a line that a signed head, a manifest or the archive names, or another line than they
name. Then nothing is mended and nothing found is changed: the chain goes on behind it with an entry that admits what
is not proven (`sealing.ledger.Walker`), so that every decision is still written down; but nothing new is recorded
until the owner opens a new epoch. What was named before that epoch is not asked for again.

Once a day a signed head (`head.<seq>.jws`) vouches for all durable lines before it; the newest 31 stay.

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from handschlag.core.effects import Value
from handschlag.core.events import DiskFailed, EntryDurable, LedgerDoubted
from handschlag.ports import Clock, FileOps, Post, Worker
from handschlag.sealing import ledger
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.ledger import LedgerHead, LedgerPosition, Walker
from handschlag.sealing.manifest import read_manifest
from handschlag.sealing.trust import RoleKeys, TrustedKey

_NAME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


HEADS_KEPT = 31


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and reads heads as the box `box`."""

    box: str
    key: SigningKey

    def sign(self, position: LedgerPosition, at: str, *, synced: bool) -> bytes:
        """A head for a durable line."""
        clock = "synced" if synced else "unsynced"
        return ledger.sign_head(box=self.box, position=position, at=at, clock=clock, key=self.key)

    def read(self, path: Path) -> LedgerHead | None:
        """A head of this box; None for a file that is none, which proves nothing."""
        try:
            return ledger.read_head(path.read_bytes(), self._keys())
        except (OSError, SealingError):
            return None

    def signed(self, manifest: bytes) -> bool:
        """Whether this box signed that manifest."""
        try:
            read_manifest(manifest, self._keys())
        except SealingError:
            return False
        return True

    def _keys(self) -> RoleKeys:
        return RoleKeys("boxes", (TrustedKey.of(self.key.verify_key, box=self.box),))


@dataclass(slots=True)
class _Run:
    """Lines of one file that follow one another: where each begins in it, and where the last ends."""

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

    The worker belongs to the ledger from here on: `close` ends it. `signer` signs heads, and knows its own; `relied`
    gives the highest number that manifests and the archive's acknowledgement name, and is asked only when there is a
    torn end. Raises OSError when the folder cannot be read or a torn end cannot be cut off.
    """

    def __init__(
        self,
        folder: Path,
        *,
        boot: str,
        files: FileOps,
        worker: Worker,
        post: Post,
        clock: Clock,
        signer: Signer | None = None,
        relied: Callable[[], int] = lambda: 0,
    ) -> None:
        self.doubt: LedgerDoubted | None = None
        self._signer = signer
        self._relied = relied
        self._walker = Walker()
        self._head_day = ""
        self._ragged = False
        self._folder = folder
        self._boot = boot
        self._files = files
        self._worker = worker
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._months: list[_Run] = []
        self._durable = ledger.GENESIS
        self._pending: list[_Waiting] = []
        self._torn = False
        self._month = ""
        self._load()
        self._newest = self._durable

    def append(self, kind: str, fields: Mapping[str, Value], ticket: int) -> None:
        """Append an entry with the next number; EntryDurable comes when its fsync has returned.

        Raises sealing's BadFile, and appends nothing, for a kind or a field that no ledger may hold.
        """
        wall, synced = self._clock.wall()
        month = time.strftime("%Y-%m", time.gmtime(wall))
        if not self._month or (synced and month > self._month):
            self._month = month
        after = self._newest
        if kind == "fault" and fields.get("what") == ledger.DOUBTED:
            after = self._head_of(fields)
            good: dict[str, Value] = {"good_seq": self._newest.seq, "good_hash": self._newest.hash}
            fields = {**fields, **good, "head_seq": after.seq, "head_hash": after.hash}
        line, self._newest = ledger.next_line(
            after,
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

    def _head_of(self, fields: Mapping[str, Value]) -> LedgerPosition:
        """What an entry of doubt follows: the newest line that anybody has named, so that no number is used twice."""
        named = LedgerPosition(int(str(fields.get("head_seq", 0))), str(fields.get("head_hash", "")))
        newest = max(self._newest, self._walker.head, key=lambda position: position.seq)
        return named if named.hash and named.seq > newest.seq else newest

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
            runs = [(run.name, run.starts[0], run.size) for run in self._months if run.starts]
        for name, start, size in runs:
            for line in _split(self._read(name, start, size)):
                yield ledger.parse_line(line)

    def try_again(self) -> None:
        """Write what the disk refused, if there is such a thing."""
        if self._torn:
            self._worker.submit(self._flush)

    def holds(self, seq: int, line_hash: str) -> bool:
        """Whether the durable ledger has that line, or the owner has opened an epoch after it."""
        with self._lock:
            last, walker = self._durable.seq, self._walker
        if seq < max(walker.lifted_by, 1) or any(s.good.seq < seq <= s.head.seq for s in walker.stretches):
            return True
        found = self.lines(seq, seq) if seq <= last else ()
        return bool(found) and line_hash in {"", ledger.line_hash(found[0])}

    def check(self, seq: int, line_hash: str, who: str) -> None:
        """Posts LedgerDoubted unless the ledger, with everything appended so far, has the line that `who` names."""
        self._worker.submit(lambda: self._check(seq, line_hash, who))

    def _check(self, seq: int, line_hash: str, who: str) -> None:
        if not self.holds(seq, line_hash):
            self._post(self._doubt_of(seq, line_hash, who))

    def _doubt_of(self, seq: int, line_hash: str, who: str) -> LedgerDoubted:
        last = self._durable.seq
        why = f"ends at entry {last}" if seq > last else "has another one"
        return LedgerDoubted(self._clock.mono(), f"{who} names entry {seq}, the ledger {why}", seq, line_hash)

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
        self._sign_head()

    def _sign_head(self) -> None:
        """Once a day, by whatever clock there is; one that cannot be written is tried again with the next entry."""
        wall, synced = self._clock.wall()
        at = _utc(wall)
        position = self._durable
        if self._signer is None or at[:10] == self._head_day or not position.seq:
            return
        head = self._signer.sign(position, at, synced=synced)
        path = self._folder / f"head.{position.seq}.jws"
        new = path.with_name(f".{path.name}.tmp")
        try:
            self._files.write(str(new), head)
            self._files.fsync(str(new))
            self._files.rename(str(new), str(path))
            self._files.fsync_dir(str(self._folder))
            for old in self._heads()[:-HEADS_KEPT]:
                self._files.unlink(str(old))
        except OSError:
            return
        self._head_day = at[:10]

    def _heads(self) -> list[Path]:
        found = [path for path in self._folder.glob("head.*.jws") if path.name.split(".")[1].isdigit()]
        return sorted(found, key=lambda path: int(path.name.split(".")[1]))

    def _write(self, name: str, waiting: list[_Waiting]) -> None:
        path = self._path(name)
        known = self._months[-1] if self._months and self._months[-1].name == name else None
        size = known.size if known else 0
        if not self._months:
            self._files.mkdir(str(self._folder))
            self._files.fsync_dir(str(self._folder.parent))
        if self._torn and path.exists():
            self._files.truncate(str(path), size)
        ragged = b"\n" if self._ragged and known is not None else b""
        self._files.append(str(path), ragged + b"".join(entry.line + b"\n" for entry in waiting))
        self._files.fsync(str(path))
        if known is None:
            self._files.fsync_dir(str(self._folder))
        self._torn = False
        with self._lock:
            end = size + len(ragged)
            self._ragged = False
            for entry in waiting:
                self._index(name, entry.position, end, len(entry.line) + 1)
                end += len(entry.line) + 1
                self._walker.take(entry.line)
            self._durable = waiting[-1].position
            del self._pending[: len(waiting)]

    # --- at the start

    def _load(self) -> None:
        names = sorted(path.stem for path in self._folder.glob("*.jsonl") if _NAME.fullmatch(path.stem))
        for name in names:
            self._take(name, last=name == names[-1])
        for torn in self._folder.glob(".head.*.tmp"):
            self._files.unlink(str(torn))
        self._month = self._month or (names[-1] if names else "")
        if self._months:
            # A process that died before its fsync leaves lines that only memory holds; nothing may build upon those.
            self._files.fsync(str(self._path(self._months[-1].name)))
            self._files.fsync_dir(str(self._folder))
        walker = self._walker
        if walker.broken:
            self.doubt = LedgerDoubted(self._clock.mono(), walker.broken, walker.head.seq, walker.head.hash)
        self._compare_heads()

    def _compare_heads(self) -> None:
        """What the box itself has signed must be there."""
        for path in reversed(self._heads()) if self._signer is not None else ():
            head = self._signer.read(path) if self._signer is not None else None
            if head is None:
                continue
            self._head_day = self._head_day or head.at[:10]
            if not self.holds(head.seq, head.hash) and (self.doubt is None or head.seq > self.doubt.seq):
                found = self._doubt_of(head.seq, head.hash, "a signed head")
                self.doubt = found if self.doubt is None else replace(found, why=self.doubt.why)

    def _take(self, name: str, *, last: bool) -> None:
        """Follow the chain through a month; cut a torn end off the last file."""
        path = self._path(name)
        broken_before = self._walker.broken
        try:
            data = path.read_bytes()
        except OSError as error:
            self._walker.break_off(f"ledger {name}.jsonl: cannot be read ({error.strerror})")
            self._month = _after(name) if last else ""
            return
        start = proven = 0
        for line in _split(data):
            taken = self._walker.take(line)
            size = len(line) + 1
            if taken is not None:
                self._index(name, taken[0], start, size)
                self._durable = taken[0]
                proven = start + size
            start += size
        if start < len(data):
            self._walker.break_off(f"ledger {name}.jsonl: incomplete last line")
        if last and proven < len(data):
            torn = not broken_before and self._walker.head == self._walker.at
            self._settle_end(name, proven, len(data), torn=torn, ragged=start < len(data))

    def _settle_end(self, name: str, proven: int, size: int, *, torn: bool, ragged: bool) -> None:
        """Drop a torn end, or let what comes follow behind it."""
        walker = self._walker
        if torn and max(self._relied(), self._newest_head()) <= walker.at.seq:
            self._files.truncate(str(self._path(name)), proven)
            self._files.fsync(str(self._path(name)))
            walker.broken = ""
            if proven == 0:
                self._months.append(_Run(name, walker.at.seq + 1))
            return
        self._ragged = ragged
        self._months.append(_Run(name, walker.at.seq + 1, size=size))

    def _newest_head(self) -> int:
        heads = [self._signer.read(path) for path in self._heads()] if self._signer is not None else []
        return max((head.seq for head in heads if head is not None), default=0)

    def _index(self, name: str, position: LedgerPosition, start: int, size: int) -> None:
        """Note where a proven line stands."""
        run = self._months[-1] if self._months else None
        if run is None or (run.name, run.size, run.first_seq + len(run.starts)) != (name, start, position.seq):
            run = _Run(name, position.seq, size=start)
            self._months.append(run)
        run.starts.append(start)
        run.size = start + size


def _after(month: str) -> str:
    """The calendar month after one."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _split(data: bytes) -> list[bytes]:
    """Whole lines, without their newlines."""
    return data.split(b"\n")[:-1]


def _utc(wall: float) -> str:
    whole = int(wall // 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((wall - whole) * 1000):03}Z"
