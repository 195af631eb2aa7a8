"""The drawings name only nets and pins of the pin-out, all of them, and parts of the bill of materials."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from handschlag_hardware import bom, drawing, pinout
from handschlag_hardware.bom import BadParts
from handschlag_hardware.calc import isolation
from handschlag_hardware.calc.circuit import CIRCUIT
from handschlag_hardware.drawing import UnknownNet, value
from handschlag_hardware.pinout import Pinout

PAINTERS = (drawing.block_diagram, drawing.line_schematic, drawing.control_schematic)


def words(paint: Callable[[Pinout], bytes]) -> list[str]:
    """The texts of a drawing."""
    root = ET.fromstring(paint(pinout.load()))  # noqa: S314 - made by ourselves
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]


def all_words() -> str:
    """The texts of all drawings."""
    return "\n".join("\n".join(words(paint)) for paint in PAINTERS)


def test_every_net_is_drawn_and_no_other() -> None:
    """What looks like a net is in the pin-out, and each net of the pin-out is on a drawing."""
    nets = pinout.load().nets
    text = all_words()
    looks = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text))
    pins = {pin.name for pin in pinout.load().tap}
    assert looks <= nets | pins
    assert {name for name in nets if not re.search(rf"\b{name}\b", text)} == set()


def test_every_pin_is_drawn() -> None:
    """Each pin stands beside its GPIO number, with its pad and its net."""
    text = words(drawing.control_schematic)
    for pin in (*pinout.load().tap, *pinout.load().box):
        assert f"GPIO{pin.gpio} {pin.name}" in text
        assert not pin.pad or f"pad {pin.pad}" in text
        assert pin.net in text


def test_a_net_that_the_pinout_lacks_is_refused() -> None:
    """A drawing cannot name what is not there."""
    with pytest.raises(UnknownNet, match="'V_DX' is not in"):
        drawing.net(pinout.load(), "V_DX")


def test_every_part_drawn_is_in_the_bill() -> None:
    """Each designator of the drawings has a row in bom.toml."""
    drawn = set(re.findall(r"\b([A-Z]\d{1,2})[a-d]?\b|\b(U\d)[A-D]\b", all_words()))
    names = {one or other for one, other in drawn} - {"V5", "V33"}
    refs = {ref for part in bom.load() for ref in part.refs}
    assert names <= refs, names - refs
    assert {"R1", "K1", "K2", "T1", "T2", "T3", "U4", "U5", "D1"} <= names


def test_the_bill_has_the_values_of_the_calculations() -> None:
    """Every resistor and capacitor that a calculation rests on is bought with that value."""
    told = {ref: part.value for part in bom.load() for ref in part.refs}
    for ref, amount in vars(CIRCUIT).items():
        if re.fullmatch(r"[rc]\d+", ref):
            assert told[ref.upper()] == value(amount, "Ω" if ref[0] == "r" else "F"), ref


def test_relays_are_monostable() -> None:
    """A latching relay would stay in the line without power: none is bought (Omron's latching types are G6SU, G6SK)."""
    (relays,) = [part for part in bom.load() if "K1" in part.refs]
    assert relays.refs == ("K1", "K2")
    assert relays.part.startswith("Omron G6S-2")
    assert not any("G6SU" in name or "G6SK" in name for name in (relays.part, *relays.others))


def test_all_that_crosses_the_barrier_is_bought_as_calculated() -> None:
    """The parts whose insulation was counted on are those of the bill."""
    bought = {ref: part for part in bom.load() for ref in part.refs}
    for crossing in isolation.CROSSINGS:
        assert {bought[ref].group for ref in crossing.refs} == {"line"}
    assert "P1200" in bought["T1"].part
    assert "AMC3301" in bought["U5"].part


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('refs = ["C3"]', 'refs = ["C4"]', "C4 is there 2 times"), ('group = "box"', 'group = "bag"', "allowed line")],
)
def test_slips_in_the_bill_are_named(old: str, new: str, said: str) -> None:
    """A part twice and a group that does not exist are refused."""
    text = (pinout.ROOM / "bom.toml").read_text(encoding="utf-8")
    with pytest.raises(BadParts, match=said):
        bom.parse(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [
        (3.9, "Ω", "3.9 Ω"),
        (47e3, "Ω", "47 kΩ"),
        (220e-9, "F", "220 nF"),
        (10.2e6, "Ω", "10.2 MΩ"),
        (47e-6, "F", "47 µF"),
    ],
)
def test_values_are_written_as_usual(amount: float, unit: str, said: str) -> None:
    """Prefixes as on a schematic."""
    assert value(amount, unit) == said
