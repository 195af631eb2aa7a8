"""What others could still read as a key in finished audio.

The ear decides what *counts* as a key, and refuses much: weak, short, under speech, two at once. Other programs are
less particular, and a dialled digit in a recording is readable for good. So whoever finishes a clip asks here,
too. The question is asked loosely, in two ways:

- Is, for 25 ms on end, at least 60 % of the energy above 300 Hz in one row and one column tone? Of 1,100 keys laid over
  recorded speech that spandsp or multimon-ng could read, 3 in 1,000 (all multimon-ng's) fell below that; speech alone
  reaches it about five times a minute, for a few hundredths of a second.
- Is, for 65 ms on end, one row tone 7 dB above the other rows and one column tone 7 dB above the other columns,
  whatever else sounds? That finds long keys under louder speech; speech alone reaches it once in three minutes.

What lies between two such places is silenced, too, when they are the same key's and less than 150 ms apart.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import RATE
from handschlag.hearing.fir import high_pass
from handschlag.hearing.masking import merge
from handschlag.hearing.pair import COLUMNS_HZ, ROWS_HZ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

WINDOW: Final = 160  # 20 ms
HOP: Final = 40  # 5 ms
SHARE: Final = 0.6
TWIST: Final = 20.0  # 13 dB
DOMINANCE: Final = 5.0  # 7 dB
DOMINANT_FOR: Final = 10  # windows: 65 ms
BRIDGE: Final = 1200  # 150 ms
LEAST_SHARE: Final = 0.02
FLOOR: Final = 1e-7  # mean square of the windows: -64 dBm0

_DETUNED: Final = (0.985, 1.0, 1.015)


def readable(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Half-open spans of (n, channels) int16 in which a key could be read, on a channel or on the channels' sum."""
    if samples.shape[0] < WINDOW + HOP:
        return []
    waves = samples.T.astype(np.float32) * np.float32(1.0 / 32768.0)
    if samples.shape[1] > 1:
        waves = np.concatenate([waves, waves.sum(axis=0, keepdims=True) * np.float32(1.0 / samples.shape[1])])
    spans: list[tuple[int, int]] = []
    for wave in waves:
        filtered = np.convolve(wave, _HIGH_PASS, "same")
        spans += _spans(filtered)
        filtered.fill(0.0)
    waves.fill(0.0)
    return spans


def _spans(wave: NDArray[np.float32]) -> list[tuple[int, int]]:
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    total = np.einsum("ij,ij->i", windows, windows) * np.float32(1.0 / WINDOW)
    loud = np.flatnonzero(total > FLOOR)
    if not loud.size:
        return []
    chosen = windows[loud]
    spectrum = np.square(chosen @ _SIEVE)
    chosen.fill(0.0)
    half = spectrum.shape[1] // 2
    power = (spectrum[:, :half] + spectrum[:, half:]).reshape(-1, len(_DETUNED), 8).max(axis=1)
    rows, columns = np.sort(power[:, :4], axis=1), np.sort(power[:, 4:], axis=1)
    row, column = rows[:, 3], columns[:, 3]
    pair = np.full(total.size, -1)
    balanced = (column < TWIST * row) & (row < TWIST * column)
    pair[loud] = np.where(balanced, 4 * power[:, :4].argmax(axis=1) + power[:, 4:].argmax(axis=1), -1)
    share = np.zeros(total.size, np.float32)
    share[loud] = (row + column) / total[loud]
    dominant = np.zeros(total.size, np.bool_)
    dominant[loud] = (row > DOMINANCE * rows[:, 2]) & (column > DOMINANCE * columns[:, 2])
    found = [
        *_runs(np.where(share > SHARE, pair, -1), 2),
        *_runs(np.where(dominant & (share > LEAST_SHARE), pair, -1), DOMINANT_FOR),
    ]
    return [span for key in {key for key, _ in found} for span in _bridged(span for of, span in found if of == key)]


def _runs(pair: NDArray[np.intp], least: int) -> list[tuple[int, tuple[int, int]]]:
    """Where `pair` is the same key in at least so many windows on end: the key, and the span in samples."""
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(pair)) + 1, [pair.size]])
    return [
        (int(pair[first]), (int(first) * HOP, (int(last) - 1) * HOP + WINDOW))
        for first, last in pairwise(cuts)
        if pair[first] >= 0 and last - first >= least
    ]


def _bridged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(start, end - BRIDGE) for start, end in merge((start, end + BRIDGE) for start, end in spans)]


def _sieve() -> NDArray[np.float32]:
    frequencies = np.outer(_DETUNED, (*ROWS_HZ, *COLUMNS_HZ)).ravel()
    turn = 2.0 * np.pi / RATE * np.outer(np.arange(WINDOW), frequencies)
    matrix: NDArray[np.float32] = (
        np.concatenate([np.cos(turn), np.sin(turn)], axis=1) * (math.sqrt(2.0) / WINDOW)
    ).astype(np.float32)
    return matrix


_SIEVE: Final = _sieve()
_HIGH_PASS: Final = high_pass().astype(np.float32)
