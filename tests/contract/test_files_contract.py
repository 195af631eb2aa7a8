"""What every `ports.FileOps` and every `ports.Worker` does, real or watched, on a thread or without one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from handschlag.adapters.files import RealFiles
from handschlag.adapters.worker import WorkerThread
from handschlag.ports import FileOps, Worker
from handschlag.sim.files import WatchedFiles
from handschlag.sim.worker import InlineWorker

MakeWorker = Callable[[Callable[[Exception], None]], Worker]


@pytest.fixture(params=["real", "watched"])
def files(request: pytest.FixtureRequest) -> FileOps:
    """Each implementation in turn."""
    return RealFiles() if request.param == "real" else WatchedFiles(RealFiles())


@pytest.fixture(params=["thread", "inline"])
def make_worker(request: pytest.FixtureRequest) -> MakeWorker:
    """Each kind of worker in turn, made with a place for its errors."""
    if request.param == "thread":
        return lambda on_error: WorkerThread("test", on_error=on_error)
    return lambda on_error: InlineWorker(on_error=on_error)


def test_a_file_is_private_and_replaced_from_its_beginning(files: FileOps, tmp_path: Path) -> None:
    """What a torn attempt left under the same name is gone, and nobody else may read the file."""
    path = tmp_path / "a"
    files.write(str(path), b"a longer first attempt")
    files.write(str(path), b"short")
    files.fsync(str(path))
    assert path.read_bytes() == b"short"
    assert path.stat().st_mode & 0o777 == 0o600


def test_appending_makes_and_grows(files: FileOps, tmp_path: Path) -> None:
    """The first append makes the file (0600), the next ones grow it, truncate cuts it."""
    path = tmp_path / "log"
    files.append(str(path), b"one")
    files.append(str(path), b"two")
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    files.truncate(str(path), 4)
    assert path.read_bytes() == b"onet"


def test_a_rename_replaces_and_what_is_missing_is_no_error(files: FileOps, tmp_path: Path) -> None:
    """Renaming replaces; removing what is not there, and making what is there, are quiet."""
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "folder"
    files.write(str(old), b"newer")
    files.write(str(new), b"older")
    files.rename(str(old), str(new))
    files.fsync_dir(str(tmp_path))
    assert new.read_bytes() == b"newer"
    assert not old.exists()
    files.unlink(str(old))
    files.mkdir(str(folder))
    files.mkdir(str(folder))
    assert folder.stat().st_mode & 0o777 == 0o700
    files.rmdir(str(folder))
    files.rmdir(str(folder))
    assert not folder.exists()


def test_what_cannot_be_done_is_an_oserror(files: FileOps, tmp_path: Path) -> None:
    """A missing folder, a missing file to sync, a folder that is not empty, a file where a folder should be."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(FileNotFoundError):
        files.write(str(tmp_path / "none" / "x"), b"")
    with pytest.raises(FileNotFoundError):
        files.fsync(str(tmp_path / "none"))
    with pytest.raises(OSError, match="not empty"):
        files.rmdir(str(tmp_path / "full"))
    with pytest.raises(FileExistsError):
        files.mkdir(str(tmp_path / "full" / "x"))


def test_no_file_is_written_through_a_link(files: FileOps, tmp_path: Path) -> None:
    """A symbolic link planted under the name to be written does not lead elsewhere."""
    target = tmp_path / "elsewhere"
    target.write_bytes(b"untouched")
    (tmp_path / "name").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        files.write(str(tmp_path / "name"), b"captured")
    assert target.read_bytes() == b"untouched"


def test_jobs_are_done_in_order_all_before_close_returns(make_worker: MakeWorker) -> None:
    """Whatever was submitted before `close` is done when it returns, first come first done."""
    done: list[int] = []
    worker = make_worker(lambda error: pytest.fail(str(error)))
    for number in range(100):
        worker.submit(lambda number=number: done.append(number))  # type: ignore[misc] # mypy infers no default in lambdas
    worker.close()
    worker.close()
    assert done == list(range(100))


def test_a_failing_job_is_told_and_the_next_is_done(make_worker: MakeWorker) -> None:
    """An exception reaches `on_error` and ends nothing, even if `on_error` itself fails on the thread."""
    errors: list[Exception] = []
    done = threading.Event()
    worker = make_worker(errors.append)

    def bad() -> None:
        raise OSError("disk")

    worker.submit(bad)
    worker.submit(done.set)
    worker.close()
    assert done.is_set()
    assert [str(error) for error in errors] == ["disk"]


def test_nothing_can_be_submitted_after_the_end(make_worker: MakeWorker) -> None:
    """A job that would never be done is refused instead of forgotten."""
    worker = make_worker(lambda error: pytest.fail(str(error)))
    worker.close()
    with pytest.raises(RuntimeError, match="ended"):
        worker.submit(lambda: None)


def test_a_job_may_submit_another(make_worker: MakeWorker) -> None:
    """What a job submits comes after what was submitted before it, and is done too."""
    done: list[str] = []
    finished = threading.Event()
    worker = make_worker(lambda error: pytest.fail(str(error)))

    def first() -> None:
        worker.submit(finished.set)
        done.append("first")

    worker.submit(first)
    assert finished.wait(10)
    worker.close()
    assert done == ["first"]
