"""Sounds for the hearing tests: keys, tones, voices and noise, as float arrays with levels in dBm0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from handschlag.hearing import Ear, KeyHeard, SpeechHeard, ToneHeard
from handschlag.hearing.keys import LAYOUT
from handschlag.hearing.pair import COLUMNS_HZ, ROWS_HZ
from handschlag.sim.line import LineModel, dbm0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from handschlag.hearing import Event
    from handschlag.hearing.ear import Mode
    from handschlag.sim.line import Impedance

    Wave = NDArray[np.float64]

KEYS = "".join(LAYOUT)


def silence(ms: float, rate: int = 8000) -> Wave:
    """Nothing, for so long."""
    return np.zeros(round(ms * rate / 1000))


def tones(frequencies_hz: Sequence[float], ms: float, level_dbm0: float = -10.0, rate: int = 8000) -> Wave:
    """Sines of this level each."""
    n = np.arange(round(ms * rate / 1000))
    wave: Wave = dbm0(level_dbm0) * np.sum([np.sin(2 * np.pi * f * n / rate + 0.3 * f) for f in frequencies_hz], axis=0)
    return wave


def key(
    name: str,
    ms: float = 50.0,
    level_dbm0: float = -10.0,
    *,
    twist_db: float = 0.0,
    off: tuple[float, float] = (0.0, 0.0),
    rate: int = 8000,
) -> Wave:
    """One key; `level_dbm0` is the louder tone's, `off` the relative errors of row and column frequency."""
    row = next(i for i, line in enumerate(LAYOUT) if name in line)
    column = LAYOUT[row].index(name)
    low, high = min(-twist_db, 0.0), min(twist_db, 0.0)
    return tones([ROWS_HZ[row] * (1 + off[0])], ms, level_dbm0 + low, rate) + tones(
        [COLUMNS_HZ[column] * (1 + off[1])], ms, level_dbm0 + high, rate
    )


def dialled(digits: str, on_ms: float = 50.0, off_ms: float = 50.0, **how: float) -> Wave:
    """Digits one after the other, silence around them."""
    rate = int(how.pop("rate", 8000))
    parts = [silence(100, rate)]
    for digit in digits:
        parts += [key(digit, on_ms, how.get("level_dbm0", -10.0), rate=rate), silence(off_ms, rate)]
    return np.concatenate([*parts, silence(150, rate)])


def noise(samples: int, level_dbm0: float, seed: int = 1) -> Wave:
    """White noise; at 8 kHz the level is its whole power."""
    wave: Wave = np.random.default_rng(seed).standard_normal(samples) * dbm0(level_dbm0) / np.sqrt(2)
    return wave


def voice(seconds: float, level_dbm0: float = -20.0, *, seed: int = 1, rate: int = 8000) -> Wave:
    """Something like speech: a gliding glottal pulse train through moving formants, in syllables, with hisses."""
    random = np.random.default_rng(seed)
    parts: list[Wave] = []
    length = round(seconds * rate)
    while sum(part.size for part in parts) < length:
        count = round(rate * random.uniform(0.12, 0.3))
        n = np.arange(count)
        pitch = random.uniform(90, 220) * (1 + random.uniform(-0.15, 0.15) * n / count)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        syllable = np.zeros(count)
        formants = (random.uniform(300, 800), random.uniform(900, 2200), random.uniform(2300, 3200))
        for harmonic in range(1, int(3400 / pitch.max())):
            frequency = harmonic * float(pitch.mean())
            gain = sum(0.4**i / (1 + ((frequency - f) / 90) ** 2) for i, f in enumerate(formants))
            syllable += gain * np.sin(harmonic * phase + random.uniform(0, 6))
        syllable += 0.05 * random.standard_normal(count)
        parts += [syllable * np.sin(np.pi * n / count) ** 0.5, np.zeros(round(rate * random.uniform(0.01, 0.12)))]
    wave = np.concatenate(parts)[:length]
    scaled: Wave = wave / np.sqrt(np.mean(wave**2)) * dbm0(level_dbm0) / np.sqrt(2)
    return np.clip(scaled, -1.0, 1.0)


def hear(
    frames: NDArray[np.floating], mode: Mode = "mix", rate: int = 8000, *, cut: int = 0, hops: int = 2
) -> list[Event]:
    """All events of these frames, (n,) or (n, channels), fed in blocks of `cut` (0: at once), and then flushed."""
    ear = Ear(rate, mode, hops=hops)
    frames = frames[:, None] if frames.ndim == 1 else frames
    step = cut or max(frames.shape[0], 1)
    events: list[Event] = []
    for first in range(0, frames.shape[0], step):
        events += ear.feed(frames[first : first + step]).events
    return [*events, *ear.flush().events]


def keys_of(events: Sequence[Event]) -> list[KeyHeard]:
    """The final reports of keys."""
    return [event for event in events if isinstance(event, KeyHeard) and event.final]


def digits_of(events: Sequence[Event]) -> str:
    """The keys as one string."""
    return "".join(each.key for each in keys_of(events))


def tones_of(events: Sequence[Event]) -> list[ToneHeard]:
    """The final reports of tones."""
    return [event for event in events if isinstance(event, ToneHeard) and event.final]


def speech_of(events: Sequence[Event]) -> list[SpeechHeard]:
    """The ended stretches of speech."""
    return [event for event in events if isinstance(event, SpeechHeard) and event.final]


def on_line(
    far: Wave | None, near: Wave | None, *, km: float = 2.0, line_z: Impedance = "Z_R", phone_z: Impedance = "Z_R"
) -> NDArray[np.float32]:
    """What a tap gives, at 48 kHz, for far and near signals at 48 kHz."""
    return LineModel(cable_km=km, line_z=line_z, phone_z=phone_z).step(far, near)
