"""A pair of tones, measured on the signal itself: where it begins and ends, and whether a keypad made it.

What a keypad makes is two sines of constant amplitude and frequency that come and go at once. From the last 25 ms
come both frequencies (a Hann spectrum around each tone, interpolated); correlation with that pair over 8 ms tells how
it runs in time, to about a millisecond. Over its whole extent the pair is then fitted once more, together with its
first modulations: a slope and a bend of each tone's amplitude and frequency. White noise puts next to nothing into
those few; a voice or a note cannot leave them empty. What is left beside the pair must spread over the band, as noise
does, and must not have set in together with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import FULL_SCALE_DBM0, RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Wave = NDArray[np.float64]
    OfAnother = Callable[[int, int, tuple[float, float]], bool]

ROWS_HZ: Final = (697.0, 770.0, 852.0, 941.0)
COLUMNS_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)

FIT: Final = 200  # 25 ms
BOX: Final = 64  # 8 ms
FLOOR_DBM0: Final = -51.5  # per tone: between 50 to hear and 55 to leave
PURE_SHARE: Final = 0.62  # what white noise 4 dB below the key leaves, 0.72, and its chance
LEAST_SHARE: Final = 0.45  # where the rest may be another party's
BESIDE_SHARE: Final = 0.1  # of such a rest, between 620 and 1750 Hz
THIRD_SHARE: Final = 0.079  # -11 dB: a third tone; white noise 4 dB below the key stays under -12 dB
SMALL_REST: Final = 0.15
PEAK_SHARE: Final = 0.135  # of a rest that is not small: more is no noise
VOICE_SHARE: Final = 0.55  # of such a rest, between 620 and 1750 Hz; white noise has 0.3 there
BEFORE: Final = 176  # 22 ms before a key, in which such a rest is to be there, too
BEGINS: Final = 3.0
ENDS: Final = 3.0
STEEP: Final = 0.15  # slope of a tone that is steady, from its middle to its end
BENT: Final = 0.008  # power of its other modulations
SLOPE_CHANCE: Final = 20.0
BEND_CHANCE: Final = 32.0
RISE: Final = 96  # 12 ms, of which the box takes 8
EDGE: Final = 20  # of a key's extent that is not judged: 2.5 ms
WIDTH: Final = 0.0265  # between Q.24's 1.8 % to accept and 3.5 % to reject
TWIST_DB: Final = (-9.3, 5.5)
BRIDGE: Final = 92  # 10 ms and what a 5 ms grid blurs
SHORTEST: Final = 256  # 32 ms: between 24 to reject and 40 to accept
REFINED: Final = 40  # 5 ms: how far an edge may lie from where the box puts it
TOGETHER: Final = 32  # 4 ms between the beginnings of both tones
ODD_START: Final = 14  # 1.8 ms between one tone's beginning and that of both
ODD: Final = 3
ENDED: Final = 16  # 2 ms without the tones, at the least, are an end
LASTING: Final = 336  # 42 ms: tones that last are judged from then on

FLOOR_POWER: Final = 0.5 * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0)
_VOICE: Final = slice(80, 225)  # of 1024 at 8 kHz
_LOW: Final = slice(0, 83)
_OFFSETS: Final = np.arange(-0.045, 0.0451, 0.005)


@dataclass(frozen=True, slots=True)
class Pair:
    """What was measured on one stretch of signal; `start` and `end` count from its first sample."""

    frequencies_hz: tuple[float, float]
    power: tuple[float, float]
    start: int
    end: int | None  # None while the tones last


def measure(
    wave: Wave, row: int, column: int, anchor: int, *, late: int = 0, of_another: OfAnother | None = None
) -> Pair | None:
    """The pair around the 25 ms before `anchor`, or None where no keypad made it, or where that cannot be said yet.

    `late`: samples by which this wave lags others; so much less of it is awaited. `of_another` is asked whether all but
    the tones comes from another party than they do: it says nothing of them then.
    """
    nominal = np.array([ROWS_HZ[row], COLUMNS_HZ[column]])
    share = PURE_SHARE if of_another is None else LEAST_SHARE
    found = _find(wave, (row, column), anchor, late, share) if anchor >= FIT else None
    if found is None:
        return None
    frequencies, start, end = found
    first, last = start + EDGE, (wave.size - BOX // 2 if end is None else end) - EDGE
    heard = wave[first:last]
    modulated = _modulations(heard, frequencies)
    frequencies = modulated.frequencies_hz
    if np.any(np.abs(frequencies / nominal - 1.0) > WIDTH):
        return None
    tones, powers = _fit(heard, first, frequencies, wave.size)
    if not (
        _steady(modulated, powers, heard.size)
        and _twisted(powers)
        and _pure(heard, tones[:, first:last], share)
        and _sets_in(_gain(wave, tones.sum(axis=0)), start)
    ):
        return None
    begun = _beginnings(wave, tones, start)
    if abs(begun[0] - begun[1]) > TOGETHER:
        return None
    doubtful = not _alone(wave, tones, first, last) or _odd(wave, tones, (first, last), begun, modulated)
    if doubtful and not (
        of_another is not None
        and _steady(replace(modulated, rest=0.0), powers, heard.size)
        and _beside(heard - tones[:, first:last].sum(axis=0))
        and of_another(first, last, (float(frequencies[0]), float(frequencies[1])))
    ):
        return None
    template = tones.sum(axis=0)
    start, end = _edge(wave, template, start, 1), None if end is None else _edge(wave, template, end, -1)
    return Pair((float(frequencies[0]), float(frequencies[1])), (float(powers[0]), float(powers[1])), start, end)


def _find(
    wave: Wave, key: tuple[int, int], anchor: int, late: int, share: float
) -> tuple[Wave, int, int | None] | None:
    """Frequencies, start and end of what looks like a key in the 25 ms before `anchor`, and is long enough to judge."""
    part = wave[anchor - FIT : anchor]
    nominal = np.array([ROWS_HZ[key[0]], COLUMNS_HZ[key[1]]])
    frequencies = np.array([_peak(part, key[0]), _peak(part, 4 + key[1])])
    if np.any(np.abs(frequencies / nominal - 1.0) > WIDTH + 0.006):
        return None
    tones, powers = _fit(part, anchor - FIT, frequencies, wave.size)
    if not _is_key(powers, float(part @ part) / FIT, share):
        return None
    span = _extent(_gain(wave, tones.sum(axis=0)), anchor - FIT // 2)
    if span is None or not _long_enough(span, wave.size - BOX // 2, late):
        return None
    return frequencies, *span


def end_of(wave: Wave, pair: Pair, anchor: int) -> int | None:
    """Where a pair that was measured before ends, or None while it lasts."""
    if anchor < FIT:
        return None
    tones, _ = _fit(wave[anchor - FIT : anchor], anchor - FIT, np.array(pair.frequencies_hz), wave.size)
    template = tones.sum(axis=0)
    span = _extent(_gain(wave, template), anchor - FIT // 2)
    return None if span is None or span[1] is None else _edge(wave, template, span[1], -1)


def _long_enough(span: tuple[int, int | None], newest: int, late: int) -> bool:
    """A key's length, its end seen, or longer and still there."""
    start, end = span
    if end is None:
        return newest - start >= LASTING - late
    return end - start >= SHORTEST and newest - end >= max(ENDED - late, 2)


