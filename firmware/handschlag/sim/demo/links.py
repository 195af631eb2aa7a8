"""How the simulated line reaches the box: in lock-step over a socket, or in real time over real sound devices."""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handschlag.sim.audio import PipeWorld
from handschlag.sim.demo.place import DemoFailed, Place
from handschlag.sim.pulse import LINE
from handschlag.sim.world import BLOCK

RATE = 48000


class Link(Protocol):
    """One block to the box, one block of what it plays back. `speed` is how fast the world may go."""

    speed: float

    def exchange(self, frames: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(n, 2) in, (n,) out."""
        ...

    def close(self) -> None:
        """Unplug."""
        ...


class LockStep:
    """The box's pipe; it answers when it has handled the block, so nobody waits for real time."""

    def __init__(self, place: Place, speed: float = 10.0) -> None:
        self.speed = speed
        self._pipe = PipeWorld(place.sockets / "audio")

    def exchange(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hand over a block, wait until it was heard."""
        return self._pipe.exchange(frames)

    def close(self) -> None:
        """Unplug."""
        self._pipe.close()


class SoundCard:
    """The line's side of the two null sinks, through PortAudio: the device itself sets the pace."""

    def __init__(self) -> None:
        self.speed = math.inf
        try:
            import sounddevice  # noqa: PLC0415 - needs a library that only the live demonstration wants
        except OSError as error:
            raise DemoFailed("PortAudio is missing: sudo apt-get install libportaudio2") from error
        if not os.environ.get("ALSA_CONFIG_PATH"):
            raise DemoFailed("the private sound server is not running")
        number = next(
            (i for i, device in enumerate(sounddevice.query_devices()) if device["name"].startswith(LINE)), None
        )
        if number is None:
            raise DemoFailed(f"no sound device {LINE}")
        self._stream: Any = sounddevice.Stream(
            samplerate=RATE, blocksize=BLOCK, device=number, channels=(2, 2), dtype="float32", latency="low"
        )
        self._stream.start()

    def exchange(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Play a block to the box, record as much from it."""
        self._stream.write(np.ascontiguousarray(frames))
        played, _overflowed = self._stream.read(BLOCK)
        return np.ascontiguousarray(played[:, 0])

    def close(self) -> None:
        """Unplug."""
        self._stream.abort()
        self._stream.close()
