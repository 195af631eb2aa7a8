"""Cutting what was consented to into clips.

The cutter takes legs from the moment that capture begins and gives complete clips. It stays behind by at least 120 ms,
and never closes a clip over a key that is not decided yet, so that every key that has to be masked is still there to be
masked. Before a clip is closed, what the ear did not take for a key, but others could read as one, is masked as well.
What has been cut is gone from here; what is dropped is overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import RATE
from handschlag.hearing.masking import blank, merge
from handschlag.hearing.readable import readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAG_MS: Final = 120
EDGE: Final = 80
"""Samples silenced around a key: 10 ms. Its edges are known to a few milliseconds, and filters ring for as many."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One finished stretch of audio.

    Attributes:
        index: counts from 0 within the capture.
        first_sample: its stream position.
        samples: (n, channels) int16, at most `clip_s` long.
    """

    index: int
    first_sample: int
    samples: NDArray[np.int16]


class Capture:
    """Collects legs from `first_sample` on and cuts clips.

    Args:
        first_sample: stream position of the first sample to keep.
        channels: of the legs, 1 or 2.
        sample_rate: of the legs; positions count at this rate.
        clip_s: greatest length of a clip in seconds.
    """

    def __init__(self, first_sample: int, channels: int, sample_rate: int = RATE, clip_s: float = 2.0) -> None:
        self.channels = channels
        self._clip = round(clip_s * sample_rate)
        self._lag = LAG_MS * sample_rate // 1000
        if channels not in (1, 2) or self._clip < self._lag:
            raise HearingError(
                f"capture with {channels} channels and clips of {clip_s} s: allowed are 1 or 2 channels and clips "
                f"of {LAG_MS} ms and more"
            )
        self._held = np.zeros((2 * self._clip, channels), np.int16)
        self._runs: list[_Run] = []  # unbroken stretches, lying behind one another in _held
        self._heard = first_sample
        self._gaps: list[tuple[int, int]] = []
        self._masks: list[tuple[int, int]] = []
        self._spared = first_sample
        self._index = 0

    @property
    def position(self) -> int:
        """Stream position behind the last sample taken (or lost)."""
        return self._heard

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Lost spans so far, as (first sample, samples)."""
        return list(self._gaps)

    @property
    def masked(self) -> list[tuple[int, int]]:
        """Masked spans so far, half open, in order; what overlaps is one span."""
        return list(self._masks)

    def feed(self, legs: NDArray[np.int16], position: int) -> None:
        """Take (n, channels) samples whose first one is at `position`.

        What lies before the capture's first sample, or was fed already, is left out; a jump ahead counts as a gap.

        Raises:
            HearingError: when shape or type are not those of the capture.
        """
        if legs.ndim != 2 or legs.shape[1] != self.channels or legs.dtype != np.int16:
            raise HearingError(f"capture was fed {legs.dtype} {legs.shape}: allowed is int16 (n, {self.channels})")
        if position > self._heard:
            self.gap(position - self._heard)
        new = legs[max(self._heard - position, 0) :]
        count = new.shape[0]
        if not count:
            return
        held = sum(run.count for run in self._runs)
        if held + count > self._held.shape[0]:
            self._grow(held + count)
        self._held[held : held + count] = new
        if self._runs and self._runs[-1].end == self._heard:
            self._runs[-1].count += count
        else:
            self._runs.append(_Run(self._heard, count))
        begin, self._heard = self._heard, self._heard + count
        for start, end in self._masks:
            self._blank(max(start, begin), end)

    def gap(self, samples: int) -> None:
        """Count `samples` as lost: the clip before them is closed, the next one begins behind them."""
        if samples > 0:
            self._gaps.append((self._heard, samples))
            self._heard += samples

    def mask(self, start: int, end: int) -> None:
        """Silence [start, end) on all channels, in what is held and in what is still to come."""
        if end > start:
            self._masks = merge([*self._masks, (start, end)])
            self._blank(start, end)

    def mask_key(self, start: int, end: int) -> None:
        """Silence a key that was heard from `start` to `end` (so far), and a little around it."""
        self.mask(start - EDGE, end + EDGE)

    def spare_key(self, end: int) -> None:
        """The consent key, known to last until `end`, which began before the capture: its rest is kept."""
        self._spared = max(self._spared, end + EDGE)

    def ready(self, undecided_since: int | None = None) -> list[Clip]:
        """Clips that can be closed now: full ones, and those that a gap ended.

        Args:
            undecided_since: position from which a key may be in progress; no clip reaches beyond it.
        """
        limit = self._heard - self._lag
        if undecided_since is not None:
            limit = min(limit, undecided_since - EDGE)
        clips = []
        while self._runs:
            run = self._runs[0]
            count = min(run.count, self._clip)
            ended = run.end < self._heard
            if run.first + count > limit or (count < self._clip and not ended):
                break
            clips.append(self._cut(count))
        return clips

    def finish(self, undecided_since: int | None = None) -> list[Clip]:
        """Everything that is still held, as clips; the last one may be short.

        Args:
            undecided_since: position from which a key may be in progress; from there on, all is silenced.
        """
        if undecided_since is not None:
            self.mask(undecided_since - EDGE, self._heard)
        clips = []
        while self._runs:
            clips.append(self._cut(min(self._runs[0].count, self._clip)))
        return clips

    def wipe(self) -> None:
        """Overwrite the buffer with zeros and hold nothing."""
        self._held.fill(0)
        self._runs.clear()

    def _blank(self, start: int, end: int) -> None:
        offset = 0
        for run in self._runs:
            blank(self._held[offset : offset + run.count], run.first, start, end)
            offset += run.count

    def _grow(self, wanted: int) -> None:
        larger = np.zeros((2 * wanted, self.channels), np.int16)
        larger[: self._held.shape[0]] = self._held
        self._held.fill(0)
        self._held = larger

    def _silence_readable(self, run: _Run, count: int) -> None:
        """Mask what could be read as a key in the clip that begins the run, with a look at what follows."""
        seen = self._held[: min(run.count, count + self._lag)]
        for start, end in readable(seen):
            if run.first + start >= self._spared:
                self.mask(run.first + start, run.first + end)

    def _cut(self, count: int) -> Clip:
        run = self._runs[0]
        self._silence_readable(run, count)
        held = sum(each.count for each in self._runs)
        clip = Clip(self._index, run.first, self._held[:count].copy())
        self._index += 1
        self._held[: held - count] = self._held[count:held].copy()
        self._held[held - count : held] = 0
        run.first += count
        run.count -= count
        if not run.count:
            del self._runs[0]
        return clip


@dataclass(slots=True)
class _Run:
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count
