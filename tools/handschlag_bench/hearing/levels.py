"""Levels, activity and quality, held against what is known of made-up signals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handschlag.hearing.level import THRESHOLDS, ActiveLevel, LevelMeter, active_level
from handschlag_bench.hearing.signals import noise, voice
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from handschlag_bench.hearing.signals import Wave

    Samples = NDArray[np.int16]


def to_samples(wave: Wave) -> Samples:
    """16 bits."""
    return np.clip(np.rint(wave * 32767), -32768, 32767).astype(np.int16)


def gated(seconds: float, level_dbm0: float, on_s: float, off_s: float, *, seed: int = 1, rate: int = 8000) -> Wave:
    """Noise of this level that comes and goes."""
    count = round(seconds * rate)
    wave = noise(count, level_dbm0, seed)
    wave[np.arange(count) % round((on_s + off_s) * rate) >= round(on_s * rate)] = 0.0
    return wave


def measured(samples: Samples, rate: int = 8000) -> ActiveLevel:
    """What the box's meter says."""
    meter = LevelMeter(rate)
    meter.feed(samples)
    return meter.finish()


@dataclass(frozen=True)
class Definition:
    """The recommendation's counters and level."""

    active: list[int]
    dbov: float


def by_definition(samples: Samples, rate: int = 8000) -> Definition:
    """P.56, method B, sample by sample as the recommendation puts it (its clause on the algorithm); slow."""
    decay, hangover = math.exp(-1.0 / (rate * 0.03)), math.ceil(0.2 * rate)
    once = twice = 0.0
    active, idle = [0] * len(THRESHOLDS), [hangover] * len(THRESHOLDS)
    for value in np.abs(samples / 32768.0).tolist():
        once = decay * once + (1.0 - decay) * value
        twice = decay * twice + (1.0 - decay) * once
        for index, threshold in enumerate(THRESHOLDS):
            if twice >= threshold:
                active[index], idle[index] = active[index] + 1, 0
            elif idle[index] < hangover:
                active[index], idle[index] = active[index] + 1, idle[index] + 1
    squares = float(np.sum((samples / 32768.0) ** 2))
    return Definition(active, active_level(squares, samples.size, np.array(active)).dbov)


def level_error_db(count: int) -> float:
    """Greatest difference from the definition over so many voices and bursts."""
    errors = []
    for seed in range(count):
        for wave in (voice(3.0, -15 - 5 * (seed % 5), seed=seed), gated(3.0, -30, 0.3, 0.4, seed=seed)):
            samples = to_samples(wave)
            errors.append(abs(measured(samples).dbov - by_definition(samples).dbov))
    return max(errors)


def rows(*, full: bool) -> Iterator[Row]:
    """All figures; a seeded slice of them unless `full`."""
    yield _row("active level off the definition", level_error_db(20 if full else 3), "dB", "<= 0.1")


def _row(row: str, value: float, unit: str, goal: str) -> Row:
    return Row(bench="hearing", row=row, value=value, unit=unit, goal=goal, beside={})
