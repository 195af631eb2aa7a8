"""The active speech level, as ITU-T P.56 (method B) defines it: how loud somebody is while speaking.

The rectified signal is smoothed by two equal first-order filters of 30 ms. Each of fifteen thresholds, 6 dB apart,
counts the samples at which this envelope has reached it within the last 200 ms. The power of the whole signal spread
over a threshold's active time is a level; it falls as the threshold falls. The active level is where it lies 15.9 dB
above its threshold, interpolated between the two thresholds beside that point; the activity factor is the share of time
that gives this level.

Only counts and sums are kept. The legs go through in batches of 100 ms that begin on a fixed grid, so that results do
not depend on how the audio arrived; what does not fill a batch yet is all the audio that is held. Within a batch a
threshold needs no look at every sample, since a batch is shorter than the hangover: behind the first sample that
reaches it all are active, before it those that the batch before still holds.

0 dBov is the power of a full-scale square wave; a full-scale sine, +3.14 dBm0, is -3.01 dBov.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TIME_CONSTANT_S: Final = 0.03
HANGOVER_S: Final = 0.2
MARGIN_DB: Final = 15.9
THRESHOLDS: Final = tuple(2.0**-exponent for exponent in range(15, 0, -1))
HOPS: Final = 10
"""Hops of 10 ms in a batch."""
LEAST_DB: Final = -100.0
DBM0_OVER_DBOV: Final = FULL_SCALE_DBM0 + 10.0 * math.log10(2.0)
FULL_SCALE: Final = 32768.0


@dataclass(frozen=True, slots=True)
class ActiveLevel:
    """What P.56 makes of a signal; -100 dB at the least.

    Attributes:
        dbov: active speech level over the overload point.
        long_term_dbov: level over the whole time.
        activity: share of the time that is active, 0 to 1.
    """

    dbov: float
    long_term_dbov: float
    activity: float

    @property
    def dbm0(self) -> float:
        """The active speech level in dBm0."""
        return self.dbov + DBM0_OVER_DBOV if self.dbov > LEAST_DB else LEAST_DB


def active_level(squares: float, samples: int, active: NDArray[np.int64]) -> ActiveLevel:
    """The level of a sum of squares (full scale 1.0) over so many samples, of which `active` reach each threshold."""
    if samples == 0 or squares <= 0.0:
        return ActiveLevel(LEAST_DB, LEAST_DB, 0.0)
    long_term = _db(squares / samples)
    level, before = LEAST_DB, (0.0, 0.0)
    for threshold, count in zip(THRESHOLDS, active.tolist(), strict=True):
        if not count:
            break
        spread = _db(squares / count)
        excess = spread - 20.0 * math.log10(threshold) - MARGIN_DB
        if excess <= 0.0:
            if before[1] > 0.0:  # else the whole signal lies below the lowest threshold
                level = before[0] + (spread - before[0]) * before[1] / (before[1] - excess)
            break
        level, before = spread, (spread, excess)
    level = max(level, LEAST_DB)
    return ActiveLevel(level, max(long_term, LEAST_DB), min(10.0 ** ((long_term - level) / 10.0), 1.0))


def _db(power: float) -> float:
    return 10.0 * math.log10(power)


class Voltmeter:
    """The envelopes of some legs and what of each hop is active; one batch after the other.

    Args:
        legs: how many.
        rate: in Hz, a multiple of 100.
    """

    def __init__(self, legs: int, rate: int = RATE) -> None:
        self.hop = rate // 100
        self.batch = self.hop * HOPS
        self._ends = np.arange(1, HOPS + 1)[:, None] * self.hop
        self._hangover = math.ceil(HANGOVER_S * rate)
        self._states = [(0.0, 0.0)] * legs
        self._held = np.zeros((legs, len(THRESHOLDS)), np.int64)  # samples that the hangover still lasts
        decay = math.exp(-1.0 / (rate * TIME_CONSTANT_S))
        lag = np.arange(self.hop)[None, :] - np.arange(self.hop)[:, None]
        past = np.where(lag >= 0, decay ** np.maximum(lag, 0), 0.0)
        self._matrix = (1.0 - decay) ** 2 * (lag + 1) * past
        self._first = (1.0 - decay) * past[:, -1]
        fade = decay ** np.arange(1, self.hop + 1)
        self._from_before = np.stack([(1.0 - decay) * np.arange(1, self.hop + 1) * fade, fade])

    def feed(self, batch: NDArray[np.float64], valid: int) -> NDArray[np.int64]:
        """Active samples per hop and threshold, (legs, HOPS, 15), among the first `valid` of a batch.

        The batch is (legs, batch), full scale 1.0, and zero behind what is valid.
        """
        legs = batch.shape[0]
        active = np.empty((legs, HOPS, len(THRESHOLDS)), np.int64)
        ends = np.minimum(self._ends, valid)
        for leg, envelope in enumerate(self._envelopes(np.abs(batch))):
            rising, falling = np.maximum.accumulate(envelope), np.maximum.accumulate(envelope[::-1])
            first = np.searchsorted(rising, THRESHOLDS, "left")
            last = np.searchsorted(falling, THRESHOLDS, "left")  # samples behind the last one that reaches it
            held = np.minimum(self._held[leg], first)
            reached = np.minimum(held, ends) + np.maximum(ends - first, 0)
            active[leg, 0] = reached[0]
            np.subtract(reached[1:], reached[:-1], out=active[leg, 1:])
            silent = first == self.batch
            self._held[leg] = np.where(silent, np.maximum(self._held[leg] - self.batch, 0), self._hangover - last)
        return active

    def _envelopes(self, rectified: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        hops = rectified.reshape(-1, self.hop)
        own, ends = (hops @ self._matrix).reshape(-1, HOPS, self.hop), (hops @ self._first).reshape(-1, HOPS).tolist()
        ramp, fade = self._from_before[:, -1].tolist()
        for leg, envelope in enumerate(own):
            once, twice = self._states[leg]
            before = []
            for end, tail in zip(ends[leg], envelope[:, -1].tolist(), strict=True):
                before.append((once, twice))
                once, twice = fade * once + end, fade * twice + ramp * once + tail
            self._states[leg] = (once, twice)
            yield (envelope + np.array(before) @ self._from_before).reshape(-1)


class LevelMeter:
    """The active level of one signal, fed in any cuts.

    Args:
        rate: in Hz, a multiple of 100.
    """

    def __init__(self, rate: int = RATE) -> None:
        if rate <= 0 or rate % 100:
            raise HearingError(f"level of a signal at {rate} Hz: allowed are multiples of 100 Hz")
        self._meter = Voltmeter(1, rate)
        self._rest = np.zeros((1, self._meter.batch))
        self._fill = 0
        self._squares = 0
        self._samples = 0
        self.active = np.zeros(len(THRESHOLDS), np.int64)
        """Active samples per threshold, so far."""

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Take (n,) samples."""
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise HearingError(f"level of {samples.dtype} {samples.shape}: allowed is int16 (n,)")
        wide = samples.astype(np.int64)
        self._squares += int(wide @ wide)
        self._samples += samples.size
        at, size = 0, self._meter.batch
        while at < samples.size:
            take = min(size - self._fill, samples.size - at)
            self._rest[0, self._fill : self._fill + take] = samples[at : at + take] / FULL_SCALE
            self._fill, at = self._fill + take, at + take
            if self._fill == size:
                self.active += self._meter.feed(self._rest, size)[0].sum(axis=0)
                self._fill = 0

    def finish(self) -> ActiveLevel:
        """The level of all that was fed; the last audio held is overwritten."""
        if self._fill:
            self._rest[0, self._fill :] = 0.0
            self.active += self._meter.feed(self._rest, self._fill)[0].sum(axis=0)
            self._fill = 0
        self._rest.fill(0.0)
        return active_level(self._squares / FULL_SCALE**2, self._samples, self.active)