def _fit(heard: Wave, first: int, frequencies: Wave, length: int) -> tuple[Wave, Wave]:
    """Both tones by least squares on `heard`, which begins at `first`, run over (2, length); and their powers."""
    turn = np.exp(2j * np.pi / RATE * np.multiply.outer(frequencies, np.arange(length) - first))
    fitted = turn[:, first : first + heard.size]
    basis = np.concatenate([fitted.real, fitted.imag])
    weights = np.linalg.solve(basis @ basis.T, basis @ heard)
    tones = ((weights[:2] - 1j * weights[2:])[:, None] * turn).real
    powers: Wave = (weights[:2] ** 2 + weights[2:] ** 2) / 2.0
    return tones, powers


@dataclass(frozen=True, slots=True)
class Modulations:
    """How the two tones change within a span.

    Attributes:
        frequencies_hz: over the whole span.
        slope: relative change of each amplitude from the span's middle to its end.
        bend: power of each tone's second and third modulations over the tone's.
        rest: power that is in none of these.
    """

    frequencies_hz: Wave
    slope: Wave
    bend: Wave
    rest: float


def _modulations(heard: Wave, frequencies: Wave) -> Modulations:
    length = heard.size
    time = np.linspace(-1.0, 1.0, length)
    positions = np.arange(length) - (length - 1) / 2.0
    for _ in range(2):
        tones = np.exp(2j * np.pi / RATE * np.multiply.outer(frequencies, positions))
        shapes = np.stack([np.ones(length), time, 1.5 * time**2 - 0.5, 2.5 * time**3 - 1.5 * time])
        complex_basis = (tones[:, None, :] * shapes[None]).reshape(-1, length)
        basis = np.concatenate([complex_basis.real, complex_basis.imag])
        gram = basis @ basis.T
        weights = np.linalg.solve(gram, basis @ heard)
        parts = (weights[:8] - 1j * weights[8:]).reshape(2, 4)
        change = parts[:, 1] / parts[:, 0]
        # A e^{i(p + w t)}: the imaginary part of the linear term over the constant one is the phase at the end
        frequencies = frequencies + np.clip(change.imag, -1.0, 1.0) / (length / 2.0) * RATE / (2.0 * np.pi)
    power = np.abs(parts) ** 2 / (2.0 * np.array([1.0, 3.0, 5.0, 7.0]))
    rest = float(heard @ heard - weights @ (basis @ heard)) / length
    return Modulations(frequencies, change.real, power[:, 2:].sum(axis=1) / power[:, 0], rest)


