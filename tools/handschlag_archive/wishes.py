"""What the owner's messages mean to a recording in the index: holds, classes, erasures.

An erasure puts up a tombstone, also for what is still coming in or was never seen, unless the recording is held; a hold
keeps a recording from expiring and from erasures, until its release; a class counts the end anew, from the recording's
own date. For a recording that is not stored yet, hold and class count once it is.
"""

from collections.abc import Sequence
from enum import StrEnum

from handschlag.sealing import jws
from handschlag.sealing.manifest import Manifest
from handschlag.sealing.owner import OwnerMessage
from handschlag_archive.index import Row, State, Transaction, Which, Why, Word
from handschlag_archive.periods import end_of, keep_until, moment_if_any, written


class Outcome(StrEnum):
    """What came of a message here."""

    DONE = "done"
    NOT_YET = "not-yet"
    """The recording is not stored here: it counts once it is."""
    HELD = "held"
    """An erasure of what is held."""
    GONE = "gone"
    """The recording is destroyed already."""


def carry_out(
    transaction: Transaction, message: OwnerMessage, token: bytes, *, manifest: Manifest | None, at: str
) -> Outcome:
    """Do what a message says, in this transaction. `manifest` is that of the stored recording whose class changes."""
    if message.recording is None:
        return Outcome.DONE
    which = Which(message.box, message.recording)
    row = transaction.row(which)
    if row is not None and row.state.withdrawn:
        return Outcome.GONE
    if message.name == "erase":
        if _is_held(transaction, which, row):
            return Outcome.HELD
        transaction.entomb(which, token, why=Why.ERASED, at=at)
        return Outcome.DONE
    if row is None or row.state is not State.STORED:
        return Outcome.NOT_YET
    if message.name == "class" and message.kept_for is not None:
        _reclass(transaction, row, message.kept_for, manifest)
    else:
        transaction.hold(which, held=message.name == "hold")
    return Outcome.DONE


def when_stored(transaction: Transaction, which: Which, manifest: Manifest) -> None:
    """Let what the owner said before count for a recording that this transaction has just stored."""
    words = transaction.words_about(which)
    held = _held_by(words)
    if held is not None:
        transaction.hold(which, held=held)
    classes = [kept_for for word in words if (kept_for := _class_of(word)) is not None]
    if classes and (row := transaction.row(which)) is not None:
        _reclass(transaction, row, classes[-1], manifest)


def _is_held(transaction: Transaction, which: Which, row: Row | None) -> bool:
    if row is not None and row.state is State.STORED:
        return row.held
    return _held_by(transaction.words_about(which)) or False


def _held_by(words: Sequence[Word]) -> bool | None:
    said = [word.name for word in words if word.name in {"hold", "release"}]
    return said[-1] == "hold" if said else None


def _class_of(word: Word) -> str | None:
    """The class that a message gives; its signature was checked when it was taken."""
    return jws.peek(word.token, OwnerMessage, "message").kept_for if word.name == "class" else None


def _reclass(transaction: Transaction, row: Row, kept_for: str, manifest: Manifest | None) -> None:
    said = None
    if manifest is not None and manifest.clock == "synced" and (made := moment_if_any(manifest.closed_at)):
        end = keep_until(kept_for, made)
        said = None if end is None else written(end)
    stored_at = row.stored_at or ""
    transaction.keep(row.which, kept_for=kept_for, retain_until=end_of(kept_for, said=said, stored_at=stored_at))
