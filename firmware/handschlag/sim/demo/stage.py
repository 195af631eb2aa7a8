"""The simulated world wired to a box that is another process.

The world keeps step with the box by its audio link. The serial line has no such thing, so after every line that
the tap says the world waits until the box has taken it from the terminal; that, and a speed limit, keep what happens on
the two wires in the order in which it would happen.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from handschlag.sim.demo.links import Link
from handschlag.sim.demo.place import CABLE_KM, TAP_SERIAL, Place
from handschlag.sim.line import LineModel
from handschlag.sim.tap import PtyTap, SimTap
from handschlag.sim.world import BLOCK, World

BLOCK_S = 0.02
TAKEN_WITHIN_S = 0.25


class Stage:
    """A world, its tap on a terminal, its button, and the pace at which time passes."""

    def __init__(self, place: Place, link: Callable[[], Link]) -> None:
        self._make_link = link
        self.on_step: Callable[[], None] = lambda: None
        self.tap = SimTap(serial=TAP_SERIAL)
        self._wire = PtyTap(self.tap, place.sockets / "tap")
        self._place = place
        self._link: Link | None = None
        self._panel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._pressing = False
        self._next_at = time.monotonic()
        self.world = World(
            self.tap,
            self._exchange,
            pump=self._pump,
            button=self._press,
            line=LineModel(cable_km=CABLE_KM, seed=1),
        )

    def connect(self) -> None:
        """Plug into the box; raises OSError while it does not listen yet."""
        if not self._pressing:
            self._panel.connect(os.fspath(self._place.sockets / "panel"))
            self._pressing = True
        self._link = self._make_link()

    def unplug(self) -> None:
        """The box is gone: no sound and no button until the next `connect`; its line lives on."""
        self._panel.close()
        if self._link is not None:
            self._link.close()
        self._link = None
        self._panel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._pressing = False

    def close(self) -> None:
        """Unplug everything."""
        self.unplug()
        self._panel.close()
        self._wire.close()

    def _exchange(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._link is None:
            return np.zeros(BLOCK, np.float32)
        played = self._link.exchange(frames)
        self.on_step()
        self._next_at = max(self._next_at + BLOCK_S / self._link.speed, time.monotonic() - BLOCK_S)
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        return played

    def _pump(self, now: float) -> None:
        self._wire.pump(now)
        until = time.monotonic() + TAKEN_WITHIN_S
        while self._wire.untaken and time.monotonic() < until:
            time.sleep(0.0005)

    def _press(self, down: bool) -> None:  # noqa: FBT001 - the world's signature
        with contextlib.suppress(OSError):
            self._panel.sendall(b"1" if down else b"0")
