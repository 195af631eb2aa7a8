"""Destroying: what happens to a recording once its tombstone stands, whoever put it up and why.

The order is the promise (P7). The tombstone is durable, so nothing new is taken in. Its proof is durable in the
erasure list, so that no backup brings the recording back. Then the keys go, in all copies: from here on nobody can
open it. Then the rest, as far as locks allow; what a lock still keeps is noted, and is tried again by each later run of
`retention`. Only then does the index say `destroyed`, and may a receipt. Each step is safe to repeat, and a cut between
any two is finished by the next start.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from handschlag.errors import HandschlagError
from handschlag_archive.erasures import Erasures, entry_of
from handschlag_archive.index import Index, State, Tomb
from handschlag_archive.index.endings import ENDS
from handschlag_archive.periods import moment
from handschlag_archive.stores.port import Place, Store

SETTLED_AFTER: Final = timedelta(hours=1)
"""Longer than any worker holds a group: what it wrote beside a tombstone it has removed, or is dead."""

_log: Final = logging.getLogger(__name__)


class KeysLocked(HandschlagError, OSError):
    """A lock keeps keys, so that they cannot be destroyed."""


@dataclass(frozen=True)
class Gone:
    """What was destroyed: how many bytes are free again, and what a lock still keeps."""

    freed: int = 0
    left: tuple[Place, ...] = ()


class Destroying:
    """Destroys what has a tombstone."""

    def __init__(self, *, index: Index, clips: Store, keys: Store, erasures: Erasures) -> None:
        self._index = index
        self._clips = clips
        self._keys = keys
        self.erasures: Final = erasures

    def finish(self, tombs: Sequence[Tomb]) -> Gone:
        """Destroy these recordings, whose tombstones are durable. Raises OSError; then call again, later."""
        if not tombs:
            return Gone()
        with self._index.transaction() as transaction:
            number = transaction.number(ENDS)
        self.erasures.add([entry_of(tomb) for tomb in tombs], number)
        for tomb in tombs:
            self._clear_keys(tomb)
        left = {tomb.which: self._clips.clear(tomb.which.box, tomb.which.recording) for tomb in tombs}
        with self._index.transaction() as transaction:
            transaction.rows(left)
            freed = sum(transaction.destroyed(which, places) for which, places in left.items())
        for tomb in tombs:
            _log.info("destroyed %s of %s: %s", tomb.which.recording, tomb.which.box, tomb.why)
        return Gone(freed, tuple(place for places in left.values() for place in places))

    def unfinished(self) -> Sequence[Tomb]:
        """Tombstones whose recordings are not gone yet."""
        with self._index.transaction() as transaction:
            return transaction.tombs(State.DESTROYING)

    def settle(self, now: datetime) -> None:
        """Clear once more what was destroyed: a worker that was killed beside it may have left bytes.

        Each is cleared at every start until one comes long enough after its end, so that a start does not go through
        all that was ever destroyed.
        """
        with self._index.transaction() as transaction:
            tombs = transaction.tombs(State.DESTROYED, settled=False)
        for tomb in tombs:
            self._clear_keys(tomb)
            self._clips.clear(tomb.which.box, tomb.which.recording)
        with self._index.transaction() as transaction:
            for tomb in tombs:
                if tomb.at is None or now - moment(tomb.at) > SETTLED_AFTER:
                    transaction.settle(tomb.which)

    def retry_locked(self) -> Gone:
        """Remove what a lock kept when its recording was destroyed, as far as it does not any more."""
        with self._index.transaction() as transaction:
            sizes = dict(transaction.locked())
        left = set(self._clips.remove(sizes)) if sizes else set()
        with self._index.transaction() as transaction:
            transaction.remove_files(set(sizes) - left)
        return Gone(sum(size for place, size in sizes.items() if place not in left), tuple(sorted(left)))

    def _clear_keys(self, tomb: Tomb) -> None:
        which = tomb.which
        if self._keys.clear(which.box, which.recording):
            raise KeysLocked(
                f"the keys of {which.recording} of {which.box} are locked; "
                "keys belong where nothing is locked or versioned"
            )
