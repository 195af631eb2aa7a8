"""Every generated file of the room, and what it must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from handschlag_hardware import pinout

Maker = Callable[[], bytes]


def _pins() -> bytes:
    return pinout.firmware_table(pinout.load()).encode()


FILES: Final[Mapping[str, Maker]] = {
    "tap/handschlag_tap/pins.py": _pins,
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
        (room / name).write_bytes(FILES[name]())
    return changed
