"""Fitting the two filters that part the legs, from two stretches of audio in which one party sounds alone.

While only the near party sounds, the exchange's source is silent and `V + Z_line·I = 0`: so the line's impedance is the
filter that turns the current into minus the voltage, found by least squares. While only the far party sounds,
`V - Z_phone·I = 0` gives the telephone's. Both stretches are weighted to the speech band, 300-3400 Hz, and raised by
6 dB per octave from 300 Hz on, as speech falls; a little regularisation keeps the filters quiet outside of it.

The voltage waits for `DELAY` samples, so that the filters may look ahead: the current's channel may be the later one by
some tens of microseconds, and a sampled impedance is not quite causal. 32 taps then part the legs by more than 40 dB on
the line's model (`tools/bench hearing --quality`).

The separation of a leg is measured on the same stretches: the power of the other party in that party's own leg over
its power in this one, in the speech band. It is refused below `LEAST_DB`, since then something else sounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE
from handschlag.hearing.legs import SEPARATED_FROM_DB, Calibration, separate

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAPS: Final = 32
DELAY: Final = 4
RIDGE: Final = 1e-5
LEAST_DB: Final = SEPARATED_FROM_DB
SHORTEST_S: Final = 2.0
LONGEST_S: Final = 60.0
QUIETEST_DBM0: Final = -45.0
PROVES: Final = 0.3
SPEECH_HZ: Final = (300.0, 3400.0)
_PARTS_HZ: Final = (300.0, 600.0, 1200.0, 2400.0, 3400.0)
_EMPTY: Final = 1e-5  # a part of the band with less than -50 dB of its power was not sounded


@dataclass(frozen=True, slots=True)
class Separation:
    """How far the other party's signal lies below its own leg's, in dB, in either leg."""

    far_db: float
    near_db: float


def fit(far_alone: NDArray[np.floating], near_alone: NDArray[np.floating]) -> Calibration:
    """Fit a calibration; its `separation_db` says what it achieves.

    Args:
        far_alone: (n, 2) voltage and current at 8 kHz, 2-60 s in which only the far party sounds (speech or noise).
        near_alone: the same of the near party.

    Raises:
        HearingError: where a stretch is too short, too quiet, overdriven, not finite, narrow, or where the two do not
            show one far and one near party who sound alone; says which and what is allowed.
    """
    far, near = _checked("far_alone", far_alone), _checked("near_alone", near_alone)
    polarity = _polarity(_flow(far), _flow(near))
    far, near = far * (1.0, polarity), near * (1.0, polarity)
    line_z, phone_z = _impedance(near, -1.0), _impedance(far, 1.0)
    fitted = Calibration(line_z, phone_z, polarity, DELAY)
    reached = separation(fitted, far * (1.0, polarity), near * (1.0, polarity))
    for leg, party, reached_db in (("far", "near", reached.far_db), ("near", "far", reached.near_db)):
        if reached_db < LEAST_DB:
            raise HearingError(
                f"{party}_alone: the {leg} leg keeps the {party} party {reached_db:.1f} dB below only; allowed is "
                f"{LEAST_DB:g} dB and more. Did the other party sound, too, or does the line hum?"
            )
    return Calibration(line_z, phone_z, polarity, DELAY, (round(reached.far_db, 1), round(reached.near_db, 1)))


def separation(
    calibration: Calibration, far_alone: NDArray[np.floating], near_alone: NDArray[np.floating]
) -> Separation:
    """What a calibration achieves on two stretches of (n, 2) at 8 kHz in which only the far, only the near sounds."""
    of_far = _speech_power(separate(np.asarray(far_alone, np.float32), calibration))
    of_near = _speech_power(separate(np.asarray(near_alone, np.float32), calibration))
    return Separation(_db(of_near[1] / of_near[0]), _db(of_far[0] / of_far[1]))


def _db(ratio: float) -> float:
    return 10.0 * float(np.log10(max(ratio, 1e-12)))


def _checked(name: str, stretch: NDArray[np.floating]) -> NDArray[np.float64]:
    if not isinstance(stretch, np.ndarray) or stretch.ndim != 2 or stretch.shape[1] != 2:
        raise HearingError(f"{name} of shape {np.shape(stretch)}: allowed is (n, 2), voltage and current at 8 kHz")
    seconds = stretch.shape[0] / RATE
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise HearingError(f"{name}: {seconds:.1f} s; allowed are {SHORTEST_S:g} to {LONGEST_S:g} s")
    pair = np.asarray(stretch, np.float64)
    if not np.isfinite(pair).all():
        raise HearingError(f"{name}: holds samples that are no numbers; allowed are floats of full scale ±1.0")
    if np.mean(np.abs(pair) >= 0.999, axis=0).max() > 1e-4:
        raise HearingError(f"{name}: is overdriven; lower the input level, allowed is below full scale ±1.0")
    for column, channel in enumerate(("voltage", "current")):
        level_dbm0 = _db(2.0 * _speech_power(pair[:, column : column + 1])[0]) + FULL_SCALE_DBM0
        if level_dbm0 < QUIETEST_DBM0:
            raise HearingError(
                f"{name}: {channel} has {level_dbm0:.1f} dBm0 in the speech band; allowed is {QUIETEST_DBM0:g} and more"
            )
    spectrum, frequency = np.abs(np.fft.rfft(pair[:, 1])) ** 2, np.fft.rfftfreq(len(pair), 1.0 / RATE)
    for low, high in pairwise(_PARTS_HZ):
        if spectrum[(frequency >= low) & (frequency < high)].sum() < _EMPTY * spectrum.sum():
            raise HearingError(f"{name}: nothing sounds at {low:g}-{high:g} Hz; allowed is speech or noise, no tone")
    return pair


def _speech_power(signals: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean square of each column of (n, columns) between 300 and 3400 Hz."""
    spectrum = np.fft.rfft(signals, axis=0)
    frequency = np.fft.rfftfreq(signals.shape[0], 1.0 / RATE)
    kept = (frequency >= SPEECH_HZ[0]) & (frequency <= SPEECH_HZ[1])
    power: NDArray[np.float64] = 2.0 * (np.abs(spectrum[kept]) ** 2).sum(axis=0) / signals.shape[0] ** 2
    return power


