"""The two small things that every `ports.Audio` needs: buffers that are used again, and the sound being played.

Audio of a call may exist nowhere for longer than 200 ms before there is consent (P1). So the buffers are made once,
are few, and are wiped when they come back; nothing here allocates while audio runs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from handschlag.ports import SOUND_RATE_HZ, Frames, Sound


class BlockPool:
    """`count` buffers of (frames, channels) float32. `take` and `give` are safe from different threads."""

    def __init__(self, count: int, frames: int, channels: int) -> None:
        self._buffers = [np.zeros((frames, channels), np.float32) for _ in range(count)]
        self._out = [False] * count
        self._free = deque(range(count))

    def take(self) -> Frames | None:
        """A wiped buffer, or None when all are out."""
        try:
            number = self._free.popleft()
        except IndexError:
            return None
        self._out[number] = True
        return self._buffers[number]

    def give(self, frames: Frames) -> bool:
        """Wipe a buffer that came from `take`; False for anything else, and for one that came back before."""
        for number, buffer in enumerate(self._buffers):
            if buffer is frames and self._out[number]:
                buffer.fill(0)
                self._out[number] = False
                self._free.append(number)
                return True
        return False

    def wipe(self) -> None:
        """Wipe every buffer, those that are out, too."""
        for buffer in self._buffers:
            buffer.fill(0)


class Reached(Enum):
    """A place in a sound."""

    MARK = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Passage:
    """While frames were pulled, `reached` was `offset` frames after the first of them."""

    offset: int
    reached: Reached
    sound: str
    turn: int


@dataclass(slots=True)
class _Cursor:
    sound: Sound
    position: int
    turn: int


class Player:
    """One sound at a time, pulled frame by frame. `play` and `stop` may come from another thread than `pull`.

    Each `play` and `stop` begins a new `turn`; a passage of an earlier turn is no longer of interest to anybody.
    """

    def __init__(self) -> None:
        self.turn = 0
        self._cursor: _Cursor | None = None

    @property
    def playing(self) -> str | None:
        """The name of the sound that has not been pulled to its end."""
        cursor = self._cursor
        return cursor.sound.name if cursor is not None else None

    def play(self, sound: Sound) -> None:
        """From its beginning, instead of what is playing."""
        self.turn += 1
        self._cursor = _Cursor(sound, 0, self.turn)

    def stop(self) -> None:
        """Silence from the next pull on."""
        self.turn += 1
        self._cursor = None

    def pull(self, out: npt.NDArray[np.float32]) -> tuple[Passage, ...]:
        """Fill `out` (frames,) with what is to be heard next, and say what was passed."""
        cursor = self._cursor
        if cursor is None:
            out.fill(0)
            return ()
        sound, first = cursor.sound, cursor.position
        last = min(len(sound.samples), first + len(out))
        out[: last - first] = sound.samples[first:last]
        out[last - first :] = 0
        cursor.position = last
        passages = []
        if sound.mark_s is not None and first <= (mark := self._mark(sound)) < last:
            passages.append(Passage(mark - first, Reached.MARK, sound.name, cursor.turn))
        if last == len(sound.samples):
            passages.append(Passage(last - first, Reached.END, sound.name, cursor.turn))
            if self._cursor is cursor:
                self._cursor = None
        return tuple(passages)

    @staticmethod
    def _mark(sound: Sound) -> int:
        # a mark at the very end is the last sample's
        return min(round((sound.mark_s or 0.0) * SOUND_RATE_HZ), len(sound.samples) - 1)
