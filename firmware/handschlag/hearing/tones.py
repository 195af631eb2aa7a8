"""Call progress tones of German lines and fax tones: from windows of audio to pulses, which `cadence` reads.

Each 10 ms a Hann window of 40 ms says how much of the energy lies within each band, and how the tone in it stands
(see `pulses`). On the 25 Hz grid of such a window the squares of all bins sum to its whole energy, so a share of 1.0
means that there is nothing but the tone. What the ear's high-pass has taken from 425 Hz is given back.

The bands, wide enough for the tolerances:

- 425 Hz, 400-450 Hz: dial, ringback, busy, congestion, call waiting (facts/line.md), also 400 + 425 Hz;
- 950, 1400, 1800 Hz, each ±50 Hz: the special information tone (ITU-T E.180/Q.35, clause on the special information
  tone);
- 1100 ±38 Hz: the calling fax, CNG (ITU-T T.30, clause on call establishment, procedure 4);
- 2100 ±15 Hz: the answering fax, CED (T.30), the answering tone of V.25, and V.8's modified one (ANSam), whose phase is
  reversed each 450 ±25 ms and whose amplitude is modulated by 20 % at 15 Hz.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.cadence import listeners
from handschlag.hearing.events import FULL_SCALE_DBM0, RATE, ToneHeard
from handschlag.hearing.fir import high_pass
from handschlag.hearing.pulses import (
    AFTER_HOPS,
    BANDS,
    BEFORE_HOPS,
    BROKEN_HOPS,
    EDGE_HOPS,
    HOP,
    LINE,
    PURE,
    SETTLED_HOPS,
    WINDOW,
    Hop,
    Pulse,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing.cadence import Listener
    from handschlag.hearing.history import History
    from handschlag.hearing.pulses import Band

FLOOR_DBM0: Final = -48.0
"""Below this nothing is looked at: a tone of -44 dBm0 that the high-pass has weakened lies above it."""


class ToneDetector:
    """Finds tones in row 0 of a `History` (far leg or mix); `feed` after each push.

    Args:
        history: the signals.
        pair_row: the row of voltage, current behind it; None where direction is not known.
    """

    def __init__(self, history: History, pair_row: int | None) -> None:
        self._history = history
        rows = [0] if pair_row is None else [0, pair_row, pair_row + 1]
        windows = history.windows(WINDOW, HOP)
        self._views = [windows[row] for row in rows]
        self._copy = np.zeros((len(rows), *windows.shape[1:]), np.float32)
        self._weighted = np.zeros(windows.shape[1:], np.float32)
        self._listeners: list[Listener] = []
        self._trackers: list[_Tracker] = []
        self._trusted = True
        self.sounding = np.zeros(history.block // HOP, np.bool_)
        """Per 10 ms of the newest block: nearly pure tone."""
        self.forget()

    def forget(self) -> None:
        """Drop everything held."""
        self._copy.fill(0.0)
        self._weighted.fill(0.0)
        self._before: deque[float] = deque(maxlen=BEFORE_HOPS + EDGE_HOPS)
        self._rise: list[list[float]] = []
        self._listeners = listeners()
        self.trusted = self._trusted
        self._trackers = [
            _Tracker(band, [each for each in self._listeners if band in each.bands], self._before) for band in BANDS
        ]
        self.sounding[:] = False

    @property
    def trusted(self) -> bool:
        """False: the direction of power proves nothing, and network tones need not be far."""
        return self._trusted

    @trusted.setter
    def trusted(self, trusted: bool) -> None:
        self._trusted = trusted
        for listener in self._listeners:
            listener.trusted = trusted

    def feed(self) -> list[ToneHeard]:
        """Look at the newest block."""
        far, hops = self._copy[0], self._copy.shape[1]
        np.copyto(far, self._views[0])
        energy = np.vecdot(far, far)
        last = self._history.base + hops * HOP - WINDOW // 2
        self.sounding[:] = False
        tracking = any(tracker.pulse is not None for tracker in self._trackers)
        if energy.max() < _LOUD and not tracking:
            return self._nothing(energy.tolist(), last)
        spectrum = far @ _MATRIX
        measured = (spectrum * spectrum) @ _TO_BANDS
        np.multiply(far, _SHAPE, out=self._weighted)
        total = np.vecdot(self._weighted, self._weighted)
        self._weighted[:] = 0.0  # filled while it is loud only, and would keep what it holds
        total += measured[:, -1] + np.float32(1e-12)
        shares = measured[:, :-1] / total[:, None]
        shares[energy < _LOUD] = 0.0
        if not tracking and shares.max() <= PURE:
            return self._nothing(energy.tolist(), last, np.sqrt(measured[-EDGE_HOPS:, :-1]))
        return self._follow(shares, np.sqrt(measured[:, :-1]), spectrum, energy.tolist(), last)

    def finish(self) -> list[ToneHeard]:
        """The stream is over: what was still open is reported."""
        events = [event for tracker in self._trackers for event in tracker.finish()]
        return events + [event for listener in self._listeners for event in listener.finish()]

    def _nothing(
        self, energy: list[float], last: int, amplitudes: NDArray[np.float32] | None = None
    ) -> list[ToneHeard]:
        """No tone in this block."""
        self._before.extend(energy)
        self._rise = [] if amplitudes is None else amplitudes.tolist()
        return self._passed(last)

    def _passed(self, now: int) -> list[ToneHeard]:
        return [event for listener in self._listeners if listener.waits for event in listener.passed(now)]

    def _follow(
        self,
        shares: NDArray[np.float32],
        amplitudes: NDArray[np.float32],
        spectrum: NDArray[np.float32],
        energy: list[float],
        last: int,
    ) -> list[ToneHeard]:
        powers, norms = self._powers() if len(self._views) > 1 else (None, None)
        np.any(shares > _TONAL, axis=1, out=self.sounding)
        events: list[ToneHeard] = []
        pure = np.any(shares > PURE, axis=1).tolist()
        tracking = any(tracker.pulse is not None for tracker in self._trackers)
        rows = zip(shares.tolist(), amplitudes.tolist(), energy, pure, strict=True)
        for number, (share, amplitude, loudness, is_pure) in enumerate(rows):
            centre = last - (len(energy) - 1 - number) * HOP
            phasor: list[complex] = []
            if tracking or is_pure:
                phasor = (spectrum[number, :_BINS] - 1j * spectrum[number, _BINS:]).tolist()
            for band, tracker in enumerate(self._trackers if phasor else ()):
                if tracker.pulse is None and share[band] <= PURE:
                    continue
                power = (powers[number][band], norms[number][band]) if powers and norms else (0.0, 0.0)
                hop = Hop(centre, share[band], amplitude[band], loudness, phasor[_PLACES[band]], *power)
                if tracker.pulse is None:
                    tracker.rise = [row[band] for row in self._rise]
                events += tracker.hear(hop)
            if phasor:
                tracking = any(tracker.pulse is not None for tracker in self._trackers)
            self._before.append(loudness)
            self._rise = [*self._rise[1 - EDGE_HOPS :], amplitude]
            events += self._passed(centre)
        return events

    def _powers(self) -> tuple[list[list[float]], list[list[float]]]:
        """Real power, and voltage times current, of each hop in each band."""
        for row in (1, 2):
            np.copyto(self._copy[row], self._views[row])
        voltage, current = (self._copy[1:].reshape(-1, WINDOW) @ _MATRIX).reshape(2, -1, 2 * _BINS)
        self._copy[1:] = 0.0  # they are filled while tones last only, and would keep what they hold
        of_bands = _TO_BANDS[:, :-1]
        power = (voltage * current) @ of_bands
        norm = ((voltage * voltage) @ of_bands) * ((current * current) @ of_bands)
        return power.tolist(), np.sqrt(norm).tolist()


class _Tracker:
    """Follows the pulses of one band.

    Args:
        band: which.
        listening: who is told.
        before: energies of the hops so far.
    """

    def __init__(self, band: Band, listening: list[Listener], before: deque[float]) -> None:
        self._band, self._listening, self._before = band, listening, before
        self.pulse: Pulse | None = None
        self.rise: list[float] = []
        """The band's amplitudes in the hops before a pulse that begins."""

    def hear(self, hop: Hop) -> list[ToneHeard]:
        """The next hop."""
        events: list[ToneHeard] = []
        pulse = self.pulse
        if pulse is not None and pulse.misses < BROKEN_HOPS and pulse.holds(hop):
            pulse.add(hop)
            return self._added(pulse)
        if pulse is not None and pulse.misses >= BROKEN_HOPS and hop.share > PURE:
            events = self._over(pulse)
            pulse = None
        if pulse is None:
            if hop.share > PURE:
                self._begin(hop)
            return events
        pulse.miss(hop)
        if pulse.misses == BROKEN_HOPS and pulse.hops < SETTLED_HOPS:
            self.pulse = None
        return self._over(pulse) if pulse.misses == AFTER_HOPS else []

    def _begin(self, hop: Hop) -> None:
        earlier = list(self._before)[:-EDGE_HOPS]
        self.pulse = pulse = Pulse(self._band, sum(earlier) / max(len(earlier), 1))
        for back, amplitude in zip(range(len(self.rise), 0, -1), self.rise, strict=True):
            pulse.precede(hop.centre - back * HOP, amplitude)
        pulse.add(hop)

    def _added(self, pulse: Pulse) -> list[ToneHeard]:
        if pulse.hops < SETTLED_HOPS:
            return []
        if pulse.hops == SETTLED_HOPS:
            return [event for listener in self._listening for event in listener.begun(pulse)]
        events = [event for listener in self._listening for event in listener.lasting(pulse)]
        if pulse.spoilt:
            self.pulse = None
        return events

    def _over(self, pulse: Pulse) -> list[ToneHeard]:
        self.pulse = None
        pulse.close()
        return [event for listener in self._listening for event in listener.ended(pulse)]

    def finish(self) -> list[ToneHeard]:
        """No further hop comes."""
        pulse = self.pulse
        return self._over(pulse) if pulse is not None and pulse.hops >= SETTLED_HOPS else []


