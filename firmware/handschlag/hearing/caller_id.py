"""Caller id: from the messages of ETSI EN 300 659-3 (sent as FSK, EN 300 659-1) to who is calling.

A wrong number is worse than none. The checksum, the two's complement of the sum, overlooks two errors that cancel each
other out; so a message is believed only if every bit of it was beyond doubt (fsk.py), and if everything in it makes
sense: lengths that add up, known parameters only once and as long as they must be, digits, a date that exists.
Parameters that are not known are skipped, as the standard wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from handschlag.hearing.caller_id_dtmf import DtmfCallerId
from handschlag.hearing.events import CallerIdHeard, KeyHeard
from handschlag.hearing.fsk import FskReceiver

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from handschlag.hearing.history import History

SINGLE: Final = 0x04
"""SDMF: time and number only (Bellcore; EN 300 659-1 allows it)."""
CALL_SETUP: Final = 0x80
"""MDMF: parameters."""

TIME: Final = 0x01
NUMBER: Final = 0x02
CALLED: Final = 0x03
NO_NUMBER: Final = 0x04
NAME: Final = 0x07
NO_NAME: Final = 0x08
CALL_TYPE: Final = 0x11

_LENGTHS: Final = {  # least and greatest, EN 300 659-3, 5.4
    TIME: (8, 8),
    NUMBER: (1, 20),
    CALLED: (1, 20),
    NO_NUMBER: (1, 1),
    NAME: (1, 50),
    NO_NAME: (1, 1),
    CALL_TYPE: (1, 1),
}
_ABSENCES: Final = {b"O": "unavailable", b"P": "private"}
_CALL_TYPES: Final = {0x01: "voice", 0x02: "ring-back", 0x03: "name-delivery", 0x81: "message-waiting"}
_DIGITS: Final = frozenset(b"0123456789*#")
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Caller:
    """What a message says. `absence` (`private`, `unavailable`) is why there is no number; "" when there is one."""

    number: str = ""
    name: str = ""
    time: str = ""
    type: str = "voice"
    absence: str = ""


class CallerIdDetector:
    """Finds caller id in row 0 of a `History` (far leg or mix), and in the keys heard; `feed` after each push."""

    def __init__(self, history: History) -> None:
        self._fsk = FskReceiver(history, frozenset({SINGLE, CALL_SETUP}))
        self._dtmf = DtmfCallerId()

    @property
    def sounding(self) -> NDArray[np.bool_]:
        """Per 10 ms of the newest block: an FSK carrier is, or was just now, on the line."""
        return self._fsk.sounding

    def feed(self, keys: Sequence[KeyHeard] = ()) -> list[CallerIdHeard]:
        """Look at the newest block, and at the keys that were found in it."""
        events: list[CallerIdHeard] = []
        for frame in self._fsk.feed():
            caller = parse(frame.data)
            if caller is not None:
                events.append(heard(caller, frame.start, frame.end))
        for key in keys:
            sent = self._dtmf.feed(key)
            if sent is not None:
                number, absence = sent.number, sent.absence
                events.append(heard(Caller(number=number, absence=absence), sent.start, sent.end))
        return events

    def forget(self) -> None:
        """Drop everything held."""
        self._fsk.forget()
        self._dtmf.forget()


def heard(caller: Caller, start: int, end: int) -> CallerIdHeard:
    """The event of a caller."""
    return CallerIdHeard(caller.number, caller.name, caller.time, caller.type, caller.absence, start, end)


def parse(message: bytes) -> Caller | None:
    """What a whole message says, from its type to its checksum; None if it is not in order, or of another kind."""
    if len(message) < 3 or len(message) != message[1] + 3 or sum(message) & 0xFF:
        return None
    content = message[2:-1]
    if message[0] == CALL_SETUP:
        return _multiple(content)
    if message[0] == SINGLE:
        return _single(content)
    return None


def _multiple(content: bytes) -> Caller | None:
    known: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        if at + 2 > len(content) or at + 2 + content[at + 1] > len(content):
            return None
        kind, value = content[at], content[at + 2 : at + 2 + content[at + 1]]
        at += 2 + len(value)
        if kind not in _LENGTHS:
            continue
        least, most = _LENGTHS[kind]
        if kind in known or not least <= len(value) <= most:
            return None
        known[kind] = value
    return _caller(known)


def _single(content: bytes) -> Caller | None:
    """Eight digits of time, then the number, or one letter that says why there is none."""
    time, number = content[:8], content[8:]
    kind = NO_NUMBER if number in _ABSENCES else NUMBER
    if not number or len(number) > _LENGTHS[NUMBER][1]:
        return None
    return _caller({TIME: time, kind: number})


def _caller(known: dict[int, bytes]) -> Caller | None:
    number, name, time = _number(known.get(NUMBER, b"")), _name(known.get(NAME, b"")), _time(known.get(TIME, b""))
    called = _number(known.get(CALLED, b""))
    if number is None or name is None or time is None or called is None:
        return None
    absence = ""
    if NO_NUMBER in known:
        absence = _ABSENCES.get(known[NO_NUMBER], "")
        if not absence or number:
            return None
    if not number and not absence:
        return None  # says nothing of a caller
    kind = known.get(CALL_TYPE, b"\x01")[0]
    return Caller(number, name, time, _CALL_TYPES.get(kind, f"type-{kind:02x}"), absence)


def _number(value: bytes) -> str | None:
    digits = value.removeprefix(b"+")
    if not set(digits) <= _DIGITS or (value and not digits):
        return None
    return value.decode("ascii")


def _name(value: bytes) -> str | None:
    """Printable ISO 8859-1; exchanges that keep to ITU-T T.50 send a part of it."""
    text = value.decode("latin-1")
    return text.strip() if text.isprintable() else None


def _time(value: bytes) -> str | None:
    """MMDDHHMM as `MM-DD HH:MM`; "" for none, and for the zeros of an exchange that does not know it."""
    if not value or value == b"00000000":
        return ""
    if len(value) != 8 or not set(value) <= set(b"0123456789"):
        return None
    month, day, hour, minute = (int(value[at : at + 2]) for at in (0, 2, 4, 6))
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and hour <= 23 and minute <= 59):
        return None
    return f"{month:02}-{day:02} {hour:02}:{minute:02}"
