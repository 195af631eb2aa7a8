"""Storage is told in hours of calls, and not in more of them than there are."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from handschlag.adapters.flac import FlacCodec
from handschlag.core.storage import BYTES_PER_HOUR, hours_of_calls
from handschlag.sim.voices import load_story

PADDING = 4096
HEADER_AND_TAG = 20 + 16


@pytest.mark.parametrize(("free", "hours"), [(BYTES_PER_HOUR, 1.0), (0, 0.0), (-1, 0.0)])
def test_hours_of_calls(free: int, hours: float) -> None:
    """Bytes become hours; below the reserve there are none."""
    assert hours_of_calls(free) == hours


def test_an_hour_of_speech_fits_into_what_is_told() -> None:
    """The voices, one leg speaking and the other as quiet as a line is, take no more than an hour's bytes an hour."""
    said = np.concatenate([line.samples for line in load_story("boiler")])
    near = np.asarray(soxr.resample(said, 48_000, 8_000), np.float64)
    quiet = 0.05 * near + np.random.default_rng(1).normal(0, 10 ** (-70 / 20), len(near))
    legs = (np.stack([near, quiet], axis=1) * 32_767).astype(np.int16)
    clips = [legs[first : first + 16_000] for first in range(0, len(legs) - 16_000, 16_000)]
    codec = FlacCodec()
    sizes = [-(-(4 + len(codec.encode(clip, 8_000))) // PADDING) * PADDING + HEADER_AND_TAG for clip in clips]
    assert 0.5 * BYTES_PER_HOUR < sum(sizes) / len(sizes) * 1_800 < BYTES_PER_HOUR
