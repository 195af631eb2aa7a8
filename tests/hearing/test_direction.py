"""Who pressed: the direction of power over the model of the line."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from handschlag.hearing import Calibration, Ear, KeyHeard, Leg
from handschlag.hearing.direction import leg_of
from handschlag.sim.line import LineModel
from handschlag_bench.hearing.signals import dialled, hear, keys_of, noise, on_line, silence, tones, voice

if TYPE_CHECKING:
    from handschlag.sim.line import Impedance

ALL_TONES = "159D"  # every row and every column once
LINES: list[tuple[float, Impedance, Impedance]] = list(
    itertools.product((0.0, 2.0, 4.0, 6.0), ("Z_R", "600"), ("Z_R", "600"))
)


@pytest.mark.parametrize(("km", "line_z", "phone_z"), LINES)
def test_far_and_near_keys(km: float, line_z: Impedance, phone_z: Impedance) -> None:
    """All eight frequencies: a far key is far, a near key is near, with the margins that were computed."""
    wave = dialled(ALL_TONES, 70, 50, rate=48_000)
    far = keys_of(hear(on_line(wave, None, km=km, line_z=line_z, phone_z=phone_z), "vi", 48_000))
    near = keys_of(hear(on_line(None, wave, km=km, line_z=line_z, phone_z=phone_z), "vi", 48_000))
    assert [each.key for each in far] == [each.key for each in near] == list(ALL_TONES)
    assert all(each.leg is Leg.FAR and each.cos >= 0.8 for each in far)
    assert all(each.leg is Leg.NEAR and each.cos <= -0.65 for each in near)


@pytest.mark.parametrize("km", [0.0, 3.0, 6.0])
def test_the_other_party_speaks_at_the_same_time(km: float) -> None:
    """With the other party's voice beside, no near key is far, and what is heard of far keys is far."""
    wave = dialled("1" * 12, 100, 80, rate=48_000)
    speech = voice(wave.size / 48_000, -28.0, seed=3, rate=48_000)[: wave.size]
    speech = np.pad(speech, (0, wave.size - speech.size))
    near = keys_of(hear(on_line(speech, wave, km=km), "vi", 48_000))
    assert near
    assert all(each.leg is Leg.NEAR for each in near)
    far = keys_of(hear(on_line(wave, speech * 10 ** (-km / 10), km=km), "vi", 48_000))
    assert len(far) >= 6
    assert all(each.leg is Leg.FAR for each in far)


def test_the_boxs_own_keys_are_never_far() -> None:
    """A key that the box itself plays into the line counts as near at most: it could never consent to itself."""
    wave = dialled(ALL_TONES, 100, 60, rate=48_000)
    for km in (0.0, 3.0, 6.0):
        frames = LineModel(cable_km=km).step(None, None, wave)
        assert all(each.leg is not Leg.FAR for each in keys_of(hear(frames, "vi", 48_000)))


def test_inverted_current_is_found_by_the_dial_tone() -> None:
    """With the current inverted the dial tone is near: from then on every key is uncertain, also in the next call."""
    line = np.concatenate([tones([425.0], 2000, -12, 48_000), dialled("1", 100, rate=48_000)])
    right = on_line(line, None)
    wrong = right * np.array([1.0, -1.0], np.float32)
    ear = Ear()
    heard = [e for e in ear.feed(wrong).events if isinstance(e, KeyHeard)]
    assert heard
    assert {each.leg for each in heard} == {Leg.UNCERTAIN}
    assert not ear.direction_trusted
    ear.forget()
    again = [e for e in ear.feed(on_line(dialled("1", 100, rate=48_000), None)).events if isinstance(e, KeyHeard)]
    assert {each.leg for each in again} == {Leg.UNCERTAIN}
    assert keys_of(hear(right, "vi", 48_000))[0].leg is Leg.FAR


def test_calibrated_polarity() -> None:
    """A tap whose bench result says inverted gives the legs and the direction that the right one gives."""
    frames = on_line(dialled("7", 100, rate=48_000), None)
    ear = Ear(calibration=Calibration(polarity=-1))
    heard = [e for e in ear.feed(frames * np.array([1.0, -1.0], np.float32)).events if isinstance(e, KeyHeard)]
    assert {each.leg for each in heard} == {Leg.FAR}


def test_two_unrelated_channels_prove_nothing() -> None:
    """The same key with a quarter turn between the channels is uncertain."""
    quarter = dialled("1", 200)
    shifted = np.imag(np.fft.ifft(np.fft.fft(quarter) * (np.fft.fftfreq(quarter.size) > 0) * 2))
    frames = np.stack([quarter, shifted], axis=1) + noise(2 * quarter.size, -60).reshape(-1, 2)
    assert {each.leg for each in keys_of(hear(frames, "vi"))} == {Leg.UNCERTAIN}


def test_thresholds() -> None:
    """Far from +0.3, near from -0.3, between them uncertain."""
    assert [leg_of(c) for c in (0.3, 0.299, -0.299, -0.3)] == [Leg.FAR, Leg.UNCERTAIN, Leg.UNCERTAIN, Leg.NEAR]


def test_silence_on_the_line_says_nothing() -> None:
    """A quiet line gives no event at all."""
    assert not hear(on_line(silence(3000, 48_000), None), "vi", 48_000)
