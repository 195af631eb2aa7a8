"""Carries the owner's messages to the boxes, and their answers back into the index.

A message is sent when it is new, whenever its box shows itself, after a new connection, and each hour, until the box
answers; never twice within a minute, whoever of several workers sends it: the sending is claimed in the index first.
A box that is away loses nothing but the sending: the broker keeps nothing for it, and the index does.
"""

import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from handschlag.sealing.encoding import Token, decode
from handschlag.sealing.errors import BadFile
from handschlag_archive.clerk import Answer
from handschlag_archive.index import Index, Word
from handschlag_archive.periods import written

_LOOK_S: Final = 5.0
"""Whether there is anything to tell is asked no more often."""

_APART: Final = timedelta(minutes=1)
_ANYWAY: Final = timedelta(hours=1)
_MOST_REPLY_BYTES: Final = 1024
_NOT_DONE: Final = frozenset({"running", "held", "replayed", "old-epoch"})
_ALARM: Final = "owner-word"

_log: Final = logging.getLogger(__name__)


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    outcome: Annotated[Token, Meta(max_length=64)]


class Relay:
    """One worker's part in it; the index decides who sends."""

    def __init__(self, index: Index, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._index = index
        self._clock = clock
        self._to_tell: frozenset[str] = frozenset()
        self._looked: float | None = None

    def seen(self, boxes: Collection[str], now: float) -> list[Answer]:
        """These boxes have shown themselves at `now` (monotonic): what they have not answered yet."""
        self._look(now)
        return [answer for box in sorted(self._to_tell.intersection(boxes)) for answer in self._send(box, _APART)]

    def due(self, now: float) -> list[Answer]:
        """What is new, and what nobody has sent for an hour."""
        if not self._look(now):
            return []
        return [answer for box in sorted(self._to_tell) for answer in self._send(box, _ANYWAY)]

    def connected(self, now: float) -> list[Answer]:
        """After a new connection to the broker: what is not answered."""
        self._looked = None
        self._look(now)
        return [answer for box in sorted(self._to_tell) for answer in self._send(box, _APART)]

    def answered(self, box: str, message: str, payload: bytes) -> str:
        """Note a box's answer; "" or why it is dropped."""
        if len(payload) > _MOST_REPLY_BYTES:
            return "too large"
        try:
            reply = decode(payload, _Reply, "reply").outcome
        except BadFile:
            return "bad reply"
        with self._index.transaction() as transaction:
            if not transaction.answered(box, message, reply, written(self._clock())):
                return "reply to nobody here"
            if reply in _NOT_DONE:
                transaction.raise_alarm(_ALARM, box, message, f"the box says {reply} to a message of the owner")
        _log.info("the box %s says %s to the owner's message %s", box, reply, message)
        return ""

    def _look(self, now: float) -> bool:
        """Ask whom to tell, unless that was asked just now; whether it was."""
        if self._looked is not None and 0 <= now - self._looked < _LOOK_S:
            return False
        with self._index.reading() as transaction:
            self._to_tell = transaction.boxes_to_tell()
        self._looked = now
        return True

    def _send(self, box: str, apart: timedelta) -> list[Answer]:
        at = self._clock()
        with self._index.transaction() as transaction:
            mine = [
                word
                for word in transaction.unanswered(box)
                if transaction.claim_sending(word, written(at), unless_since=written(at - apart))
            ]
        return [_answer(word) for word in mine]


def _answer(word: Word) -> Answer:
    return Answer(f"handschlag/1/{word.box}/down/owner", word.token)
