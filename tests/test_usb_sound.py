"""Sound cards found by identity in a sysfs laid out as the kernel lays it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from handschlag.usb_sound import BadCard, Card, cards, find_card, is_identity, is_on_card


def plug(sysfs: Path, number: int, port: str, ids: tuple[str, str] = ("0d8c", "0014"), serial: str = "") -> None:
    """A USB sound card as card`number` at `port`."""
    usb = sysfs / "devices/pci0000:00/usb1/1-1" / port
    card = usb / f"{port}:1.0" / "sound" / f"card{number}"
    card.mkdir(parents=True)
    (usb / "idVendor").write_text(f"{ids[0]}\n")
    (usb / "idProduct").write_text(f"{ids[1]}\n")
    if serial:
        (usb / "serial").write_text(f"{serial}\n")
    (card / "id").write_text(f"Device_{number}\n")
    (card / "device").symlink_to("../../../" + f"{port}:1.0")
    sound = sysfs / "class/sound"
    sound.mkdir(parents=True, exist_ok=True)
    (sound / f"card{number}").symlink_to(card)


def test_two_equal_cards_are_told_apart_by_their_port(tmp_path: Path) -> None:
    """The port finds each; without it the error lists both as they may be written."""
    plug(tmp_path, 1, "1-1.2")
    plug(tmp_path, 2, "1-1.3")
    sound = tmp_path / "class/sound"
    assert find_card("usb:0d8c:0014@1-1.3", sound).number == 2
    assert find_card("usb:0D8C:0014@1-1.2", sound) == Card(1, "Device_1", "0d8c", "0014", "", "1-1.2")
    with pytest.raises(BadCard, match=r"2 USB sound cards.*usb:0d8c:0014@1-1\.2.*usb:0d8c:0014@1-1\.3"):
        find_card("usb:0d8c:0014", sound)


def test_the_number_of_the_day_does_not_matter(tmp_path: Path) -> None:
    """The same card is found under whatever number it has got, by serial, too."""
    plug(tmp_path, 7, "1-1.2", serial="A1:B2")
    plug(tmp_path, 0, "1-1.4", ids=("1234", "abcd"))
    sound = tmp_path / "class/sound"
    assert find_card("usb:0d8c:0014", sound).number == 7
    assert find_card("usb:0d8c:0014:A1:B2@1-1.2", sound).number == 7
    for card in cards(sound):
        assert find_card(str(card), sound) == card
    with pytest.raises(BadCard, match="no USB sound card"):
        find_card("usb:0d8c:0014:other", sound)


def test_cards_that_are_not_usb_or_half_gone_are_left_out(tmp_path: Path) -> None:
    """The board's own sound, a dangling link and a foreign name are no USB cards."""
    sound = tmp_path / "class/sound"
    own = tmp_path / "devices/platform/soc/sound/card0"
    own.mkdir(parents=True)
    (own / "device").symlink_to("../..")
    sound.mkdir(parents=True)
    (sound / "card0").symlink_to(own)
    (sound / "card1").symlink_to(tmp_path / "gone")
    (sound / "cards").mkdir()
    assert cards(sound) == []
    with pytest.raises(BadCard, match="none at all"):
        find_card("usb:0d8c:0014", sound)
    assert cards(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", ["usb:", "usb:0d8c", "usb:0d8c:00145", "usb:0d8c:0014@2", "usb:0d8c:0014:a b"])
def test_what_begins_as_an_identity_must_be_one(text: str) -> None:
    """A slip in an identity is told as such, not taken for a name."""
    with pytest.raises(BadCard, match="allowed is usb:VVVV:PPPP"):
        is_identity(text)
    assert not is_identity("handschlag-tap")


def test_the_device_of_a_card() -> None:
    """hw:1 is not hw:11."""
    assert is_on_card("USB Audio: - (hw:1,0)", 1)
    assert not is_on_card("USB Audio: - (hw:11,0)", 1)
    assert not is_on_card("hw:1,0", 1)
