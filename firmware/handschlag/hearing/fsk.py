"""Characters sent as V.23 frequency shift keying (1200 Bd, mark 1300 Hz, space 2100 Hz), each with its reliability.

The idea: bits are not decided one by one. The phase runs on from bit to bit, so five bits in a row are held against
all 32 waveforms that five bits can have, whatever their common phase (multi-symbol non-coherent detection, Osborne and
Luntz 1974): better than a matched filter per bit by several decibels, and no carrier needs to be tracked. The
distance between the best waveform and the best one with another middle bit is the bit's margin: 1 without noise, 0 for
a bit that could be either. What is left of the energy after the best waveform is taken out is the rest: small in a
message, large under a click or a burst. A character with a bit of little margin or much rest is not passed on: a
message is had as it was sent, or not at all.

A receiver sleeps until a pure tone of 1300 Hz (the mark signal of ETSI EN 300 659-1, 5.2) has lasted some 30 ms;
it then looks for the first start bit, and follows the clock from character to character. It looks at the `History` and
holds characters, never audio (P1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import FULL_SCALE_DBM0, RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

MARK_HZ: Final = 1300.0
SPACE_HZ: Final = 2100.0
BAUD: Final = 1200.0

FINE: Final = 3
"""Instants per sample at which a bit may begin."""
BIT: Final = 20
"""Instants per bit."""
CHARACTER_BITS: Final = 10

HOP: Final = 80
SIEVE: Final = 320
FLOOR_DBM0: Final = -47.0
MARK_SHARE: Final = 0.35
"""Share of the energy within 1300 ± 50 Hz that arms the receiver: pure mark in noise 2 dB louder has 0.38."""

MARGIN: Final = 0.35
"""A bit with less is not believed: measured in tests/hearing/README.md."""
REST_CHARACTER: Final = 0.45
"""Rest over signal in a character, 400-3500 Hz; 8 dB of S/N leave 0.12, 4 dB 0.31."""
REST_BIT: Final = 1.2
LONGEST_GAP_BITS: Final = 24
"""Mark bits between two characters; EN 300 659-1, 5.3 wants none, some exchanges stuff a few."""

_SPAN: Final = 15  # samples of the interpolating kernel to each side
_LENGTH: Final = 2 * _SPAN + 9  # samples that three neighbouring instants need
_AROUND: Final = 2  # bits before and after the one that is decided
_ASIDE: Final = np.array([-2.0, 0.0, 2.0])  # instants by which the clock is tried early and late
_FOLLOW: Final = 0.5
_FOLLOW_RATE: Final = 0.15
_RATE_WITHIN: Final = 0.025
_FOLLOW_LEVEL: Final = 0.15
_LOST_AFTER: Final = round(0.1 * RATE)  # without mark and without a start bit
_NEEDED_AHEAD: Final = 15 * BIT  # instants that the search for a start bit looks ahead


class State(Enum):
    """What the receiver is doing."""

    ASLEEP = "asleep"
    SEEKING = "seeking"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message: type, length, content, checksum (not looked at here), and where it stood."""

    data: bytes
    start: int
    end: int
    margin: float
    level_dbm0: float


@dataclass(slots=True)
class _Carrier:
    """What is known of the sender: amplitudes of mark and space, error of the bit rate, next start bit."""

    mark: float
    space: float
    at: float = 0.0
    stretch: float = 0.0


