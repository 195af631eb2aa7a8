"""After a restore: a new epoch, the erasure list applied, and what the index has forgotten taken in again.

A database restored from a backup would bring back what was destroyed since, and take holds and classes back; until
`restored` was run it is refused (`age`).

It is safe to repeat, and a cut leaves the index refused. It begins a new epoch of the archive, which makes the
boxes offer again what they still have. Each entry of the erasure list is applied, whether it can be checked or not:
whoever could write into that place could destroy keys himself, and a key of a box that is out of service may be out of
the trust file, too; what cannot be checked is alarmed. Then the owner's other messages count again, in the order of
their counters. Last, what lies in the stores and the index does not know (it came after the backup) is noted as open:
the next start of a worker checks each such recording, and stores and receipts what is whole.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

from handschlag.sealing import jws
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import VerifyKey
from handschlag.sealing.manifest import rewrap_counter
from handschlag.sealing.owner import OwnerMessage
from handschlag.sealing.trust import Trust
from handschlag_archive.age import RESTORING
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Entry, Erasures, check, why_of
from handschlag_archive.index import Index, State, Transaction, Which
from handschlag_archive.index.endings import ENDS
from handschlag_archive.owner import Owner, Refused
from handschlag_archive.periods import written
from handschlag_archive.stores.port import Place, Store

ALARM: Final = "erasure-list"

_BATCH: Final = 256

_Any = TypeVar("_Any")

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """What was done. `back` are recordings that had come back with the index or the keys, and were destroyed again."""

    epoch: str
    entries: int
    back: int
    words: int
    adopted: int
    unchecked: tuple[str, ...]
    """Entries whose proof could not be checked, as box/recording: why."""


class Restore:
    """Brings a restored archive up to date."""

    def __init__(
        self,
        *,
        index: Index,
        clips: Store,
        keys: Store,
        erasures: Erasures,
        destroying: Destroying,
        owner: Owner,
        trust: Callable[[], Trust],
        own: VerifyKey,
    ) -> None:
        self._index = index
        self._clips = clips
        self._keys = keys
        self._erasures = erasures
        self._destroying = destroying
        self._owner = owner
        self._trust = trust
        self._own = own

    def run(self, now: datetime) -> Restored:
        """Bring it up to date; raises OSError when a store or the database cannot, and is then to be called again."""
        with self._index.transaction() as transaction:
            transaction.note(RESTORING, "1")
            transaction.note("epoch", epoch := secrets.token_hex(8))
        entries, back = 0, 0
        unchecked: list[str] = []
        words: list[tuple[int, bytes]] = []
        for some in batches(self._erasures.entries(), _BATCH):
            entries += len(some)
            unchecked += self._check(some)
            back += self._destroy([entry for entry in some if entry.destroys], written(now))
            words += _words(some)
        said = self._say_again(words)
        adopted = self._adopt()
        newest = self._erasures.number()
        with self._index.transaction() as transaction:
            number = max(newest, transaction.number(ENDS)) + 1
            transaction.note(ENDS, str(number))
            transaction.note(RESTORING, "0")
        self._erasures.add([], number)
        _log.warning("restored: epoch %s, %d entries of the erasure list, %d had come back", epoch, entries, back)
        return Restored(epoch, entries, back, said, adopted, tuple(unchecked))

    def _check(self, entries: Sequence[Entry]) -> list[str]:
        unchecked = []
        trust = self._trust()
        for entry in entries:
            try:
                check(entry, trust, self._own)
            except SealingError as error:
                unchecked.append(f"{entry.which.box}/{entry.which.recording}: {error}")
                with self._index.transaction() as transaction:
                    transaction.raise_alarm(ALARM, entry.which.box, entry.which.recording, str(error))
        return unchecked

    def _destroy(self, entries: Sequence[Entry], at: str) -> int:
        """Destroy again what has come back, with the index or with the keys; how many."""
        keys = {entry.which for entry in entries if self._keys.places(entry.which.box, entry.which.recording)}
        with self._index.transaction() as transaction:
            rows = transaction.rows(entry.which for entry in entries)
            stored = {which for which, row in rows.items() if row.state is State.STORED}
            alive = [entry for entry in entries if entry.which not in rows or not rows[entry.which].state.withdrawn]
            for entry in {entry.which: entry for entry in alive}.values():
                transaction.entomb(entry.which, entry.proof or b"", why=why_of(entry), at=at)
            tombs = [tomb for which in dict.fromkeys(e.which for e in entries) if (tomb := transaction.tomb(which))]
        self._destroying.finish([tomb for tomb in tombs if tomb.state is State.DESTROYING or tomb.which in keys])
        return len(keys | stored)

    def _say_again(self, words: Sequence[tuple[int, bytes]]) -> int:
        """Let the owner's messages count again, in the order of their counters; how many were new to the index."""
        said = 0
        for _, token in sorted(words):
            try:
                said += not self._owner.take_again(token).again
            except Refused as error:
                _log.warning("a message of the owner does not count again: %s", error)
        return said

    def _adopt(self) -> int:
        """Note what lies in the stores of recordings that the index does not have as stored or ended."""
        adopted = 0
        found: dict[Which, Counter[tuple[Place, int]]] = {}
        for store in (self._clips, self._keys):
            for kept in store.inventory():
                found.setdefault(Which(kept.place.box, kept.place.recording), Counter())[kept.place, kept.size] += 1
        for some in batches(sorted(found), _BATCH):
            with self._index.transaction() as transaction:
                rows = transaction.rows(some)
                transaction.open(which for which in some if which not in rows)
                for which in some:
                    state = rows[which].state if which in rows else State.OPEN
                    if state is State.OPEN:
                        adopted += _add(transaction, which, found[which])
                    elif state is State.STORED:
                        _add(transaction, which, _rewraps(found[which]))
        return adopted


def _add(transaction: Transaction, which: Which, objects: Counter[tuple[Place, int]]) -> bool:
    known = transaction.files(which)
    fresh = [(place, size, copies) for (place, size), copies in objects.items() if place not in known]
    for place, size, copies in fresh:
        transaction.add_files([(place, size)], copies=copies)
    return bool(fresh)


def _rewraps(objects: Counter[tuple[Place, int]]) -> Counter[tuple[Place, int]]:
    """The owner's rewraps among them: they come after a recording was stored."""
    return Counter({each: copies for each, copies in objects.items() if rewrap_counter(each[0].name) is not None})


def _words(entries: Iterable[Entry]) -> list[tuple[int, bytes]]:
    """The owner's messages among them, with their counters; what is wrong with one was alarmed before."""
    words = []
    for entry in entries:
        try:
            words.append((jws.peek(entry.proof or b"", OwnerMessage, "message").counter, entry.proof or b""))
        except SealingError:
            continue  # the box's word, the archive's note
    return words


def batches(what: Iterable[_Any], size: int) -> Iterator[list[_Any]]:
    """In lists of at most `size`."""
    rest = iter(what)
    while some := list(islice(rest, size)):
        yield some
