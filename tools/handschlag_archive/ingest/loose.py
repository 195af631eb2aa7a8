"""What belongs to no manifest is bounded for each box, so that one that sends rubbish without end fills no disk.

The oldest goes first, by the recordings' ids, which begin with their time (UUIDv7); never what a good manifest names.
A box that is asked for it again (`incomplete`) still has it: nothing here was ever receipted as stored.
"""

import logging
from dataclasses import dataclass
from typing import Final

from handschlag.sealing.manifest import clip_index
from handschlag_archive.index import Index, State, Which
from handschlag_archive.ingest.completing import Completing
from handschlag_archive.ingest.counts import Counts
from handschlag_archive.ingest.names import Names
from handschlag_archive.ingest.shelves import Shelves
from handschlag_archive.ingest.staging import Staging
from handschlag_archive.stores.port import Place

ALARM: Final = "loose-files"
_LOOKED_AT_EVERY: Final = 16
"""The index is asked when that part of a bound has come in through this worker since it was last asked."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """The most of one box that may lie in recordings that are not stored."""

    files: int = 200_000
    size: int = 4 << 30


class Loose:
    """Keeps the bounds."""

    def __init__(
        self,
        *,
        index: Index,
        shelves: Shelves,
        names: Names,
        staging: Staging,
        completing: Completing,
        counts: Counts,
        bounds: Bounds,
    ) -> None:
        self._index = index
        self._shelves = shelves
        self._names = names
        self._staging = staging
        self._completing = completing
        self._counts = counts
        self._bounds = bounds

    def look(self) -> None:
        """See to the boxes of which much has come in lately."""
        files, size = self._staging.staged, self._staging.staged_bytes
        for box in [
            box
            for box in files
            if files[box] * _LOOKED_AT_EVERY > self._bounds.files or size[box] * _LOOKED_AT_EVERY > self._bounds.size
        ]:
            del files[box], size[box]
            try:
                self._keep_bounds(box)
            except OSError as error:  # later; what came in stays all the same
                self._counts["bounds wait"] += 1
                _log.error("what belongs to no manifest of %s cannot be looked at now: %s", box, error)

    def _keep_bounds(self, box: str) -> None:
        with self._index.reading() as transaction:
            recordings = transaction.open_of(box)
            files, size = transaction.taken(recordings)
        if files <= self._bounds.files and size <= self._bounds.size:
            if 2 * files <= self._bounds.files and 2 * size <= self._bounds.size:
                with self._index.transaction() as transaction:
                    transaction.clear_alarm(ALARM, box, "")
            return
        dropped = 0
        for which in recordings:
            if 4 * files <= 3 * self._bounds.files and 4 * size <= 3 * self._bounds.size:
                break
            gone = self._drop(which)
            files, size, dropped = files - len(gone), size - sum(gone.values()), dropped + len(gone)
        self._counts["belongs to no manifest"] += dropped
        with self._index.transaction() as transaction:
            text = f"{dropped} files that belong to no manifest were dropped; {files} files, {size} bytes are left"
            if transaction.raise_alarm(ALARM, box, "", text):
                _log.critical("ALARM: %s: %s", box, text)

    def _drop(self, which: Which) -> dict[Place, int]:
        """Take away what no manifest of this recording names; what was taken, with its sizes."""
        with self._index.reading() as transaction:
            manifests = transaction.manifests([which]).get(which, [])
            have = transaction.sizes(which)
        named = self._named(which, manifests, have)
        if named is None:
            return {}
        with self._index.transaction() as transaction:
            row = transaction.row(which)
            if row is None or row.state is not State.OPEN or transaction.manifests([which]).get(which, []) != manifests:
                return {}
            have = transaction.sizes(which)
            gone = {place: size for place, size in have.items() if place not in named}
            transaction.remove_files(gone)
            if len(gone) == len(have):
                transaction.forget(which)
        self._names.forget(which)
        self._shelves.remove(gone)
        return gone

    def _named(self, which: Which, manifests: list[Place], have: dict[Place, int]) -> frozenset[Place] | None:
        """What must stay; None where a manifest cannot be asked what it names."""
        judged_ones = self._completing.judge_all(which, manifests)
        if len(judged_ones) != len(manifests):
            return None
        named: set[Place] = set()
        for judged in judged_ones:
            named |= self._completing.wanted(judged, have)
            if not have.keys() >= set(judged.lists):  # nobody knows which clips it names
                named |= {place for place in have if clip_index(place.name) is not None}
        return frozenset(named)
