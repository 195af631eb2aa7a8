"""The real file operations where the watched ones cannot differ, and a thread that survives its error handler."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from handschlag.adapters.files import RealFiles
from handschlag.adapters.worker import WorkerThread


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes three bytes at a time gets them all, in order."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    RealFiles().write(str(tmp_path / "a"), bytes(range(100)))
    assert (tmp_path / "a").read_bytes() == bytes(range(100))


def test_a_full_disk_is_an_error_and_leaves_no_descriptor() -> None:
    """ENOSPC from the system comes through; a thousand of them do not exhaust the process."""
    for _ in range(2000):
        with pytest.raises(OSError, match="No space"):
            RealFiles().append("/dev/full", b"x")


def test_the_umask_cannot_widen_a_file(tmp_path: Path) -> None:
    """Files stay private under the most careless umask."""
    before = os.umask(0)
    try:
        RealFiles().write(str(tmp_path / "a"), b"")
        RealFiles().mkdir(str(tmp_path / "b"))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700


def test_the_thread_survives_its_error_handler() -> None:
    """A handler that fails does not end the thread that ledger and spool wait for."""
    done = threading.Event()

    def handler(error: Exception) -> None:
        raise RuntimeError("handler") from error

    def bad() -> None:
        raise ValueError

    worker = WorkerThread("test", on_error=handler)
    worker.submit(bad)
    worker.submit(done.set)
    worker.close()
    assert done.is_set()
