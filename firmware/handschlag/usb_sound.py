"""Sound cards by what they are and where they are plugged in, never by their number of the day.

    usb:0d8c:0014                       the only card of this vendor and product
    usb:0d8c:0014:A1B2                  and of this serial number
    usb:0d8c:0014@1-1.2                 at this port (bus, then port after port), for cards that are alike
    usb:0d8c:0014:A1B2@1-1.2

The kernel lists cards in /sys/class/sound/cardN; `device` of a USB card leads to one of its interfaces, whose parent
holds idVendor, idProduct and serial and is named after the port.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from handschlag.errors import HandschlagError

SOUND = Path("/sys/class/sound")
ALLOWED = "usb:VVVV:PPPP[:SERIAL][@PORT], as usb:0d8c:0014@1-1.2"

_IDENTITY = re.compile(
    r"usb:(?P<vendor>[0-9a-fA-F]{4}):(?P<product>[0-9a-fA-F]{4})(?::(?P<serial>[^@\s]{1,126}))?"
    r"(?:@(?P<port>[0-9]{1,3}-[0-9]{1,3}(?:\.[0-9]{1,3}){0,6}))?"
)
_CARD = re.compile(r"card([0-9]{1,3})")


class BadCard(HandschlagError, LookupError):
    """No sound card, or more than one, fits an identity; or the identity is none."""


@dataclass(frozen=True, slots=True)
class Card:
    """A USB sound card as it is plugged in now."""

    number: int
    name: str
    vendor: str
    product: str
    serial: str
    port: str

    def __str__(self) -> str:
        """The identity that fits nothing but this card in this port."""
        serial = f":{self.serial}" if self.serial else ""
        return f"usb:{self.vendor}:{self.product}{serial}@{self.port}"


def is_identity(device: str) -> bool:
    """Whether a setting means an identity rather than a name.

    Raises:
        BadCard: it begins as one and is none.
    """
    if not device.startswith("usb:"):
        return False
    if _IDENTITY.fullmatch(device) is None:
        raise BadCard(f"{device!r} is no sound card's identity; allowed is {ALLOWED}")
    return True


def cards(sound: Path = SOUND) -> list[Card]:
    """The USB sound cards that are plugged in; one that vanishes meanwhile, or is damaged, is left out."""
    found = []
    for path in sorted(sound.glob("card*")):
        number = _CARD.fullmatch(path.name)
        if number is None:
            continue
        try:
            usb = (path / "device").resolve(strict=True).parent
            vendor, product = _text(usb / "idVendor"), _text(usb / "idProduct")
            name = _text(path / "id")
            serial = _text(usb / "serial") if (usb / "serial").exists() else ""
        except (OSError, UnicodeDecodeError):
            continue
        found.append(Card(int(number[1]), name, vendor.lower(), product.lower(), serial, usb.name))
    return found


def find_card(identity: str, sound: Path = SOUND) -> Card:
    """The one card that fits.

    Raises:
        BadCard: none or several fit; names those that are plugged in.
    """
    wanted = _IDENTITY.fullmatch(identity)
    if wanted is None:
        raise BadCard(f"{identity!r} is no sound card's identity; allowed is {ALLOWED}")
    there = cards(sound)
    fitting = [
        card
        for card in there
        if (card.vendor, card.product) == (wanted["vendor"].lower(), wanted["product"].lower())
        and wanted["serial"] in {None, card.serial}
        and wanted["port"] in {None, card.port}
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(f"{card} ({card.name})" for card in there) or "none at all"
    problem = "no USB sound card" if not fitting else f"{len(fitting)} USB sound cards, told apart by @PORT, are"
    raise BadCard(f"{problem} {identity!r}; there are: {listed}; allowed is one of these")


def is_on_card(portaudio_name: str, number: int) -> bool:
    """Whether PortAudio's name of an ALSA device, as `USB Audio: - (hw:1,0)`, is of this card."""
    return re.search(rf"\(hw:{number},[0-9]+\)", portaudio_name) is not None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
