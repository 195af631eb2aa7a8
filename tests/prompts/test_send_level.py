"""Nothing is played louder than the cap, and nothing is changed that is not too loud."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.prompts.catalog import load
from handschlag.prompts.send_level import CAP_DBM0, capped, mean_dbm0
from handschlag.prompts.sounds import RATE_HZ, note


def test_a_full_scale_sine_is_3_14_dbm0() -> None:
    """The scale's fixed point (G.711), and nothing has no level."""
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    assert mean_dbm0(sine) == pytest.approx(3.14, abs=0.01)
    assert mean_dbm0(sine[:0]) == mean_dbm0(np.zeros(5, np.float32)) == -100.0


def test_the_loudest_ten_seconds_count() -> None:
    """A pause before and after makes a loud stretch no quieter."""
    loud = note(600.0, 12.0, 0.0)
    around = np.concatenate([np.zeros(20 * RATE_HZ, np.float32), loud, np.zeros(20 * RATE_HZ, np.float32)])
    assert mean_dbm0(around) == pytest.approx(0.0, abs=0.01)
    quieter, by_db = capped(around)
    assert by_db == pytest.approx(7.5, abs=0.01)
    assert mean_dbm0(quieter) == pytest.approx(CAP_DBM0, abs=0.01)


def test_what_is_quiet_enough_is_untouched() -> None:
    """Every sound that the box ships keeps the cap as it is, to the last bit."""
    for language in ("de", "en"):
        for prompt in load(language, None).every():
            samples, by_db = capped(prompt.samples)
            assert by_db == 0
            assert samples is prompt.samples
