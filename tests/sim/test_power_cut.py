"""What a cut may leave is what POSIX allows: never less than what was synced, and never more than what was written."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.adapters.files import RealFiles
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.power_cut import Disk, Survival, Tree, fingerprint, lay_down, read_tree, torn_within

ROOT = "/disk"
CHANCES = range(200)


def _disk(*operations: Operation) -> Disk:
    disk = Disk(ROOT)
    for operation in operations:
        disk.do(operation)
    return disk


def _write(path: str, data: bytes) -> Operation:
    return Operation("write", f"{ROOT}/{path}", data=data)


def _append(path: str, data: bytes) -> Operation:
    return Operation("append", f"{ROOT}/{path}", data=data)


def _on(kind: str, path: str = "", to: str = "") -> Operation:
    return Operation(kind, f"{ROOT}/{path}".rstrip("/"), f"{ROOT}/{to}" if to else "")


def _drawn(disk: Disk) -> list[Tree]:
    return [disk.after_cut(Survival.CHANCE, random.Random(seed)) for seed in CHANCES]


def _left(disk: Disk, survival: Survival) -> Tree:
    return disk.after_cut(survival, random.Random(0))


def test_file_without_fsync_of_its_folder_may_be_missing() -> None:
    """Synced bytes under a name that nobody synced are found by nobody."""
    disk = _disk(_write("a", b"x"), _on("fsync", "a"))
    assert _left(disk, Survival.NOTHING) == {}
    assert _left(disk, Survival.EVERYTHING) == {"a": b"x"}


def test_what_was_synced_is_always_left() -> None:
    """After both fsyncs no draw loses anything."""
    disk = _disk(_write("a", b"xyz"), _on("fsync", "a"), _on("fsync_dir"))
    assert all(tree == {"a": b"xyz"} for tree in _drawn(disk))


def test_unsynced_bytes_come_in_every_damaged_form() -> None:
    """A new file may be whole, empty, short, or zeros where bytes should be."""
    disk = _disk(_write("a", b"abcdef"), _on("fsync_dir"))
    found = {tree["a"] for tree in _drawn(disk)}
    assert {b"", b"abcdef", bytes(6)} <= found
    assert any(0 < len(data or b"") < 6 for data in found)
    assert _left(disk, Survival.NAMES) == {"a": bytes(6)}


def test_append_never_loses_what_was_synced_before_it() -> None:
    """The synced beginning of a journal stays whatever becomes of its end."""
    disk = _disk(_write("a", b"first"), _on("fsync", "a"), _on("fsync_dir"), _append("a", b"second"))
    found = {tree["a"] for tree in _drawn(disk)}
    assert all((data or b"").startswith(b"first") for data in found)
    assert {b"first", b"firstsecond", b"first" + bytes(6)} <= found


def test_renames_survive_out_of_order() -> None:
    """Of two unsynced renames the second may be there without the first."""
    disk = _disk(_write("a", b"1"), _write("b", b"2"), _on("fsync", "a"), _on("fsync", "b"), _on("fsync_dir"))
    disk.do(_on("rename", "a", "A"))
    disk.do(_on("rename", "b", "B"))
    found = {frozenset(tree) for tree in _drawn(disk)}
    assert found == {frozenset(names) for names in ({"a", "b"}, {"A", "b"}, {"a", "B"}, {"A", "B"})}


def test_renamed_folder_takes_its_files_with_it() -> None:
    """What is in a folder is under its new name once that name is synced, and a late write by path fails."""
    disk = _disk(_on("mkdir", "f"), _on("fsync_dir"), _write("f/a", b"1"), _on("fsync", "f/a"), _on("fsync_dir", "f"))
    disk.do(_on("rename", "f", "g"))
    assert _left(disk, Survival.NOTHING) == {"f": None, "f/a": b"1"}
    disk.do(_on("fsync_dir"))
    assert _left(disk, Survival.NOTHING) == {"g": None, "g/a": b"1"}
    with pytest.raises(FileNotFoundError):
        disk.do(_write("f/b", b"2"))


def test_rename_across_folders_is_one_change() -> None:
    """A file moved aside is in the one folder or in the other, never in both or none."""
    disk = _disk(_on("mkdir", "x"), _on("mkdir", "y"), _on("fsync_dir"), _write("x/a", b"1"), _on("fsync", "x/a"))
    disk.do(_on("fsync_dir", "x"))
    disk.do(_on("rename", "x/a", "y/a"))
    assert {frozenset(tree) - {"x", "y"} for tree in _drawn(disk)} == {frozenset({"x/a"}), frozenset({"y/a"})}
    disk.do(_on("fsync_dir", "y"))
    assert all("y/a" in tree and "x/a" not in tree for tree in _drawn(disk))


def test_removed_file_may_come_back_until_its_folder_is_synced() -> None:
    """An unlink is a change of names like any other."""
    disk = _disk(_write("a", b"1"), _on("fsync", "a"), _on("fsync_dir"), _on("unlink", "a"))
    assert {len(tree) for tree in _drawn(disk)} == {0, 1}
    disk.do(_on("fsync_dir"))
    assert all(not tree for tree in _drawn(disk))


def test_truncation_is_done_or_not() -> None:
    """A shorter file keeps its beginning."""
    disk = _disk(_write("a", b"abc"), _on("fsync", "a"), _on("fsync_dir"))
    disk.do(Operation("truncate", f"{ROOT}/a", size=1))
    assert {tree["a"] for tree in _drawn(disk)} == {b"abc", b"a"}


def test_write_met_halfway_is_a_beginning() -> None:
    """A cut within a write leaves some first bytes; other operations are whole."""
    lengths = {len(torn_within(_write("a", b"abcd"), random.Random(seed)).data) for seed in range(50)}
    assert lengths == {0, 1, 2, 3, 4}
    assert torn_within(_on("fsync", "a"), random.Random(0)) == _on("fsync", "a")


def _do(files: WatchedFiles, root: Path, step: tuple[int, int, bytes]) -> None:
    kind, which, data = step
    path, other = str(root / "ab"[which]), str(root / "ba"[which])
    acts: tuple[Callable[[], None], ...] = (
        lambda: files.write(path, data),
        lambda: files.append(path, data),
        lambda: files.fsync(path),
        lambda: files.rename(path, other),
        lambda: files.unlink(path),
        lambda: files.fsync_dir(str(root)),
        lambda: files.truncate(path, len(data)),
    )
    try:
        acts[kind]()
    except FileNotFoundError:
        return


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), st.binary(max_size=5)), max_size=12))
def test_seen_disk_is_the_real_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bytes]]
) -> None:
    """After any operations on a real folder, the disk that loses nothing equals that folder."""
    root = tmp_path_factory.mktemp("disk")
    files = WatchedFiles(RealFiles())
    for step in steps:
        _do(files, root, step)
    disk = Disk(str(root))
    for operation in files.done:
        disk.do(operation)
    left = _left(disk, Survival.EVERYTHING)
    assert left == read_tree(root)
    copy = root.with_name(root.name + "-copy")
    lay_down(left, copy)
    assert fingerprint(read_tree(copy)) == fingerprint(left)
