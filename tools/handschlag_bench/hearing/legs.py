"""Far and near on legs of their own: the separation that a bench calibration reaches on the model of the line.

For each line a technician's bench is imitated: one stretch in which only the far party sounds, one with only the near,
speech-like noise with the tap's own noise at -65 dBm0 and its channels apart by up to 2 dB and 34 µs. The calibration
fitted to them is then judged by other stretches, of recorded voices: the other party's power in a leg over its
power in its own, 300-3400 Hz. Beside it stands what the nominal impedances reach.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing import Calibration
from handschlag.hearing.calibration import Separation, fit, separation
from handschlag.sim.line import dbm0, solve
from handschlag_bench.hearing.telephone import ENDS, RATE, voices
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from handschlag.sim.line import Impedance

    Wave = NDArray[np.float64]

NOISE_DBM0: Final = -65.0
LENGTH: Final = 4 * RATE
LINE_ENDS: Final = tuple(end for end in ENDS if end not in ("dect", "old"))
GOAL_DB: Final = 20.0


def alone(
    wave: Wave,
    *,
    near: bool,
    km: float,
    line_z: Impedance,
    phone_z: Impedance,
    random: np.random.Generator,
    late_s: float = 0.0,
    gain_db: float = 0.0,
) -> NDArray[np.float32]:
    """(n, 2) at the tap while one party gives `wave` at its source; the current late by so much, and louder."""
    frequency = np.fft.rfftfreq(wave.size, 1.0 / RATE).astype(np.float64)
    solved = solve(frequency, cable_km=km, line_z=line_z, phone_z=phone_z, playing=False)
    band = np.clip((frequency - 40.0) / 60.0, 0.0, 1.0) * np.clip((3_950.0 - frequency) / 300.0, 0.0, 1.0)
    pair = np.fft.rfft(wave) * (solved.near if near else solved.far)[:2] * band
    pair[1] *= 10.0 ** (gain_db / 20.0) * np.exp(-2j * np.pi * frequency * late_s)
    waves = np.fft.irfft(pair, wave.size)
    waves += random.standard_normal(waves.shape) * dbm0(NOISE_DBM0) / np.sqrt(2.0)
    return np.ascontiguousarray(waves.T, np.float32)


def murmur(random: np.random.Generator, level_dbm0: float = -12.0) -> Wave:
    """Noise that falls as speech does, 6 dB per octave from 600 Hz on."""
    spectrum = np.fft.rfft(random.standard_normal(LENGTH))
    spectrum /= np.sqrt(1.0 + (np.fft.rfftfreq(LENGTH, 1.0 / RATE) / 600.0) ** 2)
    wave: Wave = np.fft.irfft(spectrum, LENGTH)
    wave *= dbm0(level_dbm0) / np.sqrt(2.0) / wave.std()
    return wave


def one_line(
    km: float, line_z: Impedance, phone_z: Impedance, seed: int = 1
) -> tuple[Separation, Separation, Calibration]:
    """What a calibration reaches on other audio than it was fitted to, what nominal impedances reach, and it itself."""
    random = np.random.default_rng([seed, round(km * 10), ENDS.index(line_z), ENDS.index(phone_z)])
    late_s, gain_db = random.uniform(-34e-6, 34e-6), random.uniform(-2.0, 2.0)

    def stretch(wave: Wave, *, near: bool) -> NDArray[np.float32]:
        return alone(
            wave, near=near, km=km, line_z=line_z, phone_z=phone_z, random=random, late_s=late_s, gain_db=gain_db
        )

    fitted = fit(stretch(murmur(random), near=False), stretch(murmur(random), near=True))
    spoken = [voice for voice in voices() if voice.size >= LENGTH]
    far, near = (stretch(spoken[random.integers(len(spoken))][:LENGTH], near=is_near) for is_near in (False, True))
    return separation(fitted, far, near), separation(Calibration(), far, near), fitted


def every_line(*, full: bool) -> Iterator[tuple[float, Impedance, Impedance]]:
    """All pairs of ends at 0, 1, ... 6 km; the slice has every end at 0, 3 and 6 km."""
    if full:
        yield from itertools.product(range(7), LINE_ENDS, ENDS)
        return
    for index, phone_z in enumerate(ENDS):
        for step, km in enumerate((0.0, 3.0, 6.0)):
            yield km, LINE_ENDS[(index + step) % len(LINE_ENDS)], phone_z


def rows(*, full: bool) -> Iterator[Row]:
    """The least and the middle separation of both legs."""
    reached, nominal = [], []
    for km, line_z, phone_z in every_line(full=full):
        by_fit, by_default, _ = one_line(km, line_z, phone_z)
        reached.append((by_fit.far_db, by_fit.near_db))
        nominal.append((by_default.far_db, by_default.near_db))
    for column, leg in enumerate(("far", "near")):
        fitted = np.array(reached)[:, column]
        default = np.array(nominal)[:, column]
        beside = {
            "median": float(np.median(fitted)),
            "nominal, least": float(default.min()),
            "nominal, median": float(np.median(default)),
            "lines": float(fitted.size),
        }
        name = f"separation of the {leg} leg, worst line"
        yield Row(bench="hearing", row=name, value=float(fitted.min()), unit="dB", goal=">= 20", beside=beside)
