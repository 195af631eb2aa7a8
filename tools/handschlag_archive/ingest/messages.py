"""What a message is, by its topic: a file, ledger lines, an answer, or nothing for us. Nothing is opened here."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from handschlag.sealing.encoding import MAX_FILE_BYTES, RecordingId, check
from handschlag.sealing.errors import BadFile
from handschlag.sealing.manifest import RECEIPT, is_name, rewrap_counter
from handschlag_archive.index import Which
from handschlag_archive.stores.port import Place

_TOPIC: Final = re.compile(r"handschlag/1/(?P<box>[a-z0-9-]{1,32})/up/(?P<what>[^/]+)/(?P<name>[^/]+)")


@dataclass(frozen=True)
class Message:
    """One message as the broker hands it over."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class File:
    """A file of a recording, and where it goes."""

    which: Which
    name: str
    payload: bytes
    place: Place


@dataclass(frozen=True)
class LedgerLines:
    """Lines of a box's ledger, which should begin with the number `first`."""

    box: str
    first: str
    payload: bytes


@dataclass(frozen=True)
class Reply:
    """A box's answer to a message."""

    box: str
    message: str
    payload: bytes


@dataclass(frozen=True)
class Foreign:
    """Nothing for us, and why."""

    why: str


def sort(message: Message) -> File | LedgerLines | Reply | Foreign:
    """What a message is."""
    topic = _TOPIC.fullmatch(message.topic)
    if topic is None:
        return Foreign("foreign topic")
    if len(message.payload) > MAX_FILE_BYTES:
        return Foreign("too large")
    box, what, name = topic["box"], topic["what"], topic["name"]
    match what:
        case "ledger":
            return LedgerLines(box, name, message.payload)
        case "reply":
            return Reply(box, name, message.payload)
        case _:
            return _file(box, what, name, message.payload)


def _file(box: str, recording: str, name: str, payload: bytes) -> File | Foreign:
    try:
        check(recording, RecordingId, "recording id")
    except BadFile:
        return Foreign("foreign recording id")
    # Receipts are the archive's own; rewraps come from the owner, not from a box.
    if not is_name(name) or name == RECEIPT or rewrap_counter(name) is not None:
        return Foreign("foreign file name")
    sha256 = hashlib.sha256(payload).hexdigest()
    return File(Which(box, recording), name, payload, Place(box, recording, name, sha256))
