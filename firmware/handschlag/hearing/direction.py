"""Who it comes from: the sign of the real power at a tone's frequency.

A far tone feeds the telephone, so voltage over current is the telephone's impedance, whose real part is positive; a
near tone feeds the line, and the quotient is minus the line's impedance. No balance has to be known for that. For
Z_R and 600 Ω and 0-6 km of cable the cosine stays above +0.84 and below -0.68; what lies between the two
thresholds proves nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.events import RATE, Leg

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR_FROM: Final = 0.3
NEAR_FROM: Final = -0.3
PART: Final = 264
"""33 ms: what of a key is judged by itself, too."""
CONTRADICTS: Final = {Leg.FAR: 0.0, Leg.NEAR: -0.3}
"""A part whose cosine, counted in the direction of the leg, is not above this contradicts it: easily against far."""
APART: Final = 5.0
"""Voltage and current of a line's tone differ by no more than this factor; a channel that is dead does."""
REST_FROM: Final = 0.6
"""At this cosine, less than a fifth of a rest flows the other way."""
LOUDER_DB: Final = 10.0
"""Two separate channels (files only): the louder must be this much above the other."""


def leg_of(cosine: float) -> Leg:
    """The leg that a cos φ proves."""
    if cosine >= FAR_FROM:
        return Leg.FAR
    if cosine <= NEAR_FROM:
        return Leg.NEAR
    return Leg.UNCERTAIN


def phasors(signals: NDArray[np.float32], frequencies_hz: tuple[float, ...]) -> NDArray[np.complex128]:
    """Hann-weighted complex amplitudes, (signals, frequencies), of (signals, n) at 8 kHz."""
    turn, scale = _turn(signals.shape[1], frequencies_hz)
    amplitudes: NDArray[np.complex128] = signals @ turn * scale
    return amplitudes


@lru_cache(maxsize=4)
def _turn(length: int, frequencies_hz: tuple[float, ...]) -> tuple[NDArray[np.complex128], np.float64]:
    """What signals of this length are held against: the parts of one key are all of one length."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(length) + 0.5) / length)
    turn = np.exp(-2j * np.pi / RATE * np.outer(np.arange(length), frequencies_hz)) * window[:, None]
    return turn, 2.0 / max(window.sum(), 1e-9)


def _both_alive(pair: NDArray[np.float32], frequencies_hz: tuple[float, ...]) -> bool:
    """Neither channel lacks the tones: noise has some cosine, too."""
    voltage, current = np.abs(phasors(pair, frequencies_hz))
    return bool(np.all(voltage < APART * current) and np.all(current < APART * voltage))


def cosines(pair: NDArray[np.float32], frequencies_hz: tuple[float, ...]) -> NDArray[np.float64]:
    """Per tone, the cosine of (2, n) voltage and current."""
    voltage, current = phasors(pair, frequencies_hz)
    ratio: NDArray[np.float64] = (voltage * current.conj()).real / np.maximum(np.abs(voltage) * np.abs(current), 1e-12)
    return ratio


def least_clear(of_tones: NDArray[np.float64]) -> float:
    """The least clear tone's cosine, or 0.0 when the tones disagree."""
    if np.all(of_tones > 0.0):
        return float(of_tones.min())
    return float(of_tones.max()) if np.all(of_tones < 0.0) else 0.0


def judge(pair: NDArray[np.float32], frequencies_hz: tuple[float, ...]) -> tuple[Leg, float]:
    """The leg that (2, n) voltage and current prove, and cos φ over their whole length.

    A leg is proven by the whole, and contradicted by no part: the tones must flow the same way from the beginning to
    the end. Where the other party's voice outlasts a key and carries its track on, the parts disagree.
    """
    cosine = least_clear(cosines(pair, frequencies_hz))
    leg = leg_of(cosine)
    if leg is Leg.UNCERTAIN or not _both_alive(pair, frequencies_hz):
        return Leg.UNCERTAIN, cosine
    sign = 1.0 if leg is Leg.FAR else -1.0
    length = pair.shape[1]
    last = max(length - PART, 0)
    for first in (*range(0, last, PART // 2), last):
        part = sign * cosines(pair[:, first : first + PART], frequencies_hz)
        if part.min() <= CONTRADICTS[leg]:
            return Leg.UNCERTAIN, cosine
    return leg, cosine


def rest_of_another(pair: NDArray[np.float32], frequencies_hz: tuple[float, float]) -> bool:
    """The tones in (2, n) voltage and current are the far party's, and all else is clearly the near party's."""
    leg, _ = judge(pair, frequencies_hz)
    if leg is not Leg.FAR:
        return False
    turn = np.exp(2j * np.pi / RATE * np.outer(frequencies_hz, np.arange(pair.shape[1])))
    basis = np.concatenate([turn.real, turn.imag])
    left = pair - np.linalg.solve(basis @ basis.T, basis @ pair.T).T @ basis
    (voltage, real), (_, current) = left @ left.T
    left.fill(0.0)
    cosine = float(real / np.sqrt(max(voltage * current, 1e-24)))
    return cosine <= -REST_FROM


def louder(legs: NDArray[np.float32], frequencies_hz: tuple[float, ...]) -> tuple[Leg, float]:
    """For (2, n) far and near on channels of their own: the leg louder by 10 dB at each tone; the balance -1...1."""
    far, near = np.abs(phasors(legs, frequencies_hz)) ** 2
    balance = float(np.mean((far - near) / np.maximum(far + near, 1e-15)))
    margin = 10.0 ** (LOUDER_DB / 10.0)
    if np.all(far >= margin * near):
        return Leg.FAR, balance
    if np.all(near >= margin * far):
        return Leg.NEAR, balance
    return Leg.UNCERTAIN, balance
