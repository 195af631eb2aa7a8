"""Takes the box's own sound out of what the ear hears, so that keys pressed over an announcement are found.

What the box plays is known, and the way from the converter over the line and back is linear, short and lasting: the
bulk delay of buffers, up to 240 ms, and an impulse response of a few milliseconds for each channel. So nothing has to
be followed sample by sample, as an acoustic echo canceller must: the response is the least-squares solution over what
was played lately, and whoever speaks or presses a key meanwhile is noise in it that averages out.

- The delay is sought while none is known, and again when cancelling fails: by correlating the last 160 ms with the
  whitened past of what was played. A peak counts when it stands out alone and the next look finds the same.
- The response is solved every 40 ms, from two memories of products. The *long* one (6 s of playing, kept from
  sound to sound) weighs each step by the inverse of what cancelling left of it, so that a step with a key in it hardly
  counts. The *short* one (0.3 s, unweighted) follows a line that has changed and clocks that drift. Whichever leaves
  less is taken, and none where both leave more than there was.

Both learn from differenced signals, which whitens speech and takes mains hum off; what they learn is applied to the
signals as they are. Nothing but the known sound, filtered, is ever subtracted: that can neither bend nor mask a key.

Promise P1: of the call's audio 160 ms are held, for the correlation, while something plays; afterwards they are
overwritten. What lasts are the delay, and 48 sums of products per channel and memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAPS: Final = 48
"""Length of the response: 6 ms."""

BEFORE: Final = 10
"""Taps before the delay that was found; none fewer, but where the delay itself is shorter."""

WINDOW: Final = 1280
"""Samples of the call that are held to seek the delay in: 160 ms."""

LAGS: Final = 1920
"""Delays that are sought: 0-240 ms."""

LONG_S: Final = 6.0
SHORT_S: Final = 0.3
SMOOTH_S: Final = 0.1
KEPT: Final = 0.25
"""What the long memory is worth when the next sound begins."""

_EMPHASIS: Final = np.float32(0.95)
_SPAN: Final = WINDOW + LAGS
_LOOK: Final = 320  # samples between two looks for the delay
_EARLIEST: Final = 800  # samples after a sound's first
_SMOOTH_BINS: Final = 9
_WHITE: Final = 0.1
_CLEAR: Final = 40.0  # a peak's power over the mean of all delays'
_ALONE: Final = 0.5  # the next peak's power over the peak's
_NEXT: Final = 24  # samples around a peak that belong to it
_POOR: Final = 0.1  # more than this share is left: look for another delay, ...
_PROVEN_POOR: Final = 0.5  # ... which takes more where cancelling has worked at this one
_BETTER: Final = 0.7  # the short memory is taken when it leaves so much less
_TAKES_OVER: Final = 0.3  # ... and becomes the long one then
_PROVES: Final = 0.5  # so little left proves a delay
_MOVES: Final = 0.5  # ... and another one is taken when it leaves so much less
_FLOOR: Final = 1e-9  # mean square, -87 dBm0
_SHARE_FLOOR: Final = 1e-4  # of the echo: cancelling is never thought better than 40 dB


class _Memory:
    """Sums of products, and the response that follows from them."""

    def __init__(self, channels: int, memory_s: float, block: int) -> None:
        self._keep = math.exp(-block / RATE / memory_s)
        self._squares = np.zeros((TAPS, TAPS))
        self._products = np.zeros((TAPS, channels))
        self._ridge = np.eye(TAPS)
        self.response = np.zeros((TAPS, channels), np.float32)
        self.left = 0.0

    def learn(self, squares: NDArray[np.float32], products: NDArray[np.float32], weight: float = 1.0) -> None:
        """Add a step's products."""
        self._squares *= self._keep
        self._products *= self._keep
        self._squares += squares * np.float32(weight)
        self._products += products * np.float32(weight)

    def solve(self, noise: float = 1.0) -> None:
        """Find the response that fits best.

        The ridge is the wish for one of size one, as far as nothing is known; `noise` is what else is in a sample, in
        the unit of the weights.
        """
        self.response[:] = np.linalg.solve(self._squares + self._ridge * noise, self._products)

    def discount(self, share: float) -> None:
        """Let everything that was learnt count only so much."""
        self._squares *= share
        self._products *= share

    def become(self, other: _Memory, weight: float) -> None:
        """Take over what another one has learnt."""
        self._squares[:], self._products[:] = other._squares * weight, other._products * weight
        self.response[:] = other.response
        self.left = other.left


