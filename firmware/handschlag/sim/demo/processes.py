"""The demonstration's processes: started together, watched, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from handschlag.sim.children import dies_with_parent
from handschlag.sim.demo.place import DemoFailed, Place, archive_program

START_S = 20.0
END_S = 5.0


class Child:
    """One process; its errors go to a log file, its JSON lines to `latest`."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.latest: dict[str, Any] = {}
        self.heard = threading.Event()
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                dies_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        self._reader = threading.Thread(target=self._read, name=f"read-{name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def alive(self) -> None:
        """Raise DemoFailed, with its last words, if it has ended."""
        code = self._process.poll()
        if code is not None:
            words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise DemoFailed(f"{self.name} has ended ({code}): {' '.join(words) or f'see {self._log}'}")

    def end(self) -> int:
        """Ask it to end; after a while, make it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(timeout=1)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode

    def kill(self) -> None:
        """End it at once, as nothing that it does can prevent (SIGKILL)."""
        self._process.kill()
        self.end()

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        with contextlib.suppress(ValueError):  # closed while reading
            for line in self._process.stdout:
                with contextlib.suppress(ValueError):
                    self.latest = json.loads(line)
                    self.heard.set()


def wait_for(what: str, condition: Callable[[], bool], *children: Child, within_s: float = START_S) -> None:
    """Wait until something is so. Raises DemoFailed when it is not in time, or when a child has ended."""
    until = time.monotonic() + within_s
    while not condition():
        for child in children:
            child.alive()
        if time.monotonic() > until:
            raise DemoFailed(f"{what}: not within {within_s:.0f} s")
        time.sleep(0.02)


@contextlib.contextmanager
def started(place: Place, module: str = "handschlag") -> Iterator[tuple[Child, Child, Child]]:
    """Broker, archive and box, running; `module` is the box's program, or one that watches it."""
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(mosquitto).exists():
        raise DemoFailed("mosquitto is missing: sudo apt-get install mosquitto")
    children: list[Child] = []

    def start(name: str, command: list[str]) -> Child:
        child = Child(name, command, place.folder / "logs" / f"{name}.log")
        children.append(child)
        return child

    try:
        broker = start("broker", [mosquitto, "-c", str(place.folder / "broker" / "mosquitto.conf")])
        archive = start("archive", archive_program("ingest", "--config", str(place.archive / "archive.toml"), "--json"))
        wait_for("the archive", archive.heard.is_set, broker, archive)
        command = [sys.executable, "-m", module, "run", "--config", str(place.box / "box.toml"), "--json"]
        box = start("box", command)
        yield broker, archive, box
    finally:
        for child in reversed(children):
            child.end()
