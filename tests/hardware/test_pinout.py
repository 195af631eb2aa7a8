"""The one source of pins: strict, the same in firmware and settings, and every generated file is current."""

from __future__ import annotations

import pytest

from handschlag.settings import PanelSection
from handschlag_hardware import generated, pinout
from handschlag_hardware.pinout import BadPinout
from handschlag_tap import pins


@pytest.mark.parametrize("name", sorted(generated.FILES))
def test_generated_files_are_current(name: str) -> None:
    """What is committed is what `hardware/make` would write."""
    assert name not in generated.stale(only=name), f"hardware/{name} is not current: run hardware/make"


def test_the_firmware_uses_these_pins() -> None:
    """Each pin of the tap has its number in the firmware's table."""
    assert {pin.name: pin.gpio for pin in pinout.load().tap} == {
        pin.name: getattr(pins, pin.name) for pin in pinout.load().tap
    }


def test_the_boxs_settings_have_these_defaults() -> None:
    """The panel's pins in box.toml are, unless set otherwise, those of the drawing."""
    panel = PanelSection(kind="gpio")
    drawn = {pin.name: pin.gpio for pin in pinout.load().box}
    for name in ("rec", "red", "green", "blue", "button"):
        assert getattr(panel, name) == drawn[name]


def test_serial_wires_cross() -> None:
    """What the tap sends on, the box receives on, and the other way round."""
    nets = {pin.name.lower(): pin.net for pin in pinout.load().tap}
    box = {pin.name: pin.net for pin in pinout.load().box}
    assert (nets["uart_tx"], nets["uart_rx"]) == (box["uart_rx"], box["uart_tx"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gpio = 11", "gpio = 10", "gpio 10 is there 2 times"),
        ("gpio = 11", "gpio = 30", "gpio is 30; allowed is 0 to 29"),
        ("gpio = 11", 'gpio = "11"', "allowed is int"),
        ('net = "K2_DRIVE"', 'net = "K1_DRIVE"', "is there 2 times"),
        ('net = "K2_DRIVE"', 'net = "k 2"', "allowed are capitals"),
        ('kind = "adc"', 'kind = "dac"', "allowed are in, in-pull-up, out, adc"),
        ("gpio = 26", "gpio = 25", "no converter"),
        ("[tap.scale", "[tap.skale", "needed are voltage_mv, current_ua"),
        ("[[terminal]]", "[[terminals]]", "terminal"),
        ("pad = 15", "path = 15", "needed"),
        ("[[net]]\nname", "[[net]]\nnane", "needed"),
        ("[tap]", "[tap", "pinout.toml"),
    ],
)
def test_slips_are_named(old: str, new: str, said: str) -> None:
    """A wrong pin-out is refused with what, where and what is allowed."""
    text = (pinout.ROOM / "pinout.toml").read_text(encoding="utf-8")
    with pytest.raises(BadPinout) as refused:
        pinout.parse(text.replace(old, new, 1))
    assert said in str(refused.value)