class EchoCanceller:
    """Streaming estimate of the box's own sound in what a tap hears.

    Args:
        channels: of the tap.
        block: samples per `feed`, at 8 kHz.

    Attributes:
        delay: samples from what was played to the first tap of the response; None while it is not known.
    """

    def __init__(self, channels: int, block: int) -> None:
        self._channels, self._block = channels, block
        length = max(_SPAN, LAGS + block) + TAPS
        self._played = np.zeros(length, np.float32)
        self._sharp = np.zeros(length, np.float32)  # what was played, differenced
        self._window = np.zeros((channels, WINDOW), np.float32)  # what was heard, differenced
        self._before = np.zeros(channels, np.float32)  # the last sample heard
        self._rows = np.zeros((block, TAPS), np.float32)
        self._long = _Memory(channels, LONG_S, block)
        self._short = _Memory(channels, SHORT_S, block)
        self._smooth = math.exp(-block / RATE / SMOOTH_S)
        self._there = 0.0  # what was there lately, as `left`
        self._silent = length  # samples since the last one played
        self._since = 0  # samples since the sound began
        self._to_look = 0
        self._turn = False
        self._seen: int | None = None
        self._proven = False  # at this delay, cancelling has worked
        self.delay: int | None = None

    def feed(self, heard: NDArray[np.float32], played: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """What of `heard`, (channels, block), is the box's own sound; `played` (block,) is what it played meanwhile.

        None when there is nothing to subtract: nothing plays, or it is not known yet how it comes back.
        """
        sounds = played is not None and bool(played.any())
        if not sounds and self._silent >= _SPAN:
            return None
        if sounds and self._silent >= _SPAN:
            self._since = self._to_look = 0
            self._long.discount(KEPT)
        self._silent = 0 if sounds else self._silent + self._block
        self._since += self._block
        self._push(heard, played if sounds else None)
        estimate = self._cancel() if self.delay is not None else None
        self._to_look -= self._block
        if self._to_look <= 0 and self._since >= _EARLIEST:
            self._to_look = _LOOK
            if self.delay is None or self._failing():
                self._look()
        if self._silent >= _SPAN:
            self._wipe_audio()
        return estimate

    def wipe(self) -> None:
        """Overwrite all audio with zeros; what was learnt stays."""
        self._wipe_audio()
        self._silent = self._played.size

    def _wipe_audio(self) -> None:
        for held in (self._played, self._sharp, self._window, self._before, self._rows):
            held.fill(0.0)
        self._seen = None
        self._turn = False
        self._there = self._long.left = self._short.left = 0.0

    def _push(self, heard: NDArray[np.float32], played: NDArray[np.float32] | None) -> None:
        block = self._block
        for held in (self._played, self._sharp):
            held[:-block] = held[block:]
        self._played[-block:] = 0.0 if played is None else played
        np.multiply(self._played[-block - 1 : -1], -_EMPHASIS, out=self._sharp[-block:])
        self._sharp[-block:] += self._played[-block:]
        if block < WINDOW:
            self._window[:, :-block] = self._window[:, block:]
        sharp = heard.copy()
        sharp[:, 1:] -= _EMPHASIS * heard[:, :-1]
        sharp[:, 0] -= _EMPHASIS * self._before
        self._before[:] = heard[:, -1]
        self._window[:, -min(block, WINDOW) :] = sharp[:, -WINDOW:]
        sharp.fill(0.0)

    def _windows(self, signal: NDArray[np.float32], delay: int, count: int) -> NDArray[np.float32]:
        """Per sample of the newest `count`, the samples that the response's taps stand for."""
        end = signal.size - delay
        return np.lib.stride_tricks.sliding_window_view(signal[end - count - TAPS + 1 : end], TAPS)

    def _cancel(self) -> NDArray[np.float32] | None:
        """Estimate, judge both memories by what they leave, then learn."""
        delay, count = self.delay or 0, min(self._block, WINDOW)
        rows = self._rows[-count:]
        np.copyto(rows, self._windows(self._sharp, delay, count))
        power = float(np.einsum("ij,ij->", rows, rows)) / rows.size
        if power < _FLOOR:
            return None
        sharp = self._window[:, -count:].T
        there = _mean_square(sharp)
        left = [_left(rows, sharp, memory.response) for memory in (self._long, self._short)]
        self._there = self._smoothed(self._there, there)
        for memory, now in zip((self._long, self._short), left, strict=True):
            memory.left = self._smoothed(memory.left, now)
        self._proven |= min(self._long.left, self._short.left) < _PROVES * self._there
        best, least = self._long, left[0]
        if self._short.left < _BETTER * self._long.left:
            best, least = self._short, left[1]
        estimate = None
        if best.left < self._there and least < there:
            np.copyto(self._rows, self._windows(self._played, delay, self._block))
            estimate = (self._rows @ best.response).T
            np.copyto(rows, self._windows(self._sharp, delay, count))
        floor = _FLOOR + _SHARE_FLOOR * max(there, self._there)
        noise = max(self._short.left, floor)
        if self._short.left < _TAKES_OVER * self._long.left:
            self._long.become(self._short, 1.0 / noise)
        squares, products = rows.T @ rows, rows.T @ sharp
        self._long.learn(squares, products, 1.0 / max(min(left), floor))
        self._short.learn(squares, products)
        if self._turn:
            self._long.solve()
        else:
            self._short.solve(noise)
        self._turn = not self._turn
        return estimate

    def _smoothed(self, before: float, now: float) -> float:
        return now if before == 0.0 else self._smooth * before + (1.0 - self._smooth) * now

    def _failing(self) -> bool:
        share = _PROVEN_POOR if self._proven else _POOR
        return min(self._long.left, self._short.left) > share * self._there

    def _look(self) -> None:
        """Seek the delay; learn it when two looks agree."""
        peak = _delay(self._sharp[-_SPAN:], self._window)
        agreed = peak is not None and self._seen is not None and abs(peak - self._seen) <= 2
        self._seen = peak
        if peak is None or not agreed:
            return
        if self.delay is not None and self.delay <= peak <= self.delay + TAPS // 2:
            return
        delay, sharp = max(peak - BEFORE, 0), self._window.T
        rows = np.ascontiguousarray(self._windows(self._sharp, delay, WINDOW))
        if self._proven and _left_of_halves(rows, sharp) > _MOVES * min(self._long.left, self._short.left):
            return
        self.delay, self._proven = delay, False
        self._there = _mean_square(sharp)
        left = _left(rows, sharp, _response(rows, sharp))
        squares, products = rows.T @ rows, rows.T @ sharp
        noise = max(left, _FLOOR + _SHARE_FLOOR * self._there)
        for memory, weight in ((self._long, 1.0 / noise), (self._short, 1.0)):
            memory.discount(0.0)
            memory.learn(squares, products, weight)
            memory.solve(noise * weight)
            memory.left = left


def _mean_square(signal: NDArray[np.float32]) -> float:
    return float(np.einsum("ij,ij->", signal, signal)) / signal.size


def _left(rows: NDArray[np.float32], sharp: NDArray[np.float32], response: NDArray[np.float32]) -> float:
    """Mean square of what a response leaves; the working copy is overwritten (P1)."""
    rest = sharp - rows @ response
    power = _mean_square(rest)
    rest.fill(0.0)
    return power


def _response(rows: NDArray[np.float32], sharp: NDArray[np.float32]) -> NDArray[np.float32]:
    """The response that a stretch alone tells."""
    ridge = max(_POOR * _mean_square(sharp), _FLOOR) * np.eye(TAPS)
    response: NDArray[np.float32] = np.linalg.solve(rows.T @ rows + ridge, rows.T @ sharp).astype(np.float32)
    return response


def _left_of_halves(rows: NDArray[np.float32], sharp: NDArray[np.float32]) -> float:
    """What the response of one half of a stretch leaves of the other: it tells chance from an echo."""
    half = rows.shape[0] // 2
    halves = ((rows[:half], sharp[:half]), (rows[half:], sharp[half:]))
    return sum(_left(*halves[1 - i], _response(*halves[i])) for i in range(2)) / 2.0


def _delay(played: NDArray[np.float32], window: NDArray[np.float32]) -> int | None:
    """At which delay the window holds what was played; None when that is not clear."""
    spectrum = np.fft.rfft(played)
    power = (spectrum * spectrum.conj()).real
    ends = np.concatenate([np.zeros(_SMOOTH_BINS), np.cumsum(np.pad(power, _SMOOTH_BINS // 2, mode="edge"))])
    power = (ends[_SMOOTH_BINS:] - ends[:-_SMOOTH_BINS])[: power.size] / _SMOOTH_BINS
    mean = float(power.mean())
    if mean < _FLOOR * played.size:
        return None
    spectrum /= power + _WHITE * mean
    heard = np.fft.rfft(window, played.size)
    crossed = np.fft.irfft(spectrum * heard.conj(), played.size)[:, LAGS::-1]
    heard.fill(0.0)
    crossed *= crossed
    total = np.sum(crossed / np.maximum(crossed.mean(axis=1, keepdims=True), 1e-30), axis=0)
    peak = int(total.argmax())
    height = float(total[peak])
    if height < _CLEAR * float(total.mean()):
        return None
    total[max(peak - _NEXT, 0) : peak + _NEXT + 1] = 0.0
    return peak if float(total.max()) < _ALONE * height else None
