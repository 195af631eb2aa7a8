"""Workers without a thread: one that does everything at once, and one that waits until it is told.

The second one is a slow disk in a test's hand: what was submitted stays undone until `run` is called, so that a test
can look at every moment in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class HeldWorker:
    """`ports.Worker` that keeps its jobs until `run`. An exception in a job is given to `on_error`."""

    def __init__(self, *, on_error: Callable[[Exception], None]) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._on_error = on_error
        self._busy = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs are undone."""
        return len(self._jobs)

    def submit(self, job: Callable[[], None]) -> None:
        """Keep `job`; raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("worker has ended: submit before closing it")
        self._jobs.append(job)

    def run(self, jobs: int | None = None) -> None:
        """Do the next `jobs`, in order; None: all, those that they submit included. From within a job: nothing."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._jobs and jobs != 0:
                job = self._jobs.popleft()
                jobs = None if jobs is None else jobs - 1
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - as on the real thread: the next job is done all the same
                    self._on_error(error)
        finally:
            self._busy = False

    def close(self) -> None:
        """Finish everything submitted, and end; a second time is no error."""
        self._closed = True
        self.run()


class InlineWorker(HeldWorker):
    """`ports.Worker` that does every job before `submit` returns (a job's own submissions: right after it)."""

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job` now."""
        super().submit(job)
        self.run()
