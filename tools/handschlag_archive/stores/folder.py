"""A store in a folder, `<root>/<box>/<recording>/<name>.<sha256>`: the embedded default.

A group is written under temporary names, waited for, renamed, and waited for again: a name is never there before its
bytes are durable, also where another process keeps the same object at the same time. How it is waited for is `files`'
business.
"""

import errno
import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from handschlag_archive.stores.files import Files, RealFiles
from handschlag_archive.stores.port import Kept, LostBytes, Place

_TEMPORARY: Final = ".tmp"
_DAMAGED: Final = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.EILSEQ})
"""What reading gives where the disk or the file system has lost bytes."""


class FolderStore:
    """A store in the folder `root`, which is made."""

    def __init__(self, root: Path, *, files: Files | None = None) -> None:
        self.root: Final = root
        self.name: Final = str(root)
        self._files = files or RealFiles()
        self._numbers = itertools.count()
        made = [folder for folder in (root, *root.parents) if not folder.exists()]
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        if made:
            with self._files.batch(self.name) as batch:
                batch.sync([str(folder.parent) for folder in made])

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all `objects`; durable on return."""
        if not objects:
            return 1
        renames: list[tuple[str, str]] = []
        above: set[str] = set()
        with self._files.batch(str(self.root)) as batch:
            try:
                for place, content in objects:
                    path = self._path(place)
                    above.update(self._make_folder(place, above))
                    temporary = f"{path}.{os.getpid()}-{next(self._numbers)}{_TEMPORARY}"
                    renames.append((temporary, path))
                    self._files.write(temporary, content)
                batch.sync([temporary for temporary, _ in renames])
                for temporary, path in renames:
                    self._files.rename(temporary, path)
                batch.sync(sorted(above, key=len, reverse=True))  # what holds a name comes after what it names
            except OSError:
                self._tidy(temporary for temporary, _ in renames)
                raise
        return 1

    def get(self, place: Place) -> bytes:
        """The bytes at `place`, compared with its hash."""
        try:
            with open(self._path(place), "rb") as file:  # noqa: PTH123 - a Path would cost more than the reading
                content = file.read()
        except FileNotFoundError as error:
            raise LostBytes(f"{place}: no longer in the store {self.name}") from error
        except OSError as error:
            if error.errno in _DAMAGED:
                raise LostBytes(f"{place}: cannot be read in the store {self.name}: {error.strerror}") from error
            raise
        if hashlib.sha256(content).hexdigest() != place.sha256:
            raise LostBytes(f"{place}: bytes have changed in the store {self.name}")
        return content

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Nothing: a folder has no lock."""

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove these objects; durable on return."""
        self._unlink(self._path(place) for place in places)
        return []

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording; what a torn write left behind is not one."""
        return sorted(self._objects(box, recording))

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording, torn writes included; durable on return."""
        folder = self.root / box / recording
        self._unlink([str(folder / name) for name in _names(folder)])
        return []

    def inventory(self) -> Iterator[Kept]:
        """Every object, recording by recording."""
        for box in _names(self.root):
            for recording in _names(self.root / box):
                yield from self.inventory_of(box, recording)

    def sweep(self, *, older_s: float = 0) -> int:
        """Remove the temporary files that a cut left behind; how many. `older_s` spares what somebody is writing."""
        torn = []
        for path in self.root.glob(f"*/*/*{_TEMPORARY}"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_s:
                    torn.append(str(path))
        self._unlink(torn)
        return len(torn)

    def inventory_of(self, box: str, recording: str) -> Iterator[Kept]:
        """Every object of one recording; what a torn write left behind is not one."""
        for place in self._objects(box, recording):
            with suppress(FileNotFoundError):  # gone meanwhile
                facts = Path(self._path(place)).stat()
                yield Kept(place, size=facts.st_size, at=datetime.fromtimestamp(facts.st_mtime, UTC))

    def _objects(self, box: str, recording: str) -> Iterator[Place]:
        for file_name in _names(self.root / box / recording):
            name, _, sha256 = file_name.rpartition(".")
            if name and not file_name.endswith(_TEMPORARY):
                yield Place(box, recording, name, sha256)

    def _path(self, place: Place) -> str:
        return f"{self.root}/{place.box}/{place.recording}/{place.name}.{place.sha256}"

    def _make_folder(self, place: Place, made: set[str]) -> Sequence[str]:
        """The folders that hold an object, made where missing; all are synced: another process may have made them."""
        root = str(self.root)
        folder = f"{root}/{place.box}/{place.recording}"
        if folder in made:
            return []
        box = f"{root}/{place.box}"
        if not os.path.isdir(folder):  # noqa: PTH112 - the port speaks in plain paths
            self._files.mkdir(box)
            self._files.mkdir(folder)
        return root, box, folder

    def _unlink(self, paths: Iterable[str]) -> None:
        """Remove files, durably, and then the folders that are empty."""
        folders: set[str] = set()
        with self._files.batch(str(self.root)) as batch:
            for path in paths:
                self._files.unlink(path)
                folder = path.rpartition("/")[0]
                if os.path.isdir(folder):  # noqa: PTH112 - likewise
                    folders.add(folder)
            batch.sync(sorted(folders))
        for folder in sorted(folders):
            self._files.rmdir(folder)  # an empty one may come back after a cut; it holds nothing

    def _tidy(self, temporaries: Iterable[str]) -> None:
        """After a failure: give back the space, if the system lets us."""
        for temporary in temporaries:
            with suppress(OSError):
                self._files.unlink(temporary)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - only the names are wanted
    except (FileNotFoundError, NotADirectoryError):
        return []
