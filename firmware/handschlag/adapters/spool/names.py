"""In which order a recording's files are sent, and which names are let near the file system.

Names come back from the archive (`Missing`) and from the folder itself, so that everything that the format does not
know is refused before it becomes a path: no separator, no `..`, no hidden file can pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from handschlag.sealing.manifest import HEAD, KEYS, MANIFEST, REVOKE, is_name

_RECORDING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SENDING_ORDER = (
    re.compile(re.escape(HEAD)),
    re.compile(r"[0-9]{6}\.clip"),
    re.compile(r"details\.[01]"),
    re.compile(re.escape(KEYS)),
    re.compile(r"clips\.(0|[1-9][0-9]{0,3})\.json"),
    re.compile(re.escape(MANIFEST)),
)
_TEMPORARY = re.compile(r"\..+\.tmp")


def is_recording(name: str) -> bool:
    """Whether `name` is a recording's id."""
    return _RECORDING.fullmatch(name) is not None


def is_file(name: str) -> bool:
    """Whether a recording's folder may hold a file of that name."""
    return name != REVOKE and is_name(name)


def is_temporary(name: str) -> bool:
    """Whether `name` is what a torn write leaves."""
    return _TEMPORARY.fullmatch(name) is not None


def temporary(name: str) -> str:
    """Under which name a file is written before it is renamed."""
    return f".{name}.tmp"


def in_sending_order(names: Iterable[str]) -> tuple[str, ...]:
    """The files to be sent among `names`: head, clips, details, keys, clip lists by number, the manifest last."""
    ranked = [(rank, _number(name), name) for name in names if (rank := _rank(name)) is not None]
    return tuple(name for _, _, name in sorted(ranked))


def _rank(name: str) -> int | None:
    return next((rank for rank, pattern in enumerate(_SENDING_ORDER) if pattern.fullmatch(name)), None)


def _number(name: str) -> int:
    return int("".join(filter(str.isdigit, name)) or 0)
