"""The board's values, by the designators of the schematic. Ohm, farad, henry, volt, ampere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Circuit:
    """All values that a calculation rests on."""

    r1: float = 3.9
    """Sense element in wire a; r2 in wire b keeps the pair balanced. Each is shorted by a contact of K1 in bypass."""
    r2: float = 3.9

    c1: float = 220e-9
    """Voltage channel: c1 and c2 block the line's DC, r3 and r4 make it a current, T1 carries it over the barrier."""
    c2: float = 220e-9
    r3: float = 47e3
    r4: float = 47e3
    r7: float = 56e3
    """Feedback of the amplifier that keeps T1's secondary at a virtual ground."""

    c3: float = 47e-6
    """Current channel: c3 blocks r1's drop, r5 makes it a current, T2 carries it over; r8 is the feedback."""
    r5: float = 1e3
    r8: float = 107e3

    r9: float = 470.0
    """In series with T3's windings: about 600 ohm towards the line."""
    c4: float = 4.7e-6
    """Keeps the line's DC off T3."""

    winding: float = 67.0
    """Of each winding of T1, T2, T3 (600:600, 1:1), nominal: ETAL P1200, 120 to 148 ohm for both."""
    inductance: float = 3.0
    """Of the primary, nominal; it varies with level and frequency, so the tolerance is wide."""

    r10: float = 3 * 3.4e6
    """DC voltage sense, per leg, over the barrier: three resistors in series each."""
    r12: float = 100e3
    """The other half of that divider, at the difference amplifier."""

    amc_gain: float = 8.2
    """Isolated amplifier AMC3301: fixed gain, and its linear input range."""
    amc_range: float = 0.25
    difference_gain: float = 0.8
    """Of the amplifier that brings its difference output to the converter."""

    c5: float = 470e-9
    """Ring detector: c5 and r14 in series with the optocoupler."""
    r14: float = 33e3

    adc_full_v: float = 3.3
    adc_steps: int = 4096
    supply_v: float = 5.0
    rail_loss_v: float = 0.15
    """How near to its rails the play amplifier comes, at 5 mA."""

    amplifier_noise_v: float = 16e-9
    """Per root hertz at 1 kHz: TLV9064."""
    codec_peak_v: float = 1.0
    """Line input at full scale, as set at the bench."""
    codec_out_rms_v: float = 1.0
    """Line output of a full-scale sine."""
    codec_range_db: float = 80.0
    """Dynamic range of a cheap one, in 20 Hz to 20 kHz."""
    play_gain: float = 3.2
    """Codec to bridge amplifier to T3, open circuit."""


CIRCUIT = Circuit()

KEY_HZ = (697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0)
"""The eight frequencies of keys (ITU-T Q.23)."""

OHM = 600.0
"""At which 0 dBm is 0.775 V, and at which both channels are equally loud."""

FULL_SCALE_DBM0 = 3.14
"""Level of a full-scale sine (A-law's overload point); at the line's reference point 0 dBm0 is 0 dBm in 600 ohm."""


def volts_rms(dbm: float) -> float:
    """A level in 600 ohm, as voltage."""
    return float((10 ** (dbm / 10) * 1e-3 * OHM) ** 0.5)