def _flow(pair: NDArray[np.float64]) -> float:
    """Real power over apparent power in the speech band, counted towards the telephone."""
    frequency = np.fft.rfftfreq(len(pair), 1.0 / RATE)
    kept = (frequency >= SPEECH_HZ[0]) & (frequency <= SPEECH_HZ[1])
    voltage, current = np.fft.rfft(pair, axis=0)[kept].T
    apparent = np.sqrt((np.abs(voltage) ** 2).sum() * (np.abs(current) ** 2).sum())
    return float((voltage * current.conj()).real.sum() / apparent)


def _polarity(far: float, near: float) -> int:
    if far >= PROVES and near <= -PROVES:
        return 1
    if far <= -PROVES and near >= PROVES:
        return -1
    raise HearingError(
        f"far_alone flows with cos φ {far:+.2f} and near_alone with {near:+.2f}: allowed are {PROVES:+g} and more with "
        f"{-PROVES:+g} and less, or both the other way round where the current is inverted"
    )


def _impedance(alone: NDArray[np.float64], sign: float) -> tuple[float, ...]:
    """Taps that turn the current into `sign` times the voltage, which waits for `DELAY`."""
    size = 1 << (len(alone) + TAPS).bit_length()
    frequency = np.fft.rfftfreq(size, 1.0 / RATE)
    band = np.clip((frequency - 200.0) / 100.0, 0.0, 1.0) * np.clip((3600.0 - frequency) / 200.0, 0.0, 1.0)
    voltage, current = np.fft.rfft(alone, size, axis=0).T * (band * (1.0 + frequency / SPEECH_HZ[0]))
    late = voltage * np.exp(-2j * np.pi * frequency / RATE * DELAY)
    own = np.fft.irfft(np.abs(current) ** 2, size)[:TAPS]
    across = sign * np.fft.irfft(late * current.conj(), size)[:TAPS]
    square = own[np.abs(np.subtract.outer(np.arange(TAPS), np.arange(TAPS)))]
    taps = np.linalg.solve(square + RIDGE * own[0] * np.eye(TAPS), across)
    return tuple(float(tap) for tap in taps)