_LOUD: Final = 0.5 * 10.0 ** ((FLOOR_DBM0 - FULL_SCALE_DBM0) / 10.0) * WINDOW
_SHAPE: Final = (0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)).astype(np.float32)
_TONAL: Final = np.array([0.8 if len(band.bins_hz) <= len(LINE.bins_hz) else 0.87 for band in BANDS], np.float32)
"""Shares from which a hop is no speech, whatever becomes of it; a wide band holds more of a vowel."""
_BINS: Final = sum(len(band.bins_hz) for band in BANDS)


def _places() -> list[slice]:
    """Which bins are whose."""
    ends = np.cumsum([len(band.bins_hz) for band in BANDS]).tolist()
    return [slice(end - len(band.bins_hz), end) for end, band in zip(ends, BANDS, strict=True)]


def _matrices() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weighted cosines and sines at all bins, scaled so that a band's squares sum to its energy; bins to bands.

    One column more says by how much the whole energy grows by what is given back.
    """
    bins = np.array([frequency for band in BANDS for frequency in band.bins_hz])
    taps = high_pass()
    passed = np.abs(np.exp(-2j * np.pi / RATE * np.outer(bins, np.arange(taps.size))) @ taps)
    turn = 2.0 * np.pi / RATE * np.outer(np.arange(WINDOW), bins)
    matrix = np.concatenate([np.cos(turn) / passed, np.sin(turn) / passed], axis=1)
    matrix *= _SHAPE[:, None] * np.sqrt(2.0 / WINDOW)
    to_bands = np.zeros((bins.size, len(BANDS) + 1))
    for band, place in enumerate(_places()):
        to_bands[place, band] = 1.0
    to_bands[:, -1] = 1.0 - passed**2
    return matrix.astype(np.float32), np.concatenate([to_bands, to_bands]).astype(np.float32)


_PLACES: Final = _places()
_MATRIX, _TO_BANDS = _matrices()
