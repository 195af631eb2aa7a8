"""One thread that does what takes time, in the order it was asked for.

The spool, the ledger and the catalog each own one, so that a clip waiting for a slow card never keeps a ledger entry
waiting. The queue itself has no bound: how much may wait is the business of whoever submits (the spool counts its
clips), because what *restricts* must never be turned away.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from handschlag.errors import HandschlagError


class WorkerClosed(HandschlagError, RuntimeError):
    """Something was submitted to a worker that has ended."""


class WorkerThread:
    """`ports.Worker` as a thread named `name`.

    An exception in a job is given to `on_error` (in this thread) and the next job is done all the same.
    """

    def __init__(self, name: str, *, on_error: Callable[[Exception], None]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._on_error = on_error
        self._lock = threading.Lock()
        self._closed = False
        # A daemon: a process that dies of something else must not stand there waiting for a disk (P3).
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job` after everything submitted before; raises WorkerClosed after `close`."""
        with self._lock:
            if self._closed:
                raise WorkerClosed(f"worker {self._thread.name} has ended: submit before closing it")
            self._jobs.put(job)

    def close(self) -> None:
        """Finish everything submitted, and end; a second time is no error. Not from a job of its own."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - one bad job must not end the thread that all others wait for
                with suppress(Exception):
                    self._on_error(error)
            # Nothing of a finished job (sealed bytes, a frame of a traceback) stays alive while waiting for the next.
            del job
