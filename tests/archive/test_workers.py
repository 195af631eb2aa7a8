"""The parent of several workers: all are started, a dead one is started anew, all are stopped, none is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from handschlag_archive.workers import NoWorker, Workers

PATIENCE_S = 30
GOOD = """
import json, os, signal, sys
lives = open(sys.argv[1], "a"); lives.write(f"{os.getpid()}\\n"); lives.close()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(json.dumps({"ready": True}), flush=True)
signal.sigwait({signal.SIGTERM})
print(json.dumps({"stopped": True, "uplink": {"messages": 2}}), flush=True)
"""
"""A worker that waits for its end."""


class Stand:
    """A parent that runs in a thread of its own."""

    def __init__(self, folder: Path, script: str, count: int) -> None:
        self.lives = folder / "lives"
        self.lives.touch()
        self.ready = threading.Event()
        self.error: BaseException | None = None
        self.workers = Workers(
            [sys.executable, "-c", script, str(self.lives)],
            count,
            on_ready=self.ready.set,
            first_pause_s=0.001,
            longest_pause_s=0.01,
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.workers.run()
        except NoWorker as error:
            self.error = error

    def pids(self) -> list[int]:
        """Every life there was."""
        return [int(line) for line in self.lives.read_text().splitlines()]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that another process does."""
        for _ in range(PATIENCE_S * 100):
            if condition():
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"waited in vain: {self.pids()}")

    def end(self) -> None:
        """Stop it, and wait."""
        self.workers.stop()
        self.join()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def test_all_are_started_and_stopped_and_what_they_counted_is_added_up(tmp_path: Path) -> None:
    """Ready is said once all are; at the end each has left by itself and said what it did."""
    stand = Stand(tmp_path, GOOD, 3)
    assert stand.ready.wait(PATIENCE_S)
    stand.end()
    assert len(stand.pids()) == 3
    assert stand.workers.counts == {"uplink": {"messages": 6}}


def test_a_dead_one_is_started_anew_and_the_others_live(tmp_path: Path) -> None:
    """A worker that is killed has a successor; nobody else notices."""
    stand = Stand(tmp_path, GOOD, 2)
    assert stand.ready.wait(PATIENCE_S)
    first, second = stand.pids()
    os.kill(first, signal.SIGKILL)
    stand.until(lambda: len(stand.pids()) == 3)
    os.kill(second, 0)
    stand.end()
    assert len(stand.pids()) == 3


def test_one_that_keeps_dying_is_started_again_and_again_and_can_be_stopped(tmp_path: Path) -> None:
    """Whatever it dies of, the parent goes on trying, and a stop in a pause between two lives comes through."""
    stand = Stand(tmp_path, "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); sys.exit(3)", 1)
    stand.until(lambda: len(stand.pids()) >= 3)
    assert not stand.ready.is_set()
    stand.end()
    assert stand.error is None


def test_settings_that_no_worker_can_use_end_the_parent(tmp_path: Path) -> None:
    """A first start that fails by its settings is not tried for ever."""
    stand = Stand(tmp_path, "import sys; sys.exit(2)", 2)
    stand.join()
    assert isinstance(stand.error, NoWorker)


def test_nobody_is_left_behind_by_a_killed_parent(tmp_path: Path) -> None:
    """A worker ends when the pipe to its parent does, as when the parent is killed."""
    script = f"""
import os, sys, threading
from handschlag_archive.cli.running import _stop_without_parent
gone = threading.Event()
_stop_without_parent(gone.set)
print("waits", flush=True)
open({str(tmp_path / "end")!r}, "w").write(str(gone.wait({PATIENCE_S})))
"""
    parent = (
        "import json, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {script!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(json.loads(process.stdout.readline()))
        process.kill()
    for _ in range(PATIENCE_S * 100):
        if (tmp_path / "end").exists() and (tmp_path / "end").read_text():
            break
        threading.Event().wait(0.01)
    assert (tmp_path / "end").read_text() == "True", child


@pytest.mark.parametrize("line", ["", "no json", "[1]", '{"ready": "yes"}', '{"stopped": true, "uplink": 3}'])
def test_whatever_a_worker_prints_the_parent_lives(tmp_path: Path, line: str) -> None:
    """Lines that are not what they should be are passed over."""
    stand = Stand(tmp_path, f"print({line!r}, flush=True)\n{GOOD}", 1)
    assert stand.ready.wait(PATIENCE_S)
    stand.end()
    assert stand.workers.counts == {"uplink": {"messages": 2}}
