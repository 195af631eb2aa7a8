"""A two-wire subscriber line with an in-line tap: what the tap's two channels carry when both parties speak.

The line is a chain of two-ports, solved per frequency: the exchange is a source behind its impedance, the cable a
transmission line given by its primary constants R, L, C per km (as an ABCD matrix), the telephone a source behind
its impedance, and the box's play transformer a third source behind 600 Ω, in parallel to the telephone while it is
connected. The sense element sits on the exchange's side of both, so that everything that the box itself plays is
seen as power flowing towards the exchange: the box can never mistake its own sound for the other party's.

From the three sources to voltage, current and the exchange's end there are nine transfer functions; each becomes an
FIR filter by inverse FFT, and blocks are filtered by overlap-save. Everything is delayed by `DELAY` samples, which
keeps the sampled (hence slightly acausal) responses whole.

The network Z_R is that of facts/line.md; the 0.4 mm cable's constants are the usual ones of its data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from handschlag.errors import HandschlagError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

RATE: Final = 48_000
"""Sample rate of all inputs and outputs, in Hz."""

TAPS: Final = 512
DELAY: Final = 64
"""Samples by which every output lags its input."""

FULL_SCALE_DBM0: Final = 3.14
"""Level of a sine of amplitude 1.0 (A-law's overload point)."""

R_PER_KM: Final = 280.0  # ohm, both wires
L_PER_KM: Final = 0.65e-3  # henry
C_PER_KM: Final = 45e-9  # farad

_PIECE: Final = 2048 - TAPS + 1  # the longest block one FFT takes

Impedance = Literal["Z_R", "600", "600+1uF", "900+2.16uF", "200+680||100nF", "370+620||310nF", "dect", "old"]
"""Names of what stands at either end of the line; `NETWORKS` says what they are."""


class LineError(HandschlagError, ValueError):
    """A line that cannot be modelled: the parameter, its value and what is allowed."""


@dataclass(frozen=True)
class Network:
    """A resistance and a capacitor in series with a resistance beside a capacitor or a coil; a capacitor across all.

    Ohm, farad and henry; what is absent is 0 (a capacitor in series: no capacitor).
    """

    series_ohm: float
    ohm: float = 0.0
    beside_farad: float = 0.0
    beside_henry: float = 0.0
    series_farad: float = 0.0
    across_farad: float = 0.0

    def impedance(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Over frequency, in ohm."""
        at = 2j * np.pi * np.maximum(frequency_hz, 1e-3)
        total = np.full(frequency_hz.shape, self.series_ohm, np.complex128)
        if self.ohm:
            beside = self.beside_farad * at + (1.0 / (self.beside_henry * at) if self.beside_henry else 0.0)
            total += 1.0 / (1.0 / self.ohm + beside)
        if self.series_farad:
            total += 1.0 / (self.series_farad * at)
        return np.asarray(1.0 / (1.0 / total + self.across_farad * at), np.complex128)


NETWORKS: Final[Mapping[Impedance, Network]] = {
    "Z_R": Network(270.0, 750.0, 150e-9),  # facts/line.md
    "600": Network(600.0),
    # Assumed: terminations that line cards and terminals of other countries are commonly set to.
    "600+1uF": Network(600.0, series_farad=1e-6),
    "900+2.16uF": Network(900.0, series_farad=2.16e-6),
    "200+680||100nF": Network(200.0, 680.0, 100e-9),
    "370+620||310nF": Network(370.0, 620.0, 310e-9),
    # Assumed: a DECT base, built to Z_R, with capacitors against radio interference across the line.
    "dect": Network(270.0, 750.0, 150e-9, across_farad=22e-9),
    # Assumed: an old telephone with an induction coil, the most inductive end that is thought possible: +47° at 697 Hz.
    "old": Network(200.0, 1200.0, beside_henry=0.15, across_farad=4.7e-9),
}


def impedance(name: Impedance, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Impedance in ohm over frequency.

    Raises:
        LineError: for a name that is not in `NETWORKS`.
    """
    if name not in NETWORKS:
        raise LineError(f"impedance {name!r}: allowed are {', '.join(NETWORKS)}")
    return NETWORKS[name].impedance(frequency_hz)


def dbm0(level_dbm0: float) -> float:
    """Amplitude of a sine with this level, full scale being 1.0."""
    return float(10.0 ** ((level_dbm0 - FULL_SCALE_DBM0) / 20.0))


@dataclass(frozen=True)
class Solved:
    """Transfer functions of one line, per source: to tap voltage, to tap current x 600 Ω, to the exchange's end."""

    far: NDArray[np.complex128]  # (3, frequencies)
    near: NDArray[np.complex128]
    play: NDArray[np.complex128]


def solve(
    frequency_hz: NDArray[np.float64],
    *,
    cable_km: float,
    line_z: Impedance,
    phone_z: Impedance,
    playing: bool,
) -> Solved:
    """Solve the line at these frequencies; a source of 1 is one that gives 1 across its own impedance."""
    omega = 2.0 * np.pi * np.maximum(frequency_hz, 1.0)
    series = (R_PER_KM + 1j * omega * L_PER_KM) * max(cable_km, 1e-6)
    shunt = 1j * omega * C_PER_KM * max(cable_km, 1e-6)
    gamma, wave_z = np.sqrt(series * shunt), np.sqrt(series / shunt)
    a, b, c = np.cosh(gamma), wave_z * np.sinh(gamma), np.sinh(gamma) / wave_z

    exchange_z, phone = impedance(line_z, frequency_hz), impedance(phone_z, frequency_hz)
    source_z = (b + exchange_z * a) / (a + exchange_z * c)
    play_y = (1.0 if playing else 0.0) / 600.0
    node_y = 1.0 / source_z + 1.0 / phone + play_y

    def seen(open_circuit: NDArray[np.complex128], injected: NDArray[np.complex128]) -> NDArray[np.complex128]:
        voltage = (open_circuit / source_z + injected) / node_y
        current = (open_circuit - voltage) / source_z
        return np.stack([voltage, current * 600.0, a * voltage + b * current])

    none = np.zeros_like(source_z)
    return Solved(
        far=seen(2.0 / (a + exchange_z * c), none),
        near=seen(none, 2.0 / phone),
        play=seen(none, none + 2.0 * play_y),
    )


def _spectra(*, cable_km: float, line_z: Impedance, phone_z: Impedance, playing: bool) -> NDArray[np.complex64]:
    """FFTs (2048 points) of the nine filters, as (source, output, bin)."""
    size = 4096
    frequency = np.fft.rfftfreq(size, 1.0 / RATE).astype(np.float64)
    solved = solve(frequency, cable_km=cable_km, line_z=line_z, phone_z=phone_z, playing=playing)
    band = np.clip((23_500.0 - frequency) / 4_000.0, 0.0, 1.0)  # a converter ends below half its rate
    shape = (0.5 - 0.5 * np.cos(np.pi * band)) * np.exp(-2j * np.pi * frequency / RATE * DELAY)
    impulse = np.fft.irfft(np.stack([solved.far, solved.near, solved.play]) * shape, size)[..., :TAPS]
    impulse[..., -DELAY:] *= np.linspace(1.0, 0.0, DELAY)
    return np.fft.rfft(impulse, 2048).astype(np.complex64)


class LineModel:
    """One line, streaming: far, near and played signals in, the tap's voltage and current out.

    Args:
        cable_km: length of 0.4 mm cable between exchange and tap, 0-6 km (longer is allowed up to 20).
        line_z: impedance of the exchange.
        phone_z: impedance of the telephone.
        noise_dbm0: noise of each of the two channels, its power counted in 0-4 kHz; None for none.
        seed: of the noise.
    """

    def __init__(
        self,
        *,
        cable_km: float = 2.0,
        line_z: Impedance = "Z_R",
        phone_z: Impedance = "Z_R",
        noise_dbm0: float | None = -70.0,
        seed: int = 0,
    ) -> None:
        if not 0.0 <= cable_km <= 20.0:
            raise LineError(f"cable_km={cable_km}: allowed are 0 to 20 km")
        self._idle, self._playing = (
            _spectra(cable_km=cable_km, line_z=line_z, phone_z=phone_z, playing=playing) for playing in (False, True)
        )
        self._past = np.zeros((3, TAPS - 1), np.float32)
        self._connected = False
        self._heard_far = np.zeros(0, np.float32)
        self._noise_rms = 0.0
        if noise_dbm0 is not None:
            self._noise_rms = dbm0(noise_dbm0) / np.sqrt(2.0) * np.sqrt(RATE / 2 / 4_000)
        self._random = np.random.default_rng(seed)

    @property
    def heard_far(self) -> NDArray[np.float32]:
        """What reaches the exchange from this end (near party and play), for the block of the last `step`."""
        return self._heard_far

    def step(self, far: ArrayLike | None, near: ArrayLike | None, play: ArrayLike | None = None) -> NDArray[np.float32]:
        """Carry one block of any length through the line.

        Args:
            far: the exchange's signal, floats at 48 kHz, full scale 1.0 = +3.14 dBm0; None for silence.
            near: the telephone's signal.
            play: the box's signal; None while the play transformer is not connected.

        Returns:
            (n, 2): tap voltage, and tap current x 600 Ω, positive towards the telephone.

        Raises:
            LineError: when no signal is given, or their lengths differ.
        """
        given = {
            name: np.asarray(signal, np.float32)
            for name, signal in (("far", far), ("near", near), ("play", play))
            if signal is not None
        }
        lengths = {name: signal.shape for name, signal in given.items()}
        if not given or len(set(lengths.values())) != 1 or next(iter(given.values())).ndim != 1:
            raise LineError(f"signals {lengths}: allowed are one-dimensional arrays of one length")
        length = next(iter(given.values())).shape[0]
        out = np.zeros((length, 2), np.float32)
        heard = np.zeros(length, np.float32)
        for begin in range(0, length, _PIECE):
            piece = slice(begin, min(begin + _PIECE, length))
            sources = np.zeros((3, piece.stop - begin), np.float32)
            for row, name in enumerate(("far", "near", "play")):
                if name in given:
                    sources[row] = given[name][piece]
            voltage, current, far_end = self._filter(sources, connected=play is not None)
            out[piece, 0], out[piece, 1] = voltage, current
            heard[piece] = far_end
        if self._noise_rms:
            out += self._random.standard_normal(out.shape, np.float32) * np.float32(self._noise_rms)
        self._heard_far = heard
        return out

    def _filter(self, sources: NDArray[np.float32], *, connected: bool) -> NDArray[np.float32]:
        """Overlap-save over one block; where the play transformer switches, the block fades from old to new."""
        length = sources.shape[1]
        joined = np.concatenate([self._past, sources], axis=1)
        self._past = joined[:, -(TAPS - 1) :]
        spectrum = np.fft.rfft(joined, 2048).astype(np.complex64)
        rows = 3 if connected or self._connected else 2

        def through(filters: NDArray[np.complex64]) -> NDArray[np.float32]:
            product = np.empty((3, spectrum.shape[1]), np.complex64)
            product[:2] = np.einsum("sf,sof->of", spectrum[:rows], filters[:rows, :2])
            product[2] = np.einsum("sf,sf->f", spectrum[1:rows], filters[1:rows, 2])
            carried = np.fft.irfft(product, 2048)
            return carried[:, TAPS - 1 : TAPS - 1 + length].astype(np.float32)

        out = through(self._playing if connected else self._idle)
        if connected != self._connected and length:
            fade = np.linspace(0.0, 1.0, length, dtype=np.float32)
            out = out * fade + through(self._playing if self._connected else self._idle) * (1.0 - fade)
        self._connected = connected
        return out


def components(
    far: ArrayLike,
    near: ArrayLike,
    *,
    cable_km: float = 2.0,
    line_z: Impedance = "Z_R",
    phone_z: Impedance = "Z_R",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The true parts of what the tap sees, each (n, 2): voltage and current by the far party alone, and by the near.

    Their sum is what a noiseless `LineModel` gives for both at once, since the line is linear.
    """
    silence = np.zeros(np.shape(far), np.float32)

    def alone(far_signal: ArrayLike, near_signal: ArrayLike) -> NDArray[np.float32]:
        model = LineModel(cable_km=cable_km, line_z=line_z, phone_z=phone_z, noise_dbm0=None)
        return model.step(far_signal, near_signal)

    return alone(far, silence), alone(silence, near)
