"""What a power cut may leave of a disk, computed from the operations that were done.

POSIX promises little: a file's bytes are there when its own fsync has returned, a folder's names when the folder's
has. Everything younger may be there, or not, or in part, and in any order. `Disk` follows the operations of
`sim.files.WatchedFiles` and keeps both views: what the running process sees, and what is promised. `after_cut` then
builds a disk that the promises allow, by drawing for everything unpromised whether it survived:

- a change of a folder's names (new file, rename, removal): whole or not at all, each on its own, so later ones may
  survive without earlier ones;
- unsynced bytes of a file: all, none, a beginning, a beginning of the right length with zeros after it, or zeros
  (delayed allocation leaves those), or the length that it had before.

Two things are taken from journalling file systems (ext4, f2fs, btrfs), which POSIX leaves open: a rename within or
across folders is one change, and a removed file's synced bytes do not come back under another name.
"""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import assert_never

from handschlag.sim.files import Operation


class Survival(StrEnum):
    """How much of what was not promised is still there."""

    NOTHING = "nothing"
    EVERYTHING = "everything"  # what a killed process leaves: the system is still there
    NAMES = "names"  # all names; of unsynced bytes only the length, as zeros
    BYTES = "bytes"  # all bytes; no unsynced name
    CHANCE = "chance"  # drawn for each


@dataclass(slots=True)
class _File:
    """A file's bytes as the process sees them, and each version since the last one that is promised."""

    seen: bytes = b""
    promised: bytes = b""
    versions: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Change:
    """A change of names that is not promised: these names vanish, these appear, in these folders."""

    gone: tuple[tuple[_Folder, str], ...] = ()
    come: tuple[tuple[_Folder, str, _Node], ...] = ()

    def touches(self, folder: _Folder) -> bool:
        return any(each[0] is folder for each in (*self.gone, *self.come))

    def apply(self, names: Callable[[_Folder], dict[str, _Node]]) -> None:
        for folder, name in self.gone:
            names(folder).pop(name, None)
        for folder, name, node in self.come:
            names(folder)[name] = node


@dataclass(slots=True, eq=False)
class _Folder:
    """A folder's names as the process sees them, and as they are promised."""

    seen: dict[str, _Node] = field(default_factory=dict)
    promised: dict[str, _Node] = field(default_factory=dict)


_Node = _File | _Folder
Tree = dict[str, bytes | None]
"""A disk's content: paths with `/`, relative to its root; None for a folder."""


class Disk:
    """The disk below `root` (an absolute path) as operations pass over it; operations elsewhere are refused."""

    def __init__(self, root: str) -> None:
        self._root = PurePosixPath(root)
        self._top = _Folder()
        self._pending: list[_Change] = []

    def put(self, tree: Tree) -> None:
        """Lay down a durable tree, before anything was done."""
        for path in sorted(tree):
            data = tree[path]
            folder, name = self._place(str(self._root / path))
            node: _Node = _Folder() if data is None else _File(data, data)
            folder.seen[name] = folder.promised[name] = node

    def do(self, operation: Operation) -> None:
        """Let an operation that succeeded pass over the disk."""
        match operation.kind:
            case "write" | "append" | "truncate" | "fsync":
                self._do_with_file(operation)
            case "rename":
                self._rename(operation.path, operation.to)
            case "fsync_dir":
                self._promise(self._folder(operation.path))
            case "mkdir":
                self._make(operation.path)
            case "unlink" | "rmdir":
                self._remove(operation.path)
            case kind:
                raise ValueError(f"{kind!r} is no operation of FileOps")

    def _do_with_file(self, operation: Operation) -> None:
        file = self._file(operation.path)
        match operation.kind:
            case "write":
                self._written(file, operation.data)
            case "append":
                self._written(file, file.seen + operation.data)
            case "truncate":
                self._written(file, file.seen[: operation.size].ljust(operation.size, b"\0"))
            case _:
                file.promised, file.versions = file.seen, []

    def _make(self, path: str) -> None:
        if PurePosixPath(path) == self._root:
            return
        folder, name = self._place(path)
        if name not in folder.seen:
            self._change(_Change(come=((folder, name, _Folder()),)))

    def _remove(self, path: str) -> None:
        folder, name = self._place(path)
        if name in folder.seen:
            self._change(_Change(gone=((folder, name),)))

    def after_cut(self, survival: Survival, draw: random.Random) -> Tree:
        """A tree that may be left when the power goes now; `draw` decides where chance does."""
        names = self._names_left(survival, draw)
        left: Tree = {}
        stack: list[tuple[str, _Folder]] = [("", self._top)]
        while stack:
            at, folder = stack.pop()
            for name, node in names(folder).items():
                path = f"{at}{name}"
                match node:
                    case _Folder():
                        left[path] = None
                        stack.append((f"{path}/", node))
                    case _File():
                        left[path] = _bytes_left(node, survival, draw)
                    case _:
                        assert_never(node)
        return left

    def halfway(self, operation: Operation, survival: Survival, draw: random.Random) -> Tree:
        """The same, when the power goes within `operation`."""
        met = copy.deepcopy(self)
        met.do(torn_within(operation, draw))
        return met.after_cut(survival, draw)

    # --- names

    def _names_left(self, survival: Survival, draw: random.Random) -> Callable[[_Folder], dict[str, _Node]]:
        left: dict[int, dict[str, _Node]] = {}

        def names(folder: _Folder) -> dict[str, _Node]:
            return left.setdefault(id(folder), dict(folder.promised))

        for change in self._pending:
            match survival:
                case Survival.EVERYTHING | Survival.NAMES:
                    survives = True
                case Survival.NOTHING | Survival.BYTES:
                    survives = False
                case Survival.CHANCE:
                    survives = draw.random() < 0.5
                case _:
                    assert_never(survival)
            if survives:
                change.apply(names)
        return names

    def _promise(self, folder: _Folder) -> None:
        """A folder's fsync: everything pending that touches it is promised, in the other folder, too."""
        rest = []
        for change in self._pending:
            if change.touches(folder):
                change.apply(lambda each: each.promised)
            else:
                rest.append(change)
        self._pending = rest

    def _change(self, change: _Change) -> None:
        change.apply(lambda each: each.seen)
        self._pending.append(change)

    def _rename(self, old: str, new: str) -> None:
        folder, name = self._place(old)
        to_folder, to_name = self._place(new)
        node = folder.seen[name]
        self._change(_Change(gone=((folder, name),), come=((to_folder, to_name, node),)))

    # --- bytes

    @staticmethod
    def _written(file: _File, data: bytes) -> None:
        file.seen = data
        file.versions.append(data)

    def _file(self, path: str) -> _File:
        folder, name = self._place(path)
        node = folder.seen.get(name)
        if node is None:
            node = _File()
            self._change(_Change(come=((folder, name, node),)))
        if not isinstance(node, _File):
            raise IsADirectoryError(path)
        return node

    def _folder(self, path: str) -> _Folder:
        if PurePosixPath(path) == self._root:
            return self._top
        folder, name = self._place(path)
        node = folder.seen.get(name)
        if not isinstance(node, _Folder):
            raise NotADirectoryError(path)
        return node

    def _place(self, path: str) -> tuple[_Folder, str]:
        """The folder that holds a name; raises ValueError for what is not below the root."""
        *above, name = PurePosixPath(path).relative_to(self._root).parts
        folder = self._top
        for part in above:
            below = folder.seen.get(part)
            if not isinstance(below, _Folder):
                raise FileNotFoundError(path)
            folder = below
        return folder, name


