"""Every change on disk, with the operating system's own calls.

The port is small on purpose: whoever wants to know what a power cut leaves behind puts another `FileOps` in its place.
Files are made 0600 and folders 0700 whatever the umask says, and nothing here follows a symbolic link when it makes
or opens a file. Durability follows fsync(2): a file's bytes are safe when its own fsync has returned, its name when
the folder's has.
"""

from __future__ import annotations

import os
from contextlib import suppress

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class RealFiles:
    """`ports.FileOps` on a real file system. Every method raises OSError when the system does."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its beginning; what a torn attempt left under the same name is replaced."""
        _put(path, data, os.O_TRUNC)

    def append(self, path: str, data: bytes) -> None:
        """Append to a file, made when missing."""
        _put(path, data, os.O_APPEND)

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to `size` bytes."""
        os.truncate(path, size)

    def fsync(self, path: str) -> None:
        """Wait until a file's bytes are on disk.

        A new descriptor sees a write error that nobody has been told yet (Linux since 4.16), so that opening the file
        again loses no failure.
        """
        _sync(path, os.O_RDONLY)

    def fsync_dir(self, path: str) -> None:
        """Wait until a folder's names are on disk."""
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, old: str, new: str) -> None:
        """Rename within one file system, replacing a file of the new name."""
        os.replace(old, new)  # noqa: PTH105 - the port speaks in plain paths

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is no error."""
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - the port speaks in plain paths

    def mkdir(self, path: str) -> None:
        """Make a folder; an existing one is no error, a file of that name is one."""
        try:
            os.mkdir(path, _FOLDER_MODE)  # noqa: PTH102 - the port speaks in plain paths
        except FileExistsError:
            if not os.path.isdir(path):  # noqa: PTH112 - the port speaks in plain paths
                raise

    def rmdir(self, path: str) -> None:
        """Remove an empty folder; a missing one is no error."""
        with suppress(FileNotFoundError):
            os.rmdir(path)  # noqa: PTH106 - the port speaks in plain paths


def _put(path: str, data: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | how, _FILE_MODE)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _sync(path: str, how: int) -> None:
    descriptor = os.open(path, how | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