@dataclass(slots=True)
class _Message:
    start: int
    data: bytearray = field(default_factory=bytearray)
    margin: float = 9.0

    @property
    def is_whole(self) -> bool:
        return len(self.data) > 1 and len(self.data) == self.data[1] + 3


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Ten bits, read several times with a little other clock: arrays of (readings, bits), `fits` of (readings,)."""

    bits: NDArray[np.bool_]
    margins: NDArray[np.float64]
    rests: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    fits: list[float]

    def is_framed(self, n: int) -> bool:
        """Start and stop bit are right."""
        return not self.bits[n, 0] and bool(self.bits[n, 9])

    def is_sure(self, n: int) -> bool:
        """Every bit is beyond doubt, and nothing else is on the line."""
        rests = self.rests[n].tolist()
        return bool(
            min(self.margins[n].tolist()) >= MARGIN
            and max(rests) <= REST_BIT
            and sum(rests) <= REST_CHARACTER * CHARACTER_BITS
        )

    def byte(self, n: int) -> int:
        """The eight data bits, least significant first."""
        return sum(1 << k for k, bit in enumerate(self.bits[n, 1:9].tolist()) if bit)


class FskReceiver:
    """Finds messages in row 0 of a `History`; `feed` after each push.

    Args:
        history: the signals.
        types: the characters that may begin a message.
    """

    def __init__(self, history: History, types: frozenset[int]) -> None:
        self._history = history
        self._types = types
        windows = history.windows(SIEVE, HOP)
        self._view = windows[0]
        self._copy = np.zeros(self._view.shape, np.float32)
        self._windows = np.lib.stride_tricks.sliding_window_view(history.data[0], _LENGTH)
        self._tone = _tone_matrix()
        self._kernel = _kernel()
        self._phases = _phases()
        self._state = State.ASLEEP
        self._since = 0  # newest position at which mark was heard
        self._at = 0  # instant from which a start bit is sought
        self._limit = 0  # instant beyond which the next start bit is late
        self._carrier = _Carrier(0.0, 0.0)
        self._message: _Message | None = None
        self.sounding = np.zeros(history.block // HOP, np.bool_)
        """Per 10 ms of the newest block: a carrier is, or was just now, on the line."""

    def feed(self) -> list[Frame]:
        """Look at the newest block."""
        self.sounding[:] = False
        np.copyto(self._copy, self._view)
        energy = np.vecdot(self._copy, self._copy)
        if self._state is State.ASLEEP and energy.max() < _LOUD:
            return []
        in_band = np.square(self._copy @ self._tone).sum(axis=1)
        is_mark = (in_band > MARK_SHARE * energy) & (energy > _LOUD)
        if self._state is State.ASLEEP and not is_mark.any():
            return []
        frames: list[Frame] = []
        for hop, marked in enumerate(is_mark.tolist()):
            end = self._history.base + (hop + 1) * HOP
            if marked and self._state is not State.READING:
                self._hear_mark(end, float(np.sqrt(2.0 * in_band[hop] / SIEVE)))
            if self._state is not State.ASLEEP:
                self.sounding[hop] = True
                frames += self._follow(end)
        return frames

    def forget(self) -> None:
        """Drop everything held."""
        self._copy.fill(0.0)
        self.sounding[:] = False
        self._sleep()

    def _sleep(self) -> None:
        self._state = State.ASLEEP
        self._message = None
        self._carrier = _Carrier(0.0, 0.0)

    def _hear_mark(self, end: int, amplitude: float) -> None:
        """The mark signal is on the line; the loudest look at it is the one with nothing else in its window."""
        if self._state is State.ASLEEP:
            self._state = State.SEEKING
            self._at = (end - SIEVE // 2) * FINE
            self._limit = 0
            self._message = None
            self._carrier = _Carrier(amplitude, amplitude)
        elif self._message is None and amplitude > self._carrier.mark:
            self._carrier.mark = self._carrier.space = amplitude
        self._since = end

    def _follow(self, end: int) -> list[Frame]:
        """Go on as far as the samples before `end` allow."""
        frames: list[Frame] = []
        last = (end - _LENGTH + _SPAN - 7) * FINE  # newest instant at which a bit can be correlated
        while True:
            if self._state is State.SEEKING:
                if not self._seek(last, end):
                    return frames
            elif self._state is State.READING:
                if self._carrier.at + (CHARACTER_BITS + _AROUND) * BIT * 1.03 + 4 > last:
                    return frames
                frame = self._read()
                if frame is not None:
                    frames.append(frame)
            else:
                return frames

    # --- a start bit

    def _seek(self, last: int, end: int) -> bool:
        """Look for the change from mark to space; False when there is nothing more to be done for now."""
        edge = self._edge(self._at, last - _NEEDED_AHEAD)
        if self._limit and (self._at if edge is None else edge) > self._limit:
            self._sleep()
            return False
        if edge is None:
            if not self._limit and end - self._since > _LOST_AFTER:
                self._sleep()
            return False
        start = self._align(edge)
        if start is None:
            self._at = edge + BIT
            return True
        self._carrier.at = start
        self._state = State.READING
        return True

    def _edge(self, first: int, last: int) -> int | None:
        """Where in [first, last) mark changes to space.

        Three bits are looked at together before a message: its types begin with start bit and two bits of space. Within
        a message one bit must do.
        """
        count = last - first
        if count <= 0:
            return None
        span = 3 if self._message is None else 1
        values, _ = self._correlate(first, count + (span - 1) * BIT)
        turned = values * np.exp(-1j * _TURN * np.arange(values.shape[0])[:, None])
        joined = np.abs(sum(turned[n * BIT : n * BIT + count] for n in range(span)))
        change = joined[:, 1] - joined[:, 0]
        clear = 0.25 * span * self._carrier.mark
        after = np.flatnonzero(change > clear)
        if not after.size:
            self._at = max(first, last - 4 * BIT)  # the change may have begun already
            return None
        before = np.flatnonzero(change[: after[0]] < -clear)
        begun = int(before[-1]) if before.size else 0
        return first + (begun + int(after[0]) + span * BIT) // 2

    def _align(self, edge: int) -> float | None:
        """The start of the character that begins near `edge`, by the best fit of all its bits."""
        begins = np.arange(edge - 14, edge + 15, 2, dtype=np.float64)
        read = self._readings(begins)
        types = self._types if self._message is None else _ANY
        fits = [fit if read.is_framed(n) and read.byte(n) in types else 0.0 for n, fit in enumerate(read.fits)]
        best = fits.index(max(fits))
        if not 0 < best < len(begins) - 1:
            return None
        return float(begins[best]) + 2.0 * _vertex(*read.fits[best - 1 : best + 2])

    # --- characters

    def _read(self) -> Frame | None:
        """Read the character at the carrier's next start bit."""
        carrier = self._carrier
        read = self._readings(carrier.at + _ASIDE)
        message = self._message
        if message is not None and read.bits[1, 0] and read.margins[1, 0] >= MARGIN:  # mark goes on
            if self._limit:  # the start bit that was found was none
                self._sleep()
                return None
            self._at, self._limit = round(carrier.at) - BIT, round(carrier.at) + LONGEST_GAP_BITS * BIT
            self._state = State.SEEKING
            return None
        self._learn(read.bits[1], read.amplitudes[1])
        if message is None:
            if not read.is_framed(1) or read.byte(1) not in self._types:
                self._sleep()
                return None
            message = self._message = _Message(round(carrier.at / FINE))
            read = self._readings(carrier.at + _ASIDE)  # once more, now that the amplitudes are known
        if not read.is_framed(1) or not read.is_sure(1):
            self._sleep()
            return None
        self._limit = 0
        message.data.append(read.byte(1))
        message.margin = min(message.margin, float(read.margins[1].min()))
        self._step(*read.fits)
        if not message.is_whole:
            return None
        frame = Frame(bytes(message.data), message.start, round(carrier.at / FINE), message.margin, _level(carrier))
        self._sleep()
        return frame

    def _learn(self, bits: NDArray[np.bool_], amplitudes: NDArray[np.float64]) -> None:
        """Follow the amplitudes of mark and space; the mark signal's own is good enough for the first character."""
        carrier = self._carrier
        marks = int(bits.sum())
        heard_mark = float(amplitudes @ bits)
        heard_space = float(amplitudes.sum()) - heard_mark
        first = self._message is None
        if marks and not first:
            carrier.mark += _FOLLOW_LEVEL * (heard_mark / marks - carrier.mark)
        if marks < CHARACTER_BITS:
            share = 1.0 if first else _FOLLOW_LEVEL
            carrier.space += share * (heard_space / (CHARACTER_BITS - marks) - carrier.space)

    def _step(self, early: float, now: float, late: float) -> None:
        """Go to where the next character may begin."""
        carrier = self._carrier
        aside = 2.0 * _vertex(early, now, late)
        carrier.stretch += _FOLLOW_RATE * aside / (CHARACTER_BITS * BIT)
        carrier.stretch = min(max(carrier.stretch, -_RATE_WITHIN), _RATE_WITHIN)
        carrier.at += _FOLLOW * aside + CHARACTER_BITS * BIT * (1.0 + carrier.stretch)

    def _readings(self, begins: NDArray[np.float64]) -> Readings:
        """Ten bits, read from each of these instants on."""
        carrier = self._carrier
        step = BIT * (1.0 + carrier.stretch)
        exact = begins[:, None] + step * np.arange(-_AROUND, CHARACTER_BITS + _AROUND)
        nearest = np.rint(exact).astype(np.int64)
        first = int(nearest.min())
        values, power = self._correlate(first, int(nearest.max()) - first + 1)
        index = nearest - first
        bits = values[index] * np.exp(1j * _TURN * (exact - nearest)[:, :, None])  # (begins, 12, 2)
        gains = np.array([carrier.mark, carrier.space])
        weighted = bits * gains
        inner = CHARACTER_BITS
        runs = np.concatenate([weighted[:, k : k + inner] for k in range(2 * _AROUND + 1)], axis=2)
        score = np.abs(runs @ self._phases) - 0.5 * (gains * gains) @ _COUNTS
        with_mark, with_space = score[:, :, _MIDDLE].max(axis=2), score[:, :, ~_MIDDLE].max(axis=2)
        decided = with_mark > with_space
        scale = _NOMINAL * 0.5 * float(gains @ gains)
        margins = np.abs(with_mark - with_space) / max(scale, 1e-12)
        own = bits[:, _AROUND:-_AROUND]
        amplitudes = np.abs(np.where(decided, own[:, :, 0], own[:, :, 1]))
        energy = power[index[:, _AROUND:-_AROUND]]
        expected = np.where(decided, gains[0], gains[1]) ** 2
        rests = np.abs(energy - amplitudes**2) / np.maximum(expected, 1e-12)
        fits = np.maximum(with_mark, with_space).sum(axis=1).tolist()
        return Readings(decided, margins, rests, amplitudes, fits)

    def _correlate(self, first: int, count: int) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """One bit of mark and of space held against the signal from each of `count` instants on; its mean power.

        Phases are as at the bit's beginning; a tone of amplitude A gives |value| = A and a power of A².
        """
        begin = first // FINE
        groups = -(-(first + count + BIT) // FINE) - begin
        row = begin - _SPAN - self._history.oldest
        rows = self._windows[max(row, 0) : row + groups] @ self._kernel
        if row < 0:  # from before what is held: nothing
            rows = np.concatenate([np.zeros((-row, rows.shape[1]), np.float32), rows])
        fine = rows.reshape(-1, 3, 2).astype(np.float64)
        out = fine[:, :, 0] + 1j * fine[:, :, 1]
        skip = first - begin * FINE
        total = np.concatenate([[0.0], np.cumsum(np.square(fine[skip:, 2]).sum(axis=1))])
        power = (total[BIT : BIT + count] - total[:count]) / BIT
        return out[skip : skip + count, :2], power


def _level(carrier: _Carrier) -> float:
    power = 0.5 * (carrier.mark**2 + carrier.space**2)
    return float(10.0 * np.log10(max(power, 1e-12)) + FULL_SCALE_DBM0)


def _vertex(left: float, middle: float, right: float) -> float:
    """Where between -1 and 1 the parabola through three points has its top."""
    bend = left - 2.0 * middle + right
    if bend >= 0.0:
        return 0.0 if left == right else (1.0 if right > left else -1.0)
    return float(min(max(0.5 * (left - right) / bend, -1.0), 1.0))


@cache
def _tone_matrix() -> NDArray[np.float32]:
    """Hann windows of 40 ms around 1300 Hz; the squares of the products sum up to the energy of a pure tone there."""
    n = np.arange(SIEVE)
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * (n + 0.5) / SIEVE)
    columns = []
    for frequency in (MARK_HZ - 25.0, MARK_HZ, MARK_HZ + 25.0):
        angle = 2.0 * np.pi * frequency * n / RATE
        columns += [hann * np.cos(angle), hann * np.sin(angle)]
    matrix = np.stack(columns, axis=1)
    pure = np.cos(2.0 * np.pi * MARK_HZ * n / RATE)
    share = np.square(pure @ matrix).sum() / (pure @ pure)
    return np.asarray(matrix / np.sqrt(share), np.float32)


