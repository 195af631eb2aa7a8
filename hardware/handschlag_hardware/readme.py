"""The made parts of `hardware/README.md`, between `<!-- made: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from handschlag_hardware import pinout
from handschlag_hardware.calc import audio, isolation, loop
from handschlag_hardware.calc.circuit import CIRCUIT

Row = tuple[str, str, str]


class BadReadme(ValueError):
    """A made part has no maker, or is not there."""


def figures() -> list[Row]:
    """What is calculated, its value, and what it is held against."""
    voltage, current = audio.full_scale_peak_v()
    ring = loop.ring_impedance_ohm(25.0) / 1e3
    idle = max(audio.noise_on_line()) * 1e6
    return [
        (
            "A sine of +3.14 dBm0 at the codec: voltage, current channel",
            f"{voltage:.2f} V, {current:.2f} V peak",
            f"full scale {CIRCUIT.codec_peak_v:g} V; equal within 0.5 dB at 600 Ω ({audio.balance_db():+.1f} dB)",
        ),
        (
            "Phase between the channels at the eight key frequencies, worst tolerances, half a sample of skew",
            f"{audio.worst_phase_of_keys_deg():.1f}°",
            f"20° asked; the thresholds of direction leave {audio.tolerated_phase_deg():.0f}°",
        ),
        (
            "Noise of the worse channel on the line",
            f"{idle:.1f} µV/√Hz; {audio.idle_noise_dbm():.0f} dBm",
            "below -65 dBm",
        ),
        (
            "A tone of -30 dBm over the noise in the key detector's 36 Hz",
            f"{audio.tone_to_noise_db(-30.0):.0f} dB; the angle's deviation is {audio.phase_noise_deg(-30.0):.2f}°",
            "below 1°",
        ),
        (
            "Voltage that the telephone loses at 60 mA, at 20 mA",
            f"{loop.drop_v(0.060):.2f} V, {loop.drop_v(0.020):.2f} V",
            "below 0.5 V; 0 V in bypass",
        ),
        (
            "Insertion loss, and while the box plays",
            f"{loop.insertion_loss_db(playing=False):.2f} dB, {loop.insertion_loss_db(playing=True):.1f} dB",
            "3.5 dB for a 600 Ω load (facts)",
        ),
        (
            "Resistance on-hook",
            f"{loop.on_hook_ohm() / 1e6:.1f} MΩ",
            "at least 1 MΩ [K]; at least 10 MΩ per wire",
        ),
        ("Load while it rings, 25 Hz", f"{ring:.0f} kΩ", "one ringer is about 7 kΩ"),
        (
            "A prompt of -13 dBm0 mean on the line; clipping of the play amplifier",
            f"{audio.play_mean_dbv(-13.0):.1f} dBV; {audio.play_clips_dbm0():+.1f} dBm0",
            "mean at most -9.7 dBV (ES 203 021 [K])",
        ),
        (
            "Highest normal voltage between the wires; over one of the barrier's resistors",
            f"{isolation.working_peak_v():.0f} V, {isolation.resistor_peak_v():.0f} V peak",
            f"{isolation.RESISTOR_V:g} V per resistor; a third of the test voltage",
        ),
        (
            "A step of the firmware's converter",
            f"{loop.voltage_step_mv():.1f} mV, {loop.current_step_ua():.1f} µA",
            "hook threshold 21 V, loop threshold 5 mA",
        ),
    ]


def _figures() -> str:
    rows = "\n".join(f"| {what} | {value} | {limit} |" for what, value, limit in figures())
    return f"| what | calculated | held against |\n|---|---|---|\n{rows}\n"


def _barrier() -> str:
    rows = "\n".join(
        f"| {', '.join(one.refs)} | {one.how} | {one.test_vrms / 1e3:g} kV | {one.creepage_mm:g} mm |"
        for one in isolation.CROSSINGS
    )
    return f"| parts | how | test voltage | distance |\n|---|---|---|---|\n{rows}\n"


def _terminals() -> str:
    rows = "\n".join(f"| {t.name} | {t.tae} | `{t.net}` | {t.does} |" for t in pinout.load().terminals)
    return f"| terminal | TAE contact | net | does |\n|---|---|---|---|\n{rows}\n"


MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "figures": _figures,
    "barrier": _barrier,
    "terminals": _terminals,
    "tap pins": lambda: pinout.table(pinout.load().tap),
    "box pins": lambda: pinout.table(pinout.load().box),
}

_PART = re.compile(r"<!-- made: (?P<name>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)


def made(path: Path = pinout.ROOM / "README.md") -> bytes:
    """The README as it is, its made parts made anew; raises BadReadme."""
    text = path.read_text(encoding="utf-8")
    found = [part["name"] for part in _PART.finditer(text)]
    if sorted(found) != sorted(MAKERS):
        raise BadReadme(f"hardware/README.md: made parts are {sorted(found)}; needed are {sorted(MAKERS)}, each once")
    return _PART.sub(lambda part: f"<!-- made: {part['name']} -->\n{MAKERS[part['name']]()}<!-- end -->", text).encode()
