"""What the commands on registers share: finding a box's register, and putting the changed one in its place."""

from __future__ import annotations

from pathlib import Path

from handschlag.adapters.files import RealFiles
from handschlag.adapters.registers import ExclusionList, StaffRegister, write_register
from handschlag.errors import HandschlagError
from handschlag.settings import Loaded


class BadRequest(HandschlagError, ValueError):
    """What was asked of a register cannot be done."""


def place(loaded: Loaded, name: str) -> Path:
    """Where the box keeps a register."""
    return loaded.path(loaded.settings.box.data) / name


def put(path: Path, register: StaffRegister | ExclusionList) -> None:
    """Replace a register, whole or not at all.

    Raises:
        BadRequest: the disk refuses.
    """
    files = RealFiles()
    try:
        files.mkdir(str(path.parent))
        write_register(path, register, files)
    except OSError as error:
        raise BadRequest(f"{path}: cannot be written ({error.strerror})") from error
