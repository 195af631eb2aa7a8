"""How good a recording is, from 100 down to 0, and why.

The meter is fed with what is kept, leg by leg, and told who speaks and what is masked. It keeps sums, counts and
histograms; the only audio in it is what does not fill 100 ms yet, and `finish` and `wipe` overwrite that. What it
measured of a hop of 10 ms is judged half a second later, when it is known whether the hop was speech, a key or neither:

- The level is that of P.56 (level.py). Hops in which only the other party speaks are the other's leak: they, and the
  0.3 s after them while P.56 still holds on to it, count as time, not as level.
- Noise is the median level of the pairs of hops in which nobody speaks, without what lies below 175 Hz: of 20 ms, the
  sines that mains hum consists of are taken out exactly. With less than 0.4 s of those there is no figure.
- Hum is the power of the lines at 50, 100 and 150 Hz, within 1 Hz each, in whole seconds; the quieter quarter of the
  seconds decides, since a voice's own pitch comes and goes.
- Clipping is a run of three and more samples at full scale, on a leg, or at the converter before the legs were split.
- A leg's leak is its power while only the other party speaks, over the other's; none where both legs hold the mix.

The score is 100 less the points of all causes, 0 at the least. Each cause's points are rounded and limited:

| cause     | of       | points                                                      | at most |
|-----------|----------|-------------------------------------------------------------|---------|
| silent    | a party  | 50, with less than 0.3 s of speech                          | 50      |
| quiet     | a party  | 2 per dB of active level below -31 dBov                     | 40      |
| noisy     | a party  | 2 per dB of active level over noise missing to 25 dB        | 40      |
| hum       | a party  | 1 per dB above -50 dBm0                                     | 20      |
| clipped   | a party, the input | 1 per clipped run in a minute, at least 1         | 30      |
| crosstalk | a party  | 2 per dB of leak above -6 dB                                | 10      |
| lost      | all      | 10 per percent of the time that was lost, at least 1        | 50      |
| pause     | all      | 1 per 10 s of the longest silence beyond 30 s               | 10      |

A silent party is neither quiet nor noisy. Masked spans count for nothing.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, Leg
from handschlag.hearing.level import FULL_SCALE, HOPS, LEAST_DB, THRESHOLDS, Voltmeter, active_level
from handschlag.hearing.score import SILENT_BELOW_S, LegQuality, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from handschlag.hearing.events import SpeechHeard

HOP: Final = RATE // 100
BATCH: Final = HOP * HOPS
LAG: Final = RATE // 2
"""Samples after which it is known what a hop was."""
PAIR: Final = 2 * HOP
HUM_HZ: Final = (50, 100, 150)
HUM_SHARE: Final = 0.25
CLIPPED_AT: Final = 32767.0 / FULL_SCALE
CLIPPED_RUN: Final = 3
TAIL_HOPS: Final = 30
_LEAST_QUIET_PAIRS: Final = 20
_STEP_DB: Final = 0.5
_BEGINS: Final = HOP * np.arange(HOPS)
"""Of a batch's hops, in samples."""


class _Histogram:
    """Levels in steps of half a decibel, from -100 dBm0 upwards."""

    def __init__(self) -> None:
        self.counts = np.zeros(220, np.int64)

    def add(self, mean_squares: NDArray[np.float64]) -> None:
        """Count these powers (full scale 1.0)."""
        if not mean_squares.size:
            return
        levels = 10.0 * np.log10(np.maximum(2.0 * mean_squares, 1e-12)) + FULL_SCALE_DBM0
        for step in ((levels - LEAST_DB) / _STEP_DB).tolist():
            self.counts[min(max(int(step), 0), self.counts.size - 1)] += 1

    def share(self, share: float, least: int = 1) -> float | None:
        """The level in dBm0 that this share of what was counted stays below; None if fewer than `least` were."""
        total = int(self.counts.sum())
        if total < least:
            return None
        step = int(np.searchsorted(np.cumsum(self.counts), max(share * total, 1.0)))
        return LEAST_DB if step == 0 else round(LEAST_DB + (step + 0.5) * _STEP_DB, 1)


