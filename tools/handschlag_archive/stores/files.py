"""The folder store's operations on disk, and two ways to wait for the disk.

`sync` promises what fsync(2) promises for each path that it is given. Asking for each file costs a flush of the disk's
cache for nearly every one, hundreds for a group of clips; where the file system is one that is known for it, one
syncfs(2) does the same for all of them with one flush, together with whatever else is dirty there. A write-back error
is not lost in this: since Linux 5.8 syncfs reports every error of the file system since its descriptor was opened, and
a batch opens its own before it writes anything. Anywhere else each path is synced by itself.

The port is small on purpose: whoever wants to know what a power cut leaves behind puts another `Files` in its place.
"""

import ctypes
import os
import platform
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_FEW: Final = 4
"""Up to so many paths are synced one after the other: that does not wait for what others have written."""

_SYNCS_WHOLE: Final = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010})
"""ext4, XFS, Btrfs, F2FS: statfs(2) gives these numbers as f_type. Their syncfs waits for data, journal and cache."""
_SYNCFS_TELLS_ERRORS: Final = (5, 8)


class Batch(Protocol):
    """Several changes that become durable together."""

    def __enter__(self) -> Self:
        """Begin; before the first change."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go; what was not synced may be lost."""

    def sync(self, paths: Collection[str]) -> None:
        """Wait until the bytes of these files and the names in these folders are on disk."""


class Files(Protocol):
    """Every change on disk. Each method raises OSError when the system does."""

    def batch(self, root: str) -> Batch:
        """Changes below `root` that become durable together."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its beginning; what a torn attempt left under the same name is replaced."""

    def rename(self, old: str, new: str) -> None:
        """Rename within one file system, replacing a file of the new name."""

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is no error."""

    def mkdir(self, path: str) -> None:
        """Make a folder; an existing one is no error."""

    def rmdir(self, path: str) -> None:
        """Remove a folder if it is empty."""


class RealFiles:
    """`Files` on a real file system. Files are made 0600 and folders 0700 whatever the umask says."""

    def __init__(self, *, whole: bool | None = None, syncing: int = 8) -> None:
        self._whole = whole
        self._syncing: Final = ThreadPoolExecutor(max_workers=syncing, thread_name_prefix="sync")

    def batch(self, root: str) -> Batch:
        """Changes below `root` that become durable together."""
        if self._whole is None:
            self._whole = can_sync_whole(root)
        return _Batch(root if self._whole else None, self._syncing)

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its beginning."""
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, how, _FILE_MODE)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        """Rename within one file system."""
        os.replace(old, new)  # noqa: PTH105 - the port speaks in plain paths

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is no error."""
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - likewise

    def mkdir(self, path: str) -> None:
        """Make a folder; an existing one is no error."""
        with suppress(FileExistsError):
            os.mkdir(path, _FOLDER_MODE)  # noqa: PTH102 - likewise

    def rmdir(self, path: str) -> None:
        """Remove a folder if it is empty."""
        with suppress(OSError):  # something is left in it; that is why it stays
            os.rmdir(path)  # noqa: PTH106 - likewise


class _Batch:
    def __init__(self, whole: str | None, syncing: ThreadPoolExecutor) -> None:
        self._root = whole
        self._syncing = syncing
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        if self._root is not None:
            self._descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def sync(self, paths: Collection[str]) -> None:
        if len(paths) <= _FEW:
            for path in paths:
                _fsync(path)
        elif self._descriptor is not None:
            _syncfs(self._descriptor)
        else:
            list(self._syncing.map(_fsync, paths))


def can_sync_whole(path: str) -> bool:
    """Whether one syncfs(2) on this path's file system is as good as an fsync(2) of every file on it."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or version is None or not hasattr(_libc, "syncfs"):
        return False
    return (int(version[1]), int(version[2])) >= _SYNCFS_TELLS_ERRORS and _file_system(path) in _SYNCS_WHOLE


_libc: Final = ctypes.CDLL(None, use_errno=True)


def _file_system(path: str) -> int | None:
    """`f_type` of statfs(2), its first field; None when the system does not say."""
    answer = ctypes.create_string_buffer(512)  # struct statfs has 120 bytes at most
    if _libc.statfs(os.fsencode(path), answer) != 0:
        return None
    return ctypes.c_ulong.from_buffer(answer).value & 0xFFFFFFFF


def _syncfs(descriptor: int) -> None:
    if _libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _fsync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
