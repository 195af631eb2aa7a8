"""Where the benches keep their data: a folder on a disk, and a word on which kind of file system that is.

What is durable on a file system in memory costs nothing, so that a figure from there would flatter.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@contextlib.contextmanager
def scratch(where: Path | None) -> Iterator[Path]:
    """A new folder in `where`, or in the first usual place that is on a disk; gone afterwards."""
    places = [where] if where is not None else [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108
    chosen = next((place for place in places if file_system(place) not in IN_MEMORY), places[0])
    kind = file_system(chosen)
    warning = ": in memory, so that nothing here waits for a disk" if kind in IN_MEMORY else ""
    print(f"data in {chosen}, {kind}{warning}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="hs-uplink-", dir=chosen, ignore_cleanup_errors=True) as name:
        yield Path(name)


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as the kernel names it."""
    folder = folder.resolve()
    best, kind = -1, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mounted_on = Path(before.split()[4].replace("\\040", " "))
        depth = len(mounted_on.parts)
        if folder.is_relative_to(mounted_on) and depth >= best:
            best, kind = depth, after.split()[0]
    return kind


def need_bytes(folder: Path, wanted: int) -> None:
    """Raise OSError when fewer bytes are free there."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(f"{folder}: {free / 1e9:.1f} GB are free, {wanted / 1e9:.1f} GB are needed; choose with --dir")
