"""Several workers on one machine: a parent that starts them, starts a dead one anew, and stops all of them.

Each worker is a process of its own with its own connection to the broker: they share nothing but stores and index, so
that one that hangs or dies holds no other up. A worker that dies is started again after a pause that doubles while it
keeps dying. What they print is one JSON object a line: `ready` once, and at the end what they counted.

A worker ends when its standard input does: if the parent is killed, nobody is left behind.
"""

import json
import logging
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from handschlag.errors import HandschlagError

WRONG_SETTINGS: Final = 2
"""What a worker exits with when no later start will be any better."""

_log: Final = logging.getLogger(__name__)


class NoWorker(HandschlagError, RuntimeError):
    """No worker could be started; its own words are on the standard error output."""


class Workers:
    """`count` processes of one `command`. `run` is to be called once."""

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        on_ready: Callable[[], None],
        first_pause_s: float = 1.0,
        longest_pause_s: float = 60.0,
    ) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._command = list(command)
        self._count = count
        self._on_ready = on_ready
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()
        self._ready: set[int] = set()
        self._useless = False

    def run(self) -> None:
        """Keep all of them running until `stop` is called, and wait for their end.

        Raises:
            NoWorker: the first start failed in a way that the next would, too.

        """
        keepers = [threading.Thread(target=self._keep, args=(number,)) for number in range(self._count)]
        for keeper in keepers:
            keeper.start()
        for keeper in keepers:
            keeper.join()
        if self._useless:
            raise NoWorker("no worker could be started; why, it has said itself")

    def stop(self) -> None:
        """Have each finish the group in hand and leave. May be called from any thread."""
        with self._lock:
            self._stopping.set()
            for process in self._running:
                process.terminate()

    def _keep(self, number: int) -> None:
        pause_s = self._first_pause_s
        while not self._stopping.is_set():
            since = time.monotonic()
            code = self._work(number)
            if self._stopping.is_set():
                return
            if code == WRONG_SETTINGS and not self._ready:
                self._useless = True
                self.stop()
                return
            if time.monotonic() - since > self._longest_pause_s:
                pause_s = self._first_pause_s
            _log.error("worker %d ended with %d; it is started again in %.3g s", number, code, pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, self._longest_pause_s)

    def _work(self, number: int) -> int:
        """One life of one worker; its exit code."""
        with subprocess.Popen(  # noqa: S603 - our own program, with our own arguments
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            with self._lock:
                self._running.add(process)
                if self._stopping.is_set():
                    process.terminate()
            for line in process.stdout or ():
                self._hear(number, line)
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        return code

    def _hear(self, number: int, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        with self._lock:
            if said.get("ready") is True:
                before = len(self._ready)
                self._ready.add(number)
                if before < self._count == len(self._ready):
                    self._on_ready()
            if said.get("stopped") is True:
                for subject, counts in said.items():
                    if isinstance(counts, Mapping):
                        self.counts.setdefault(subject, Counter()).update(counts)
