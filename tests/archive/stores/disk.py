"""A folder store's disk under watch: what every operation changes, and what the power may leave of it at any point.

The store's operations pass over the same model of a disk as the box's do (`handschlag.sim.power_cut`). One syncfs is
there what it promises: an fsync of every file and every folder.
"""

import os
import random
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from handschlag.sim.files import Operation
from handschlag.sim.power_cut import Disk, Survival, Tree
from handschlag_archive.stores.files import Batch, RealFiles


class WatchedFiles(RealFiles):
    """Real files whose operations are followed; `look` is called after each."""

    def __init__(self, root: Path, *, whole: bool) -> None:
        super().__init__(whole=False, syncing=1)
        self.root = root
        self.disk = Disk(str(root))
        self.done: list[str] = []
        self.one_sync_for_all = whole
        self.look: Callable[[], None] = lambda: None

    def batch(self, root: str) -> Batch:
        """Changes that become durable together."""
        assert root == str(self.root)
        return _WatchedBatch(self)

    def write(self, path: str, data: bytes) -> None:
        """Write a file from its beginning."""
        super().write(path, data)
        self.do(Operation("write", path, data=data))

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        super().rename(old, new)
        self.do(Operation("rename", old, to=new))

    def unlink(self, path: str) -> None:
        """Remove a file."""
        super().unlink(path)
        self.do(Operation("unlink", path))

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        super().mkdir(path)
        self.do(Operation("mkdir", path))

    def rmdir(self, path: str) -> None:
        """Remove a folder if it is empty."""
        super().rmdir(path)
        if not Path(path).exists():
            self.do(Operation("rmdir", path))

    def do(self, operation: Operation) -> None:
        """Follow an operation."""
        self.disk.do(operation)
        self.done.append(operation.kind)
        self.look()

    def after_cut(self, survival: Survival, seed: int) -> Tree:
        """What may be left when the power goes now."""
        return self.disk.after_cut(survival, random.Random(seed))


class _WatchedBatch:
    def __init__(self, files: WatchedFiles) -> None:
        self._files = files

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def sync(self, paths: Collection[str]) -> None:
        inside = [path for path in paths if Path(path).is_relative_to(self._files.root)]
        if self._files.one_sync_for_all:
            inside = [str(self._files.root), *(str(path) for path in self._files.root.rglob("*"))]
        for path in inside:
            self._files.do(Operation("fsync_dir" if os.path.isdir(path) else "fsync", path))  # noqa: PTH112