@dataclass(slots=True)
class _Sums:
    """What is kept of a leg."""

    squares: float = 0.0
    active: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(THRESHOLDS), np.int64))
    spoken: int = 0
    clipped: int = 0
    own_squares: float = 0.0
    leak_squares: float = 0.0
    leak_samples: int = 0
    quiet: _Histogram = field(default_factory=_Histogram)
    hum: _Histogram = field(default_factory=_Histogram)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was measured of 100 ms, per leg and hop.

    `noise` is the mean square per pair of hops; `hum` that of the second that ends here.
    """

    first: int
    valid: int
    squares: NDArray[np.float64]
    noise: NDArray[np.float64]
    active: NDArray[np.int64]
    clipped: NDArray[np.int64]
    hum: NDArray[np.float64] | None


class QualityMeter:
    """Measures one recording.

    Args:
        legs: 2 for far and near, 1 for a mix.
        position: of the first sample that is to be kept.
        speaking: who is speaking already, and since which position.
        separated: False where both legs hold the mix, so that there is no leak to speak of.
    """

    def __init__(
        self,
        legs: int,
        position: int = 0,
        speaking: Mapping[Leg, int] | None = None,
        *,
        separated: bool = True,
    ) -> None:
        if legs not in (1, 2):
            raise HearingError(f"quality of {legs} legs: allowed are 1 and 2")
        self._names = (Leg.FAR, Leg.NEAR) if legs == 2 else (Leg.UNCERTAIN,)
        self._separated = separated and legs == 2
        self._meter = Voltmeter(legs)
        self._rest = np.zeros((legs, BATCH))
        self._fill = 0
        self._position = position
        self._runs = [0] * legs
        self._lines = _hum_lines()
        self._low = _low_lines()
        self._hum = np.zeros((legs, 2 * len(HUM_HZ)))
        self._hum_batches = 0
        self._speaking = {leg: start for leg, start in (speaking or {}).items() if leg in self._names}
        self._spoken: deque[tuple[Leg, int, int]] = deque()
        self._masks: deque[tuple[int, int]] = deque()
        self._tails = [0] * legs
        self._pending: deque[_Batch] = deque()
        self._sums = [_Sums() for _ in self._names]
        self._samples = self._masked = self._lost = self._gaps = self._clipped_input = 0
        self._silence = self._longest_silence = 0

    def hear(self, event: SpeechHeard) -> None:
        """Learn who speaks; before the legs of the same moment."""
        if event.leg not in self._names:
            return
        if event.end is None:
            self._speaking[event.leg] = event.start
        else:
            self._speaking.pop(event.leg, None)
            self._spoken.append((event.leg, event.start, event.end))

    def mask(self, start: int, end: int) -> None:
        """[start, end) is masked: nothing there counts."""
        self._masks.append((start, end))

    def clip_input(self, runs: int) -> None:
        """The converter was overdriven so many times."""
        self._clipped_input += runs

    def feed(self, legs: NDArray[np.int16], position: int) -> None:
        """Take (n, legs) samples that are kept, the first one at `position`; a jump ahead is a loss.

        Raises:
            HearingError: when shape or type are not those of the legs, or for samples from before.
        """
        if legs.ndim != 2 or legs.shape[1] != len(self._names) or legs.dtype != np.int16:
            raise HearingError(f"quality was fed {legs.dtype} {legs.shape}: allowed is int16 (n, {len(self._names)})")
        if position < self._position:
            raise HearingError(f"quality was fed from {position} on: allowed is {self._position} and later")
        if position > self._position:
            self._skip(position - self._position)
        self._position = position
        at, count = 0, legs.shape[0]
        while at < count:
            take = min(BATCH - self._fill, count - at)
            self._rest[:, self._fill : self._fill + take] = legs[at : at + take].T
            self._fill, at = self._fill + take, at + take
            self._position += take
            if self._fill == BATCH:
                self._measure()
        self._judge(self._position - LAG)

    def finish(self, position: int = 0) -> Quality:
        """The verdict on all up to `position`; nothing more can be fed, and no audio is left."""
        if self._fill:
            self._measure()
        self._judge(self._position)
        if position > self._position:
            self._skip(position - self._position)
        legs = tuple(self._leg(index) for index in range(len(self._names)))
        seconds, lost_s = self._samples / RATE, self._lost / RATE
        longest = max(self._longest_silence, self._silence) / RATE
        quality = Quality(
            legs=legs,
            seconds=round(seconds, 2),
            masked_s=round(self._masked / RATE, 2),
            lost_s=round(lost_s, 3),
            gaps=self._gaps,
            longest_silence_s=round(longest, 1),
            clipped_input=self._clipped_input,
        )
        self.wipe()
        return quality

    def wipe(self) -> None:
        """Overwrite what audio is held, and drop what is pending."""
        self._rest.fill(0.0)
        self._hum.fill(0.0)
        self._fill = 0
        self._pending.clear()

    # --- measuring

    def _skip(self, samples: int) -> None:
        if self._fill:
            self._measure()
        self._hum_batches = 0
        self._runs = [0] * len(self._names)
        self._gaps += 1
        self._lost += samples

    def _measure(self) -> None:
        valid, self._fill = self._fill, 0
        self._rest[:, valid:] = 0.0
        self._rest /= FULL_SCALE
        hops = self._rest.reshape(len(self._names), HOPS, HOP)
        squares = np.einsum("ijk,ijk->ij", hops, hops)  # exact: all are multiples of 2^-30
        batch = _Batch(
            first=self._position - valid,
            valid=valid,
            squares=squares,
            noise=self._noise(squares),
            active=self._meter.feed(self._rest, valid),
            clipped=self._clipping(),
            hum=self._hum_power(valid),
        )
        self._pending.append(batch)

    def _noise(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean squares of pairs of hops above 175 Hz, per leg."""
        low = self._rest.reshape(-1, PAIR) @ self._low
        rest = squares.reshape(-1, 2).sum(axis=1) - np.einsum("ij,ij->i", low, low)
        means: NDArray[np.float64] = np.maximum(rest, 0.0) / (PAIR - self._low.shape[1])
        return means.reshape(len(self._names), -1)

    def _clipping(self) -> NDArray[np.int64]:
        """Runs per leg and hop, counted where they become long enough."""
        found = np.zeros((len(self._names), HOPS), np.int64)
        full = np.abs(self._rest) >= CLIPPED_AT
        if not full.any():
            self._runs = [0] * len(self._names)
            return found
        for leg, samples in enumerate(full):
            run = self._runs[leg]
            for place in range(BATCH):
                run = run + 1 if samples[place] else 0
                found[leg, place // HOP] += run == CLIPPED_RUN
            self._runs[leg] = run
        return found

    def _hum_power(self, valid: int) -> NDArray[np.float64] | None:
        """Power of the mains' lines per leg, when a second is complete."""
        if self._hum_batches == 0:
            self._hum.fill(0.0)
        self._hum += self._rest @ self._lines[self._hum_batches]
        self._hum_batches = (self._hum_batches + 1) % len(self._lines) if valid == BATCH else 0
        if self._hum_batches or valid < BATCH:
            return None
        return np.asarray((self._hum**2).sum(axis=1) / 2.0)

    # --- judging

    def _judge(self, until: int) -> None:
        """Add up what ends by then."""
        while self._pending and self._pending[0].first + self._pending[0].valid <= until:
            self._add(self._pending.popleft())
        first = self._pending[0].first if self._pending else until
        oldest = min(first, until) - RATE  # a second of hum still looks back
        while self._spoken and self._spoken[0][2] < oldest:
            self._spoken.popleft()
        while self._masks and self._masks[0][1] < oldest:
            self._masks.popleft()

    def _add(self, batch: _Batch) -> None:
        lengths = np.minimum(np.maximum(batch.valid - _BEGINS, 0), HOP)
        kept = lengths > 0
        for start, end in self._masks:
            kept[_hops(batch.first, start, end)] = False
        self._masked += int(lengths[~kept].sum())
        lengths[~kept] = 0
        self._samples += int(lengths.sum())
        speech = self._speech(batch.first)
        speech &= kept
        anybody = np.asarray(speech.any(axis=0))
        self._count_silence(kept, anybody)
        full = (lengths == HOP).reshape(-1, 2).all(axis=1)
        quiet = full & ~anybody.reshape(-1, 2).any(axis=1)
        end_of_second = batch.first + BATCH
        hum_is_whole = not any(start < end_of_second and end > end_of_second - RATE for start, end in self._masks)
        for leg, sums in enumerate(self._sums):
            alone = anybody & ~speech[leg]  # only the other party speaks
            own = kept & ~self._held(leg, alone | ~kept, speech[leg])
            sums.squares += float(batch.squares[leg, own].sum())
            sums.active += batch.active[leg, own].sum(axis=0)
            sums.clipped += int(batch.clipped[leg, kept].sum())
            sums.spoken += int(lengths[speech[leg]].sum())
            sums.leak_squares += float(batch.squares[leg, alone].sum())
            sums.leak_samples += int(lengths[alone].sum())
            by_itself = speech[leg] & ~speech[1 - leg] if len(self._sums) > 1 else speech[leg]
            sums.own_squares += float(batch.squares[leg, by_itself].sum())
            sums.quiet.add(batch.noise[leg, quiet])
            if batch.hum is not None and hum_is_whole:
                sums.hum.add(batch.hum[leg : leg + 1])

    def _held(self, leg: int, foreign: NDArray[np.bool_], speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is foreign, and the hops behind it in which its envelope still lasts, own speech excepted."""
        if not foreign.any() and not self._tails[leg]:
            return foreign
        held = foreign.copy()
        for hop, (is_foreign, spoken) in enumerate(zip(foreign.tolist(), speech.tolist(), strict=True)):
            self._tails[leg] = TAIL_HOPS if is_foreign else 0 if spoken else max(self._tails[leg] - 1, 0)
            held[hop] = self._tails[leg] > 0
        return held

    def _speech(self, first: int) -> NDArray[np.bool_]:
        speech = np.zeros((len(self._names), HOPS), np.bool_)
        for leg, start, end in self._spoken:
            speech[self._names.index(leg), _hops(first, start, end)] = True
        for leg, start in self._speaking.items():
            speech[self._names.index(leg), _hops(first, start, first + BATCH)] = True
        return speech

    def _count_silence(self, kept: NDArray[np.bool_], anybody: NDArray[np.bool_]) -> None:
        for counts, spoken in zip(kept.tolist(), anybody.tolist(), strict=True):
            if spoken:
                self._longest_silence, self._silence = max(self._longest_silence, self._silence), 0
            elif counts:
                self._silence += HOP

    def _leg(self, index: int) -> LegQuality:
        sums = self._sums[index]
        level = active_level(sums.squares, self._samples, sums.active)
        noise = sums.quiet.share(0.5, _LEAST_QUIET_PAIRS)
        speech_s = round(sums.spoken / RATE, 1)
        spoke = speech_s >= SILENT_BELOW_S
        return LegQuality(
            leg=self._names[index].value,
            level_dbov=round(level.dbov, 1) if spoke else None,
            level_dbm0=round(level.dbm0, 1) if spoke else None,
            activity=round(level.activity, 3) if spoke else 0.0,
            speech_s=speech_s,
            noise_dbm0=noise,
            hum_dbm0=sums.hum.share(HUM_SHARE),
            clipped=sums.clipped,
            leak_db=self._leak(index, noise),
        )

    def _leak(self, index: int, noise_dbm0: float | None) -> float | None:
        """How much of the other party's speech stands in this leg, in decibels; None where that cannot be told."""
        if not self._separated:
            return None
        sums, other = self._sums[index], self._sums[1 - index]
        noise_dbm0 = LEAST_DB if noise_dbm0 is None else noise_dbm0
        noise = 10.0 ** ((noise_dbm0 - FULL_SCALE_DBM0) / 10.0) / 2.0 * sums.leak_samples
        if not sums.leak_samples or other.own_squares <= 0.0:
            return None
        return round(10.0 * math.log10(max(sums.leak_squares - noise, 1e-6 * other.own_squares) / other.own_squares), 1)


def _hops(first: int, start: int, end: int) -> slice:
    """The hops of a batch that [start, end) touches."""
    return slice(max((start - first) // HOP, 0), max(-((first - end) // HOP), 0))


def _hum_lines() -> NDArray[np.float64]:
    """Sines and cosines under a raised cosine over a second, (BATCH, lines) per batch; amplitude 1 gives 1."""
    n = np.arange(RATE)
    window = (1.0 - np.cos(2.0 * np.pi * (n + 0.5) / RATE)) / RATE * 2.0
    phases = 2.0 * np.pi * np.outer(n, HUM_HZ) / RATE
    lines = np.concatenate([np.cos(phases), np.sin(phases)], axis=1) * window[:, None]
    return np.asarray(lines.reshape(-1, BATCH, lines.shape[1]))


def _low_lines() -> NDArray[np.float64]:
    """DC and the sines of 50, 100 and 150 Hz over two hops, (160, 7), orthonormal."""
    phases = 2.0 * np.pi * np.outer(np.arange(PAIR), HUM_HZ) / RATE
    sines = np.concatenate([np.cos(phases), np.sin(phases)], axis=1) * math.sqrt(2.0 / PAIR)
    return np.concatenate([np.full((PAIR, 1), math.sqrt(1.0 / PAIR)), sines], axis=1)


def clipped_runs(frames: NDArray[np.floating]) -> int:
    """Runs of three and more samples at full scale in (n, channels) converter frames, full scale 1.0."""
    full = np.abs(frames) >= CLIPPED_AT
    if not full.any():
        return 0
    runs = full[2:] & full[1:-1] & full[:-2]
    begins = runs.copy()
    begins[1:] &= ~runs[:-1]
    return int(begins.sum())
