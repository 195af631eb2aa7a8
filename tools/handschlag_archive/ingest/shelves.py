"""The two stores as one: keys lie where nothing is versioned or locked, the rest where it may be (P7, P8)."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from handschlag.sealing.manifest import KEYS, rewrap_counter
from handschlag_archive.index import Which
from handschlag_archive.stores.port import LostBytes, Place, Store, Unreached

_REWRAPPED: Final = ".jws"

_log: Final = logging.getLogger(__name__)


def is_key(name: str) -> bool:
    """Whether a file holds wrapped keys, and so belongs where nothing is versioned or locked."""
    return name == KEYS or (name.endswith(_REWRAPPED) and rewrap_counter(name) is not None)


class Shelves:
    """Both stores. Every method raises OSError when one of them cannot do it at the moment."""

    def __init__(self, *, clips: Store, keys: Store) -> None:
        self._clips = clips
        self._keys = keys

    def put(self, objects: Collection[tuple[Place, bytes]]) -> Sequence[tuple[Sequence[Place], int]]:
        """Keep all `objects`, durably; which of them are now in how many copies."""
        kept = []
        for store in (self._clips, self._keys):
            those = [(place, content) for place, content in objects if self._store_of(place) is store]
            if those:
                kept.append(([place for place, _ in those], store.put(those)))
        return kept

    def read(self, place: Place) -> bytes:
        """The bytes at `place`, as they were sent; `LostBytes` when absent or altered."""
        return self._store_of(place).get(place)

    def lost(self, places: Iterable[Place]) -> list[Place]:
        """Those of which the bytes are no longer there as they were sent."""
        lost = []
        for place in places:
            try:
                self.read(place)
            except LostBytes as error:
                _log.error("lost: %s", error)
                lost.append(place)
        return lost

    def remove(self, places: Collection[Place]) -> None:
        """Remove these, which nobody needs; what a lock keeps, or a store that is away, a scrub removes later."""
        for store in (self._keys, self._clips):
            those = [place for place in places if self._store_of(place) is store]
            if those:
                try:
                    store.remove(those)
                except Unreached as error:
                    _log.warning("left for a scrub: %s", error)

    def lying(self, which: Which) -> set[Place]:
        """Everything that lies there of a recording, indexed or not."""
        return {place for store in (self._clips, self._keys) for place in store.places(which.box, which.recording)}

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Lock what is no key against removal until then, where the store can."""
        self._clips.protect([place for place in places if self._store_of(place) is self._clips], until)

    def _store_of(self, place: Place) -> Store:
        return self._keys if is_key(place.name) else self._clips