def _peak(part: Wave, tone: int) -> float:
    """Frequency of the strongest oscillation around a key's tone."""
    spectrum = np.log(np.abs(part @ _MATRICES[tone]) + 1e-12)
    top = int(spectrum.argmax())
    nominal = (*ROWS_HZ, *COLUMNS_HZ)[tone]
    if not 0 < top < spectrum.size - 1:
        return nominal * (1.0 + float(_OFFSETS[top]))
    before, at, after = spectrum[top - 1 : top + 2]
    shift = 0.5 * (before - after) / min(before - 2.0 * at + after, -1e-12)
    return nominal * (1.0 + float(_OFFSETS[top]) + 0.005 * float(shift))


def _matrices() -> NDArray[np.complex128]:
    """Per tone, Hann-weighted oscillations at -4.5...+4.5 %."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(FIT) + 0.5) / FIT)
    frequencies = np.outer((*ROWS_HZ, *COLUMNS_HZ), 1.0 + _OFFSETS)
    matrices: NDArray[np.complex128] = (
        np.exp(-2j * np.pi / RATE * frequencies[:, None, :] * np.arange(FIT)[None, :, None]) * window[None, :, None]
    )
    return matrices


_MATRICES: Final = _matrices()


def _is_key(powers: Wave, energy: float, share: float) -> bool:
    """Loud enough, pure enough, and within the twist."""
    if powers.sum() < share * energy or powers.min() < FLOOR_POWER:
        return False
    return _twisted(powers)


def _twisted(powers: Wave) -> bool:
    twist = 10.0 * math.log10(powers[1] / powers[0])
    return TWIST_DB[0] <= twist <= TWIST_DB[1]


def _gain(wave: Wave, template: Wave) -> Wave:
    """How much of the template is in the wave, over 8 ms around each sample (the outer 4 ms excepted)."""
    sums = np.zeros((2, wave.size + 1))
    np.cumsum(wave * template, out=sums[0, 1:])
    np.cumsum(template * template, out=sums[1, 1:])
    boxes = sums[:, BOX:] - sums[:, :-BOX]
    gain: Wave = boxes[0] / np.maximum(boxes[1], 1e-15)
    return gain


def _extent(gain: Wave, anchor: int) -> tuple[int, int | None] | None:
    """First sample of the tones around `anchor`, and the first one behind them (None: they last)."""
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


def _edge(wave: Wave, template: Wave, near: int, way: int) -> int:
    """Where the tones begin (`way` 1) or end (-1): the place that leaves least, with nothing on one side of it.

    This is the likeliest place in white noise, and true to a few samples even then.
    """
    first, last = max(near - REFINED, 0), min(near + REFINED, wave.size)
    part = template[first:last]
    gained = np.concatenate([[0.0], np.cumsum(part * (2.0 * wave[first:last] - part))])
    return first + int(np.argmin(way * gained))


def _stretches(indices: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Runs of consecutive indices, half open."""
    if not indices.size:
        return []
    cuts = np.flatnonzero(np.diff(indices) > 1)
    firsts = indices[np.concatenate([[0], cuts + 1])]
    lasts = indices[np.concatenate([cuts, [indices.size - 1]])] + 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _steady(modulated: Modulations, powers: Wave, length: int) -> bool:
    """Neither tone changes more than noise makes it seem.

    A slope is a normal variable of variance 3 q, and a bend is q times a chi-square of four degrees, where q is the
    noise's power over the tone's and over the number of samples.
    """
    noise = modulated.rest / powers / length
    return bool(
        np.all(modulated.slope**2 <= np.maximum(STEEP**2, 3.0 * SLOPE_CHANCE * noise))
        and np.all(modulated.bend <= np.maximum(BENT, BEND_CHANCE * noise))
    )


