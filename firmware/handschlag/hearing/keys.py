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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing import direction
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, KeyHeard, Leg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

ROWS_HZ: Final = (697.0, 770.0, 852.0, 941.0)
COLUMNS_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
LAYOUT: Final = ("123A", "456B", "789C", "*0#D")

HOP: Final = 40  # 5 ms
SIEVE: Final = 160  # 20 ms
FIT: Final = 200  # 25 ms
BOX: Final = 64  # 8 ms

FLOOR_DBM0: Final = -50.0  # per tone
SIEVE_SHARE: Final = 0.4  # of the energy above 300 Hz
SOUNDING_SHARE: Final = 0.7
PURE_SHARE: Final = 0.62  # what white noise 4 dB below the key leaves, 0.72, and its chance
THIRD_SHARE: Final = 0.079  # -11 dB: a third tone; white noise 4 dB below the key stays under -12 dB
SMALL_REST: Final = 0.15
PEAK_SHARE: Final = 0.19  # of a rest that is not small: more is no noise
RISE: Final = 96  # 12 ms, of which the box takes 8
EDGE: Final = 20  # of a key's extent that is not judged: 2.5 ms
WIDTH: Final = 0.0265  # between Q.24's 1.8 % to accept and 3.5 % to reject
TWIST_DB: Final = (-10.0, 6.0)
SHORTEST: Final = 256  # 32 ms: between 24 to reject and 40 to accept
BRIDGE: Final = 92  # 10 ms and what a 5 ms grid blurs
RELEASED_AFTER: Final = 3  # hops without the tones
HOLD: Final = 0.16  # of the decided power: 8 dB
LOOK_AHEAD: Final = 200  # a track may have begun this much before its first hop
PROVEN: Final = 480  # 60 ms: a leg that is proven over so much of a key stands
JUDGED: Final = 800  # 100 ms: more of a key is not asked
LONGEST_LOOK: Final = 900  # what a measurement goes back: 112 ms
LONGEST_DOUBT: Final = 480  # an undecided track forgets what is older than 60 ms

_FLOOR_POWER: Final = 0.5 * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0)
_OFFSETS: Final = np.arange(-0.045, 0.0451, 0.005)


def digit(row: int, column: int) -> str:
    """Name of the key at this row and column."""
    return LAYOUT[row][column]


@dataclass(slots=True)
class _Fit:
    """What was measured on one signal."""

    frequencies_hz: tuple[float, float]
    power: tuple[float, float]
    start: int
    end: int | None  # None while the tones last


