"""The barrier between the line and what people touch: every part that crosses it, and what it must stand.

The line is an external circuit with transients (EN 62368-1, table 13, ID 1: 1.5 kV, 10/700); its normal voltage is
battery plus ring. The figures of the standard are [K]: known, not read for this design. A laboratory must confirm them.
Clearance for 1.5 kV transients 1.0 mm for basic and 2.0 mm for reinforced insulation; creepage for 250 V, pollution
degree 2, material group III 2.5 and 5.0 mm. The board keeps 6 mm everywhere, with no copper between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CLEARANCE_MM = 2.0
CREEPAGE_MM = 5.0
BOARD_MM = 6.0
TEST_VRMS = 1500.0

RESISTOR_V = 500.0
"""Of each of the resistors that cross the barrier."""

BATTERY_V = 60.0
RING_VRMS = 90.0


@dataclass(frozen=True)
class Crossing:
    """A part that bridges the barrier: its reference, what stands the voltage, its own test voltage and distance."""

    refs: tuple[str, ...]
    how: str
    test_vrms: float
    creepage_mm: float


CROSSINGS = (
    Crossing(("T1", "T2", "T3"), "ETAL P1200: 600:600 transformer, between its windings", 3880.0, 6.0),
    Crossing(("K1", "K2"), "Omron G6S-2-Y: relay, between coil and contacts", 2000.0, 6.0),
    Crossing(("U4",), "H11AA1TVM: optocoupler in the wide (0.4 inch) form", 5300.0, 7.0),
    Crossing(("U5",), "AMC3301: isolated amplifier with its own converter, reinforced", 4250.0, 8.0),
    Crossing(("R10", "R11"), "three resistors of size 1206 in series per wire, 500 V and 2 mm each", 1500.0, 6.0),
)
"""From the data sheets [K]: to be compared with the parts that are really fitted."""


def working_peak_v() -> float:
    """Highest normal voltage between the wires: battery and ring on top."""
    return BATTERY_V + RING_VRMS * math.sqrt(2)


def resistor_peak_v(parts: int = 3) -> float:
    """Of it, over one of the resistors in series."""
    return working_peak_v() / parts


def fault_current_a(leg_ohm: float) -> float:
    """Through the resistive crossing under the test voltage's peak."""
    return TEST_VRMS * math.sqrt(2) / leg_ohm