def _alone(wave: Wave, pair: Wave, first: int, last: int) -> bool:
    """The two tones are what there is; what is left has no third tone in it, and did not begin with them.

    Noise spreads over the band and leaves no peak; the harmonics of a voice do, however well two of them fit. And
    noise that is strong beside the key is as strong before it.
    """
    heard, tones = wave[first:last], pair[:, first:last]
    length = heard.size
    left = heard - tones.sum(axis=0)
    power = float(np.einsum("ij,ij->", tones, tones)) / length
    rest = float(left @ left) / length
    if rest > (1.0 - PURE_SHARE) * float(heard @ heard) / length:
        return False
    density, peak = _density(left)
    if peak > THIRD_SHARE * power:
        return False
    if rest > SMALL_REST * power:
        before = wave[max(first - EDGE - BEFORE, 0) : max(first - EDGE - RISE // 6, 0)]
        level = float(before @ before) / max(before.size, 1)
        if peak > PEAK_SHARE * rest or not rest / BEGINS < level < ENDS * rest:
            return False
        if float(density[_VOICE].sum()) > VOICE_SHARE * float(density.sum()):
            return False
    return True


def _pure(heard: Wave, tones: Wave, share: float) -> bool:
    """The tones are most of what there is, each at about one level."""
    left = heard - tones.sum(axis=0)
    if float(left @ left) > (1.0 - share) * float(heard @ heard):
        return False
    return all(_level(_gain(heard, tone)) for tone in tones)


def _level(gain: Wave) -> bool:
    """The tone is there most of the time, at about one level."""
    if not gain.size:
        return True
    ordered = np.sort(gain)
    return _quantile(ordered, 0.2) >= 0.5 and _quantile(ordered, 0.8) <= 1.7


def _quantile(ordered: Wave, share: float) -> float:
    """As `np.quantile` gives it, of what is sorted already: that takes a tenth of the time."""
    place = share * (ordered.size - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, ordered.size - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1.0 - part)


def _sets_in(gain: Wave, start: int) -> bool:
    """At the start the tones come from nothing to their full level at once, as a keypad's do and a note's do not."""
    first = start - BOX // 2
    around = gain[max(first - RISE, 0) : first + RISE]
    absent = np.flatnonzero(around[: first - max(first - RISE, 0)] < 0.2)
    if not absent.size:
        return False
    full = np.flatnonzero(around[absent[-1] :] > 0.8)
    return bool(full.size and full[0] <= RISE)


def _beside(left: Wave) -> bool:
    """What is left lies beside the band of the keys."""
    density, _ = _density(left)
    return float(density[_VOICE].sum()) < BESIDE_SHARE * float(density.sum())


def _beginnings(wave: Wave, pair: Wave, start: int) -> tuple[int, int]:
    """Where each of the tones begins beside the other."""
    late = pair.copy()
    late[:, :start] = 0.0
    return _edge(wave - late[1], pair[0], start, 1), _edge(wave - late[0], pair[1], start, 1)


def _odd(wave: Wave, pair: Wave, span: tuple[int, int], begun: tuple[int, int], modulated: Modulations) -> bool:
    """The rest is not small, and too many things look odd for a key in noise.

    What looks odd is what white noise does to three keys of a hundred (measured). Noise does three of these things to
    one key in a thousand; two notes of a chord, in noise that hides the others, did at least three in every case found.
    """
    power = float(np.mean(pair[:, slice(*span)] ** 2, axis=1).sum())
    if modulated.rest <= SMALL_REST * power:
        return False
    start = span[0] - EDGE
    found = [value > limit for value, limit in _oddities(wave, pair, span, modulated)]
    return sum(found) + (max(abs(at - start) for at in begun) > ODD_START) >= ODD


def _oddities(wave: Wave, pair: Wave, span: tuple[int, int], modulated: Modulations) -> list[tuple[float, float]]:
    """What may be odd, each with its limit."""
    heard, tones = wave[slice(*span)], pair[:, slice(*span)]
    noise = modulated.rest / np.mean(tones**2, axis=1)
    one, box = noise / heard.size, np.sqrt(noise / BOX)
    gains = [_gain(wave, tone) for tone in pair]
    edge = span[0] - EDGE - BOX // 2
    before = np.array([np.abs(gain[max(edge - 160, 0) : max(edge - BOX, 1)]).max() for gain in gains])
    during = np.array([np.std(gain[span[0] : span[1] - BOX]) for gain in gains])
    density, peak = _density(heard - tones.sum(axis=0))
    return [
        (float(np.max(modulated.slope**2 / one)) / 3.0, 7.5),
        (float(np.max(modulated.bend / one)), 15.0),
        (float(np.max(before / box)), 3.4),  # a tone was there before
        (float(np.max(during / box)), 1.6),  # a tone varies
        (float(density[_LOW].sum() / density.sum()), 0.13),
        (peak / modulated.rest, 0.095),
    ]


def _density(left: Wave) -> tuple[Wave, float]:
    """Spectral density of what is left, 1024 points, and the power of a tone that would make its peak."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(left.size) + 0.5) / left.size)
    spectrum = np.fft.rfft(left * window, 1024)
    density: Wave = spectrum.real**2 + spectrum.imag**2
    return density, float(density.max()) * 2.0 / float(window.sum()) ** 2
