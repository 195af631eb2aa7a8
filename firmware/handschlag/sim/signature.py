"""A call that is like no other: pseudo-random sound with the spectrum of speech, to be searched for afterwards.

Like speech it falls by 12 dB an octave above 500 Hz, for `sim.search` takes bytes whose neighbours do not resemble each
other for no audio at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handschlag.sim.line import RATE, dbm0

BAND_HZ = (300.0, 3400.0)
FALLS_FROM_HZ = 500.0


def signature(seconds: float, *, seed: int, level_dbm0: float = -18.0) -> NDArray[np.float32]:
    """Noise of the telephone band, drawn from a seed; (n,) at 48 kHz, 1.0 is full scale."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > BAND_HZ[1])] = 0
    spectrum /= np.maximum(1.0, hertz / FALLS_FROM_HZ) ** 2
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise * dbm0(level_dbm0) / np.sqrt(2 * np.mean(noise**2)), np.float32)
