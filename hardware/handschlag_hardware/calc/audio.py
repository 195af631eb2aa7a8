"""The two audio channels: how loud, how much turned in phase, how noisy; and what that leaves of cos phi.

Hearing decides by the sign of `Re(V conj(I))` at a key's two frequencies (design/call.md, 'Who pressed?'). What the
telephone and the line give is computed there: cos phi of at least +0.85 for far and at most -0.69 for near. Whatever
turns one channel against the other by more than the distance to the thresholds +0.3 and -0.3 would make keys uncertain.

Both channels are the same chain: a capacitor and resistors make a current of what is sensed, a 600:600 transformer
carries it over the barrier into an amplifier's virtual ground. There the transformer's own inductance sees little more
than its windings, so that the corner lies at a few hertz and its tolerance hardly matters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handschlag_hardware.calc.circuit import CIRCUIT, FULL_SCALE_DBM0, KEY_HZ, OHM, Circuit, volts_rms

BOLTZMANN_300K = 1.380649e-23 * 300.0
FAR_COS, NEAR_COS = 0.85, -0.69
FAR_FROM, NEAR_FROM = 0.3, -0.3

CAPACITOR_TOLERANCE = 0.1
ELECTROLYTIC_TOLERANCE = 0.2
INDUCTANCE_RANGE = (1.0, 8.0)
"""Henry: half of the least that the data sheet promises, and more than it says at most."""
WINDING_RANGE = (40.0, 140.0)
SKEW_S = 0.5 / 48_000
"""Half a sample at 48 kHz between the two channels: more than a stereo converter has, which samples both at once."""

WINDOW_S = 0.028
"""Of the key detector (facts/line.md): a bandwidth of about 1/0.028 Hz."""

Spectrum = NDArray[np.complex128]


@dataclass(frozen=True)
class Transformer:
    """A 1:1 transformer: resistance of each winding, inductance of the primary."""

    winding: float
    inductance: float


def _through(source: Spectrum, transformer: Transformer, feedback: float, hz: NDArray[np.float64]) -> Spectrum:
    """Volts behind the amplifier, per volt in front of the impedance `source`."""
    coil = 2j * np.pi * hz * transformer.inductance
    series = source + transformer.winding
    share = coil / (coil + transformer.winding)  # of the current, into the secondary and its virtual ground
    into = series + coil * transformer.winding / (coil + transformer.winding)
    return np.asarray(feedback * share / into, np.complex128)


def voltage_channel(c: Circuit, t: Transformer, hz: NDArray[np.float64]) -> Spectrum:
    """Volts at the codec, per volt on the line."""
    source = c.r3 + c.r4 + 1.0 / (2j * np.pi * hz) * (1.0 / c.c1 + 1.0 / c.c2)
    return _through(np.asarray(source, np.complex128), t, c.r7, hz)


def current_channel(c: Circuit, t: Transformer, hz: NDArray[np.float64]) -> Spectrum:
    """Volts at the codec, per ampere in the loop."""
    source = c.r1 + c.r5 + 1.0 / (2j * np.pi * hz * c.c3)
    return c.r1 * _through(np.asarray(source, np.complex128), t, c.r8, hz)


def nominal(c: Circuit = CIRCUIT) -> Transformer:
    """As in the data sheet."""
    return Transformer(c.winding, c.inductance)


def full_scale_peak_v(c: Circuit = CIRCUIT) -> tuple[float, float]:
    """What the codec sees of both channels, at 1 kHz, of a sine of +3.14 dBm0 in 600 ohm: volts peak."""
    hz = np.array([1000.0])
    peak = volts_rms(FULL_SCALE_DBM0) * math.sqrt(2)
    voltage = peak * abs(voltage_channel(c, nominal(c), hz))
    current = peak / OHM * abs(current_channel(c, nominal(c), hz))
    return float(voltage[0]), float(current[0])


def balance_db(c: Circuit = CIRCUIT) -> float:
    """Current channel over voltage channel at 600 ohm, 1 kHz."""
    voltage, current = full_scale_peak_v(c)
    return 20 * math.log10(current / voltage)


def _corners(c: Circuit) -> Iterator[tuple[Circuit, Transformer, Transformer]]:
    ends = (-1.0, 1.0)
    parts = [Transformer(w, i) for w in WINDING_RANGE for i in INDUCTANCE_RANGE]
    for blocks, electrolytic in itertools.product(ends, ends):
        bent = replace(
            c,
            c1=c.c1 * (1 + blocks * CAPACITOR_TOLERANCE),
            c2=c.c2 * (1 + blocks * CAPACITOR_TOLERANCE),
            c3=c.c3 * (1 + electrolytic * ELECTROLYTIC_TOLERANCE),
        )
        for first, second in itertools.product(parts, parts):
            yield bent, first, second


def worst_phase_deg(hz: float, c: Circuit = CIRCUIT) -> float:
    """How far the channels turn against each other at a frequency, over all corners of the tolerances, skew added."""
    at = np.array([hz])
    worst = 0.0
    for bent, first, second in _corners(c):
        turned = voltage_channel(bent, first, at) / current_channel(bent, second, at)
        worst = max(worst, abs(float(np.degrees(np.angle(turned[0])))))
    return worst + 360.0 * hz * SKEW_S


def worst_phase_of_keys_deg(c: Circuit = CIRCUIT) -> float:
    """The worst of the eight."""
    return max(worst_phase_deg(hz, c) for hz in KEY_HZ)


def tolerated_phase_deg() -> float:
    """What may be turned before a far key is not far, or a near key not near, any more."""
    far = math.degrees(math.acos(FAR_FROM) - math.acos(FAR_COS))
    near = math.degrees(math.acos(NEAR_COS) - math.acos(NEAR_FROM))
    return min(far, near)


def noise_on_line(c: Circuit = CIRCUIT) -> tuple[float, float]:
    """Noise of both channels as volts on a 600 ohm line, per root hertz at 1 kHz.

    The resistors' thermal noise, the amplifier's (over its noise gain) and the codec's.
    """
    hz = np.array([1000.0])
    t = nominal(c)
    codec = c.codec_peak_v / math.sqrt(2) * 10 ** (-c.codec_range_db / 20) / math.sqrt(20_000)
    result = []
    for source, feedback, gain in (
        (c.r3 + c.r4, c.r7, abs(voltage_channel(c, t, hz)[0])),
        (c.r5 + c.r1, c.r8, abs(current_channel(c, t, hz)[0]) / OHM),
    ):
        resistance = source + 2 * t.winding
        out = (
            4 * BOLTZMANN_300K / resistance * feedback**2  # of the source, as current into the virtual ground
            + 4 * BOLTZMANN_300K * feedback
            + (c.amplifier_noise_v * (1 + feedback / resistance)) ** 2
            + codec**2
        )
        result.append(math.sqrt(out) / float(gain))
    return result[0], result[1]


def tone_to_noise_db(dbm: float, c: Circuit = CIRCUIT) -> float:
    """A tone over the noise of the worse channel, in the key detector's bandwidth."""
    worse = max(noise_on_line(c)) * math.sqrt(1 / WINDOW_S)
    return 20 * math.log10(volts_rms(dbm) / worse)