def _bytes_left(file: _File, survival: Survival, draw: random.Random) -> bytes:
    if not file.versions:
        return file.promised
    match survival:
        case Survival.NOTHING:
            return file.promised
        case Survival.EVERYTHING | Survival.BYTES:
            return file.seen
        case Survival.NAMES:
            return _kept_then_zeros(file.promised, file.seen)
        case Survival.CHANCE:
            return draw.choice(tuple(_torn(file.promised, draw.choice(file.versions), draw)))
        case _:
            assert_never(survival)


def _torn(before: bytes, after: bytes, draw: random.Random) -> Iterator[bytes]:
    """What may be left of a file between two of its versions; promised bytes are lost only where they were replaced."""
    yield before
    yield after
    if before.startswith(after):
        return  # cut shorter: done or not
    keeps = after.startswith(before)
    cut = draw.randint(len(before) if keeps else 0, len(after))
    yield after[:cut]
    yield after[:cut] + bytes(len(after) - cut)
    yield _kept_then_zeros(before, after)
    if not keeps:
        yield b""


def _kept_then_zeros(before: bytes, after: bytes) -> bytes:
    """An append that came as length only keeps what was there; a file written anew is all zeros."""
    if after.startswith(before):
        return before + bytes(len(after) - len(before))
    return bytes(len(after))


def torn_within(operation: Operation, draw: random.Random) -> Operation:
    """An operation that the cut met halfway: a write gets to some byte; every other one happens, or does not."""
    if operation.kind not in {"write", "append"}:
        return operation
    return Operation(operation.kind, operation.path, data=operation.data[: draw.randint(0, len(operation.data))])


def lay_down(tree: Tree, root: Path) -> None:
    """Write a tree below `root`, which is made."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in sorted(tree):
        data = tree[path]
        if data is None:
            (root / path).mkdir(mode=0o700)
        else:
            (root / path).write_bytes(data)
            (root / path).chmod(0o600)


def read_tree(root: Path) -> Tree:
    """A folder's content as a tree."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        found[path.relative_to(root).as_posix()] = None if path.is_dir() else path.read_bytes()
    return found


def fingerprint(tree: Tree) -> str:
    """The same for the same tree only."""
    digest = hashlib.sha256()
    for path, data in _sorted(tree):
        digest.update(path.encode() + b"\0" + (b"d" if data is None else b"f" + hashlib.sha256(data).digest()))
    return digest.hexdigest()


def _sorted(tree: Tree) -> Iterable[tuple[str, bytes | None]]:
    return sorted(tree.items())
