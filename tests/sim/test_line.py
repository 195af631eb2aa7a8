"""The model of the line: physics, linearity, streaming."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handschlag.errors import HandschlagError
from handschlag.sim.line import DELAY, RATE, Impedance, LineError, LineModel, components, dbm0, impedance, solve

KEY_TONES = np.array([697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0])
IMPEDANCES: tuple[Impedance, ...] = ("Z_R", "600")


def _tone(
    frequency_hz: float, level_dbm0: float = 0.0, seconds: float = 0.5
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    wave: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = dbm0(level_dbm0) * np.sin(
        2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE
    )
    return wave


def _level(wave: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> float:
    return float(10 * np.log10(np.mean(np.asarray(wave[4800:], np.float64) ** 2) * 2) + 3.14)


def test_direction_of_power_over_all_lines() -> None:
    """Over 0-6 km, all impedances and all key tones: far above +0.84, near below -0.68, as the design computed."""
    for km, line_z, phone_z in itertools.product(range(7), IMPEDANCES, IMPEDANCES):
        solved = solve(KEY_TONES, cable_km=km, line_z=line_z, phone_z=phone_z, playing=False)
        for voltage, current, sign, least in ((*solved.far[:2], 1, 0.84), (*solved.near[:2], -1, 0.68)):
            cosine = (voltage * current.conj()).real / np.abs(voltage) / np.abs(current)
            assert (sign * cosine).min() >= least


def test_a_matched_line_keeps_levels() -> None:
    """600 Ω on both sides without cable: both parties stand with their level, voltage and current alike."""
    for far, near, sign in ((_tone(1000), None, 1), (None, _tone(1000), -1)):
        out = LineModel(cable_km=0, line_z="600", phone_z="600", noise_dbm0=None).step(far, near)
        assert _level(out[:, 0]) == pytest.approx(0.0, abs=0.02)
        assert _level(out[:, 1]) == pytest.approx(0.0, abs=0.02)
        assert np.abs(out[:, 0] - sign * out[:, 1]).max() < 1e-3


def test_the_model_does_what_was_solved() -> None:
    """A tone through the filters has the solved amplitude and phase, at voltage and current, within 0.1 %."""
    for frequency in (200.0, 425.0, 1209.0, 3400.0):
        model = LineModel(cable_km=4, noise_dbm0=None)
        out = model.step(_tone(frequency), None)
        solved = solve(np.array([frequency]), cable_km=4, line_z="Z_R", phone_z="Z_R", playing=False)
        n = np.arange(RATE // 10, RATE // 2)
        turn = np.exp(-2j * np.pi * frequency * (n - DELAY) / RATE)
        for channel in range(2):
            measured = 2j * np.mean(out[n, channel] * turn) / dbm0(0.0)
            assert measured == pytest.approx(complex(solved.far[channel, 0]), rel=2e-3)


def test_impedance_of_germany() -> None:
    """Z_R is 1020 Ω at direct current and about 847 Ω at 1 kHz."""
    at = impedance("Z_R", np.array([0.0, 1000.0]))
    assert at[0] == pytest.approx(1020.0, abs=0.01)
    assert abs(at[1]) == pytest.approx(847.0, abs=5.0)


def test_cable_costs_level() -> None:
    """Longer cable is quieter, high tones more so."""
    levels = [
        [_level(LineModel(cable_km=km, noise_dbm0=None).step(_tone(f), None)[:, 0]) for f in (400, 3000)]
        for km in (0, 3, 6)
    ]
    assert levels[0][0] > levels[1][0] > levels[2][0]
    assert levels[1][0] - levels[1][1] < levels[2][0] - levels[2][1]


def test_linear_and_streaming() -> None:
    """Blocks of any size give the same as one block, and far plus near parts give the whole."""
    random = np.random.default_rng(3)
    far, near = random.standard_normal((2, 20_000)) * 0.1
    whole = LineModel(noise_dbm0=None).step(far, near)
    model, parts, at = LineModel(noise_dbm0=None), [], 0
    for size in (1, 5, 960, 0, 3000, 16_034):
        parts.append(model.step(far[at : at + size], near[at : at + size]))
        at += size
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-5
    far_part, near_part = components(far, near)
    assert np.abs(far_part + near_part - whole).max() < 1e-5


def test_playing() -> None:
    """Play is heard on both ends, costs 3.5 dB on a matched line while connected, and looks like near, never far."""
    model = LineModel(noise_dbm0=None)
    out = model.step(None, None, _tone(1000, -10))
    assert _level(model.heard_far) > -20
    assert _level(out[:, 0]) > -16
    assert np.mean(out[:, 0] * out[:, 1]) < 0
    matched = LineModel(cable_km=0, line_z="600", phone_z="600", noise_dbm0=None)
    loaded = matched.step(_tone(1000), None, np.zeros(RATE // 2))
    assert _level(loaded[:, 0]) == pytest.approx(-3.52, abs=0.05)


def test_switching_makes_no_jump() -> None:
    """Connecting and parting the transformer fades over a block."""
    model = LineModel(noise_dbm0=None)
    wave = _tone(200)
    out = np.concatenate(
        [
            model.step(wave[at : at + 960], None, np.zeros(960) if 4800 <= at < 9600 else None)
            for at in range(0, 14_400, 960)
        ]
    )
    assert np.abs(np.diff(out[1000:, 0])).max() < 1.2 * np.abs(np.diff(out[1000:4000, 0])).max()


def test_what_the_far_party_hears() -> None:
    """Near speech reaches the exchange, weakened by the cable; the far party's own voice is not in it."""
    model = LineModel(cable_km=3, noise_dbm0=None)
    model.step(None, _tone(1000))
    assert -8.0 < _level(model.heard_far) < 0.0
    model = LineModel(cable_km=3, noise_dbm0=None)
    model.step(_tone(1000), None)
    assert not model.heard_far.any()


def test_noise_has_its_level() -> None:
    """The noise's power in 0-4 kHz is as asked, on both channels, and repeats with its seed."""
    quiet = np.zeros(RATE)
    out = LineModel(noise_dbm0=-40.0, seed=5).step(quiet, quiet)
    for channel in range(2):
        assert _level(out[:, channel]) - 10 * np.log10(6) == pytest.approx(-40.0, abs=0.2)
    assert np.array_equal(out, LineModel(noise_dbm0=-40.0, seed=5).step(quiet, quiet))


def test_wrong_input() -> None:
    """Impossible lines and signals that do not fit are refused with what is allowed."""
    with pytest.raises(LineError, match="0 to 20 km"):
        LineModel(cable_km=-1)
    with pytest.raises(LineError, match="allowed are Z_R, 600, "):
        LineModel(line_z="1200")  # type: ignore[arg-type]
    with pytest.raises(LineError, match="one length"):
        LineModel().step(np.zeros(3), np.zeros(4))
    with pytest.raises(HandschlagError, match="one length"):
        LineModel().step(None, None)
