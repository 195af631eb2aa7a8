"""Every generated file of the room, and what it must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from handschlag_hardware import bom, drawing, pinout, readme, wiring
from handschlag_hardware.card import card, label
from handschlag_hardware.card_words import LANGUAGES, Words
from handschlag_hardware.sheet import Sheet, pdf

Maker = Callable[[], bytes]


def _pins() -> bytes:
    return pinout.firmware_table(pinout.load()).encode()


def _svg(make: Callable[[], Sheet]) -> Maker:
    return lambda: make().svg()


def _sheets(words: Words) -> dict[str, Maker]:
    return {
        f"card/card-{words.language}-front.svg": _svg(lambda: card(words)[0]),
        f"card/card-{words.language}-back.svg": _svg(lambda: card(words)[1]),
        f"card/card-{words.language}.pdf": lambda: pdf(card(words)),
        f"card/label-{words.language}.svg": _svg(lambda: label(words, pinout.load())),
        f"card/label-{words.language}.pdf": lambda: pdf([label(words, pinout.load())]),
    }


FILES: Final[Mapping[str, Maker]] = {
    "tap/handschlag_tap/pins.py": _pins,
    "README.md": readme.made,
    "bom.md": lambda: bom.table(bom.load()).encode(),
    "drawings/block.svg": lambda: drawing.block_diagram(pinout.load()),
    "drawings/line.svg": lambda: drawing.line_schematic(pinout.load()),
    "drawings/control.svg": lambda: drawing.control_schematic(pinout.load()),
    "drawings/wiring.svg": lambda: wiring.wiring(pinout.load()),
    **{name: make for words in LANGUAGES for name, make in _sheets(words).items()},
}
"""Path under `hardware/`, to what makes its content."""


def stale(room: Path = pinout.ROOM, only: str | None = None) -> list[str]:
    """The files, or that one file, that are not as they would be made now."""
    return [
        name
        for name, make in FILES.items()
        if only in {None, name} and not ((room / name).is_file() and (room / name).read_bytes() == make())
    ]


def write(room: Path = pinout.ROOM) -> list[str]:
    """Make all; gives those that changed."""
    changed = stale(room)
    for name in changed:
        (room / name).parent.mkdir(exist_ok=True)
        (room / name).write_bytes(FILES[name]())
    return changed
