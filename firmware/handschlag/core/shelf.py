"""Many recordings in a pure state: a mapping and a queue of deadlines that share what has not changed.

A state is a value, and each step makes a new one. With 10,000 recordings in a plain dictionary each change would copy
all of them, and finding the next deadline would walk over them. `Shelf` copies one of its 256 parts, `Dues` (a leftist
heap, C. A. Crane 1972) shares everything but its right spine; both cost some microseconds whatever they hold.

`Dues` never takes anything out of its middle: a deadline that was put off stays until it comes up, and whoever asks for
the first one says which still count.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")
PARTS = 256


class Shelf(Mapping[str, V], Generic[V]):
    """An unchangeable mapping by recording; `put` gives another one."""

    __slots__ = ("_parts", "_size")

    def __init__(self, parts: tuple[dict[str, V], ...] = ({},) * PARTS, size: int = 0) -> None:
        self._parts = parts
        self._size = size

    def put(self, recording: str, value: V | None) -> Shelf[V]:
        """The shelf with this value in its place, or without the recording (None)."""
        at = _part(recording)
        part = dict(self._parts[at])
        before = len(part)
        if value is None:
            part.pop(recording, None)
        else:
            part[recording] = value
        parts = (*self._parts[:at], part, *self._parts[at + 1 :])
        return Shelf(parts, self._size + len(part) - before)

    def __getitem__(self, recording: str) -> V:
        return self._parts[_part(recording)][recording]

    def __iter__(self) -> Iterator[str]:
        return (recording for part in self._parts for recording in part)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shelf) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]  # holds dictionaries


def _part(recording: str) -> int:
    return zlib.crc32(recording.encode()) % PARTS


@dataclass(frozen=True, slots=True)
class _Node:
    at: float
    recording: str
    rank: int
    left: _Node | None
    right: _Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Dues:
    """Deadlines of recordings, the first at the top."""

    top: _Node | None = None

    def put(self, at: float, recording: str) -> Dues:
        """With one more deadline; earlier ones of the same recording stay, see `settled`."""
        return Dues(_merge(self.top, _Node(at, recording, 1, None, None)))

    def settled(self, counts: Callable[[float, str], bool]) -> Dues:
        """Without those at the top that do not count (any more): then the first is one that does."""
        top = self.top
        while top is not None and not counts(top.at, top.recording):
            top = _merge(top.left, top.right)
        return self if top is self.top else Dues(top)

    @property
    def first(self) -> tuple[float, str] | None:
        """When and which."""
        return None if self.top is None else (self.top.at, self.top.recording)


def _merge(a: _Node | None, b: _Node | None) -> _Node | None:
    if a is None or b is None:
        return a or b
    if b.at < a.at or (b.at == a.at and b.recording < a.recording):
        a, b = b, a
    left, right = a.left, _merge(a.right, b)
    if _rank(left) < _rank(right):
        left, right = right, left
    return _Node(a.at, a.recording, _rank(right) + 1, left, right)


def _rank(node: _Node | None) -> int:
    return 0 if node is None else node.rank
