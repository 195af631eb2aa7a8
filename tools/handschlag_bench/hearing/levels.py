"""Levels, activity and quality, held against what is known of made-up signals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handschlag.hearing import Ear, Quality, QualityMeter, SpeechHeard
from handschlag.hearing.level import THRESHOLDS, ActiveLevel, LevelMeter, active_level
from handschlag_bench.hearing.dialogues import Scene, false_speech, scores
from handschlag_bench.hearing.signals import noise, tones, voice
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from handschlag_bench.hearing.signals import Wave

    Samples = NDArray[np.int16]


def to_samples(wave: Wave) -> Samples:
    """16 bits."""
    return np.clip(np.rint(wave * 32767), -32767, 32767).astype(np.int16)


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


def hum_error_db(count: int) -> float:
    """Greatest error of the hum's level beside speech, over so many levels and mains frequencies."""
    random = np.random.default_rng(1)
    errors = []
    for seed in range(count):
        level, hertz = random.uniform(-55, -20), random.choice([50, 100, 150]) * random.uniform(0.999, 1.001)
        wave = gated_voice(12.0, seed) + tones([hertz], 12_000, level) + noise(96_000, -65.0, seed)
        errors.append(abs((quality_of(wave).legs[0].hum_dbm0 or 0.0) - level))
    return max(errors)


def noise_error_db(count: int) -> float:
    """Greatest error of the noise's level beside speech and hum."""
    random = np.random.default_rng(2)
    errors = []
    for seed in range(count):
        level = random.uniform(-65, -35)
        wave = gated_voice(12.0, seed) + tones([50.0, 150.0], 12_000, -35.0) + noise(96_000, level, seed)
        errors.append(abs((quality_of(wave).legs[0].noise_dbm0 or 0.0) - level))
    return max(errors)


def clipping_error(count: int) -> int:
    """Runs at full scale that were counted too much or too little in all."""
    wrong = 0
    for seed in range(count):
        samples = to_samples(voice(4.0, 0.0, seed=seed) * 2.0)
        padded = np.concatenate([[False], np.abs(samples) >= 32_767, [False]]).astype(np.int8)
        lengths = np.flatnonzero(np.diff(padded) == -1) - np.flatnonzero(np.diff(padded) == 1)
        wrong += abs(quality_of(samples / 32_767).legs[0].clipped - int((lengths >= 3).sum()))
    return wrong


def gated_voice(seconds: float, seed: int) -> Wave:
    """A voice of -18 dBm0 in every other two seconds."""
    wave = voice(seconds, -18.0, seed=seed)
    wave[np.arange(wave.size) % 32_000 < 16_000] = 0.0
    return wave


def quality_of(wave: Wave) -> Quality:
    """The quality of one leg alone, whose speech the ear finds."""
    ear, meter = Ear(8000, "mix", hops=100), QualityMeter(1)
    for heard in (ear.feed(wave[:, None]), ear.flush()):
        for event in heard.events:
            if isinstance(event, SpeechHeard):
                meter.hear(event)
        meter.feed(heard.legs[: max(wave.size - heard.position, 0)], heard.position)
    return meter.finish()


SCENES: dict[str, Scene] = {
    "quiet line": Scene(),
    "30 dB S/N": Scene(noise_dbm0=-50.0),
    "20 dB S/N": Scene(noise_dbm0=-40.0),
    "15 dB S/N": Scene(noise_dbm0=-35.0),
    "10 dB S/N": Scene(noise_dbm0=-30.0),
    "5 dB S/N": Scene(noise_dbm0=-25.0),
    "far 20 dB quieter": Scene(far_dbm0=-35.0, near_dbm0=-15.0, noise_dbm0=-55.0),
    "near 18 dB quieter": Scene(far_dbm0=-12.0, near_dbm0=-30.0),
    "5 km, 600 ohm": Scene(km=5.0, line_z="600"),
    "no cable, 600 ohm telephone": Scene(km=0.0, phone_z="600"),
    "hum -15 dBm0": Scene(hum_dbm0=-15.0),
    "half of the turns overlap": Scene(overlap=0.5),
}
"""Voices have -20 dBm0 where nothing else is said."""


def rows(*, full: bool) -> Iterator[Row]:
    """All figures; a seeded slice of them unless `full`."""
    count = 20 if full else 3
    yield _row("active level off P.56's definition", level_error_db(count), "dB", "<= 0.1")
    yield _row("hum off", hum_error_db(count), "dB", "<= 0.7")
    yield _row("noise off, beside hum", noise_error_db(count), "dB", "<= 0.7")
    yield _row("clipped runs miscounted", clipping_error(count), "runs", "<= 0")
    for name, scene in SCENES.items():
        yield from _of_dialogues(name, scene, 8 if full else 1)
    for name, share in false_speech(60.0 if full else 10.0).items():
        hard = name in {"swelling rumble", "rumbling noise"}
        yield _row(f"speech heard in {name}", share, "%", "" if hard else "<= 0.5")


def _of_dialogues(name: str, scene: Scene, seeds: int) -> Iterator[Row]:
    far, near = scores(scene, seeds)
    yield _row(f"speech heard, {name}", min(far.hit, near.hit), "%", ">= 60" if name == "5 dB S/N" else ">= 85")
    yield _row(f"onset told, 80 %, {name}", max(far.onset(80), near.onset(80)), "ms", "")
    yield _row(f"other's speech, {name}", max(far.false_beside_other, near.false_beside_other), "%", "<= 0.5")
    yield _row(f"speech in silence, {name}", max(far.false_in_silence, near.false_in_silence), "%", "<= 0.5")


def _row(row: str, value: float, unit: str, goal: str) -> Row:
    return Row(bench="hearing", row=row, value=value, unit=unit, goal=goal, beside={})
