"""Many calls at once: what the tap gives for a party's key and the other party's voice, over all lines and faults.

A scene is half a second of one line: cable, both ends' impedances, a key by one party, the other party's voice (or
key), the tap's noise and the mismatch of its two channels. It is computed at 8 kHz from the line's transfer functions
in one FFT; the model of the line itself is `handschlag.sim.line`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

from handschlag.hearing import Ear, KeyHeard
from handschlag.hearing.keys import LAYOUT
from handschlag.hearing.pair import COLUMNS_HZ, ROWS_HZ
from handschlag.sim.line import NETWORKS, Impedance, dbm0, solve
from handschlag.sim.voices import STORIES, load_story
from handschlag_bench.hearing.signals import key as key_wave
from handschlag_bench.hearing.signals import voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

RATE: Final = 8_000
SCENE: Final = 4096
KEY_AT: Final = 1_400
_FADE: Final = 160
_BATCH: Final = 256
ENDS: Final[tuple[Impedance, ...]] = tuple(NETWORKS)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How the current channel differs from the voltage channel."""

    gain_db: float = 0.0
    phase_deg: float = 0.0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One key on one line; `other` is the other party's signal at its source, 4096 samples, or None."""

    near: bool
    key: str
    key_ms: float
    level_dbm0: float
    twist_db: float = 0.0
    off: tuple[float, float] = (0.0, 0.0)
    km: float = 2.0
    line_z: Impedance = "Z_R"
    phone_z: Impedance = "Z_R"
    noise_dbm0: float = -65.0
    mismatch: Mismatch = field(default_factory=Mismatch)
    other: Wave | None = None
    other_below_db: float | None = None
    """Where given, `other` is made quieter where needed, so that the key stands so far above it in the tones' bands."""
    seed: int = 0

    @property
    def span(self) -> tuple[int, int]:
        """First sample of the key, and the first behind it."""
        return KEY_AT, KEY_AT + round(self.key_ms * RATE / 1000)


@cache
def voices() -> tuple[Wave, ...]:
    """Speech at 8 kHz: the simulated world's recordings (about -16 dBm0), and a synthetic voice."""
    spoken = [line.samples for story in STORIES for line in load_story(story)]
    said = [np.asarray(soxr.resample(samples, 48_000, RATE), np.float64) for samples in spoken]
    return (*(wave for wave in said if wave.size > SCENE), voice(60.0, -16.0, seed=11))


def some_speech(random: np.random.Generator, level_dbm0: float = -16.0) -> Wave:
    """A stretch of somebody speaking, from anywhere, at this level over the scene; never a pause."""
    while True:
        wave = voices()[random.integers(len(voices()))]
        first = int(random.integers(wave.size - SCENE))
        cut = wave[first : first + SCENE] * _edges()
        during = cut[KEY_AT : KEY_AT + 800]
        power = float(np.mean(during**2))
        if power > 0.5 * dbm0(-35.0) ** 2:
            scaled: Wave = cut * dbm0(level_dbm0) / np.sqrt(2.0 * power)
            return scaled


def key_alone(
    name: str, ms: float, level_dbm0: float, twist_db: float = 0.0, off: tuple[float, float] = (0, 0)
) -> Wave:
    """A scene's signal with nothing but a key."""
    wave = np.zeros(SCENE)
    tones = key_wave(name, ms, level_dbm0, twist_db=twist_db, off=off)
    wave[KEY_AT : KEY_AT + tones.size] = tones
    return wave


def at_the_tap(scene: Scene) -> NDArray[np.float64]:
    """(2, 4096) voltage and current."""
    frequency = np.fft.rfftfreq(SCENE, 1.0 / RATE).astype(np.float64)
    solved = solve(frequency, cable_km=scene.km, line_z=scene.line_z, phone_z=scene.phone_z, playing=False)
    band = np.clip((frequency - 40.0) / 60.0, 0.0, 1.0) * np.clip((3_950.0 - frequency) / 300.0, 0.0, 1.0)
    mine, theirs = (solved.near, solved.far) if scene.near else (solved.far, solved.near)
    pressed = key_alone(scene.key, scene.key_ms, scene.level_dbm0, scene.twist_db, scene.off)
    pair: NDArray[np.complex128] = np.fft.rfft(pressed) * mine[:2] * band
    if scene.other is not None:
        beside = np.fft.rfft(scene.other) * theirs[:2] * band
        scale = 1.0
        if scene.other_below_db is not None:
            scale = min(10.0 ** (-scene.other_below_db / 20.0) * _key_over_other(scene, pair[0], beside[0]), 1.0)
        pair += beside * scale
    how = scene.mismatch
    turn = np.radians(how.phase_deg) - 2.0 * np.pi * frequency * how.delay_s
    pair[1] *= 10.0 ** (how.gain_db / 20.0) * np.exp(1j * turn)
    waves = np.fft.irfft(pair, SCENE)
    random = np.random.default_rng(scene.seed)
    waves += random.standard_normal(waves.shape) * dbm0(scene.noise_dbm0) / np.sqrt(2.0)
    return waves * _edges()


def _key_over_other(scene: Scene, pressed: NDArray[np.complex128], beside: NDArray[np.complex128]) -> float:
    """Amplitude ratio of key to voice over the key's length, in a third of an octave around the worse of both tones."""
    first, end = scene.span
    window = np.hanning(end - first)
    spectra = [np.abs(np.fft.rfft(np.fft.irfft(s, SCENE)[first:end] * window, SCENE)) ** 2 for s in (pressed, beside)]
    frequency = np.fft.rfftfreq(SCENE, 1.0 / RATE)
    ratios = []
    for tone in _tones(scene.key):
        in_band = (frequency > tone * 2.0 ** (-1 / 6)) & (frequency < tone * 2.0 ** (1 / 6))
        ratios.append(spectra[0][in_band].sum() / max(spectra[1][in_band].sum(), 1e-20))
    return float(np.sqrt(min(ratios)))


def _tones(name: str) -> tuple[float, float]:
    row = next(i for i, line in enumerate(LAYOUT) if name in line)
    return ROWS_HZ[row], COLUMNS_HZ[LAYOUT[row].index(name)]


@cache
def _edges() -> Wave:
    wave = np.ones(SCENE)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(_FADE) / _FADE)
    wave[:_FADE], wave[-_FADE:] = ramp, ramp[::-1]
    return wave


def listen(scenes: Sequence[Scene], ear: Callable[[Scene], Ear] | None = None) -> Iterator[list[KeyHeard]]:
    """All reports of keys for each scene.

    Nominal ears hear many scenes one behind the other; `ear` makes one for each scene (a calibrated one, say).
    """
    batch_size = _BATCH if ear is None else 1
    for first in range(0, len(scenes), batch_size):
        batch = scenes[first : first + batch_size]
        frames = np.concatenate([at_the_tap(scene) for scene in batch], axis=1).astype(np.float32)
        listener = Ear(RATE, "vi", hops=64) if ear is None else ear(batch[0])
        events = [*listener.feed(np.ascontiguousarray(frames.T)).events, *listener.flush().events]
        by_scene: list[list[KeyHeard]] = [[] for _ in batch]
        for event in events:
            if isinstance(event, KeyHeard) and event.start // SCENE < len(batch):
                by_scene[event.start // SCENE].append(event)
        yield from by_scene
