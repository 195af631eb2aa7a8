"""How loud the box may be on the line: what is louder than the cap is scaled when it is loaded, and said to be.

The cap is a mean send level of -9.7 dBV over 600 ohms, which is -7.5 dBm (ES 203 021, from general knowledge; neither
the clause nor the 10 s were read); with a play path aligned so that 0 dBm0 is 0 dBm at the line, that is -7.5 dBm0. The
mean is taken over `MEAN_S`, over the whole of a shorter sound, wherever that is loudest; a sound is made quieter as a
whole, never louder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handschlag.prompts.sounds import FULL_SCALE_DBM0, RATE_HZ

CAP_DBM0 = -7.5
MEAN_S = 10.0
SILENCE_DBM0 = -100.0


def mean_dbm0(samples: NDArray[np.float32]) -> float:
    """The highest mean level over any `MEAN_S` of a sound of 48 kHz; a full-scale sine has +3.14 dBm0."""
    if not len(samples):
        return SILENCE_DBM0
    window = min(len(samples), round(MEAN_S * RATE_HZ))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    power = float(np.max(energy[window:] - energy[:-window])) / window
    return FULL_SCALE_DBM0 + 10 * float(np.log10(2 * power)) if power > 0 else SILENCE_DBM0


def capped(samples: NDArray[np.float32], cap_dbm0: float = CAP_DBM0) -> tuple[NDArray[np.float32], float]:
    """The sound at no more than `cap_dbm0`, and by how many dB it was made quieter (0 or more)."""
    too_loud_db = mean_dbm0(samples) - cap_dbm0
    if too_loud_db <= 0:
        return samples, 0.0
    return samples * np.float32(10 ** (-too_loud_db / 20)), too_loud_db
