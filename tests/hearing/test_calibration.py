"""Fitting the legs at the bench: what it finds, what it refuses, and what the ear gives without it."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Calibration, Ear, HearingError
from handschlag.hearing.calibration import fit, separation
from handschlag_bench.hearing.legs import alone, every_line, murmur, one_line
from handschlag_bench.hearing.telephone import voices

LINE = {"km": 2.5, "line_z": "Z_R", "phone_z": "600"}


def stretch(*, near: bool, seed: int = 1, **how: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Four seconds in which one party murmurs."""
    random = np.random.default_rng(seed + near)
    return alone(murmur(random), near=near, random=random, **LINE, **how)  # type: ignore[arg-type]


FAR, NEAR = stretch(near=False), stretch(near=True)


@pytest.mark.parametrize(("km", "line_z", "phone_z"), list(every_line(full=False)))
def test_legs_are_separated(km: float, line_z: str, phone_z: str) -> None:
    """30 dB and more on both sides with voices that were not fitted to; the bench's own figure promises no other."""
    by_fit, by_default, fitted = one_line(km, line_z, phone_z)  # type: ignore[arg-type]
    assert min(by_fit.far_db, by_fit.near_db) >= 30.0
    assert min(by_default.far_db, by_default.near_db) < 20.0
    assert fitted.separated
    assert fitted.separation_db is not None
    assert np.abs(np.subtract(fitted.separation_db, (by_fit.far_db, by_fit.near_db))).max() < 12.0


def test_an_inverted_current_is_found() -> None:
    """Both stretches flow the wrong way round: polarity -1, and the legs are what they would have been."""
    inverted = np.array([1.0, -1.0], np.float32)
    right, wrong = fit(FAR, NEAR), fit(FAR * inverted, NEAR * inverted)
    assert (right.polarity, wrong.polarity) == (1, -1)
    assert wrong.line_z == pytest.approx(right.line_z)
    assert separation(wrong, FAR * inverted, NEAR * inverted).far_db > 30.0


@pytest.mark.parametrize(
    ("far", "near", "says"),
    [
        (FAR[:, :1], NEAR, r"far_alone of shape .*\(n, 2\)"),
        (FAR[:8000], NEAR, "far_alone: 1.0 s; allowed are 2 to 60 s"),
        (FAR, NEAR * np.float32(0.005), "near_alone: voltage has .* allowed is -45"),
        (FAR, NEAR * np.array([1.0, 0.001], np.float32), "near_alone: current has"),
        (np.clip(FAR * np.float32(30.0), -1.0, 1.0), NEAR, "far_alone: is overdriven"),
        (np.where(np.arange(32_000)[:, None] == 5, np.nan, FAR), NEAR, "far_alone: holds samples that are no numbers"),
        (FAR, FAR, "flows with cos"),
        (FAR, NEAR + FAR * np.float32(0.3), "near_alone: the far leg keeps the near party"),
        (FAR + NEAR * np.float32(0.3), NEAR, "far_alone: the near leg keeps the far party"),
    ],
)
def test_what_is_refused(
    far: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    near: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    says: str,
) -> None:
    """Each refusal names the stretch, what is wrong, and what is allowed."""
    with pytest.raises(HearingError, match=says):
        fit(far, near)


def test_a_tone_is_refused() -> None:
    """A dial tone says nothing about the band."""
    tone = 0.2 * np.sin(2 * np.pi * 425 / 8000 * np.arange(32_000))
    with pytest.raises(HearingError, match="nothing sounds at"):
        fit(np.stack([tone, tone], axis=1), NEAR)


def test_impossible_calibrations() -> None:
    """A delay as long as the taps, and a separation that is no number."""
    with pytest.raises(HearingError, match="delay"):
        Calibration(delay=1)
    with pytest.raises(HearingError, match="separation"):
        Calibration(separation_db=(float("nan"), 30.0))


def test_the_ear_gives_legs_with_a_calibration_and_the_mix_without() -> None:
    """Uncalibrated, or poorly, both channels are the voltage; calibrated, a silent party's leg is silent."""
    said = alone(
        voices()[0][:16_000],
        near=False,
        random=np.random.default_rng(2),
        **LINE,  # type: ignore[arg-type]
    )
    fitted = fit(FAR, NEAR)
    for calibration in (None, Calibration(), Calibration(fitted.line_z, fitted.phone_z, 1, fitted.delay, (30.0, 12.0))):
        ear = Ear(8000, calibration=calibration)
        heard = ear.feed(said)
        assert not ear.separated
        assert np.array_equal(heard.legs[:, 0], heard.legs[:, 1])
        count = len(heard.legs)
        assert np.array_equal(heard.legs[:, 0], np.rint(said[:count, 0] * np.float32(32767.0)).astype(np.int16))
    ear = Ear(8000, calibration=fitted)
    legs = ear.feed(said).legs.astype(np.float64)
    assert ear.separated
    far, near = (legs**2).mean(axis=0)
    assert far > 300.0 * near
    assert ear.feed(said).levels.far_dbm0 > ear.feed(said).levels.near_dbm0 + 10.0
