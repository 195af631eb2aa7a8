"""The owner's word at the archive: messages to the boxes, revocations.

Neither the archive nor a box has the owner's key, so what is signed with it counts whoever carries it: a file given to
the command line, or the web. A message is for one box, and its counter must rise: the same one again is answered as
before, an older one is refused. What counts is written into the erasure list's place before it takes effect, so that
a restored database learns of it again; then it is carried out here (`wishes`), and told to the box (`relay`).

A revocation by the owner is the withdrawal of a consent after the recording was stored: it ends held ones, too.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing.errors import SealingError
from handschlag.sealing.manifest import MANIFEST, Manifest, peek_manifest
from handschlag.sealing.owner import OwnerMessage, message_id, read_owner
from handschlag.sealing.revoke import Revoke, read_revoke
from handschlag.sealing.trust import Trust
from handschlag_archive.age import check_age
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import OWNERS_WORD, Entry, Erasures
from handschlag_archive.index import Index, State, Tomb, Transaction, Which, Why, Word
from handschlag_archive.index.endings import ENDS
from handschlag_archive.ingest.shelves import is_key
from handschlag_archive.periods import moment, written
from handschlag_archive.stores.port import LostBytes, Place, Store
from handschlag_archive.wishes import Outcome, carry_out

_log: Final = logging.getLogger(__name__)


class Refused(HandschlagError, ValueError):
    """What was given changes nothing; the text says why."""


@dataclass(frozen=True)
class Taken:
    """What a message did here. `waits`: why not everything is destroyed yet; it is tried again until it is."""

    box: str
    name: str
    recording: str | None
    id: str
    outcome: str
    again: bool = False
    waits: str = ""


class Owner:
    """Takes the owner's word."""

    def __init__(
        self,
        *,
        index: Index,
        clips: Store,
        erasures: Erasures,
        destroying: Destroying,
        trust: Callable[[], Trust],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._index = index
        self._clips = clips
        self._erasures = erasures
        self._destroying = destroying
        self._trust = trust
        self._clock = clock

    def take(self, token: bytes) -> Taken:
        """Carry out a message, or a revocation, of the owner.

        Raises:
            Refused: forged, foreign, by a key out of its time, or replayed; nothing has changed.
            Behind: the index comes from a backup, and may not know the newest counter.
            OSError: the archive cannot write; give it again.

        """
        check_age(self._index, self._erasures)
        at = written(self._clock())
        keys = self._trust().keys("owner")
        with suppress(SealingError):
            return self._revoke(read_revoke(token, keys), token, at)
        try:
            message = read_owner(token, keys, "message", at=at)
        except SealingError as error:
            raise Refused(f"{error}; allowed is a message or a revocation signed by the owner") from error
        return self._message(message, token, at)

    def take_again(self, token: bytes) -> Taken:
        """Carry out a message that was taken before the index was restored; the key that signed it may be over now.

        Raises:
            Refused: it is none of the owner's, or the index knows a newer one.

        """
        try:
            message = read_owner(token, self._trust().keys("owner"), "message")
        except SealingError as error:
            raise Refused(str(error)) from error
        return self._message(message, token, written(self._clock()))

    def _message(self, message: OwnerMessage, token: bytes, at: str) -> Taken:
        self._check_box(message.box)
        which = Which(message.box, message.recording or "")
        with self._index.reading() as transaction:
            known = _known(transaction, message, token)
        if known is None and message.name != "erase":  # an erasure's word is written before its keys go
            self._keep(which, token)
        manifest = self._manifest(which) if message.name == "class" else None
        with self._index.transaction() as transaction:
            transaction.take_turns()
            known = _known(transaction, message, token)
            if known is None:
                outcome = carry_out(transaction, message, token, manifest=manifest, at=at)
                transaction.add_word(_word(message, token, at, outcome))
            tomb = transaction.tomb(which)
        taken = known or Taken(message.box, message.name, message.recording, message_id(token), outcome)
        if message.name == "class":
            self._protect(which)
        if message.name != "erase":
            return taken
        if taken.outcome != Outcome.DONE or tomb is None:
            self._keep(which, token)
            return taken
        return self._destroy(tomb, taken)

    def _revoke(self, revoke: Revoke, token: bytes, at: str) -> Taken:
        self._check_box(revoke.box)
        which = Which(revoke.box, revoke.recording)
        with self._index.transaction() as transaction:
            again = transaction.tomb(which) is not None
            if not again:
                transaction.entomb(which, token, why=Why.REVOKED, at=at)
            tomb = transaction.tomb(which)
        taken = Taken(revoke.box, "revoke", revoke.recording, message_id(token), Outcome.DONE, again)
        return taken if tomb is None else self._destroy(tomb, taken)

    def _check_box(self, box: str) -> None:
        if all(entry.box != box for entry in self._trust().boxes):
            raise Refused(f"the message is for the box {box!r}, which the trust file does not know")

    def _destroy(self, tomb: Tomb, taken: Taken) -> Taken:
        if tomb.state is State.DESTROYED:
            return taken
        try:
            self._destroying.finish([tomb])
        except OSError as error:
            _log.error("%s of %s is not destroyed yet: %s", tomb.which.recording, tomb.which.box, error)
            return replace(taken, waits=str(error))
        return taken

    def _keep(self, which: Which, token: bytes) -> None:
        with self._index.reading() as transaction:
            number = transaction.number(ENDS)
        self._erasures.add([Entry(which, OWNERS_WORD, token)], number)

    def _manifest(self, which: Which) -> Manifest | None:
        """The manifest of a stored recording; what the index names by its hash was checked when it was stored."""
        with self._index.reading() as transaction:
            row = transaction.row(which)
        if row is None or row.manifest_sha256 is None:
            return None
        try:
            return peek_manifest(self._clips.get(Place(which.box, which.recording, MANIFEST, row.manifest_sha256)))
        except LostBytes as error:
            _log.error("lost: %s", error)
            return None

    def _protect(self, which: Which) -> None:
        """Lock a stored recording until its end; a lock that is longer already stays."""
        with self._index.reading() as transaction:
            row = transaction.row(which)
            places = sorted(transaction.files(which))
        if row is not None and row.state is State.STORED and row.retain_until is not None:
            self._clips.protect([place for place in places if not is_key(place.name)], moment(row.retain_until))


def _known(transaction: Transaction, message: OwnerMessage, token: bytes) -> Taken | None:
    """What came of the very same message before; raises Refused for an older one."""
    word = transaction.word(message.box, message_id(token))
    if word is not None:
        return Taken(word.box, word.name, word.recording, word.id, word.outcome, again=True)
    newest = transaction.newest_word(message.box)
    if message.counter <= newest:
        raise Refused(
            f"the message has the counter {message.counter}, and one with {newest} was taken for {message.box}; "
            "allowed are higher ones"
        )
    return None


def _word(message: OwnerMessage, token: bytes, at: str, outcome: Outcome) -> Word:
    return Word(
        message.box, message_id(token), message.counter, message.name, message.recording, token, at, outcome.value
    )
