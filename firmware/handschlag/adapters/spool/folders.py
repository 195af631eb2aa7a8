"""Folders and files of the spool, and the order in which they become durable.

Every file: temporary name in the same folder, write, fsync, rename, fsync of the folder. A new folder, a renamed and a
removed one: fsync of the folder that holds it. A name that can be seen therefore always stands for whole bytes.

    <data>/spool/<recording>/        a recording
    <data>/spool/<recording>.gone/   one that was destroyed, until ledger and revocation are durable
    <data>/revoke/<recording>.jws    revocations that the archive has not answered
    <data>/aside/                    recordings that fit no rule, each with a text beside it that says why
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from sys import intern

from handschlag.adapters.spool import names
from handschlag.ports import FileOps
from handschlag.sealing.manifest import KEYS

_GONE = ".gone"


class Folders:
    """The spool's folders below `data`. Methods raise OSError; each may be repeated after a failure or a cut."""

    def __init__(self, data: Path, files: FileOps) -> None:
        self._data = data
        self._spool = data / "spool"
        self._files = files
        self._made: set[Path] = set()

    # --- where

    def of(self, recording: str) -> Path:
        """A recording's folder. Raises FileNotFoundError for anything that is no recording's id."""
        if not names.is_recording(recording):
            raise FileNotFoundError(f"spool: {recording!r} is no recording's id (a lower-case UUIDv7)")
        return self._spool / recording

    def gone(self, recording: str) -> Path:
        """Where a destroyed recording lies until it is removed."""
        return self.of(recording).with_name(recording + _GONE)

    def revoke(self, recording: str) -> Path:
        """A recording's revocation."""
        self.of(recording)
        return self._data / "revoke" / f"{recording}.jws"

    # --- what is found

    def recordings(self) -> Iterator[tuple[str, bool]]:
        """Every recording found, by id, and whether it is gone. A folder beside its own `.gone` counts as gone."""
        found = {path.name for path in self._spool.iterdir()} if self._spool.exists() else set()
        for recording in sorted({name.removesuffix(_GONE) for name in found}):
            if names.is_recording(recording):
                yield intern(recording), recording + _GONE in found

    def revokes(self) -> list[str]:
        """Recordings with a revocation."""
        stems = sorted(path.stem for path in (self._data / "revoke").glob("*.jws"))
        return [stem for stem in stems if names.is_recording(stem)]

    def free_bytes(self) -> int:
        """Bytes that an ordinary process can still write where the spool is."""
        told = os.statvfs(self._data)
        return told.f_bavail * told.f_frsize

    # --- what is done

    def make(self, recording: str) -> None:
        """Make a recording's folder durably."""
        self._make(self._spool)
        folder = self.of(recording)
        self._files.mkdir(str(folder))
        self._files.fsync_dir(str(self._spool))

    def put(self, path: Path, data: bytes) -> None:
        """Write a file durably. It never makes a folder: a write that comes too late must fail, not bring one back."""
        new = path.with_name(names.temporary(path.name))
        try:
            self._files.write(str(new), data)
            self._files.fsync(str(new))
        except OSError:
            with suppress(OSError):
                self._files.unlink(str(new))  # a full disk gets its bytes back
            raise
        self._files.rename(str(new), str(path))
        self._files.fsync_dir(str(path.parent))

    def put_revoke(self, recording: str, data: bytes) -> None:
        """Write a revocation durably."""
        path = self.revoke(recording)
        self._make(path.parent)
        self.put(path, data)

    def remove(self, path: Path) -> None:
        """Remove a file durably; a missing one is no error."""
        if path.parent.exists():
            self._files.unlink(str(path))
            self._files.fsync_dir(str(path.parent))

    def take_away(self, recording: str) -> None:
        """Rename a recording's folder to `.gone` durably; one that is away already is made sure of."""
        folder = self.of(recording)
        if folder.exists():
            self.remove_gone(recording)
            self._files.rename(str(folder), str(self.gone(recording)))
        if self._spool.exists():
            self._files.fsync_dir(str(self._spool))

    def remove_gone(self, recording: str) -> None:
        """Remove a `.gone` folder: its wrapped keys first, durably, then the rest."""
        gone = self.gone(recording)
        if not gone.exists():
            return
        self.remove(gone / KEYS)
        for path in sorted(gone.iterdir()):
            self._files.unlink(str(path))
        self._files.rmdir(str(gone))
        self._files.fsync_dir(str(self._spool))

    def set_aside(self, path: Path, why: str) -> None:
        """Move a recording's folder, or a file of it, to `aside/`, unchanged, after a text that says why."""
        part = str(path.relative_to(self._spool)).replace("/", ".")
        aside = self._data / "aside" / part
        self._make(aside.parent)
        self.put(aside.with_name(f"{part}.txt"), f"{why}\n".encode())
        if path.exists():
            self._files.rename(str(path), str(aside))
        self._files.fsync_dir(str(aside.parent))
        self._files.fsync_dir(str(path.parent))

    def settle(self, recording: str, *, sync: bool = True) -> None:
        """Remove torn temporary files, and make durable what a process that died had only just renamed.

        Without `sync` for a folder of which that is known.
        """
        folder = self.of(recording)
        torn = [path for path in sorted(folder.iterdir()) if names.is_temporary(path.name)]
        for path in torn:
            self._files.unlink(str(path))
        if sync or torn:
            self._files.fsync_dir(str(folder))

    def settle_spool(self) -> None:
        """The same for the folders' own names, and for revocations."""
        revokes = self._data / "revoke"
        for path in sorted(revokes.glob(".*")):
            if names.is_temporary(path.name):
                self._files.unlink(str(path))
        for folder in (self._spool, revokes):
            if folder.exists():
                self._files.fsync_dir(str(folder))

    def _make(self, folder: Path) -> None:
        """Make one of the few lasting folders, once in a process: that it is there does not say that it is durable."""
        if folder in self._made:
            return
        self._files.mkdir(str(folder))
        self._files.fsync_dir(str(folder.parent))
        self._made.add(folder)
