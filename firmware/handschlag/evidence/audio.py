"""A recording's sound in one piece: its clips in order, with silence where something is missing.

Clip by clip, so that an hour needs no more memory than a second. How long a recording may be is bounded, because a
clip's place is a number that costs a hostile box nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import numpy as np
import soundfile

from handschlag.evidence.errors import BadExport
from handschlag.sealing.open import Opened

Samples = np.ndarray[tuple[int, ...], np.dtype[np.int16]]
Decode = Callable[[bytes], tuple[Samples, int]]
"""A clip's FLAC file to int16 (samples, channels) and its rate; raises ValueError."""

LONGEST_S: Final = 48 * 3600
_BLOCK: Final = 8000


def blocks(opened: Opened, decode: Decode) -> Iterator[Samples]:
    """All samples from the first clip on, in blocks, int16 (samples, channels). Raises BadExport, and what clips do."""
    head = opened.head
    at: int | None = None
    for entry, flac in opened.clips():
        if entry.end_sample > LONGEST_S * head.sample_rate:
            raise BadExport(f"{entry.name}: ends after {LONGEST_S // 3600} hours, which no recording is long")
        try:
            samples, rate = decode(flac)
        except ValueError as error:
            raise BadExport(f"{entry.name}: {error}") from None
        if (rate, samples.shape) != (head.sample_rate, (entry.samples, head.channels)):
            raise BadExport(
                f"{entry.name}: holds {samples.shape[0]} samples of {samples.shape[1]} channels at {rate} Hz, list and"
                f" head say {entry.samples} of {head.channels} at {head.sample_rate} Hz"
            )
        while at is not None and at < entry.first_sample:
            length = min(_BLOCK, entry.first_sample - at)
            yield np.zeros((length, head.channels), np.int16)
            at += length
        yield samples
        at = entry.end_sample


def write(opened: Opened, decode: Decode, file: BinaryIO, *, kind: str = "FLAC") -> int:
    """Write it into an open file; how many samples (per channel)."""
    head, count = opened.head, 0
    with soundfile.SoundFile(file, "w", head.sample_rate, head.channels, "PCM_16", format=kind) as sound:
        for block in blocks(opened, decode):
            sound.write(block)
            count += len(block)
    return count


def compare(opened: Opened, decode: Decode, file: BinaryIO, name: str) -> int:
    """How many samples `file` holds, which must be those of the recording; raises BadExport naming the first other."""
    at = 0
    try:
        with soundfile.SoundFile(file) as sound:
            found = (sound.format, sound.subtype, sound.samplerate, sound.channels)
            expected = ("FLAC", "PCM_16", opened.head.sample_rate, opened.head.channels)
            if found != expected:
                raise BadExport(f"{name}: is {found}, expected {expected}")
            for block in blocks(opened, decode):
                heard = sound.read(len(block), dtype="int16", always_2d=True)
                if not np.array_equal(heard, block):
                    raise BadExport(f"{name}: is not what was sealed, from sample {at} on")
                at += len(block)
            if len(sound.read(1, dtype="int16", always_2d=True)):
                raise BadExport(f"{name}: is longer than what was sealed, {at} samples")
    except soundfile.LibsndfileError as error:
        raise BadExport(f"{name}: {error.error_string}") from None
    return at
