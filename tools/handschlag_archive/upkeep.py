"""What an archive does by itself beside taking things in: a thread that asks each task once a minute.

Whether it is due the task itself knows, from the index: of several workers only one does it, and a restart changes
nothing. A task that fails is logged and asked again at the next turn; it never ends the worker.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

_EVERY_S: Final = 60.0

_log: Final = logging.getLogger(__name__)

Task = Callable[[datetime], object]
"""Asked with the present moment; does its work if it is due."""


class Upkeep:
    """Runs tasks until it is stopped."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a task in hand is finished first, and safe to be cut."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def turn(self, now: datetime) -> None:
        """Ask every task once."""
        for task in self._tasks:
            if self._stopping.is_set():
                return
            try:
                task(now)
            except Exception:  # noqa: BLE001 - whatever it is, ingest and the other tasks must go on
                _log.exception("a task of the upkeep failed")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.turn(datetime.now(UTC))
            self._stopping.wait(_EVERY_S)
