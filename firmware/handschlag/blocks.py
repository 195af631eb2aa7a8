"""The small things that every `ports.Audio` needs: buffers that are used again, the sound being played, its trace.

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
    """`count` buffers of float32 in this shape. `take` and `give` are safe from different threads."""

    def __init__(self, count: int, *shape: int) -> None:
        self._buffers = [np.zeros(shape, np.float32) for _ in range(count)]
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


class Rendered:
    """What was rendered lately, by frame number, for whoever captures what comes back of it.

    Rendering and capturing call from threads of their own, in turns that jitter; neither ever waits. One thread writes,
    one reads; the first sound fixes which frame belongs to which, and from then on both count: a rendering that comes
    late leaves a hole of silence, and does not move what follows, unless there was nothing at all to be read.

    Args:
        frames: how many are kept.
        margin: frames that a rendering may come late without leaving a hole; by so much less is what comes back late.
    """

    def __init__(self, frames: int, margin: int) -> None:
        self._ring = np.zeros(frames, np.float32)
        self._margin = margin
        self._written = 0
        self._next = 0
        self._fixed = False  # devices start unevenly: nothing is fixed before there is something to hear

    def write(self, frames: npt.NDArray[np.float32]) -> None:
        """These (n,) frames were rendered next."""
        self._copy(self._written, frames, into_ring=True)
        if not self._fixed and frames.any():
            self._fixed = True
        self._written += len(frames)

    def read(self, out: npt.NDArray[np.float32]) -> bool:
        """Fill `out` (n,) with what was rendered for the next n captured frames; False when that was silence."""
        first = self.skip(len(out))
        out.fill(0)
        begin, end = max(first, self._written - len(self._ring), 0), min(first + len(out), self._written)
        if begin < end:
            self._copy(begin, out[begin - first : end - first], into_ring=False)
        return bool(out.any())

    def skip(self, count: int) -> int:
        """So many captured frames were lost; gives the number of the first one."""
        first = self._next
        if not self._fixed or not 0 < self._written - first <= len(self._ring):
            first = self._written - count - self._margin  # as yet, and when one side has stood still
        self._next = first + count
        return first

    def wipe(self) -> None:
        """Overwrite everything with silence."""
        self._ring.fill(0)

    def _copy(self, number: int, frames: npt.NDArray[np.float32], *, into_ring: bool) -> None:
        size, done = len(self._ring), 0
        while done < len(frames):
            at = (number + done) % size
            take = min(size - at, len(frames) - done)
            kept, given = self._ring[at : at + take], frames[done : done + take]
            np.copyto(kept, given) if into_ring else np.copyto(given, kept)
            done += take
