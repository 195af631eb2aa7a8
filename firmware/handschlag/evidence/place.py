"""Where an export is written, and where one is read from: a folder, or the zip of it.

What is written is plaintext, so it goes to where the user said and nowhere else: into a folder beside the wanted one,
`NAME.part` (0700, files 0600), which gets its name when all is there. When anything fails, it is removed; what a killed
program leaves is called `.part`, and is refused, never taken for an export.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from handschlag.evidence import layout
from handschlag.evidence.errors import BadExport, CannotExport

_CHUNK: Final = 1 << 20
_STORED: Final = (".flac", ".clip", ".pdf")


class Place:
    """A folder in the making. `sha256` and `sha512` are of what was written, by name, in hex and raw."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._part = out.with_name(out.name + ".part")
        self._zip_part = out.with_name(out.name + ".zip.part")
        self.zip: Final = out.with_name(out.name + ".zip")
        self.sha256: Final[dict[str, str]] = {}
        self.sha512: Final[dict[str, bytes]] = {}

    @classmethod
    @contextlib.contextmanager
    def made(cls, out: Path) -> Iterator[Place]:
        """A place for `out`, complete when the block ends well, and gone when it does not; raises CannotExport."""
        place = cls(out)
        for path in (out, place.zip, place._part, place._zip_part):
            if path.exists() or path.is_symlink():
                hint = "; an export was interrupted there, delete it" if path.suffix == ".part" else ""
                raise CannotExport(f"{path}: is there already{hint}")
        try:
            place._part.mkdir(mode=0o700)
            yield place
            place._pack()
            place._finish()
        except OSError as error:
            place._remove()
            if isinstance(error, CannotExport):
                raise
            raise CannotExport(f"{error.filename or out}: cannot be written ({error.strerror or error})") from error
        except BaseException:
            place._remove()
            raise

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A new file of the export, to write into."""
        path = self._part / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with _new(path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        self._note(name)

    def write(self, name: str, data: bytes) -> None:
        """A new file of the export."""
        with self.create(name) as file:
            file.write(data)

    def _note(self, name: str) -> None:
        short, long = hashlib.sha256(), hashlib.sha512()
        with (self._part / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                short.update(chunk)
                long.update(chunk)
        self.sha256[name], self.sha512[name] = short.hexdigest(), long.digest()

    def _pack(self) -> None:
        with _new(self._zip_part) as file:
            with zipfile.ZipFile(file, "w") as packed:
                for name in sorted(self.sha256):
                    entry = zipfile.ZipInfo(f"{self._out.name}/{name}", (1980, 1, 1, 0, 0, 0))
                    entry.external_attr = 0o600 << 16
                    stored = name.endswith(_STORED)
                    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                    with (self._part / name).open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, _CHUNK)
            file.flush()
            os.fsync(file.fileno())

    def _finish(self) -> None:
        self._zip_part.rename(self.zip)
        self._part.rename(self._out)
        folder = os.open(self._out.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remove(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
        self._zip_part.unlink(missing_ok=True)
        if not self._out.exists():
            self.zip.unlink(missing_ok=True)


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w+b")


class Package(Protocol):
    """An export to be read."""

    def names(self) -> list[str]:
        """All names in it, whatever they are."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in; raises BadExport."""
        ...


class FolderPackage:
    """An export as a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """All names; whatever is no plain file is refused."""
        found = []
        for path in sorted(self._folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BadExport(f"{str(path.relative_to(self._folder))[:80]!r}: is no plain file")
            if path.is_file():
                found.append(path.relative_to(self._folder).as_posix())
        return found

    def open(self, name: str) -> BinaryIO:
        """A file to read."""
        return (self._folder / name).open("rb")


class ZipPackage:
    """An export as a zip: all files in it lie below one folder."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in packed.infolist():
            _, _, name = entry.filename.partition("/")
            if not name and entry.is_dir():
                continue
            if name in self._entries:
                raise BadExport(f"{name[:80]!r}: is in the zip twice")
            if entry.flag_bits & 1:
                raise BadExport("the zip is encrypted; unpack it first")
            self._entries[name] = entry
        if len({entry.filename.partition("/")[0] for entry in packed.infolist()}) > 1:
            raise BadExport("the zip holds more than one folder, or files beside it")

    def names(self) -> list[str]:
        """All names below the one folder."""
        return sorted(name for name in self._entries if not name.endswith("/"))

    def open(self, name: str) -> BinaryIO:
        """A file to read."""
        return self._packed.open(self._entries[name])  # type: ignore[return-value]  # reads and seeks as one does


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Package]:
    """An export, folder or zip; raises BadExport for what is neither, and for a zip that is broken."""
    if path.is_dir():
        yield FolderPackage(path)
        return
    try:
        with zipfile.ZipFile(path) as packed:
            yield ZipPackage(packed)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadExport(f"{path.name}: the zip cannot be read: {error}") from None


def read(package: Package, name: str) -> bytes:
    """A whole file, as long as it may be; raises BadExport."""
    most = layout.limit(name)
    with package.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BadExport(f"{name}: more than {most} bytes")
    return data


def digest(package: Package, name: str, kind: str) -> bytes:
    """The hash of a file of any length."""
    whole = hashlib.new(kind)
    with package.open(name) as file:
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
    return whole.digest()
