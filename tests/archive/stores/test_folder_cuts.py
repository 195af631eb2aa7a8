"""The folder store when the power goes: at every operation, with everything that a disk may then have left."""

import ctypes
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from handschlag.sim.power_cut import Survival, Tree
from handschlag_archive.stores.files import RealFiles, can_sync_whole
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import Place
from tests.archive.stores.disk import WatchedFiles

RECORDING = "01890a5d-ac96-774b-bcce-b302099a8057"
SEEDS = range(6)
Object = tuple[Place, bytes]


def _object(number: int, *, box: str = "werkstatt-1") -> Object:
    content = f"clip {number} of {box}".encode() * 50
    return Place(box, RECORDING, f"{number:06}.clip", hashlib.sha256(content).hexdigest()), content


GROUP = [_object(1), _object(2), _object(3), _object(1, box="werkstatt-2")]


def _path(place: Place) -> str:
    return f"{place.box}/{place.recording}/{place.name}.{place.sha256}"


@pytest.fixture(params=[False, True], ids=["each file", "whole file system"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> WatchedFiles:
    """A watched disk, synced either way."""
    return WatchedFiles(tmp_path / "clips", whole=request.param)


def _every_cut(files: WatchedFiles) -> list[Tree]:
    return [files.after_cut(survival, seed) for survival in Survival for seed in SEEDS]


def _at_every_operation(files: WatchedFiles, check: Callable[[Tree], None]) -> None:
    def look() -> None:
        for tree in _every_cut(files):
            check(tree)

    files.look = look
    look()


def _assert_names_hold_their_bytes(tree: Tree) -> None:
    for path, content in tree.items():
        if content is not None and not path.endswith(".tmp"):
            assert hashlib.sha256(content).hexdigest() == path.rpartition(".")[2], path


def test_what_was_put_survives_every_cut(files: WatchedFiles) -> None:
    """Once `put` has returned all objects are there, under their names; catches every sync that is left out."""
    store = FolderStore(files.root, files=files)
    assert store.put(GROUP) == 1
    for tree in _every_cut(files):
        assert {path: content for path, content in tree.items() if content is not None} == {
            _path(place): content for place, content in GROUP
        }


def test_a_name_is_never_there_before_its_bytes(files: WatchedFiles) -> None:
    """At no operation of `put` may a cut leave a final name with other bytes; catches a rename before its sync."""
    store = FolderStore(files.root, files=files)
    _at_every_operation(files, _assert_names_hold_their_bytes)
    store.put(GROUP)


def test_what_another_has_kept_already_stays_through_a_second_put(files: WatchedFiles) -> None:
    """Two workers keep the same object: what the first has promised holds at every operation of the second."""
    store = FolderStore(files.root, files=files)
    store.put(GROUP[:2])

    def check(tree: Tree) -> None:
        for place, content in GROUP[:2]:
            assert tree.get(_path(place)) == content

    _at_every_operation(files, check)
    store.put(GROUP)


def test_what_was_removed_from_among_others_stays_gone(files: WatchedFiles) -> None:
    """One object of a recording: gone after any cut, and its neighbours never touched."""
    store = FolderStore(files.root, files=files)
    store.put(GROUP)
    rest = {_path(place): content for place, content in GROUP[1:]}

    def check(tree: Tree) -> None:
        assert rest.items() <= tree.items()

    _at_every_operation(files, check)
    store.remove([GROUP[0][0]])
    for tree in _every_cut(files):
        assert {path for path, left in tree.items() if left is not None} == set(rest)


@pytest.mark.parametrize("way", ["remove", "clear"])
def test_what_was_removed_stays_gone(files: WatchedFiles, way: str) -> None:
    """Removed objects do not come back after any cut, and what is beside them is never touched."""
    store = FolderStore(files.root, files=files)
    store.put(GROUP)
    other, content = GROUP[-1]

    def check(tree: Tree) -> None:
        assert tree.get(_path(other)) == content

    _at_every_operation(files, check)
    if way == "clear":
        store.clear("werkstatt-1", RECORDING)
    else:
        store.remove(place for place, _ in GROUP[:-1])
    for tree in _every_cut(files):
        assert {path for path, left in tree.items() if left is not None} == {_path(other)}


def test_a_failed_put_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """A disk that is full in the middle of a group: an error, no object, no litter; and the next attempt goes through.

    Would catch a `put` that returns, or renames, although not everything was written.
    """

    class Full(RealFiles):
        writes = 0

        def write(self, path: str, data: bytes) -> None:
            self.writes += 1
            if self.writes == 3:
                raise OSError(28, "No space left on device")
            super().write(path, data)

    store = FolderStore(tmp_path / "clips", files=Full())
    with pytest.raises(OSError, match="No space left"):
        store.put(GROUP)
    assert not list(store.inventory())
    assert store.sweep() == 0
    store.put(GROUP)
    assert sorted(kept.place for kept in store.inventory()) == sorted(place for place, _ in GROUP)


def test_an_error_of_the_disk_reaches_whoever_puts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sync of the whole file system fails, `put` fails: its result is looked at."""
    monkeypatch.setattr("handschlag_archive.stores.files._FEW", 0)
    monkeypatch.setattr("handschlag_archive.stores.files._libc", _NoSync())
    store = FolderStore(tmp_path / "clips", files=RealFiles(whole=False))
    store._files = RealFiles(whole=True)
    with pytest.raises(OSError, match="Input/output error"):
        store.put(GROUP)
    assert not list(store.inventory())


class _NoSync:
    """A system whose disk fails."""

    def syncfs(self, _descriptor: int) -> int:
        ctypes.set_errno(5)
        return -1


def test_one_sync_for_all_where_the_file_system_is_known_for_it(tmp_path: Path) -> None:
    """In memory nothing is durable and syncfs promises nothing; whatever is not known is synced file by file."""
    assert not can_sync_whole("/proc")
    assert not can_sync_whole(str(tmp_path / "absent"))


def test_a_group_is_synced_twice_whatever_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync for the bytes and one for the names; catches a fall-back to a flush per file that nobody notices."""
    calls: list[int] = []
    monkeypatch.setattr("handschlag_archive.stores.files._syncfs", calls.append)
    store = FolderStore(tmp_path / "clips", files=RealFiles(whole=True))
    calls.clear()
    store.put([_object(number, box=f"werkstatt-{number % 8}") for number in range(64)])
    assert len(calls) == 2
