"""A store whose server can go away, come back, and lose or alter what it holds."""

import errno
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from handschlag_archive.stores.port import Kept, LostBytes, Place, StoreDown

LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00+00:00")


class FaultyStore:
    """Objects in memory; a call fails while `down`. Locked until a date, an object stays."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.down = False
        self.kept: dict[Place, bytes] = {}
        self.locked: set[Place] = set()
        self.since: dict[Place, datetime] = {}
        self.calls: list[str] = []

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all objects."""
        self._answer("put")
        self.kept.update(objects)
        return 1

    def get(self, place: Place) -> bytes:
        """The bytes, as long as they are right; the test alters them by hand."""
        self._answer("get")
        content = self.kept.get(place)
        if content is None or hashlib.sha256(content).hexdigest() != place.sha256:
            raise LostBytes(f"{place}: no longer in the store {self.name}")
        return content

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Lock objects, whatever the date."""
        self._answer("protect")
        assert until.tzinfo is not None
        self.locked.update(places)

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove objects but for the locked ones."""
        self._answer("remove")
        every = set(places)
        for place in every - self.locked:
            self.kept.pop(place, None)
        return sorted(every & self.locked)

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording."""
        self._answer("places")
        return sorted(place for place in self.kept if (place.box, place.recording) == (box, recording))

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording but for what is locked."""
        self._answer("clear")
        return self.remove(self.places(box, recording))

    def inventory_of(self, box: str, recording: str) -> Iterator[Kept]:
        """Every object of one recording."""
        return (kept for kept in self.inventory() if (kept.place.box, kept.place.recording) == (box, recording))

    def inventory(self) -> Iterator[Kept]:
        """Every object, since when the test says; otherwise as old as the hills."""
        self._answer("inventory")
        for place, content in sorted(self.kept.items()):
            yield Kept(place, len(content), self.since.get(place, LONG_AGO))

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            error = StoreDown(f"{self.name}: does not answer")
            error.errno = errno.ECONNREFUSED
            raise error
