"""A store in a folder: the embedded default."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

from handschlag_archive.stores.port import LostBytes, Place

_TEMPORARY: Final = ".tmp"


class FolderStore:
    """A store in a folder: `<root>/<box>/<recording>/<name>.<sha256>`.

    A file is written under a temporary name, synced and renamed; the folder is synced before `put` returns. Syncs of
    one `put` run side by side, so that the disk's journal can take them in one turn.
    """

    def __init__(self, root: Path, *, syncing: int = 8) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        self._syncing = ThreadPoolExecutor(max_workers=syncing, thread_name_prefix="sync")

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all `objects`; durable on return."""
        folders: set[Path] = set()
        renames: list[tuple[Path, Path]] = []
        for place, content in objects:
            path = self._path(place)
            self._make_folder(path.parent, folders)
            temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
            temporary.write_bytes(content)
            renames.append((temporary, path))
        list(self._syncing.map(_sync, [temporary for temporary, _ in renames]))
        for temporary, path in renames:
            temporary.replace(path)
            folders.add(path.parent)
        list(self._syncing.map(_sync, sorted(folders, reverse=True)))
        return 1

    def get(self, place: Place) -> bytes:
        """The bytes at `place`, compared with its hash."""
        try:
            content = self._path(place).read_bytes()
        except FileNotFoundError as error:
            raise LostBytes(f"{place}: no longer in the store") from error
        if hashlib.sha256(content).hexdigest() != place.sha256:
            raise LostBytes(f"{place}: bytes have changed in the store")
        return content

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Nothing: a folder has no lock."""

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove these objects; durable on return."""
        folders: set[Path] = set()
        for place in places:
            path = self._path(place)
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            if not folder.is_dir():
                continue
            _sync(folder)
            self._remove_if_empty(folder)
        return ()

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording; what a torn write left behind is not one."""
        folder = self.root / box / recording
        found = []
        for path in folder.iterdir() if folder.is_dir() else ():
            name, _, sha256 = path.name.rpartition(".")
            if not path.name.endswith(_TEMPORARY):
                found.append(Place(box, recording, name, sha256))
        return sorted(found)

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording, torn writes included; durable on return."""
        folder = self.root / box / recording
        if not folder.is_dir():
            return ()
        for path in list(folder.iterdir()):
            path.unlink(missing_ok=True)
        _sync(folder)
        self._remove_if_empty(folder)
        return ()

    def sweep(self) -> int:
        """Remove the temporary files that a cut left behind; how many. Only while nobody writes."""
        torn = [path for path in self.root.glob(f"*/*/*{_TEMPORARY}") if path.is_file()]
        for path in torn:
            path.unlink(missing_ok=True)
        return len(torn)

    def _path(self, place: Place) -> Path:
        return self.root / place.box / place.recording / f"{place.name}.{place.sha256}"

    def _make_folder(self, folder: Path, to_sync: set[Path]) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            to_sync.update((folder.parent, folder.parent.parent))

    @staticmethod
    def _remove_if_empty(folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            return  # something is left in it; that is why it stays
        _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
