r"""The language of the tap: ASCII lines over a serial port, each with its own checksum (design/wire.md).

    <seq> <WORD> <key=value ...> *<crc>\n

The line to the tap is trusted with nothing: a torn, garbled, overlong or unknown line is counted and dropped, and the
next good line counts again. Everything here is pure bytes and values, so that the adapter, the simulated tap and the
tests speak exactly the same language; `TapTalk` is the box's half of the conversation without any port.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from handschlag.core.events import (
    Event,
    Flashed,
    LineBroke,
    LineTold,
    PlayConnected,
    Pulsed,
    TapAudio,
    TapHello,
)
from handschlag.errors import HandschlagError

MAX_LINE = 120
"""Bytes of a line, its checksum counted, its newline not."""

SEQ_MODULUS = 65536

SILENCE_S = 5.0
"""Without a PING for so long, the tap falls back to bypass and greets the next PING with HELLO."""

INTRODUCTION_S = SILENCE_S + 0.5
"""PINGs to a tap that has not said HELLO stay this far apart, so that one of them ends a silence."""

_DECIMAL = re.compile(r"[0-9]{1,9}")
_SIGNED = re.compile(r"[+-]?[0-9]{1,9}")
_SEQ = re.compile(r"[0-9]{1,5}")
_MILLISECONDS = re.compile(r"[0-9]{1,6}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,16}")
_REASON = re.compile(r"[a-z0-9-]{1,32}")
_FLAG = re.compile(r"[01]")

Schema = Mapping[str, tuple[re.Pattern[str], bool]]
"""Of one word: field name, to the pattern of its value and whether it must be there."""

TAP_WORDS: Mapping[str, Schema] = {
    "HELLO": {
        "proto": (re.compile(r"1"), True),
        "boot": (_HEX, True),
        "serial": (_NAME, True),
        "hw": (_NAME, False),
        "fw": (_NAME, False),
        "audio": (re.compile(r"vi|mix"), True),
    },
    "LINE": {
        "hook": (re.compile(r"onhook|offhook"), True),
        "ring": (_FLAG, True),
        "seiz": (_DECIMAL, True),
        "mv": (_SIGNED, False),
        "ua": (_SIGNED, False),
        "pol": (re.compile(r"[+-]"), False),
    },
    "FLASH": {"ms": (_MILLISECONDS, True)},
    "PULSE": {"digit": (re.compile(r"[0-9]"), True)},
    "BREAK": {"ms": (_MILLISECONDS, True)},
    "OK": {"re": (_SEQ, True)},
    "ERR": {"re": (_SEQ, True), "why": (_REASON, True)},
}
"""What a tap says."""

BOX_WORDS: Mapping[str, Schema] = {
    "PING": {},
    "PATH": {"to": (re.compile(r"line|bypass"), True)},
    "PLAY": {"on": (_FLAG, True), "ms": (_MILLISECONDS, False)},
}
"""What a box says."""

_WORD = re.compile(r"[A-Z]{1,16}")
_FIELD_NAME = re.compile(r"[a-z]{1,16}")
_FIELD_VALUE = re.compile(r"[!-)+-<>-~]{1,64}")  # printable ASCII without space, `*` and `=`
_FRAME = re.compile(rb"(?P<body>[ -~]+) \*(?P<crc>[0-9A-F]{4})")


class BadTapLine(HandschlagError, ValueError):
    """A line that the protocol cannot express was about to be sent."""


@dataclass(frozen=True, slots=True)
class TapLine:
    """One good line. `fields` has passed its word's schema; fields that the schema does not know are left out."""

    seq: int
    word: str
    fields: Mapping[str, str]


@dataclass(slots=True)
class LineCounts:
    """What became of the lines received so far."""

    good: int = 0
    bad_crc: int = 0
    too_long: int = 0
    unknown_word: int = 0
    malformed: int = 0