@dataclass(slots=True)
class _Track:
    row: int
    column: int
    first: int  # centre of the first window that showed it
    last: int  # of the last one
    misses: int = 0
    strength: list[float] = field(default_factory=list)  # per leg
    fit: _Fit | None = None
    signal: int = 0
    start: int = 0
    reported: int = 0  # end in the last report
    leg: Leg = Leg.UNCERTAIN
    cosine: float = 0.0
    judged: bool = False  # whose it is stands


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
        self._sieve = _sieve_matrix()
        self._fit_matrices = _fit_matrices()
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
        if not self._tracks and total.max() < 2.0 * _FLOOR_POWER:
            return []
        spectrum = flat @ self._sieve
        np.multiply(spectrum, spectrum, out=spectrum)
        half = spectrum.shape[1] // 2
        sides = (spectrum[:, :half] + spectrum[:, half:]).reshape(-1, 3, 8)
        power = np.maximum(np.maximum(sides[:, 0], sides[:, 1]), sides[:, 2])
        row, column = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
        both = row + column
        passed = both > SIEVE_SHARE * total
        if not self._tracks and not passed.any():
            return []
        by_leg = (self._legs, self.sounding.size)
        np.any((both > SOUNDING_SHARE * total).reshape(by_leg), axis=0, out=self.sounding)
        passed &= np.minimum(row, column) > _FLOOR_POWER
        passed &= (column < row * 8.0) & (column > row * 0.05)
        if not self._tracks and not passed.any():
            return []
        return self._follow(passed.reshape(by_leg), power.reshape(*by_leg, 8))

    def _follow(self, passed: NDArray[np.bool_], power: NDArray[np.float32]) -> list[KeyHeard]:
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
                self._tracks.append(_Track(row, column, centre, centre, strength=strength))
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
            if sounds or released:
                events += self._decide(track, newest)
            if track.fit is None:
                track.first = max(track.first, track.last - LONGEST_DOUBT)
        elif sounds and track.last - track.start >= _next_milestone(track.reported - track.start):
            track.reported = track.last
            events.append(self._report(track, final=False))
        if released:
            if track.fit is not None:
                again = self._measure(track, newest)
                end = again.end if again is not None and again.end is not None else track.last
                track.reported = max(end, track.reported)
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
        sure = fit.end if fit.end is not None else newest - BOX // 2
        if sure - fit.start < SHORTEST:
            return []
        track.fit = fit
        track.start, track.reported = fit.start, sure
        return [self._report(track, final=False)]

    def _measure(self, track: _Track, newest: int) -> _Fit | None:
        """Measure the track on a copy of the signal, which is overwritten afterwards (P1)."""
        history = self._history
        fit_end = min(track.last + HOP // 2, newest)
        begin = max(track.first - LOOK_AHEAD, fit_end - LONGEST_LOOK, history.oldest)
        wave = history.span(begin, newest)[track.signal].astype(np.float64)
        try:
            return self._fit(track, wave, begin, fit_end - begin)
        finally:
            wave.fill(0.0)

    def _fit(self, track: _Track, wave: NDArray[np.float64], begin: int, anchor: int) -> _Fit | None:
        """Fit both tones to the 25 ms before `anchor`, then follow them back and forth in time."""
        part = wave[max(anchor - FIT, 0) : anchor]
        frequencies = self._frequencies(part, track)
        if frequencies is None:
            return None
        turn = 2.0 * np.pi / RATE * np.outer((np.arange(wave.size) - anchor), frequencies)
        basis = np.concatenate([np.cos(turn), np.sin(turn)], axis=1)  # row, column, row, column
        fitted = basis[anchor - FIT : anchor]
        weights = np.linalg.solve(fitted.T @ fitted, fitted.T @ part)
        powers: NDArray[np.float64] = np.hypot(weights[:2], weights[2:]) ** 2 / 2.0
        if not _is_key(powers, float(part @ part) / FIT):
            return None
        tones = basis * weights
        pair = tones[:, :2] + tones[:, 2:]
        span = _extent(wave, pair.sum(axis=1), anchor - FIT // 2)
        if span is None or not _alone(wave, pair, span[0], wave.size if span[1] is None else span[1]):
            return None
        start, end = span
        return _Fit(
            frequencies,
            (float(powers[0]), float(powers[1])),
            begin + start,
            None if end is None else begin + end,
        )

    def _frequencies(self, part: NDArray[np.float64], track: _Track) -> tuple[float, float] | None:
        """Both frequencies, or None where one is no key's."""
        if part.size < FIT:
            return None
        row, column = self._peak(part, track.row), self._peak(part, 4 + track.column)
        if abs(row / ROWS_HZ[track.row] - 1.0) > WIDTH or abs(column / COLUMNS_HZ[track.column] - 1.0) > WIDTH:
            return None
        return row, column

    def _peak(self, part: NDArray[np.float64], tone: int) -> float:
        spectrum = np.log(np.abs(part @ self._fit_matrices[tone]) + 1e-12)
        top = int(spectrum.argmax())
        nominal = (*ROWS_HZ, *COLUMNS_HZ)[tone]
        if not 0 < top < spectrum.size - 1:
            return nominal * (1.0 + float(_OFFSETS[top]))
        before, at, after = spectrum[top - 1 : top + 2]
        shift = 0.5 * (before - after) / min(before - 2.0 * at + after, -1e-12)
        return nominal * (1.0 + float(_OFFSETS[top]) + 0.005 * float(shift))

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

    def _whose(self, track: _Track, fit: _Fit, end: int) -> tuple[Leg, float]:
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
        self._tracks.clear()
        self.sounding[:] = False


def _is_key(powers: NDArray[np.float64], energy: float) -> bool:
    """Loud enough, pure enough, and within the twist."""
    if powers.sum() < PURE_SHARE * energy or powers.min() < _FLOOR_POWER:
        return False
    twist = 10.0 * math.log10(powers[1] / powers[0])
    return TWIST_DB[0] <= twist <= TWIST_DB[1]


def _next_milestone(length: int) -> int:
    """The next length at which a held key is reported again: 60, 100, 200, ... ms."""
    if length < 480:
        return 480
    return (length // 800 + 1) * 800


def _sieve_matrix() -> NDArray[np.float32]:
    """Cosines, then sines, of all tones 1.5 % low, right and high; the squares' sum is a tone's power."""
    frequencies = np.outer((0.985, 1.0, 1.015), (*ROWS_HZ, *COLUMNS_HZ)).ravel()
    turn = 2.0 * np.pi / RATE * np.outer(np.arange(SIEVE), frequencies)
    matrix: NDArray[np.float32] = (
        np.concatenate([np.cos(turn), np.sin(turn)], axis=1) * (math.sqrt(2.0) / SIEVE)
    ).astype(np.float32)
    return matrix


def _fit_matrices() -> NDArray[np.complex128]:
    """Per tone, Hann-weighted oscillations at -4.5...+4.5 %."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(FIT) + 0.5) / FIT)
    frequencies = np.outer((*ROWS_HZ, *COLUMNS_HZ), 1.0 + _OFFSETS)
    matrices: NDArray[np.complex128] = (
        np.exp(-2j * np.pi / RATE * frequencies[:, None, :] * np.arange(FIT)[None, :, None]) * window[None, :, None]
    )
    return matrices


def _gain(wave: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the template is in the wave, over 8 ms around each sample (the outer 4 ms excepted)."""
    sums = np.zeros((2, wave.size + 1))
    np.cumsum(wave * template, out=sums[0, 1:])
    np.cumsum(template * template, out=sums[1, 1:])
    boxes = sums[:, BOX:] - sums[:, :-BOX]
    gain: NDArray[np.float64] = boxes[0] / np.maximum(boxes[1], 1e-15)
    return gain


def _extent(wave: NDArray[np.float64], template: NDArray[np.float64], anchor: int) -> tuple[int, int | None] | None:
    """First sample of the tones around `anchor`, and the first one behind them (None: they last)."""
    gain = _gain(wave, template)
    half = BOX // 2
    silent = np.flatnonzero(gain < 0.5)
    at = anchor - half
    before, after = silent[silent < at], silent[silent > at]
    start, end = 0, gain.size
    for low, high in _stretches(before)[::-1]:
        if high - low >= BRIDGE or low == 0:
            start = high
            break
    for low, high in _stretches(after):
        if high - low >= BRIDGE or high == gain.size:
            end = low
            break
    if not start <= at < end:
        return None
    return (start + half if start else 0), (end + half if end < gain.size else None)


def _stretches(indices: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Runs of consecutive indices, half open."""
    if not indices.size:
        return []
    cuts = np.flatnonzero(np.diff(indices) > 1)
    firsts = indices[np.concatenate([[0], cuts + 1])]
    lasts = indices[np.concatenate([cuts, [indices.size - 1]])] + 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _alone(wave: NDArray[np.float64], pair: NDArray[np.float64], start: int, end: int) -> bool:
    """The two tones, steady from start to end, are what there is; what is left has no third tone in it.

    Noise spreads over the band and leaves no peak; the harmonics of a voice do, however well two of them fit.
    """
    inner = slice(start + EDGE, end - EDGE)
    heard, tones = wave[inner], pair[inner]
    length = heard.size
    if length < BOX:
        return False
    left = heard - tones.sum(axis=1)
    powers = np.einsum("ij,ij->j", tones, tones) / length
    rest = float(left @ left) / length
    if rest > (1.0 - PURE_SHARE) * float(heard @ heard) / length:
        return False
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(length) + 0.5) / length)
    spectrum = np.fft.rfft(left * window, 1024)
    peak = float((spectrum.real**2 + spectrum.imag**2).max()) * 2.0 / float(window.sum()) ** 2
    if peak > THIRD_SHARE * powers.sum() or (rest > SMALL_REST * powers.sum() and peak > PEAK_SHARE * rest):
        return False
    return _sets_in(_gain(wave, pair.sum(axis=1)), start) and all(
        _level(_gain(wave, tone)[start + EDGE : end - EDGE - BOX]) for tone in pair.T
    )


def _level(gain: NDArray[np.float64]) -> bool:
    """The tone is there most of the time, at about one level."""
    return not gain.size or bool(np.quantile(gain, 0.2) >= 0.5 and np.quantile(gain, 0.8) <= 1.7)


def _sets_in(gain: NDArray[np.float64], start: int) -> bool:
    """At the start the tones come from nothing to their full level at once, as a keypad's do and a note's do not."""
    first = start - BOX // 2
    around = gain[max(first - RISE, 0) : first + RISE]
    absent = np.flatnonzero(around[: first - max(first - RISE, 0)] < 0.2)
    if not absent.size:
        return False
    full = np.flatnonzero(around[absent[-1] :] > 0.8)
    return bool(full.size and full[0] <= RISE)
