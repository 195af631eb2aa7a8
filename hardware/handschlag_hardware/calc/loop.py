"""What the board takes from the loop: direct current's drop, insertion loss, load on-hook and while it rings.

Limits: ES 203 021 as in facts/line.md [K]: loop current up to 60 mA, on-hook at least 1 megohm.
"""

from __future__ import annotations

import math

from handschlag_hardware.calc.audio import play_source_ohm
from handschlag_hardware.calc.circuit import CIRCUIT, OHM, Circuit

LOOP_A = 0.060
ONHOOK_OHM = 1e6
RING_LOAD_OHM = 7000.0
"""One ringer (REN 1), roughly."""


def drop_v(current_a: float, c: Circuit = CIRCUIT) -> float:
    """Volts that the sense elements take from the telephone."""
    return (c.r1 + c.r2) * current_a


def heat_w(c: Circuit = CIRCUIT) -> float:
    """In each sense element, at the highest loop current."""
    return c.r1 * LOOP_A**2


def insertion_loss_db(*, playing: bool, c: Circuit = CIRCUIT) -> float:
    """What the other party becomes quieter between a line and a telephone of 600 ohm."""
    load = 1 / (1 / OHM + (1 / play_source_ohm(c) if playing else 0) + 1 / (c.r3 + c.r4))
    with_tap = load / (OHM + c.r1 + c.r2 + load)
    return -20 * math.log10(with_tap / 0.5)


def on_hook_ohm(c: Circuit = CIRCUIT) -> float:
    """Resistance between the wires for direct current: the DC sense only; all else is behind capacitors."""
    return 2 * (c.r10 + c.r12)


def ring_impedance_ohm(hz: float, c: Circuit = CIRCUIT) -> float:
    """Between the wires while it rings: ring detector and voltage channel beside each other."""
    detector = complex(c.r14, -1 / (2 * math.pi * hz * c.c5))
    voltage = complex(c.r3 + c.r4, -1 / (2 * math.pi * hz) * (1 / c.c1 + 1 / c.c2))
    return abs(1 / (1 / detector + 1 / voltage))


def ring_detector_a(volts_rms: float, hz: float, c: Circuit = CIRCUIT) -> float:
    """Peak current through the optocoupler's lamp (1.2 V off)."""
    impedance = abs(complex(c.r14, -1 / (2 * math.pi * hz * c.c5)))
    return max(0.0, volts_rms * math.sqrt(2) - 1.2) / impedance


def voltage_step_mv(c: Circuit = CIRCUIT) -> float:
    """A step of the converter, as line voltage."""
    return c.adc_full_v / c.adc_steps * c.r10 / c.r12 * 1e3


def current_step_ua(c: Circuit = CIRCUIT) -> float:
    """A step of the converter, as loop current."""
    return c.adc_full_v / c.adc_steps / (c.r1 * c.amc_gain * c.difference_gain) * 1e6
