"""What a store of bytes must offer.

An object's place is (box, recording, name, SHA-256): bytes that came under the same name but differ lie side by side,
so that garbage that came first cannot keep the true bytes out, and bytes are never rewritten. Whether an object
counts is the index's business; a store only promises that what `put` was given is durable when `put` returns, and gone
for good when `remove` returns, but for what a lock still keeps: that it names.

Clips and keys are kept in two stores (P7, P8): destroying the keys makes a recording unreadable even where clips
are locked against deletion.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handschlag.errors import HandschlagError


class LostBytes(HandschlagError, OSError):
    """The store no longer has an object, or its bytes have changed."""


class StoreDown(HandschlagError, OSError):
    """A store cannot do what it was asked at the moment. `code` as the service says it; "" when it said nothing."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Unreached(StoreDown):
    """Something was removed where it could be, but not everywhere; to be repeated until no error comes."""


@dataclass(frozen=True, order=True)
class Place:
    """Where one object lies. `sha256` in lower-case hex."""

    box: str
    recording: str
    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.box}/{self.recording}/{self.name}"


@dataclass(frozen=True)
class Kept:
    """An object that lies in a store: how many bytes, since when by the store's clock."""

    place: Place
    size: int
    at: datetime


class Store(Protocol):
    """A place for bytes. Every method raises OSError when the store cannot do it at the moment."""

    @property
    def name(self) -> str:
        """Which one it is, for people; no secrets."""

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all `objects`; durable on return, in so many copies. OSError: none of them may be counted on."""

    def get(self, place: Place) -> bytes:
        """The bytes at `place`, compared with its hash. `LostBytes` when absent or altered."""

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Lock these objects against removal until then, where the store can; a lock only ever grows longer."""

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove these objects; those already absent are no error; durable on return. What a lock still keeps."""

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording, indexed or not."""

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording, torn writes included; durable on return. What a lock still keeps."""

    def inventory_of(self, box: str, recording: str) -> Iterator[Kept]:
        """Every object of one recording, as in the inventory."""

    def inventory(self) -> Iterator[Kept]:
        """Every object, recording by recording."""
