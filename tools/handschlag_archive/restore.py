"""After a restore: a new epoch, the erasure list applied, and what the index has forgotten taken in again.

A database restored from a backup would bring back what was destroyed since, and take holds and classes back. It shows
itself: the erasure list has a mark that runs with the index's number of ends, and an index behind its mark is refused
(`Behind`) until `restored` was run. So that a mark is never far behind, each start of a worker and each daily look
counts one up, too.

`restored` is safe to repeat, and a cut leaves the index refused. It begins a new epoch of the archive, which makes the
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
from typing import Final, TypeVar

from handschlag.errors import HandschlagError
from handschlag.sealing import jws
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import VerifyKey
from handschlag.sealing.manifest import rewrap_counter
from handschlag.sealing.owner import OwnerMessage
from handschlag.sealing.trust import Trust
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Entry, Erasures, check, entry_of, why_of
from handschlag_archive.index import Index, State, Transaction, Which
from handschlag_archive.index.endings import ENDS
from handschlag_archive.owner import Owner, Refused
from handschlag_archive.periods import written
from handschlag_archive.stores.port import Place, Store

ALARM: Final = "erasure-list"

_RESTORING: Final = "restoring"
_BATCH: Final = 256

_Any = TypeVar("_Any")

_log: Final = logging.getLogger(__name__)


class Behind(HandschlagError, RuntimeError):
    """The index is older than what was destroyed."""


def check_age(index: Index, erasures: Erasures) -> None:
    """Raise Behind if the index was restored and not brought up to date since."""
    mark = erasures.number()  # before the index is asked: it is always written after it
    with index.transaction() as transaction:
        number, restoring = transaction.number(ENDS), transaction.number(_RESTORING)
    how = "run: handschlag-archive restored --config ..., while no worker runs"
    if restoring:
        raise Behind(f"the index was restored, and bringing it up to date was not finished; {how}")
    if number < mark:
        raise Behind(
            f"the index is older than the erasure list (it counts {number}, the list {mark}): it comes from a backup, "
            f"and knows nothing of what was destroyed since; {how}"
        )


def mark(index: Index, erasures: Erasures) -> None:
    """Count one up, in the index and then in the list, which is made anew from the index if it is lost."""
    with index.transaction() as transaction:
        number = transaction.count_up(ENDS)
        tombs = transaction.tombs() if number > 1 else ()
    lost = bool(tombs) and erasures.number() == 0
    if lost:
        _log.critical("ALARM: the erasure list was empty; its %d entries are written anew", len(tombs))
    erasures.add([entry_of(tomb) for tomb in tombs] if lost else [], number)


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
            transaction.note(_RESTORING, "1")
            transaction.note("epoch", epoch := secrets.token_hex(8))
        entries = list(self._erasures.entries())
        unchecked = self._check(entries)
        back = self._destroy([entry for entry in entries if entry.destroys], written(now))
        words = self._words(entry.proof for entry in entries)
        adopted = self._adopt()
        newest = self._erasures.number()
        with self._index.transaction() as transaction:
            number = max(newest, transaction.number(ENDS)) + 1
            transaction.note(ENDS, str(number))
            transaction.note(_RESTORING, "0")
        self._erasures.add([], number)
        _log.warning("restored: epoch %s, %d entries of the erasure list, %d had come back", epoch, len(entries), back)
        return Restored(epoch, len(entries), back, words, adopted, tuple(unchecked))

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
        back = 0
        for some in _batches(entries):
            there = {entry.which for entry in some if self._keys.places(entry.which.box, entry.which.recording)}
            with self._index.transaction() as transaction:
                rows = transaction.rows(entry.which for entry in some)
                for entry in some:
                    row = rows.get(entry.which)
                    if row is not None and row.state is State.STORED:
                        there.add(entry.which)
                    if row is None or not row.state.withdrawn:
                        transaction.entomb(entry.which, entry.proof or b"", why=why_of(entry), at=at)
                tombs = [tomb for which in _which(some) if (tomb := transaction.tomb(which)) is not None]
            self._destroying.finish(tombs)
            back += len(there)
        return back

    def _words(self, proofs: Iterable[bytes | None]) -> int:
        """Let the owner's messages count again, in the order of their counters; how many were new to the index."""
        messages = []
        for proof in proofs:
            try:
                messages.append((jws.peek(proof or b"", OwnerMessage, "message").counter, proof or b""))
            except SealingError:
                continue  # no message of the owner, or one that was alarmed above
        words = 0
        for _, token in sorted(messages):
            try:
                words += not self._owner.take_again(token).again
            except Refused as error:
                _log.warning("a message of the owner does not count again: %s", error)
        return words

    def _adopt(self) -> int:
        """Note what lies in the stores of recordings that the index does not have as stored or ended."""
        adopted = 0
        found: dict[Which, Counter[tuple[Place, int]]] = {}
        for store in (self._clips, self._keys):
            for kept in store.inventory():
                found.setdefault(Which(kept.place.box, kept.place.recording), Counter())[kept.place, kept.size] += 1
        for some in _batches(sorted(found)):
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


def _batches(what: Sequence[_Any]) -> Iterator[Sequence[_Any]]:
    return (what[start : start + _BATCH] for start in range(0, len(what), _BATCH))


def _which(entries: Sequence[Entry]) -> Sequence[Which]:
    return list(dict.fromkeys(entry.which for entry in entries))
