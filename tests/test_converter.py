"""The drift of a converter, measured through jitter."""

from __future__ import annotations

import random

import pytest

from handschlag.converter import WINDOW_S, WINDOWS_NEEDED, Drift


def run(drift: Drift, ppm: float, seconds: float, *, seed: int = 1, start: float = 1000.0) -> None:
    """Blocks of 20 ms of a converter that runs fast by `ppm`, each late by up to 15 ms, some by much more."""
    chance = random.Random(seed)
    for number in range(round(seconds / 0.02)):
        stream_s = number * 0.02
        late = chance.uniform(0.0, 0.015) + (0.2 if chance.random() < 0.01 else 0.0)
        drift.add(stream_s, start + stream_s / (1 + ppm * 1e-6) + late)


@pytest.mark.parametrize("ppm", [-120.0, 0.0, 35.0, 400.0])
def test_drift_is_found_through_jitter(ppm: float) -> None:
    """Within 10 ppm after a minute, 2 after five, whatever single blocks do."""
    minute, five = Drift(), Drift()
    run(minute, ppm, 60.0)
    run(five, ppm, 300.0)
    assert minute.ppm == pytest.approx(ppm, abs=10)
    assert five.ppm == pytest.approx(ppm, abs=2)


def test_too_short_is_not_told() -> None:
    """Before enough windows have passed, and after an interruption, nothing is claimed."""
    drift = Drift()
    run(drift, 100.0, WINDOWS_NEEDED * WINDOW_S - 1)
    assert drift.ppm is None
    run(drift, 100.0, 60.0)
    drift.restart()
    assert drift.ppm is None


def test_memory_is_bounded() -> None:
    """Hours of stream keep no more than an hour's windows."""
    drift = Drift()
    for number in range(20000):
        drift.add(number * 5.0, number * 5.0)
    assert len(drift._windows) <= 720
    assert drift.ppm == pytest.approx(0.0, abs=1e-6)
