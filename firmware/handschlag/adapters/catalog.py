"""The catalog: TinyDB over a log of changes that survives a power cut.

TinyDB's own JSONStorage writes the whole database in place at every change: slow, and torn by a cut. `LogStorage`
keeps one line per changed row instead, `<CRC-32> <JSON>`, appended and fsynced; it holds all rows in memory and reads
the file once, at its start. What a cut leaves of the last line is dropped. From time to time the log is written anew
with the living rows only (temporary file, fsync, rename; the old log stays as `.prev`, so that there is a whole one at
every moment). `RowTable` makes TinyDB change single rows instead of copying the table.

Everything here can be rebuilt from spool and ledger. A log with damage before its last line is therefore not mended:
it is moved aside as `.damaged`, and the catalog starts empty and says so.
"""

from __future__ import annotations

import errno
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from sys import intern
from typing import Any, cast

import msgspec
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from handschlag.core.effects import Value
from handschlag.core.events import DiskFailed
from handschlag.ports import Clock, FileOps, Post, Worker

_FORMAT = "handschlag-catalog/1"
_TABLE = "recordings"
_KEY = "recording"
_SPARE_LINES = 256
"""So many outdated lines are kept at least before the log is written anew; beyond that, as many as there are rows."""

Row = dict[str, Value]


class _Start(msgspec.Struct, forbid_unknown_fields=True):
    """The log's first line."""

    format: str


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    """A row's new value, or None when it was removed."""

    table: str
    id: int
    row: Row | None


_start = msgspec.json.Decoder(_Start)
_change = msgspec.json.Decoder(_Change)


def _shared(value: Value) -> Value:
    """A text that others hold, too (an id, a state), held once."""
    return intern(value) if isinstance(value, str) else value


