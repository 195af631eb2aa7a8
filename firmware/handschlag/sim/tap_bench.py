"""What the technician does with a real tap, on the simulated line: each party sounds alone, and the legs are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.calibration import fit
from handschlag.hearing.resample import whole
from handschlag.sim.line import RATE, LineModel, dbm0

if TYPE_CHECKING:
    from handschlag.hearing import Calibration

SECONDS: Final = 3.0
LEVEL_DBM0: Final = -12.0


def measure(cable_km: float) -> Calibration:
    """The calibration of a tap on a line of this length with a telephone and an exchange of Z_R."""
    random = np.random.default_rng(1)
    line = LineModel(cable_km=cable_km, seed=2)
    noise = random.standard_normal(round(SECONDS * RATE)).astype(np.float32) * np.float32(dbm0(LEVEL_DBM0))
    return fit(whole(line.step(noise, None), RATE), whole(line.step(None, noise), RATE))