def crc(body: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected; 0x29B1 over `123456789`."""
    return binascii.crc_hqx(body, 0xFFFF)


def encode(seq: int, word: str, fields: Mapping[str, str | int]) -> bytes:
    """One line with its newline; raises BadTapLine when that takes other characters, or more than 120 bytes."""
    if not 0 <= seq < SEQ_MODULUS:
        raise BadTapLine(f"tap line {word}: seq is {seq}; allowed is 0 to {SEQ_MODULUS - 1}")
    if not _WORD.fullmatch(word):
        raise BadTapLine(f"tap line: word is {word!r}; allowed are 1 to 16 letters A-Z")
    parts = [str(seq), word]
    for name, value in fields.items():
        if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(str(value)):
            raise BadTapLine(
                f"tap line {word}: field {name!r} holds what no line can carry (space, `*`, `=`, not ASCII)"
            )
        parts.append(f"{name}={value}")
    body = " ".join(parts).encode("ascii")
    line = b"%b *%04X" % (body, crc(body))
    if len(line) > MAX_LINE:
        raise BadTapLine(f"tap line {word}: {len(line)} bytes; allowed are {MAX_LINE}")
    return line + b"\n"


class LineParser:
    """Takes bytes as they come and gives the good lines among them.

    `words` are what the other side may say. At most `MAX_LINE` bytes are kept between calls.
    """

    def __init__(self, words: Mapping[str, Schema]) -> None:
        self.counts = LineCounts()
        self._words = words
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[TapLine]:
        """The lines that `data` completes."""
        lines: list[TapLine] = []
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            self._take(piece)
            line = self._end()
            if line is not None:
                lines.append(line)
        self._take(pieces[-1])
        return lines

    def forget(self) -> None:
        """Drop a half-received line, as when the port was opened anew."""
        self._rest.clear()
        self._skipping = False

    def _take(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > MAX_LINE:
            self._skipping = True
            self._rest.clear()
        if not self._skipping:
            self._rest += piece

    def _end(self) -> TapLine | None:
        if self._skipping:
            self._skipping = False
            self.counts.too_long += 1
            return None
        raw = bytes(self._rest)
        self._rest.clear()
        return self._parse(raw)

    def _parse(self, raw: bytes) -> TapLine | None:
        frame = _FRAME.fullmatch(raw)
        if frame is None:
            self.counts.malformed += 1
            return None
        body = frame["body"]
        if crc(body) != int(frame["crc"], 16):
            self.counts.bad_crc += 1
            return None
        seq, _, rest = body.decode("ascii").partition(" ")
        word, _, fields = rest.partition(" ")
        if not _SEQ.fullmatch(seq) or int(seq) >= SEQ_MODULUS or not _WORD.fullmatch(word):
            self.counts.malformed += 1
            return None
        schema = self._words.get(word)
        if schema is None:
            self.counts.unknown_word += 1
            return None
        values = _fields(fields, schema)
        if values is None:
            self.counts.malformed += 1
            return None
        self.counts.good += 1
        return TapLine(int(seq), word, values)


def _fields(text: str, schema: Schema) -> dict[str, str] | None:
    """The values the schema asks for; None when one is missing, twice there or not as the schema says."""
    values: dict[str, str] = {}
    for part in text.split(" ") if text else ():
        name, equals, value = part.partition("=")
        if not equals or name in values or not _FIELD_NAME.fullmatch(name):
            return None
        known = schema.get(name)
        if known is None:
            continue
        if not known[0].fullmatch(value):
            return None
        values[name] = value
    if any(needed and name not in values for name, (_, needed) in schema.items()):
        return None
    return values


def event_of(line: TapLine, at: float) -> Event | None:
    """What a tap's line means to the core; None for the answers OK and ERR, which belong to a question."""
    values = line.fields
    match line.word:
        case "HELLO":
            return TapHello(at, values["boot"].lower(), values["serial"], TapAudio(values["audio"]))
        case "LINE":
            return LineTold(
                at,
                values["hook"] == "offhook",
                values["ring"] == "1",
                int(values["seiz"]),
                reversed=values.get("pol") == "-",
            )
        case "FLASH":
            return Flashed(at, int(values["ms"]))
        case "PULSE":
            return Pulsed(at, values["digit"])
        case "BREAK":
            return LineBroke(at, int(values["ms"]))
        case _:
            return None


@dataclass(slots=True)
class TapTalk:
    """The box's half of the conversation: what to send as bytes, what was received as events.

    A tap says HELLO at its own start and on the first PING after a silence. A box that was restarted within that
    silence would never hear one, and would not know which boot of the tap it talks to; so until HELLO came, PINGs are
    kept `INTRODUCTION_S` apart, and one of them ends a silence. What a tap says before its HELLO is not passed on.
    """

    parser: LineParser = field(default_factory=lambda: LineParser(TAP_WORDS))
    introduced: bool = False
    _seq: int = 0
    _next_introduction: float | None = None
    _plays_asked: list[int] = field(default_factory=list)

    def opened(self) -> None:
        """The port was opened anew: nothing said before counts."""
        self.parser.forget()
        self.introduced = False
        self._next_introduction = None
        self._plays_asked.clear()

    def ping(self, now: float) -> bytes:
        """A PING, or nothing while the tap's silence is waited for."""
        if not self.introduced:
            if self._next_introduction is not None and now < self._next_introduction:
                return b""
            self._next_introduction = now + INTRODUCTION_S
        return self._say("PING", {})

    def path(self, *, bypass: bool) -> bytes:
        """A PATH."""
        return self._say("PATH", {"to": "bypass" if bypass else "line"})

    def play(self, *, on: bool, ms: int) -> bytes:
        """A PLAY; with `on`, its answer will come as `PlayConnected`."""
        if not on:
            return self._say("PLAY", {"on": 0})
        self._plays_asked = [*self._plays_asked[-7:], self._seq]
        return self._say("PLAY", {"on": 1, "ms": ms})

    def receive(self, data: bytes, at: float) -> list[Event]:
        """What `data` completes, as events at `at`."""
        events = []
        for line in self.parser.feed(data):
            event = self._answer(line, at) if line.word in {"OK", "ERR"} else event_of(line, at)
            if isinstance(event, TapHello):
                self.introduced = True
            if event is not None and self.introduced:
                events.append(event)
        return events

    def _say(self, word: str, fields: Mapping[str, str | int]) -> bytes:
        line = encode(self._seq, word, fields)
        self._seq = (self._seq + 1) % SEQ_MODULUS
        return line

    def _answer(self, line: TapLine, at: float) -> Event | None:
        asked = int(line.fields["re"])
        if asked not in self._plays_asked:
            return None
        self._plays_asked.remove(asked)
        return PlayConnected(at, line.word == "OK", line.fields.get("why", ""))