@cache
def _kernel() -> NDArray[np.float32]:
    """(samples, 3 instants x (mark, space, signal) x (real, imaginary)), see `_correlate`.

    The signal between the samples is had by a complex band-pass of 400-3500 Hz, which leaves out negative frequencies.
    """
    low, high = 400.0 / RATE, 3500.0 / RATE
    fine_steps = 60
    within = (np.arange(fine_steps) + 0.5) / fine_steps * RATE / BAUD  # samples from the bit's beginning
    taps = np.arange(_LENGTH) - _SPAN

    def band(time: NDArray[np.floating]) -> NDArray[np.complex128]:
        inside = np.clip(1.0 - (time / _SPAN) ** 2, 0.0, None)
        shape = np.where(np.abs(time) <= _SPAN, np.i0(5.0 * np.sqrt(inside)) / np.i0(5.0), 0.0)
        wave: NDArray[np.complex128] = np.exp(1j * np.pi * (low + high) * time)
        out: NDArray[np.complex128] = 2.0 * (high - low) * np.sinc((high - low) * time) * wave * shape
        return out

    columns = []
    for instant in range(FINE):
        for frequency in (MARK_HZ, SPACE_HZ):
            turn = np.exp(-2j * np.pi * frequency / RATE * within)
            times = within[:, None] + instant / FINE - taps[None, :]
            column = (band(times) * turn[:, None]).mean(axis=0)
            columns += [column.real, column.imag]
        column = band(instant / FINE - taps)
        columns += [column.real, column.imag]
    return np.asarray(np.stack(columns, axis=1), np.float32)


