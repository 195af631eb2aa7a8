"""From the converter's rate to the telephone's 8 kHz.

Rates that are a multiple of 8 kHz go through a linear-phase FIR of 5 ms (flat to 3.3 kHz, -80 dB from 4.4 kHz),
computed on a fixed grid of input blocks, so that the output is the same bit by bit however the input was cut. soxr
would serve as well on paper, but its 6:1 path was measured to answer in bursts, up to 158 ms late, and its queues
keep old samples; a key has to be decided within 80 ms, and nothing older than 200 ms may exist before consent. Any
other rate (44.1 kHz in files) goes through soxr.

Output sample `n` belongs to input sample `n * rate / 8000`: the delay of the filter is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOP: Final = 80
"""Output samples per grid step: 10 ms."""

GRID_HOPS: Final = 2
"""Steps computed at once on a live line: 20 ms, the length of its blocks."""

_LAG: Final = 20  # output samples by which the FIR waits for its future half
_GROUP: Final = 10  # outputs computed by one row of the matrix product
_CUTOFF_HZ: Final = 3_850.0
_BETA: Final = 8.0
_MAX_RATE: Final = 192_000


class Resampler:
    """Streaming resampler to 8 kHz.

    Args:
        rate_in: 8000-192000 Hz.
        channels: columns of the frames.
        hops: grid steps of 10 ms computed at once; more than the live line's 2 for files.

    Attributes:
        origin: position of the first output sample; -20 where the FIR runs (those 20 are from before the stream).
    """

    def __init__(self, rate_in: int, channels: int, hops: int = GRID_HOPS) -> None:
        if not RATE <= rate_in <= _MAX_RATE:
            raise HearingError(f"sample rate {rate_in} Hz: allowed are {RATE} to {_MAX_RATE} Hz")
        self.channels = channels
        self.rate_in = rate_in
        self._ratio = rate_in // RATE if rate_in % RATE == 0 else 0
        self._soxr: soxr.ResampleStream | None = None
        self.origin = 0
        past = 0
        if self._ratio > 1:
            self.origin = -_LAG
            past = 2 * _LAG * self._ratio
            self._matrix = _group_matrix(self._ratio)
        self._past = past
        self._block = np.zeros((channels, past + max(rate_in * HOP * hops // RATE, 1)), np.float32)
        self._fill = past
        self._rows = np.zeros((channels, HOP * hops // _GROUP, (_GROUP + 2 * _LAG) * max(self._ratio, 1)), np.float32)
        self._out = np.zeros((channels * self._rows.shape[1], _GROUP), np.float32)
        self._view = self._rows
        if self._ratio > 1:
            windows = np.lib.stride_tricks.sliding_window_view(self._block, self._rows.shape[2], axis=1)
            self._view = windows[:, :: _GROUP * self._ratio]
        self._reset()

    def _reset(self) -> None:
        if self._ratio == 0:
            self._soxr = soxr.ResampleStream(self.rate_in, RATE, self.channels, dtype="float32", quality="HQ")

    def feed(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (n, channels) frames; give what could be computed, as (channels, m), valid until the next call."""
        out: list[NDArray[np.float32]] = []
        at, count = 0, frames.shape[0]
        while at < count:
            take = min(count - at, self._block.shape[1] - self._fill)
            self._block[:, self._fill : self._fill + take] = frames[at : at + take].T
            self._fill += take
            at += take
            if self._fill == self._block.shape[1]:
                if out:
                    out[-1] = out[-1].copy()  # its place is used again
                out.append(self._convert())
                self._fill = self._past
        if len(out) == 1:
            return out[0]
        return np.concatenate(out, axis=1) if out else np.zeros((self.channels, 0), np.float32)

    def _convert(self) -> NDArray[np.float32]:
        if self._soxr is not None:
            chunk: NDArray[np.float32] = self._soxr.resample_chunk(np.ascontiguousarray(self._block.T))
            return chunk.reshape(-1, self.channels).T
        if self._ratio == 1:
            return self._block.copy()
        np.copyto(self._rows, self._view)
        flat = self._rows.reshape(-1, self._rows.shape[2])
        np.matmul(flat, self._matrix, out=self._out)
        self._block[:, : self._past] = self._block[:, -self._past :]
        return self._out.reshape(self.channels, -1)

    def skip(self, count: int) -> NDArray[np.float32]:
        """Take `count` frames of silence, as `feed` does, at next to no cost where only silence is held."""
        if self._ratio == 0 or self._block.any():
            return self.feed(np.zeros((count, self.channels), np.float32))
        step = self._block.shape[1] - self._past
        blocks, rest = divmod(self._fill - self._past + count, step)
        self._fill = self._past + rest
        return np.zeros((self.channels, blocks * step * RATE // self.rate_in), np.float32)

    def flush(self) -> NDArray[np.float32]:
        """Push the rest out with silence, after the last frames of a file; the silence's outputs come along."""
        silence = np.zeros((2 * self._block.shape[1], self.channels), np.float32)
        out = self.feed(silence)
        if self._soxr is not None:
            rest: NDArray[np.float32] = self._soxr.resample_chunk(silence[:0], last=True)
            out = np.concatenate([out, rest.reshape(-1, self.channels).T], axis=1)
            self._reset()
        return out

    def wipe(self) -> None:
        """Overwrite everything held with zeros and begin a new stream."""
        self._block.fill(0.0)
        self._rows.fill(0.0)
        self._out.fill(0.0)
        self._fill = self._past
        self._reset()


def _group_matrix(ratio: int) -> NDArray[np.float32]:
    """Matrix that turns a window of inputs into `_GROUP` outputs: shifted copies of one windowed sinc."""
    taps = np.arange(-_LAG * ratio, _LAG * ratio + 1)
    cutoff = _CUTOFF_HZ / (RATE * ratio)
    impulse = 2.0 * cutoff * np.sinc(2.0 * cutoff * taps) * np.kaiser(taps.size, _BETA)
    impulse /= impulse.sum()
    matrix = np.zeros(((_GROUP + 2 * _LAG) * ratio, _GROUP), np.float32)
    for column in range(_GROUP):
        first = column * ratio
        matrix[first : first + taps.size, column] = impulse
    return matrix


def whole(frames: NDArray[np.float32], rate_in: int) -> NDArray[np.float32]:
    """Resample one whole signal, (n, channels) to (m, channels): what a stream gives, from position 0 on."""
    resampler = Resampler(rate_in, frames.shape[1])
    out = np.concatenate([resampler.feed(frames).copy(), resampler.flush()], axis=1)
    wanted = -(-frames.shape[0] * RATE // rate_in)
    first = -resampler.origin
    return np.ascontiguousarray(out[:, first : first + wanted].T)
