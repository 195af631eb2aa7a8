"""The erasure list: what was destroyed, and on whose word, outside of the database.

A database restored from a backup knows nothing of what was withdrawn, erased or over since, and would bring it back.
This list stands in a place of its own beside the keys, in every key store, belongs into no backup, and is only ever
added to; after every restore it is applied (`restore`). An entry is the proof itself: the box's or the owner's signed
word, or the archive's note that the time was over. It is durable before the first key goes. The owner's other messages
lie here for the same reason: a hold that a restore forgot would let a recording expire.

Beside the entries stands a mark: the index's number of ends as of the newest entry. An index whose number is lower is
older than the list. Marks are objects of their own, written before the lower ones are removed, so that no cut and no
other worker can set it back.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from handschlag.sealing.errors import Tampered, Untrusted
from handschlag.sealing.keys import VerifyKey
from handschlag.sealing.owner import read_owner
from handschlag.sealing.revoke import read_revoke
from handschlag.sealing.trust import Trust
from handschlag_archive.expiry import read_expiry
from handschlag_archive.index import Tomb, Which, Why
from handschlag_archive.stores.port import LostBytes, Place, Store

OWNERS_WORD: Final = "owner.jws"

_NAMES: Final = {
    Why.WITHDRAWN: "revoke.jws",
    Why.REVOKED: "revoke.jws",
    Why.ERASED: "erase.jws",
    Why.EXPIRED: "expired.jws",
}
_OF_THE_BOX: Final = "ledger"  # in the place of a recording, for words about the box itself

# No box can be called that: an underscore is in no box's name.
_MARK_BOX, _MARK_RECORDING = "_marks", "ends"


@dataclass(frozen=True)
class Entry:
    """One entry; `recording` of `which` is "" where it is about the box itself. `proof` None: its bytes are lost."""

    which: Which
    name: str
    proof: bytes | None

    @property
    def destroys(self) -> bool:
        """Whether the recording was destroyed on this word; else it is another word of the owner."""
        return self.name != OWNERS_WORD


class Erasures:
    """The list, in a store of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, entries: Sequence[Entry], number: int) -> None:
        """Add entries, and mark the index's number of ends; durable on return. Adding one again changes nothing."""
        objects = [_object(entry.which, entry.name, entry.proof) for entry in entries if entry.proof is not None]
        mark = _object(Which(_MARK_BOX, _MARK_RECORDING), f"{number:012}", str(number).encode())
        marks = self._marks()
        self._store.put([*objects, *([] if mark[0] in marks else [mark])])
        with suppress(OSError):  # lower marks do no harm
            self._store.remove([place for place in marks if place.name < mark[0].name])

    def number(self) -> int:
        """The index's number of ends that the list has seen; 0 for a new list."""
        return max((int(place.name) for place in self._marks()), default=0)

    def entries(self) -> Iterator[Entry]:
        """Every entry, recording by recording."""
        places = {kept.place for kept in self._store.inventory() if kept.place.box != _MARK_BOX}
        for place in sorted(places):
            try:
                proof = self._store.get(place)
            except LostBytes:
                proof = None
            yield Entry(Which(place.box, "" if place.recording == _OF_THE_BOX else place.recording), place.name, proof)

    def _marks(self) -> Sequence[Place]:
        return [place for place in self._store.places(_MARK_BOX, _MARK_RECORDING) if place.name.isdigit()]


def entry_of(tomb: Tomb) -> Entry:
    """The entry of a tombstone."""
    return Entry(tomb.which, _NAMES[tomb.why], tomb.proof)


def why_of(entry: Entry) -> Why:
    """Why an entry says that the recording was destroyed, by its name alone."""
    return next((why for why, name in _NAMES.items() if name == entry.name), Why.ERASED)


def check(entry: Entry, trust: Trust, own: VerifyKey) -> Why | None:
    """Why the recording was destroyed; None for another word of the owner.

    Raises:
        SealingError: the proof is lost, is no proof, or is of another recording.

    """
    if entry.proof is None:
        raise Tampered(f"{entry.name}: its bytes are lost")
    match entry.name:
        case "expired.jws":
            try:
                note = read_expiry(entry.proof, own)
            except Untrusted:  # the archive had another key then
                note = read_expiry(entry.proof, trust.keys("archive"))
            why, said = Why.EXPIRED, (note.box, note.recording)
        case "revoke.jws":
            said, why = _revoke(entry.proof, entry.which.box, trust)
        case _:
            message = read_owner(entry.proof, trust.keys("owner"), entry.name)
            if entry.destroys and message.name != "erase":
                raise Tampered(f"{entry.name}: says {message.name}")
            why, said = Why.ERASED, (message.box, message.recording or "")
    if said != (entry.which.box, entry.which.recording):
        raise Tampered(f"{entry.name}: is of recording {said[1] or '(none)'} of box {said[0]}")
    return why if entry.destroys else None


def _revoke(proof: bytes, box: str, trust: Trust) -> tuple[tuple[str, str], Why]:
    try:
        revoke, why = read_revoke(proof, trust.box_keys(box)), Why.WITHDRAWN
    except Untrusted:
        revoke, why = read_revoke(proof, trust.keys("owner")), Why.REVOKED
    return (revoke.box, revoke.recording), why


def _object(which: Which, name: str, content: bytes) -> tuple[Place, bytes]:
    recording = which.recording or _OF_THE_BOX
    return Place(which.box, recording, name, hashlib.sha256(content).hexdigest()), content