def _patterns() -> NDArray[np.bool_]:
    """(bits, waveforms): all ways in which 2 x `_AROUND` + 1 bits can be mark (True) or space."""
    count = 2 * _AROUND + 1
    return np.array([[bool(n >> k & 1) for n in range(1 << count)] for k in range(count)])


@cache
def _phases() -> NDArray[np.complex128]:
    """(bits x (mark, space), waveforms): what brings the bits of one waveform to one phase."""
    patterns = _patterns()
    per_bit = np.where(patterns, MARK_HZ, SPACE_HZ) * 2.0 * np.pi / BAUD
    start = np.cumsum(per_bit, axis=0) - per_bit
    turn = np.exp(-1j * start)
    return np.stack([np.where(patterns, turn, 0.0), np.where(patterns, 0.0, turn)], axis=1).reshape(
        -1, patterns.shape[1]
    )


def _nominal() -> float:
    """Margin of a bit without noise, amplitudes 1: how far the nearest waveform with another middle bit is away."""
    patterns = _patterns()
    time = (np.arange(200) + 0.5) / 200
    waves = []
    for pattern in patterns.T:
        phase, parts = 0.0, []
        for is_mark in pattern:
            turn = 2.0 * np.pi * (MARK_HZ if is_mark else SPACE_HZ) / BAUD
            parts.append(np.exp(1j * (phase + turn * time)))
            phase += turn
        waves.append(np.concatenate(parts))
    alike = np.abs(np.array(waves) @ np.array(waves).conj().T) / time.size
    other = _MIDDLE[:, None] != _MIDDLE[None, :]
    return float(patterns.shape[0] - alike[other].max())


_ANY: Final = frozenset(range(256))
_TURN: Final = 2.0 * np.pi * np.array([MARK_HZ, SPACE_HZ]) / (RATE * FINE)
_MIDDLE: Final = _patterns()[_AROUND]
_COUNTS: Final = np.stack([_patterns().sum(axis=0), (~_patterns()).sum(axis=0)]).astype(np.float64)
_NOMINAL: Final = _nominal()
_LOUD: Final = 0.5 * SIEVE * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0)
