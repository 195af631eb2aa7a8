"""Several stores behind one port: each holds a copy of everything.

A group counts as kept when at least `required` stores have it durably; one that cannot is left out for a while, so
that a dead server does not hold up the living, and a scrub brings it up to date later. Reading takes the first copy
that is right. Only removing needs all: a key that may still lie somewhere is not destroyed, so `remove` and `clear`
do what can be done and then raise `Unreached`, until every store has confirmed.

Who removes a whole recording has that written down before (the index says `destroying`) and repeats it until no error
comes; single objects that were left over somewhere are found by the scrub, which knows what the index does not name.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeVar

from handschlag_archive.stores.port import Kept, LostBytes, Place, Store, StoreDown, Unreached

PAUSE_S: Final = 60.0
"""How long a store that failed is left out of keeping; long against the time that a dead one takes to fail."""

_log: Final = logging.getLogger(__name__)
_Given = TypeVar("_Given")


class Copies:
    """A copy in each of `stores`; at least `required` of them must have it."""

    def __init__(self, stores: Sequence[Store], *, required: int, clock: Callable[[], float] = time.monotonic) -> None:
        if not 1 <= required <= len(stores):
            raise ValueError(f"{required} copies of {len(stores)} stores: allowed is 1 to {len(stores)}")
        self.stores: Final = tuple(stores)
        self.required: Final = required
        self.name: Final = " + ".join(store.name for store in stores)
        self._clock = clock
        self._left_out: dict[int, float] = {}
        self._side_by_side = ThreadPoolExecutor(max_workers=len(stores), thread_name_prefix="copy")

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep all `objects` in as many stores as can; how many have them. StoreDown: too few."""
        ready = [number for number in range(len(self.stores)) if not self._is_left_out(number)]
        if len(ready) < self.required:
            ready = list(range(len(self.stores)))  # nothing to lose by trying
        kept, errors = self._each(ready, lambda store: store.put(objects))
        if len(kept) < self.required:
            why = "; ".join(str(error) for error in errors.values())
            raise StoreDown(f"{len(kept)} of {self.required} copies could be kept: {why or 'the others are left out'}")
        return len(kept)

    def get(self, place: Place) -> bytes:
        """The bytes at `place` from the first store that has them right.

        Raises:
            LostBytes: every store was asked, and none has them.
            StoreDown: no store has them that could be asked; another may.

        """
        lost: LostBytes | None = None
        down: OSError | None = None
        for number in sorted(range(len(self.stores)), key=self._is_left_out):
            try:
                return self.stores[number].get(place)
            except LostBytes as error:
                lost = error
                _log.warning("a copy is lost: %s", error)
            except OSError as error:
                down = error
        if down is not None:
            raise StoreDown(f"{place}: {down}") from down
        raise lost or LostBytes(f"{place}: no store")

    def protect(self, places: Iterable[Place], until: datetime) -> None:
        """Lock these objects in as many stores as can, at least the required ones; a scrub locks the other copies."""
        every = list(places)
        locked, errors = self._each(range(len(self.stores)), lambda store: store.protect(every, until))
        if len(locked) < self.required:
            raise StoreDown(f"could not lock {self.required} copies: " + "; ".join(map(str, errors.values())))

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove these objects from every store; what a lock keeps anywhere. Unreached: not yet from all."""
        every = list(places)
        if not every:
            return []
        return self._kept(self._everywhere("remove from", lambda store: store.remove(every)))

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything of one recording from every store. Unreached: not yet from all."""
        return self._kept(self._everywhere("remove from", lambda store: store.clear(box, recording)))

    def places(self, box: str, recording: str) -> Sequence[Place]:
        """Every object of one recording that lies in any store that can be asked."""
        found, errors = self._each(range(len(self.stores)), lambda store: store.places(box, recording))
        if not found:
            raise StoreDown("; ".join(str(error) for error in errors.values()))
        return self._kept(found.values())

    def inventory_of(self, box: str, recording: str) -> Iterator[Kept]:
        """Every object of one recording in every store: what has several copies comes several times."""
        for store in self.stores:
            yield from store.inventory_of(box, recording)

    def inventory(self) -> Iterator[Kept]:
        """Every object of every store, store by store: what has several copies comes several times."""
        for store in self.stores:
            yield from store.inventory()

    def _everywhere(self, what: str, call: Callable[[Store], _Given]) -> Iterable[_Given]:
        done, errors = self._each(range(len(self.stores)), call)
        if errors:
            raise Unreached(f"could not {what} all: " + "; ".join(str(error) for error in errors.values()))
        return done.values()

    def _each(
        self, numbers: Iterable[int], call: Callable[[Store], _Given]
    ) -> tuple[dict[int, _Given], dict[int, OSError]]:
        """Call for several stores side by side; what they gave, and the errors of the others."""
        running = {number: self._side_by_side.submit(call, self.stores[number]) for number in numbers}
        given: dict[int, _Given] = {}
        errors: dict[int, OSError] = {}
        for number, each in running.items():
            try:
                given[number] = each.result()
            except OSError as error:
                errors[number] = error
        for number in given:
            self._came_back(number)
        for number, why in errors.items():
            self._failed(number, why)
        return given, errors

    def _is_left_out(self, number: int) -> bool:
        return self._left_out.get(number, self._clock()) > self._clock()

    def _failed(self, number: int, error: OSError) -> None:
        if isinstance(error, LostBytes):
            return  # it answered
        if number not in self._left_out:
            _log.error("a store is left out: %s", error)
        self._left_out[number] = self._clock() + PAUSE_S

    def _came_back(self, number: int) -> None:
        if self._left_out.pop(number, None) is not None:
            _log.warning("a store is back: %s", self.stores[number].name)

    @staticmethod
    def _kept(found: Iterable[Sequence[Place]]) -> Sequence[Place]:
        return sorted({place for places in found for place in places})
