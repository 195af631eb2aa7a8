"""Clips are complete FLAC files: 16 bit, one or two channels, 8 or 16 kHz, by libsndfile through soundfile.

A FLAC header can promise hours in a few bytes and silence packs a thousandfold, so that decoding is bounded by the
samples that the format allows per clip (2 s at 8 kHz, 1 s at 16 kHz), before any of them is made.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from handschlag.ports import Samples

SAMPLE_RATES = (8_000, 16_000)
CHANNELS = (1, 2)
CLIP_SAMPLES = 16_000
"""Samples per channel that one clip holds at most."""

_MAGIC = b"fLaC"


class FlacCodec:
    """`ports.Codec`. `longest` bounds what `decode` accepts, in samples per channel."""

    def __init__(self, *, longest: int = CLIP_SAMPLES) -> None:
        self._longest = longest

    def encode(self, samples: Samples, sample_rate: int) -> bytes:
        """One complete FLAC file of int16 samples, (samples, channels). Raises ValueError for another form."""
        if samples.dtype != np.int16 or samples.ndim != 2 or not len(samples):
            raise ValueError(f"clip: {samples.dtype} {samples.shape}, allowed: int16 (samples >= 1, channels)")
        _check(sample_rate, samples.shape[1])
        file = io.BytesIO()
        soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
        return file.getvalue()

    def decode(self, data: bytes) -> tuple[Samples, int]:
        """Samples, int16 (samples, channels), and sample rate. Raises ValueError on anything but such a FLAC file."""
        if not data.startswith(_MAGIC):
            raise ValueError("FLAC: the bytes do not begin with 'fLaC'")
        try:
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                if file.format != "FLAC" or file.subtype != "PCM_16":
                    raise ValueError(f"FLAC: {file.format} {file.subtype}, allowed: FLAC PCM_16")
                _check(file.samplerate, file.channels)
                if not 0 < file.frames <= self._longest:
                    raise ValueError(f"FLAC: {file.frames} samples, allowed: 1 to {self._longest}")
                samples: Samples = file.read(file.frames, dtype="int16", always_2d=True)
                if len(samples) != file.frames:
                    raise ValueError(f"FLAC: cut after {len(samples)} of {file.frames} samples")
                return samples, int(file.samplerate)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"FLAC: {error.error_string}") from error


def _check(sample_rate: int, channels: int) -> None:
    if sample_rate not in SAMPLE_RATES:
        raise ValueError(f"FLAC: {sample_rate} Hz, allowed: {', '.join(map(str, SAMPLE_RATES))}")
    if channels not in CHANNELS:
        raise ValueError(f"FLAC: {channels} channels, allowed: 1 or 2")
