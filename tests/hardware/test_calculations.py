"""The board's figures against their limits, and the formulas against a second way of computing them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from handschlag_hardware import pinout
from handschlag_hardware.calc import audio, isolation, loop
from handschlag_hardware.calc.circuit import CIRCUIT, FULL_SCALE_DBM0, KEY_HZ, OHM, volts_rms

PROMPTS = Path(__file__).resolve().parents[2] / "firmware" / "handschlag" / "prompts"


def solved(source: complex, feedback: float, winding: float, inductance: float, hz: float) -> complex:
    """Volts behind the amplifier per volt, by solving both meshes of the transformer into a virtual ground."""
    coil = 2j * math.pi * hz * inductance
    meshes = np.array([[source + winding + coil, -coil], [-coil, coil + winding]])
    return complex(np.linalg.solve(meshes, np.array([1.0, 0.0]))[1]) * feedback


@pytest.mark.parametrize("hz", [50.0, 300.0, *KEY_HZ, 3400.0])
def test_channels_by_another_way(hz: float) -> None:
    """Both transfer functions are those that the mesh equations give."""
    c = CIRCUIT
    transformer = audio.Transformer(70.0, 0.9)
    at = np.array([hz])
    block = 1 / (2j * math.pi * hz)
    voltage = solved(c.r3 + c.r4 + block * (1 / c.c1 + 1 / c.c2), c.r7, 70.0, 0.9, hz)
    current = c.r1 * solved(c.r1 + c.r5 + block / c.c3, c.r8, 70.0, 0.9, hz)
    assert audio.voltage_channel(c, transformer, at)[0] == pytest.approx(voltage)
    assert audio.current_channel(c, transformer, at)[0] == pytest.approx(current)


def test_equal_amplitudes_at_600_ohm_without_clipping() -> None:
    """A full-scale sine (+3.14 dBm0) fills the codec in both channels alike, within 0.5 dB, and does not clip."""
    voltage, current = audio.full_scale_peak_v()
    assert abs(audio.balance_db()) < 0.5
    assert 0.8 < voltage < CIRCUIT.codec_peak_v
    assert 0.8 < current < CIRCUIT.codec_peak_v


@pytest.mark.parametrize("hz", KEY_HZ)
def test_phase_leaves_room(hz: float) -> None:
    """With every tolerance at its worst the channels turn by less than 10 degrees, of 20 that hearing tolerates."""
    assert audio.worst_phase_deg(hz) < 10
    assert audio.tolerated_phase_deg() > 20


def test_a_voltage_divider_would_not_do() -> None:
    """A transformer behind a high impedance instead of a virtual ground would turn too far: the design's reason."""
    hz, ohm, henry = 697.0, 1000.0, 0.5
    assert math.degrees(math.atan(ohm / (2 * math.pi * hz * henry))) > 20


def test_a_smaller_capacitor_is_noticed() -> None:
    """c3 of 1 uF instead of 47 uF breaks the phase budget."""
    assert audio.worst_phase_deg(697.0, replace(CIRCUIT, c3=1e-6)) > 10


def test_direction_stays_decidable_at_minus_30_dbm() -> None:
    """At -30 dBm per tone, noise turns the angle by less than a degree; the rest of the budget is for the phases."""
    assert audio.tone_to_noise_db(-30.0) > 40
    assert audio.phase_noise_deg(-30.0) < 1
    assert audio.worst_phase_of_keys_deg() + 5 * audio.phase_noise_deg(-30.0) < 20


def test_idle_noise_is_below_the_lines_own() -> None:
    """The board adds less than -65 dBm in the telephone band, and the amplifier alone less than the codec."""
    assert audio.idle_noise_dbm() < -65
    quiet = max(audio.noise_on_line(replace(CIRCUIT, codec_range_db=120.0)))
    assert quiet < max(audio.noise_on_line())


def test_prompts_keep_the_sending_limit() -> None:
    """No shipped announcement and no tone exceeds -9.7 dBV mean on the line (ES 203 021 [K]) nor clips."""
    loudest = -100.0
    for path in PROMPTS.glob("*/*.wav"):
        samples, _ = soundfile.read(path)
        mean_dbm0 = FULL_SCALE_DBM0 + 10 * math.log10(2 * float(np.mean(np.square(samples))))
        peak_dbm0 = FULL_SCALE_DBM0 + 20 * math.log10(float(np.max(np.abs(samples))))
        assert peak_dbm0 <= audio.play_clips_dbm0(), path
        loudest = max(loudest, mean_dbm0)
    assert loudest > -40
    assert audio.play_mean_dbv(loudest) <= -9.7
    assert audio.play_mean_dbv(0.0) == pytest.approx(20 * math.log10(volts_rms(0.0)), abs=0.5)


def test_play_looks_like_600_ohm() -> None:
    """The play transformer's source impedance is 600 ohm within 5 %."""
    assert audio.play_source_ohm() == pytest.approx(OHM, rel=0.05)


def test_loop_budget() -> None:
    """At 60 mA the telephone loses less than 0.5 V; the tap costs 0.1 dB, and 3.5 dB while playing."""
    assert loop.drop_v(loop.LOOP_A) < 0.5
    assert loop.heat_w() < 0.1
    assert loop.insertion_loss_db(playing=False) < 0.1
    assert loop.insertion_loss_db(playing=True) == pytest.approx(3.5, abs=0.15)


def test_on_hook_load() -> None:
    """On-hook more than 1 megohm, at least 10 per leg; while ringing a quarter of a ringer at most."""
    assert loop.on_hook_ohm() > loop.ONHOOK_OHM
    assert loop.on_hook_ohm() / 2 >= 10e6
    assert loop.ring_impedance_ohm(25.0) > 3 * loop.RING_LOAD_OHM


def test_ring_detector_sees_the_weakest_ring() -> None:
    """30 V at 50 Hz drives the optocoupler with more than 0.5 mA, of which a fifth pulls the input down."""
    lamp = loop.ring_detector_a(30.0, 50.0)
    assert lamp > 0.5e-3
    assert 0.2 * lamp * 50e3 > 3.3  # the controller's pull-up is 50 kilohm or more


def test_firmware_scales_are_those_of_the_parts() -> None:
    """What pinout.toml tells the firmware per step is what the resistors give, within 0.1 %; ranges suffice."""
    scales = pinout.load().scales
    assert scales["voltage_mv"].step == pytest.approx(loop.voltage_step_mv(), rel=1e-3)
    assert scales["current_ua"].step == pytest.approx(loop.current_step_ua(), rel=1e-3)
    assert 2048 * scales["current_ua"].step >= loop.LOOP_A * 1e6
    assert 2048 * scales["voltage_mv"].step >= (isolation.BATTERY_V + 75 * math.sqrt(2)) * 1e3
    assert loop.LOOP_A * CIRCUIT.r1 <= CIRCUIT.amc_range


def test_every_crossing_stands_what_it_must() -> None:
    """Each part over the barrier stands the test voltage and bridges at least the needed distance."""
    for crossing in isolation.CROSSINGS:
        assert crossing.test_vrms >= isolation.TEST_VRMS, crossing
        assert crossing.creepage_mm >= isolation.CREEPAGE_MM, crossing
    assert isolation.BOARD_MM >= isolation.CREEPAGE_MM > isolation.CLEARANCE_MM
    assert isolation.TEST_VRMS / 3 <= isolation.RESISTOR_V
    assert isolation.resistor_peak_v() < isolation.RESISTOR_V / 5
    assert isolation.fault_current_a(CIRCUIT.r10) < 0.25e-3
