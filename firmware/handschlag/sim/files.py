"""File operations that can be watched and made to fail.

They stand in front of other `FileOps` (the real ones in a temporary folder), note every operation in order, and fail
where a test says so. That is how the order of write, fsync, rename and fsync of the folder is shown rather than
claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from handschlag.ports import FileOps


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as asked for: `kind` is the method's name, `to` the new name of a rename.

    `data` are the bytes written or appended, `size` that of a truncation; both are left out of comparisons.
    """

    kind: str
    path: str
    to: str = ""
    data: bytes = field(default=b"", repr=False, compare=False)
    size: int = field(default=0, compare=False)


class WatchedFiles:
    """`ports.FileOps` in front of others. `done` lists what succeeded; `fail` may raise OSError before it happens."""

    def __init__(self, inner: FileOps) -> None:
        self._inner = inner
        self.done: list[Operation] = []
        self.fail: Callable[[Operation], None] = lambda _operation: None

    def write(self, path: str, data: bytes) -> None:
        """See `FileOps.write`."""
        self._do(Operation("write", path, data=data), lambda: self._inner.write(path, data))

    def append(self, path: str, data: bytes) -> None:
        """See `FileOps.append`."""
        self._do(Operation("append", path, data=data), lambda: self._inner.append(path, data))

    def truncate(self, path: str, size: int) -> None:
        """See `FileOps.truncate`."""
        self._do(Operation("truncate", path, size=size), lambda: self._inner.truncate(path, size))

    def fsync(self, path: str) -> None:
        """See `FileOps.fsync`."""
        self._do(Operation("fsync", path), lambda: self._inner.fsync(path))

    def fsync_dir(self, path: str) -> None:
        """See `FileOps.fsync_dir`."""
        self._do(Operation("fsync_dir", path), lambda: self._inner.fsync_dir(path))

    def rename(self, old: str, new: str) -> None:
        """See `FileOps.rename`."""
        self._do(Operation("rename", old, new), lambda: self._inner.rename(old, new))

    def unlink(self, path: str) -> None:
        """See `FileOps.unlink`."""
        self._do(Operation("unlink", path), lambda: self._inner.unlink(path))

    def mkdir(self, path: str) -> None:
        """See `FileOps.mkdir`."""
        self._do(Operation("mkdir", path), lambda: self._inner.mkdir(path))

    def rmdir(self, path: str) -> None:
        """See `FileOps.rmdir`."""
        self._do(Operation("rmdir", path), lambda: self._inner.rmdir(path))

    def _do(self, operation: Operation, act: Callable[[], None]) -> None:
        self.fail(operation)
        act()
        self.done.append(operation)
