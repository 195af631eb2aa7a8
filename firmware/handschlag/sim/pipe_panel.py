"""A panel behind a UNIX socket: the simulated world presses the button, and sees the lamps.

From the world come bytes, `1` for down and `0` for up; to the world go lines `<rec> <status>`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.ports import Post


class PipePanel:
    """`ports.Panel` for a world that connects to the UNIX socket `path`."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._post: Post = lambda _event: None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._world: socket.socket | None = None
        self._shown = (RecLamp.OFF, StatusLamp.OFF)
        self._thread = threading.Thread(target=self._run, name="pipe-panel", daemon=True)

    def start(self, post: Post) -> None:
        """Wait for the world, and report what it presses."""
        self._post = post
        self._path.unlink(missing_ok=True)
        self._listener.bind(os.fspath(self._path))
        self._listener.listen(1)
        self._thread.start()

    def show(self, rec: RecLamp, status: StatusLamp) -> None:
        """Show a pattern from now on."""
        self._shown = (rec, status)
        self._tell()

    def close(self) -> None:
        """Lamps off, and end."""
        self.show(RecLamp.OFF, StatusLamp.OFF)
        for end in (self._listener, self._world):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            try:
                world, _ = self._listener.accept()
            except OSError:
                return
            with world:
                self._world = world
                self._tell()
                with contextlib.suppress(OSError):
                    self._serve(world)
                self._world = None

    def _serve(self, world: socket.socket) -> None:
        while data := world.recv(64):
            for byte in data:
                self._post(ButtonMoved(self._now(), down=byte == ord("1")))

    def _tell(self) -> None:
        world = self._world
        if world is not None:
            rec, status = self._shown
            with contextlib.suppress(OSError):
                world.sendall(f"{rec.value} {status.value}\n".encode())
