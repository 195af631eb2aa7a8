"""Clips as FLAC: lossless, and nothing hostile gets through."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from handschlag.adapters.flac import FlacCodec


def noise(samples: int, channels: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Full-scale noise, (samples, channels): the hardest that FLAC can get."""
    return np.random.default_rng(seed).integers(-32768, 32768, (samples, channels), dtype=np.int16)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 2, 15, 16, 17, 4095, 4096, 4097, 16_000])
def test_what_goes_in_comes_out(samples: int, channels: int, sample_rate: int) -> None:
    """Every sample comes back, around FLAC's block sizes and down to one sample."""
    there = noise(samples, channels)
    back, rate = FlacCodec().decode(FlacCodec().encode(there, sample_rate))
    assert rate == sample_rate
    assert back.dtype == np.int16
    assert np.array_equal(back, there)


@pytest.mark.parametrize(
    ("samples", "sample_rate", "says"),
    [
        (noise(8, 2).astype(np.float32), 8_000, "float32"),
        (noise(8, 1)[:, 0], 8_000, r"\(8,\)"),
        (noise(8, 1)[:0], 8_000, r"\(0, 1\)"),
        (noise(8, 3), 8_000, "3 channels"),
        (noise(8, 1), 48_000, "48000 Hz"),
    ],
)
def test_another_form_is_refused(
    samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]], sample_rate: int, says: str
) -> None:
    """Wrong type, shape, channels or rate are refused by name when encoding."""
    with pytest.raises(ValueError, match=says):
        FlacCodec().encode(samples, sample_rate)


def other(kind: str, subtype: str, rate: int = 8_000, channels: int = 1, samples: int = 100) -> bytes:
    """A sound file of another kind than a clip."""
    file = io.BytesIO()
    soundfile.write(file, noise(samples, channels), rate, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "fLaC"),
        (other("WAV", "PCM_16"), "fLaC"),
        (other("OGG", "VORBIS"), "fLaC"),
        (b"ID3" + other("FLAC", "PCM_16"), "fLaC"),
        (b"fLaC", "FLAC"),
        (b"fLaC" + bytes(1000), "FLAC"),
        (other("FLAC", "PCM_24"), "PCM_24"),
        (other("FLAC", "PCM_16", rate=44_100), "44100"),
        (other("FLAC", "PCM_16", channels=3), "3 channels"),
        (other("FLAC", "PCM_16", samples=16_001), "16001 samples"),
    ],
)
def test_anything_else_is_a_value_error(data: bytes, says: str) -> None:
    """Other files, other FLAC forms and longer ones are refused, and the message says what it is."""
    with pytest.raises(ValueError, match=says):
        FlacCodec().decode(data)


def test_a_longer_file_can_be_asked_for() -> None:
    """The bound is the caller's to raise, for files that are no clips."""
    samples, _ = FlacCodec(longest=20_000).decode(other("FLAC", "PCM_16", samples=16_001))
    assert len(samples) == 16_001


@given(cut=st.integers(0, 2000), flips=st.lists(st.tuples(st.integers(0, 1999), st.integers(1, 255)), max_size=8))
def test_damage_gives_a_value_error_or_samples_within_bounds(cut: int, flips: list[tuple[int, int]]) -> None:
    """Cut and flipped bytes never crash, and never give more than was allowed."""
    data = bytearray(FlacCodec().encode(noise(600, 2), 8_000))
    for at, mask in flips:
        data[at] ^= mask
    try:
        samples, _ = FlacCodec().decode(bytes(data[: len(data) - cut]))
    except ValueError:
        return
    assert 0 < len(samples) <= 16_000