class LogStorage(Storage):
    """A TinyDB storage that appends changes to `path`; memory at once, the disk on `worker`.

    `failed` is told (on the worker) what the system said when the disk refused; the next change, or `close`, then
    writes the whole log anew, so that nothing is missing once the disk works again. `damaged` is True when the log
    found at the start could not be read and was moved aside.
    """

    def __init__(self, path: Path, *, files: FileOps, worker: Worker, failed: Callable[[OSError], None]) -> None:
        self._path = path
        self._files = files
        self._worker = worker
        self._failed = failed
        self._lock = threading.Lock()
        self._tables: dict[str, dict[str, Row]] = {}
        self._pending: list[bytes] = []
        self._lines = 0
        self._rewrite = False
        self.damaged = False
        self._load()

    def read(self) -> dict[str, dict[str, Any]] | None:
        """All tables, living: to be changed through `put` and `write` only."""
        return cast("dict[str, dict[str, Any]]", self._tables) or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace everything."""
        with self._lock:
            self._tables = {name: {str(key): dict(row) for key, row in table.items()} for name, table in data.items()}
            self._pending.clear()
            self._rewrite = True
        self._worker.submit(self._flush)

    def put(self, table: str, changes: Mapping[int, Row | None]) -> None:
        """Set rows of a table by id, or remove them (None)."""
        if not changes:
            return
        # Encoded first: a row that is no JSON changes nothing.
        lines = [_line(_Change(table, doc_id, row)) for doc_id, row in changes.items()]
        with self._lock:
            rows = self._tables.setdefault(table, {})
            for doc_id, row in changes.items():
                if row is None:
                    rows.pop(str(doc_id), None)
                else:
                    rows[str(doc_id)] = row
            self._pending += lines
        self._worker.submit(self._flush)

    def close(self) -> None:
        """Wait until everything is on disk, and end the worker."""
        self._worker.submit(self._flush)
        self._worker.close()

    # --- on the worker

    def _flush(self) -> None:
        """Write what waits, with one fsync for all of it."""
        with self._lock:
            lines, self._pending = self._pending, []
            self._lines += len(lines)
            rows = sum(map(len, self._tables.values()))
            whole = self._whole() if self._rewrite or self._lines > 2 * rows + _SPARE_LINES else None
            self._rewrite = False
        if not lines and whole is None:
            return
        try:
            if whole is None:
                self._files.append(str(self._path), b"".join(lines))
                self._files.fsync(str(self._path))
            else:
                self._replace(b"".join(whole))
                self._lines = len(whole) - 1
        except OSError as error:
            # What of the lines reached the disk is unknown: only the whole log, written anew, is certain.
            with self._lock:
                self._rewrite = True
            self._failed(error)

    def _whole(self) -> list[bytes]:
        changes = (_Change(name, int(key), row) for name, rows in self._tables.items() for key, row in rows.items())
        return [_line(_Start(_FORMAT)), *map(_line, changes)]

    def _replace(self, data: bytes) -> None:
        new, prev = self._beside(".tmp"), self._beside(".prev")
        self._files.write(str(new), data)
        self._files.fsync(str(new))
        if self._path.exists():
            self._files.rename(str(self._path), str(prev))
        self._files.rename(str(new), str(self._path))
        self._files.fsync_dir(str(self._path.parent))

    # --- at the start

    def _load(self) -> None:
        prev = self._beside(".prev")
        try:
            if not self._path.exists() and prev.exists():
                # A cut between the two renames: `.prev` is the last whole log.
                self._files.rename(str(prev), str(self._path))
                self._files.fsync_dir(str(self._path.parent))
            if not self._path.exists():
                self._rewrite = True
                return
            data = self._path.read_bytes()
            if not self._take(data):
                self._tables = {}
                self.damaged = self._rewrite = True
                self._files.rename(str(self._path), str(self._beside(".damaged")))
                self._files.fsync_dir(str(self._path.parent))
        except OSError as error:
            self._tables = {}
            self.damaged = self._rewrite = True
            self._failed(error)

    def _take(self, data: bytes) -> bool:
        """Take the rows out of a log; False if it is damaged before its last line."""
        *lines, tail = data.split(b"\n")
        good = 0
        for number, line in enumerate(lines):
            body = _checked(line)
            if body is None or not self._take_line(number, body):
                break
            good += 1
        if good < len(lines) - 1 or not good:
            return False
        self._lines = good - 1
        self._rewrite = bool(tail) or good < len(lines)
        return True

    def _take_line(self, number: int, body: bytes) -> bool:
        try:
            if number == 0:
                return _start.decode(body).format == _FORMAT
            change = _change.decode(body)
        except msgspec.DecodeError:
            return False
        rows = self._tables.setdefault(change.table, {})
        if change.row is None:
            rows.pop(str(change.id), None)
        else:
            rows[str(change.id)] = {intern(key): _shared(value) for key, value in change.row.items()}
        return True

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)


def _line(entry: _Start | _Change) -> bytes:
    body = msgspec.json.encode(entry)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _checked(line: bytes) -> bytes | None:
    crc, _, body = line.partition(b" ")
    return body if crc == b"%08x" % zlib.crc32(body) else None


class RowTable(Table):
    """A TinyDB table on a `LogStorage` that touches only the rows that an operation touches."""

    def _update_table(self, updater: Callable[[dict[int, Mapping[Any, Any]]], None]) -> None:
        storage = cast("LogStorage", self.storage)
        rows = _Touched((storage.read() or {}).get(self.name, {}))
        updater(cast("dict[int, Mapping[Any, Any]]", rows))
        storage.put(self.name, rows.changes())
        self.clear_cache()


class _Touched(MutableMapping[int, Row]):
    """A table as an updater sees it: rows are copied when looked at, so that changes in place show as changes."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = rows
        self._seen: dict[int, Row | None] = {}

    def __getitem__(self, doc_id: int) -> Row:
        if doc_id not in self._seen:
            self._seen[doc_id] = dict(self._rows[str(doc_id)])
        row = self._seen[doc_id]
        if row is None:
            raise KeyError(doc_id)
        return row

    def __setitem__(self, doc_id: int, row: Row) -> None:
        self._seen[doc_id] = row

    def __delitem__(self, doc_id: int) -> None:
        if doc_id not in self:
            raise KeyError(doc_id)
        self._seen[doc_id] = None

    def __contains__(self, doc_id: object) -> bool:
        if isinstance(doc_id, int) and doc_id in self._seen:
            return self._seen[doc_id] is not None
        return str(doc_id) in self._rows

    def __iter__(self) -> Iterator[int]:
        new = [doc_id for doc_id in self._seen if str(doc_id) not in self._rows]
        return (doc_id for doc_id in [*map(int, self._rows), *new] if doc_id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def changes(self) -> dict[int, Row | None]:
        """What is different now: rows by id, None where one was removed."""
        return {doc_id: row for doc_id, row in self._seen.items() if row != self._rows.get(str(doc_id))}


class _RowDatabase(TinyDB):
    table_class = RowTable


class TinyCatalog:
    """`ports.Catalog` in `folder`/catalog.log. Posts DiskFailed when the disk refuses; the rows in memory stay true.

    The worker belongs to the catalog from here on: `close` ends it. `damaged` is True when the log found at the start
    was moved aside, and the rows have to be rebuilt.
    """

    def __init__(self, folder: Path, *, files: FileOps, worker: Worker, post: Post, clock: Clock) -> None:
        def failed(error: OSError) -> None:
            post(DiskFailed(clock.mono(), what=f"catalog: {errno.errorcode.get(error.errno or 0, 'EIO')}"))

        storage = LogStorage(folder / "catalog.log", files=files, worker=worker, failed=failed)
        self.damaged = storage.damaged
        self._database = _RowDatabase(storage=lambda: storage)
        self._table = self._database.table(_TABLE)
        self._ids = {str(document[_KEY]): document.doc_id for document in self._table if _KEY in document}

    def save(self, recording: str, row: Mapping[str, Value]) -> None:
        """Write one row, in place of the one there was."""
        document = {**row, _KEY: recording}
        if recording in self._ids:
            doc_id = self._ids[recording]
            self._table._update_table(lambda rows: rows.__setitem__(doc_id, document))  # noqa: SLF001 - TinyDB has no public replace; ours overrides this one
        else:
            self._ids[recording] = self._table.insert(document)

    def drop(self, recording: str) -> None:
        """Remove one row; none is no error."""
        doc_id = self._ids.pop(recording, None)
        if doc_id is not None:
            self._table.remove(doc_ids=[doc_id])

    def rows(self) -> Mapping[str, Mapping[str, Value]]:
        """All rows by recording."""
        return {
            str(document[_KEY]): {name: value for name, value in document.items() if name != _KEY}
            for document in self._table
            if _KEY in document
        }

    def close(self) -> None:
        """Wait until everything is on disk, and end."""
        self._database.close()
