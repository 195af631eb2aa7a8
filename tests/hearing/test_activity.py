"""Speech per leg."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Ear, Leg, SpeechHeard
from handschlag_bench.hearing.signals import dialled, hear, noise, on_line, silence, speech_of, tones, voice


@pytest.mark.parametrize("km", [0.0, 2.0, 5.0])
def test_each_party_is_heard_on_its_own_leg(km: float) -> None:
    """Far speaks, then near: two stretches, each on its leg, in its time."""
    far = np.concatenate([silence(500, 48_000), voice(1.5, -20, rate=48_000), silence(3000, 48_000)])
    near = np.concatenate([silence(3000, 48_000), voice(1.5, -20, seed=7, rate=48_000), silence(500, 48_000)])
    events = speech_of(hear(on_line(far, near, km=km), "vi", 48_000))
    for leg, begin in ((Leg.FAR, 0.5), (Leg.NEAR, 3.0)):
        own = [event for event in events if event.leg is leg]
        assert own
        assert own[0].start / 8000 == pytest.approx(begin, abs=0.15)
        assert all(begin - 0.1 <= event.start / 8000 and (event.end or 0) / 8000 <= begin + 1.7 for event in own)


def test_begin_is_told_within_100_ms() -> None:
    """The begin of loud speech is told when at most 100 ms of it have been fed."""
    wave = np.concatenate([silence(520, 48_000), noise(48_000, -20)])
    ear = Ear(mode="mix")
    for first in range(0, wave.size, 960):
        if any(isinstance(e, SpeechHeard) for e in ear.feed(wave[first : first + 960, None]).events):
            assert (first + 960) / 48 - 520 <= 100
            return
    pytest.fail("no speech was heard")


def test_hangover() -> None:
    """Pauses under 200 ms do not end speech; longer ones do."""
    burst = noise(2400, -20)
    short = np.concatenate([silence(500), burst, silence(150), burst, silence(800)])
    long = np.concatenate([silence(500), burst, silence(300), burst, silence(800)])
    assert len(speech_of(hear(short))) == 1
    assert len(speech_of(hear(long))) == 2


@pytest.mark.parametrize("level", [-70.0, -50.0, -40.0])
def test_comfort_noise_is_no_speech(level: float) -> None:
    """Steady noise is no speech, and speech 20 dB above it still is."""
    quiet = noise(8000 * 5, level)
    assert not hear(quiet)
    spoken = quiet.copy()
    spoken[16_000:24_000] += voice(1.0, level + 20 if level > -60 else -35.0)
    assert speech_of(hear(spoken))


def test_keys_and_tones_are_no_speech() -> None:
    """Neither keys nor a steady tone count as speech."""
    for wave in (dialled("0123456789", 80, 60), np.concatenate([silence(300), tones([425.0], 3000), silence(300)])):
        assert not [event for event in hear(wave) if isinstance(event, SpeechHeard)]


def test_hum_is_no_speech() -> None:
    """50 Hz that begins suddenly is no speech."""
    wave = np.concatenate([silence(500), tones([50.0], 2000, -10), silence(500)])
    assert not hear(wave)
