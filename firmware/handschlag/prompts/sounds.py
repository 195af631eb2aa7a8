"""The three signals both parties hear: start (two rising notes), stop (two falling), denied (two low beeps).

They are computed, not recorded. The notes stay clear of everything a telephone network says with tones: the
eight key frequencies (ITU-T Q.23), the 425 Hz of dial and busy tone, fax (1100 and 2100 Hz) and the special
information tones (950, 1400, 1800 Hz), and they have one frequency at a time, so no detector can take them for
a key.

Levels are in dBm0: a full-scale sine is +3.14 dBm0 (ITU-T G.711).
"""

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48000
FULL_SCALE_DBM0 = 3.14
LEVEL_DBM0 = -13.0
RAMP_S = 0.005

LOW_NOTE_HZ = 523.25
HIGH_NOTE_HZ = 659.26
DENIED_HZ = 330.0


def note(frequency_hz: float, length_s: float, level_dbm0: float = LEVEL_DBM0) -> NDArray[np.float32]:
    """One sine with raised-cosine ramps of 5 ms: float32, mono, 48 kHz."""
    at = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    amplitude = 10 ** ((level_dbm0 - FULL_SCALE_DBM0) / 20)
    wave = amplitude * np.sin(2 * np.pi * frequency_hz * at)
    ramp = round(RAMP_S * RATE_HZ)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
    wave[:ramp] *= rise
    wave[-ramp:] *= rise[::-1]
    return wave.astype(np.float32)


def start() -> NDArray[np.float32]:
    """Capture begins: two rising notes, 0.3 s."""
    return np.concatenate((note(LOW_NOTE_HZ, 0.13), _pause(0.02), note(HIGH_NOTE_HZ, 0.15)))


def stop() -> NDArray[np.float32]:
    """Capture has ended: two falling notes, 0.3 s."""
    return np.concatenate((note(HIGH_NOTE_HZ, 0.13), _pause(0.02), note(LOW_NOTE_HZ, 0.15)))


def denied() -> NDArray[np.float32]:
    """Not possible now: two low beeps, 0.36 s; never beside a sentence."""
    return np.concatenate((note(DENIED_HZ, 0.14), _pause(0.08), note(DENIED_HZ, 0.14)))


def _pause(length_s: float) -> NDArray[np.float32]:
    return np.zeros(round(length_s * RATE_HZ), np.float32)
