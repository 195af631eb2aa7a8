"""Which names are here, of the recordings that were busy last: `progress` says them without asking for each message.

What is remembered here is for `progress` only, which repairs itself: a name that another worker took in is missing from
it until somebody asks again, one that was lost since is still in it until `incomplete` asks for it. Whether a recording
is complete is never decided from here.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from handschlag_archive.index import Which

MOST: Final = 200_000


class Names:
    """The names of the recordings that were busy last, at most `most` names (or one recording's) in all."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = 0
        self._names: OrderedDict[Which, set[str]] = OrderedDict()

    def unknown(self, wanted: Iterable[Which]) -> list[Which]:
        """Those of which nothing is remembered."""
        return [which for which in wanted if which not in self._names]

    def learn(self, found: Mapping[Which, Iterable[str]]) -> None:
        """Remember what the index says of recordings."""
        for which, names in found.items():
            self.forget(which)
            self._names[which] = set(names)
            self._held += len(self._names[which])
        self._make_room()

    def add(self, which: Which, names: Iterable[str]) -> None:
        """More of a recording came in; nothing is remembered of one that was not known before."""
        known = self._names.get(which)
        if known is None:
            return
        before = len(known)
        known.update(names)
        self._held += len(known) - before
        self._names.move_to_end(which)
        self._make_room()

    def of(self, which: Which) -> frozenset[str]:
        """What is remembered of a recording."""
        return frozenset(self._names.get(which, ()))

    def forget(self, which: Which) -> None:
        """Ask the index again next time."""
        self._held -= len(self._names.pop(which, ()))

    def _make_room(self) -> None:
        while self._held > self._most and len(self._names) > 1:
            _, names = self._names.popitem(last=False)
            self._held -= len(names)
