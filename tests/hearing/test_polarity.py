"""The dial tone proves or disproves the tap's polarity; nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Calibration, Ear, ExchangeHeard
from handschlag_bench.hearing.signals import dialled, noise, on_line, silence, tones, voice

INVERTED = np.array([1.0, -1.0], np.float32)


def exchange(frames: np.ndarray[tuple[int, ...], np.dtype[np.float32]], ear: Ear | None = None) -> list[ExchangeHeard]:
    """What is heard of the exchange in these frames at 48 kHz."""
    return [each for each in (ear or Ear()).feed(frames).events if isinstance(each, ExchangeHeard)]


@pytest.mark.parametrize("km", [0.0, 3.0, 6.0])
@pytest.mark.parametrize("level_dbm0", [-4.0, -12.0, -18.0])
@pytest.mark.parametrize("frequencies", [(425.0,), (400.0, 425.0), (419.0,), (431.0,)])
def test_a_dial_tone_is_far_and_with_inverted_current_near(
    km: float, level_dbm0: float, frequencies: tuple[float, ...]
) -> None:
    """Also the special one of two tones, over all cable lengths and levels, with speech right before it."""
    said = voice(0.6, -20, seed=4, rate=48_000)
    far = np.concatenate([said, silence(100, 48_000), tones(frequencies, 2000, level_dbm0, 48_000)])
    frames = on_line(far, None, km=km)
    assert [each.cos >= 0.3 for each in exchange(frames)] == [True]
    ear = Ear()
    assert [each.cos <= -0.3 for each in exchange(frames * INVERTED, ear)] == [True]
    assert not ear.direction_trusted
    ear = Ear(calibration=Calibration(polarity=-1))
    assert [each.cos >= 0.3 for each in exchange(frames * INVERTED, ear)] == [True]
    assert ear.direction_trusted


def test_a_dead_current_channel_is_not_far() -> None:
    """Where the current is nothing but noise the dial tone cannot be shown to be far, which disproves the bench."""
    frames = on_line(tones([425.0], 2500, -12, 48_000), None)
    frames[:, 1] = noise(len(frames), -65.0)
    ear = Ear()
    exchange(frames, ear)
    assert not ear.direction_trusted


NOT_CLEAR = {
    "a note of 440 Hz": tones([440.0], 3000, -12, 48_000),
    "a note of 415 Hz": tones([415.3], 3000, -12, 48_000),
    "a chord": tones([425.0, 637.0, 850.0], 3000, -12, 48_000),
    "a tone that is too short": np.concatenate([silence(300, 48_000), tones([425.0], 1200, -12, 48_000)]),
    "a quiet tone": tones([425.0], 3000, -36, 48_000),
    "a decaying string": tones([425.0], 3000, -8, 48_000) * np.exp(-np.arange(144_000) / 48_000),
    "vibrato": 0.2
    * np.sin(2 * np.pi * 425 / 48_000 * np.arange(144_000) + 3 * np.sin(2 * np.pi * 5.5 / 48_000 * np.arange(144_000))),
    "talking": voice(6.0, -12, seed=9, rate=48_000),
    "own keys": dialled("0123456789", 200, 100, rate=48_000),
    "ringback": np.concatenate([tones([425.0], 1000, -12, 48_000), silence(500, 48_000)] * 2),
}


@pytest.mark.parametrize("what", NOT_CLEAR)
def test_near_music_raises_no_alarm(what: str) -> None:
    """Only 1.3 s of steady, pure 425 Hz are asked; nothing else that comes from the near party is."""
    ear = Ear()
    assert exchange(on_line(None, NOT_CLEAR[what]), ear) == []
    assert ear.direction_trusted


def test_somebody_talks_into_the_dial_tone() -> None:
    """The near party's voice over the dial tone cannot turn its direction: far, or not told."""
    dial = tones([425.0], 4000, -12, 48_000)
    for level_dbm0 in (-30.0, -20.0, -10.0):
        said = voice(4.0, level_dbm0, seed=5, rate=48_000)[: dial.size]
        ear = Ear()
        exchange(on_line(dial, np.pad(said, (0, dial.size - said.size))), ear)
        assert ear.direction_trusted


def test_the_cut_of_the_audio_does_not_matter() -> None:
    """The same verdict at the same place, bit for bit, however the frames arrive."""
    frames = on_line(np.concatenate([silence(333, 48_000), tones([425.0], 2000, -12, 48_000)]), None)
    whole = exchange(frames)
    ear, parts = Ear(), []
    for first in range(0, len(frames), 777):
        parts += exchange(frames[first : first + 777], ear)
    assert parts == whole
    assert len(whole) == 1
