"""DTMF keys, after ITU-T Q.24.

Two stages. A sieve looks at windows of 20 ms each 5 ms: is most of the energy in one row and one column tone?
What passes begins a track. A track is then measured on the signal itself: both frequencies (a Hann spectrum around
each tone, interpolated), amplitudes by least squares, and how the tones run in time, by correlation with the fitted
pair over 8 ms: this gives start and end to about a millisecond. Frequency, twist, purity, steadiness and length decide.

Keys are sought in both legs; a key that is in both is one key, measured where it is stronger. Whose it is
says only the direction of power (or, for files with a channel per party, the louder channel).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing import beside, direction
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, KeyHeard, Leg
from handschlag.hearing.pair import BOX, COLUMNS_HZ, FIT, FLOOR_POWER, ROWS_HZ, Pair, end_of, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

LAYOUT: Final = ("123A", "456B", "789C", "*0#D")

HOP: Final = 40  # 5 ms
SIEVE: Final = 160  # 20 ms

SIEVE_SHARE: Final = 0.4  # of the energy above 300 Hz
SOUNDING_SHARE: Final = 0.7
RELEASED_AFTER: Final = 3  # hops without the tones
HOLD: Final = 0.16  # of the decided power: 8 dB
HELD_SURE: Final = 18  # before the middle of a window with this much of the tones they cannot have ended
LOOK_AHEAD: Final = 200  # a track may have begun this much before its first hop
PROVEN: Final = 480  # 60 ms: a leg that is proven over so much of a key stands
JUDGED: Final = 800  # 100 ms: more of a key is not asked
LONGEST_LOOK: Final = 900  # what a measurement goes back: 112 ms
LONGEST_DOUBT: Final = 480  # an undecided track forgets what is older than 60 ms


def digit(row: int, column: int) -> str:
    """Name of the key at this row and column."""
    return LAYOUT[row][column]


@dataclass(slots=True)
class _Track:
    row: int
    column: int
    first: int  # centre of the first window that showed it
    last: int  # of the last one
    misses: int = 0
    strength: list[float] = field(default_factory=list)  # per leg
    fit: Pair | None = None
    signal: int = 0
    start: int = 0
    reported: int = 0  # end in the last report
    leg: Leg = Leg.UNCERTAIN
    cosine: float = 0.0
    judged: bool = False  # whose it is stands
    beside_dial: bool = False  # it began beside a dial tone


class KeyDetector:
    """Finds keys in the legs of a `History`; `feed` after each push.

    Args:
        history: the signals.
        legs: how many of its first rows are legs.
        has_pair: rows `legs` and `legs + 1` are voltage and current.
    """

    def __init__(self, history: History, legs: int, *, has_pair: bool) -> None:
        self._history = history
        self._legs = legs
        self._has_pair = has_pair
        self._view = history.windows(SIEVE, HOP)[:legs]
        self._copy = np.zeros(self._view.shape, np.float32)
        self._dial = beside.DialTone(legs)
        self._sieve, self._dial_sieve = _sieve_matrices()
        self._tracks: list[_Track] = []
        self.trusted = True
        """False where the polarity is in doubt: every key is uncertain then."""
        self.sounding = np.zeros(history.block // HOP, np.bool_)
        """Per 5 ms of the newest block: a key is on the line, or next to nothing but a key's tones."""

    @property
    def undecided_since(self) -> int | None:
        """Position from which a key may be in progress whose report is still to come."""
        return min(
            (track.first - LOOK_AHEAD if track.fit is None else track.reported for track in self._tracks),
            default=None,
        )

    def feed(self) -> list[KeyHeard]:
        """Look at the newest block."""
        np.copyto(self._copy, self._view)
        flat = self._copy.reshape(-1, SIEVE)
        total = np.einsum("ij,ij->i", flat, flat) * np.float32(1.0 / SIEVE)
        self.sounding[:] = False
        if not self._tracks and total.max() < 2.0 * FLOOR_POWER:
            self._dial.forget()
            return []
        spectrum = flat @ self._sieve
        np.multiply(spectrum, spectrum, out=spectrum)
        power = _tones(spectrum[:, :_COLUMNS])
        by_leg = (self._legs, self.sounding.size)
        low = spectrum[:, _COLUMNS:].sum(axis=1)
        pure = low > beside.SHARE * total
        dial = None
        if self._dial.known or pure.any():
            dial = self._dial.follow((pure & (total > FLOOR_POWER)).reshape(by_leg))
            if dial.any():
                there = np.flatnonzero(dial)
                power[there] = _tones(np.square(flat[there] @ self._dial_sieve))
                total[there] -= low[there]
        row, column = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
        both = row + column
        passed = both > SIEVE_SHARE * total
        if not self._tracks and not passed.any():
            return []
        np.any((both > SOUNDING_SHARE * total).reshape(by_leg), axis=0, out=self.sounding)
        passed &= np.minimum(row, column) > FLOOR_POWER
        passed &= (column < row * 8.0) & (column > row * 0.05)
        if not self._tracks and not passed.any():
            return []
        return self._follow(passed.reshape(by_leg), power.reshape(*by_leg, 8), dial)

    def _follow(
        self, passed: NDArray[np.bool_], power: NDArray[np.float32], dial: NDArray[np.bool_] | None
    ) -> list[KeyHeard]:
        events: list[KeyHeard] = []
        best_row, best_column = power[..., :4].argmax(axis=2), power[..., 4:].argmax(axis=2)
        for hop in range(passed.shape[1]):
            newest = self._history.base + (hop + 1) * HOP
            seen: dict[tuple[int, int], list[float]] = {}
            for leg in range(self._legs):
                if passed[leg, hop]:
                    at = (int(best_row[leg, hop]), int(best_column[leg, hop]))
                    strength = seen.setdefault(at, [0.0] * self._legs)
                    strength[leg] = float(power[leg, hop, at[0]] + power[leg, hop, 4 + at[1]])
            for track in list(self._tracks):
                events += self._advance(track, seen.pop((track.row, track.column), None), power[:, hop], newest)
                if track.fit is not None:
                    self.sounding[hop] = True
            for (row, column), strength in seen.items():
                centre = newest - SIEVE // 2
                beside_dial = dial is not None and bool(dial[:, hop].any())
                self._tracks.append(_Track(row, column, centre, centre, strength=strength, beside_dial=beside_dial))
        return events

    def _advance(
        self, track: _Track, strength: list[float] | None, power: NDArray[np.float32], newest: int
    ) -> list[KeyHeard]:
        centre = newest - SIEVE // 2
        if track.fit is None:
            sounds = strength is not None
            if strength is not None:
                track.strength = [0.8 * old + new for old, new in zip(track.strength, strength, strict=True)]
        else:
            held = power[track.signal]
            sounds = bool(
                held[track.row] > HOLD * track.fit.power[0] and held[4 + track.column] > HOLD * track.fit.power[1]
            )
        if sounds:
            track.last, track.misses = centre, 0
        else:
            track.misses += 1
        released = track.misses >= RELEASED_AFTER
        events: list[KeyHeard] = []
        if track.fit is None:
            events += self._decide(track, newest)
            if track.fit is None:
                track.first = max(track.first, track.last - LONGEST_DOUBT)
        elif sounds and track.last - HELD_SURE - track.start >= _next_milestone(track.reported - track.start):
            track.reported = track.last - HELD_SURE
            events.append(self._report(track, final=False))
        if released:
            if track.fit is not None:
                track.reported = max(_in_whole_ms(track.start, self._end(track, track.fit, newest)), track.reported)
                events.append(self._report(track, final=True))
            self._tracks.remove(track)
        return events

    def _decide(self, track: _Track, newest: int) -> list[KeyHeard]:
        if track.last - track.first < FIT - HOP:
            return []
        track.signal = int(np.argmax(track.strength))
        fit = self._measure(track, newest)
        if fit is None:
            return []
        ended = None if fit.end is None else _in_whole_ms(fit.start, fit.end)
        sure = ended if ended is not None else newest - BOX // 2 - (beside.HALF if track.beside_dial else 0)
        track.fit = fit
        track.start, track.reported = fit.start, sure
        return [self._report(track, final=False)]

    def _measure(self, track: _Track, newest: int) -> Pair | None:
        """Measure the track on a copy of the signal, which is overwritten afterwards (P1); positions of the stream."""
        begin, anchor, wave = self._wave(track, newest)
        try:
            late = beside.HALF if track.beside_dial else 0
            of_another = partial(self._of_another, begin) if self._has_pair else None
            found = measure(wave, track.row, track.column, anchor, late=late, of_another=of_another)
        finally:
            wave.fill(0.0)
        if found is None:
            return None
        return replace(found, start=begin + found.start, end=None if found.end is None else begin + found.end)

    def _of_another(self, begin: int, first: int, last: int, frequencies_hz: tuple[float, float]) -> bool:
        heard = self._history.span(begin + first, begin + last)
        return direction.rest_of_another(heard[self._legs : self._legs + 2], frequencies_hz)

    def _end(self, track: _Track, fit: Pair, newest: int) -> int:
        """Where a decided track ended."""
        begin, anchor, wave = self._wave(track, newest)
        try:
            end = end_of(wave, fit, anchor)
        finally:
            wave.fill(0.0)
        return track.last if end is None else begin + end

    def _wave(self, track: _Track, newest: int) -> tuple[int, int, NDArray[np.float64]]:
        history = self._history
        lost = beside.HALF if track.beside_dial else 0
        fit_end = min(track.last + HOP // 2, newest - lost)
        begin = max(track.first - LOOK_AHEAD, fit_end - LONGEST_LOOK, history.oldest + lost)
        heard = history.span(begin - lost, newest)[track.signal].astype(np.float64)
        if not lost:
            return begin, fit_end - begin, heard
        wave = np.convolve(heard, beside.WITHOUT, "valid")
        heard.fill(0.0)
        return begin, fit_end - begin, wave

    def _report(self, track: _Track, *, final: bool) -> KeyHeard:
        fit = track.fit
        assert fit is not None  # noqa: S101 - only decided tracks are reported
        row_db, column_db = (10.0 * math.log10(2.0 * power) + FULL_SCALE_DBM0 for power in fit.power)
        end = track.reported
        if not track.judged:
            track.leg, track.cosine = self._whose(track, fit, end)
            length = end - track.start
            track.judged = length >= JUDGED or (length >= PROVEN and track.leg is not Leg.UNCERTAIN)
        return KeyHeard(
            digit(track.row, track.column),
            track.leg if self.trusted else Leg.UNCERTAIN,
            track.start,
            end,
            (row_db + column_db) / 2.0,
            column_db - row_db,
            track.cosine,
            final,
        )

    def _whose(self, track: _Track, fit: Pair, end: int) -> tuple[Leg, float]:
        """Whose key it is, from its beginning: what carries the track on later may be another's voice."""
        heard = self._history.span(track.start + 24, max(min(end, track.start + JUDGED) - 24, track.start + 48))
        if self._has_pair:
            return direction.judge(heard[self._legs : self._legs + 2], fit.frequencies_hz)
        if self._legs == 2:
            return direction.louder(heard[:2], fit.frequencies_hz)
        return Leg.UNCERTAIN, 0.0

    def forget(self) -> None:
        """Drop all tracks."""
        self._copy.fill(0.0)
        self._dial.forget()
        self._tracks.clear()
        self.sounding[:] = False


def _next_milestone(length: int) -> int:
    """The next length at which a held key is reported again: 60, 100, 200, ... ms."""
    if length < 480:
        return 480
    return (length // 800 + 1) * 800


def _in_whole_ms(start: int, end: int) -> int:
    """The end for a length in whole milliseconds: edges are not known better, and 60 ms are to be told as 60 ms."""
    return start + 8 * ((end - start + 4) // 8)


def _tones(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power of all eight tones, (n, 8), each low, right or high: the strongest of the three."""
    half = squares.shape[1] // 2
    sides = (squares[:, :half] + squares[:, half:]).reshape(-1, 3, 8)
    power: NDArray[np.float32] = np.maximum(np.maximum(sides[:, 0], sides[:, 1]), sides[:, 2])
    return power


def _sieve_matrices() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines, then sines, of all tones 1.5 % low, right and high, then the dial tone's band; and blind to that band.

    The squares' sum is a power.
    """
    frequencies = np.outer((0.985, 1.0, 1.015), (*ROWS_HZ, *COLUMNS_HZ)).ravel()
    turn = 2.0 * np.pi / RATE * np.outer(np.arange(SIEVE), frequencies)
    tones = np.concatenate([np.cos(turn), np.sin(turn)], axis=1) * (math.sqrt(2.0) / SIEVE)
    band = beside.band(SIEVE, RATE)
    blind = tones - band @ (band.T @ tones)
    blind *= np.linalg.norm(tones, axis=0) / np.linalg.norm(blind, axis=0)
    whole = np.concatenate([tones, band / math.sqrt(SIEVE)], axis=1)
    return whole.astype(np.float32), blind.astype(np.float32)


_COLUMNS: Final = 48  # of the sieve that are for keys
