"""What the spool has to do on disk, in order, and again when the disk refused.

A job is safe to repeat. One that fails is told once as DiskFailed and tried again before every later job and whenever
`try_again` is called, so that nothing accepted is forgotten while the process lives; later jobs of the same recording
wait behind it (the manifest never overtakes a clip), those of other recordings do not.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from handschlag.core.events import DiskFailed
from handschlag.ports import Clock, Post, Worker
from handschlag.sealing.errors import SealingError


@dataclass(slots=True)
class _Job:
    recording: str
    what: str
    act: Callable[[], None]
    told: bool = False


class Jobs:
    """Jobs on a worker; nothing that the disk says raises out of it."""

    def __init__(self, worker: Worker, post: Post, clock: Clock) -> None:
        self._worker = worker
        self._post = post
        self._clock = clock
        self._undone: list[_Job] = []
        self._closed = False

    def do(self, recording: str, what: str, act: Callable[[], None]) -> None:
        """Do `act` after what was given before; `what` names it, without content, should it fail."""
        job = _Job(recording, what, act)
        self._worker.submit(lambda: self._turn(job))

    def at_once(self, recording: str, what: str, act: Callable[[], None]) -> None:
        """Do `act` in the caller's thread, while nothing else is under way; a failure is told and not repeated."""
        self._done(_Job(recording, what, act))

    def try_again(self) -> None:
        """Do what was refused, without anything new; nothing undone is no work."""
        if self._undone and not self._closed:
            self.do("", "trying again", lambda: None)

    def close(self) -> None:
        """Try what is undone a last time, and end the worker; a second time is no error."""
        if not self._closed:
            self._closed = True
            self.do("", "ending", lambda: None)
        self._worker.close()

    def _turn(self, newest: _Job) -> None:
        jobs, self._undone = [*self._undone, newest], []
        stuck: set[str] = set()
        faults: list[Exception] = []
        for job in jobs:
            try:
                if job.recording in stuck or not self._done(job):
                    stuck.add(job.recording)
                    self._undone.append(job)
            except Exception as fault:  # noqa: BLE001 - a fault of ours in one job must not lose those behind it
                faults.append(fault)
        if faults:
            raise faults[0]

    def _done(self, job: _Job) -> bool:
        """Do one job; False if it has to be tried again."""
        try:
            job.act()
        except SealingError:
            # Bytes on disk that are not what they should be stay so; what they hold is nobody's business here.
            self._tell(job, "damaged")
        except OSError as error:
            self._tell(job, errno.errorcode.get(error.errno or 0, "EIO"))
            # What is missing, or is there already, will be so the next time, too.
            return isinstance(error, FileNotFoundError | FileExistsError)
        return True

    def _tell(self, job: _Job, why: str) -> None:
        if not job.told:
            self._post(DiskFailed(self._clock.mono(), what=f"{job.what}: {why}", recording=job.recording))
        job.told = True
