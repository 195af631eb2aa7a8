"""Speech per leg."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Ear, Leg, SpeechHeard
from handschlag_bench.hearing.signals import dialled, hear, noise, on_line, silence, speech_of, tones, voice


def _vowel(ms: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A voice without the pauses between syllables: noise that its throat has shaped."""
    shaped = np.convolve(noise(round(ms * 8) + 4, -10), [1.0, 2.0, 2.0, 1.0, 0.5], "valid")
    return np.asarray(shaped / 3.0)


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
    wave = np.concatenate([silence(520), _vowel(500)])
    ear = Ear(8000, mode="mix")
    for first in range(0, wave.size, 160):
        if any(isinstance(e, SpeechHeard) for e in ear.feed(wave[first : first + 160, None]).events):
            assert (first + 160) / 8 - 520 <= 100
            return
    pytest.fail("no speech was heard")


def test_hangover() -> None:
    """Pauses under 200 ms do not end speech; longer ones do."""
    burst = _vowel(300)
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


def test_noise_that_sets_in_is_no_speech() -> None:
    """White noise that begins at once, breath and clicks have nothing of a voice's spectrum."""
    for seed in range(5):
        wave = noise(16_000, -60.0, seed)
        wave[8000:] += noise(8000, -25.0, seed + 10)
        wave[3000] = wave[5000] = 0.9
        assert not hear(wave)


def test_steady_vowel_is_speech_although_it_could_be_a_tone() -> None:
    """A pure hum of 430 Hz that swells like a voice is speech from its beginning; one that does not is a tone."""
    shape = np.concatenate([np.linspace(0.05, 1.0, 400), np.linspace(1.0, 0.5, 800), np.linspace(0.5, 0.02, 400)])
    swells, stays = tones([430.0], 200, -14.0) * shape, tones([430.0], 400, -14.0)
    for wave, times in ((swells, 1), (stays, 0)):
        spoken = speech_of(hear(np.concatenate([silence(600), wave, silence(600)])))
        assert len(spoken) == times
        assert all(event.start <= 4800 + 400 for event in spoken)


def test_short_tonal_word_is_speech() -> None:
    """What sounds like a tone and ends after 120 ms is speech: no tone of a line is so short."""
    wave = np.concatenate([silence(600), tones([430.0], 120, -14.0), silence(600)])
    assert len(speech_of(hear(wave))) == 1


def test_quiet_voice_in_noise_is_heard() -> None:
    """A voice 10 dB over the noise is heard for most of its time."""
    wave = noise(40_000, -35.0, 2)
    wave[16_000:32_000] += voice(2.0, -25.0, seed=3)
    spoken = speech_of(hear(wave))
    assert sum((event.end or 0) - event.start for event in spoken) > 0.8 * 16_000
    assert all(event.start >= 15_000 for event in spoken)


@pytest.mark.parametrize("cut", [1, 333, 480])
def test_speech_does_not_depend_on_cuts(cut: int) -> None:
    """The same dialogue in other pieces gives the same stretches of speech."""
    frames = on_line(voice(1.5, -20, rate=48_000), np.roll(voice(1.5, -28, seed=4, rate=48_000), 30_000))
    assert speech_of(hear(frames, "vi", 48_000, cut=cut)) == speech_of(hear(frames, "vi", 48_000))