def phase_noise_deg(dbm: float, c: Circuit = CIRCUIT) -> float:
    """Standard deviation of the angle between both channels, for a tone of that level."""
    total = sum((noise * math.sqrt(1 / WINDOW_S) / volts_rms(dbm)) ** 2 / 2 for noise in noise_on_line(c))
    return math.degrees(math.sqrt(total))


def idle_noise_dbm(c: Circuit = CIRCUIT) -> float:
    """The worse channel's noise in 300 to 3400 Hz."""
    return 10 * math.log10((max(noise_on_line(c)) ** 2 * 3100) / OHM / 1e-3)


def play_mean_dbv(mean_dbm0: float, c: Circuit = CIRCUIT) -> float:
    """Mean level on the line of a sound of that digital level; line and telephone, 600 ohm each, are the load."""
    full_scale = c.codec_out_rms_v * c.play_gain * (OHM / 2) / (OHM / 2 + play_source_ohm(c))
    return 20 * math.log10(full_scale) + mean_dbm0 - FULL_SCALE_DBM0


def play_clips_dbm0(c: Circuit = CIRCUIT) -> float:
    """Digital level of the loudest sine that the bridge amplifier carries."""
    most = 2 * (c.supply_v / 2 - c.rail_loss_v) / math.sqrt(2)
    return FULL_SCALE_DBM0 + 20 * math.log10(most / (c.codec_out_rms_v * c.play_gain))


def play_source_ohm(c: Circuit = CIRCUIT) -> float:
    """The play transformer as the line sees it, in the middle of the band."""
    return c.r9 + 2 * c.winding
