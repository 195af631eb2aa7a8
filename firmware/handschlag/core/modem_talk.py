r"""The language of voice modems, for RING and caller id only: what to send, and what the bytes that come mean.

A modem is reset (`ATZ`), asked who it is (`ATI0`), silenced (`ATE0`) and told to report caller id: `AT+VCID=1`
(USR5637, 5601), `AT-SCID=1;+VCID=1;-STE=3` (Conexant, 56000); one that refuses both gives rings and no number. A
reset loses that setting, and a modem may reset itself without a word; so it is sent again every `AGAIN_S`, never while
it rings, and its answer proves that the modem is alive. Silence starts it all over.

Caller id comes as lines `DATE=`, `TIME=`, `NMBR=`, `NAME=` with or without spaces. `NAME` is often absent: the number
counts with the name, `NAME_WAIT_S` after the number, or with the next RING. Modems in voice mode mix events into
the bytes, two at a time: 0x10 and a letter (`R` is a ring; 0x10 0x10 is the byte itself).

Dialogs: thess/callattendant; voice events: ITU-T V.253. Nothing here is trusted: torn, endless and garbled lines are
dropped, digits and printable characters are all that passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from handschlag.core.sources import Fact, NumberRead, RingRead, SourceCame, SourceLost

MAX_LINE = 128
"""Bytes of a line; what is longer is dropped."""

ANSWER_S = 3.0
"""A modem answers within this, or is reset."""

ATTEMPTS = 3
"""Resets without an answer until the modem counts as lost; it is tried for ever."""

AGAIN_S = 60.0
"""How often the setting is sent again."""

RING_HELD_S = 1.5
"""A ring lasts for so long after its RING: bursts are 1 s, and a modem tells one in its course or at its end."""

RINGS_APART_S = 8.0
"""After a RING nothing is sent for so long: caller id may come, and a command would cut it off."""

NAME_WAIT_S = 0.5

DLE = 0x10

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_FIELD = re.compile(r"(DATE|TIME|NMBR|NAME)\s*=\s*(.*)")
_ABSENCE = {"O": "unavailable", "P": "private"}


class Dialect(StrEnum):
    """How caller id is asked for."""

    USR = "AT+VCID=1"
    CONEXANT = "AT-SCID=1;+VCID=1;-STE=3"


class Step(StrEnum):
    """What the modem was asked last."""

    RESET = "ATZ"
    QUIET = "ATE0V1"
    IDENTIFY = "ATI0"
    CALLER_ID = "caller-id"
    READY = ""


@dataclass(slots=True)
class ModemCounts:
    """What became of the bytes so far."""

    lines: int = 0
    too_long: int = 0
    unknown: int = 0
    resets: int = 0


@dataclass(slots=True)
class _Card:
    """Caller id as it comes in, line by line."""

    date: str = ""
    time: str = ""
    number: str = ""
    name: str = ""
    absence: str = ""
    due: float | None = None


class ModemTalk:
    """The box's half of the conversation with one modem; `receive` and `tick` give (bytes to send, facts)."""

    def __init__(self) -> None:
        self.counts = ModemCounts()
        self.dialect = Dialect.USR
        self.tells_numbers = False
        self._step = Step.RESET
        self._asked_at = 0.0
        self._tries = 0
        self._refused: set[Dialect] = set()
        self._there = False
        self._told_lost = False
        self._rest = bytearray()
        self._skipping = False
        self._escaped = False
        self._card = _Card()
        self._rang_at: float | None = None
        self._ring = False

    def opened(self, at: float) -> bytes:
        """The port was opened: nothing said before counts."""
        self._forget_bytes()
        self._there = self._told_lost = self._ring = False
        self._rang_at = None
        self._tries = 0
        return self._begin(at)

    def closed(self, at: float, why: str) -> list[Fact]:
        """The port is gone."""
        self._forget_bytes()
        told, self._told_lost, self._there = self._told_lost, True, False
        return [] if told else [SourceLost(at, why)]

    def receive(self, data: bytes, at: float) -> tuple[bytes, list[Fact]]:
        """What came in, at `at`."""
        out = bytearray()
        facts: list[Fact] = []
        for byte in data:
            if self._escaped:
                self._escaped = False
                if byte != DLE:
                    if byte == ord("R"):
                        facts += self._rang(at)
                    continue
            elif byte == DLE:
                self._escaped = True
                continue
            if byte in b"\r\n":
                line = self._end()
                if line:
                    sent, told = self._line(line, at)
                    out += sent
                    facts += told
            elif len(self._rest) >= MAX_LINE:
                self._skipping = True
                self._rest.clear()
            elif not self._skipping:
                self._rest.append(byte)
        return bytes(out), facts

    def tick(self, at: float) -> tuple[bytes, list[Fact]]:
        """Time passes; to be called a few times a second."""
        facts: list[Fact] = []
        if self._card.due is not None and at >= self._card.due:
            facts += self._decide(at)
        if self._ring and self._rang_at is not None and at - self._rang_at >= RING_HELD_S:
            self._ring = False
            facts.append(RingRead(at, ring=False))
        if self._step is Step.READY:
            rings = self._rang_at is not None and at - self._rang_at < RINGS_APART_S
            return (self._ask(Step.CALLER_ID, at) if at - self._asked_at >= AGAIN_S and not rings else b""), facts
        if at - self._asked_at < ANSWER_S:
            return b"", facts
        self._tries += 1
        if self._tries >= ATTEMPTS and not self._told_lost:
            self._told_lost, self._there = True, False
            facts.append(SourceLost(at, "the modem does not answer"))
        return self._begin(at), facts

    # --- lines

    def _end(self) -> str:
        line = bytes(self._rest)
        self._rest.clear()
        if self._skipping:
            self._skipping = False
            self.counts.too_long += 1
            return ""
        return line.decode("latin-1").strip()

    def _line(self, line: str, at: float) -> tuple[bytes, list[Fact]]:
        self.counts.lines += 1
        field = _FIELD.fullmatch(line)
        if line == "RING":
            return b"", self._rang(at)
        if field is not None:
            return b"", self._caller(field[1], field[2].strip(), at)
        if line in {"OK", "0"}:
            return self._answered(at)
        if line in {"ERROR", "4"}:
            return self._refuse(at)
        if line.isdigit() and self._step is Step.IDENTIFY:
            self.dialect = Dialect.CONEXANT if line.startswith("56000") else Dialect.USR
        elif not line.startswith("AT"):  # an echo
            self.counts.unknown += 1
        return b"", []

    def _rang(self, at: float) -> list[Fact]:
        facts = self._decide(at)
        self._rang_at = at
        self._ring = True
        return [*facts, RingRead(at, ring=True)]

    def _caller(self, name: str, value: str, at: float) -> list[Fact]:
        card = self._card
        match name:
            case "DATE":
                card.date = value if re.fullmatch(r"[0-9]{4}", value) else ""
            case "TIME":
                card.time = value if re.fullmatch(r"[0-9]{4}", value) else ""
            case "NMBR":
                number = re.sub(r"[\s()/.-]", "", value)
                card.absence = _ABSENCE.get(number, "")
                card.number = number if _NUMBER.fullmatch(number) else ""
                card.due = at + NAME_WAIT_S if card.number or card.absence else None
            case _:
                printable = "".join(letter for letter in value if letter.isprintable())[:50]
                card.name = "" if printable in _ABSENCE else printable
                if card.due is not None:
                    return self._decide(at)
        return []

    def _decide(self, at: float) -> list[Fact]:
        card, self._card = self._card, _Card()
        if card.due is None:
            return []
        time = f"{card.date[:2]}-{card.date[2:]} {card.time[:2]}:{card.time[2:]}" if card.date and card.time else ""
        return [NumberRead(at, card.number, card.name, time, card.absence)]

    # --- the dialog

    def _begin(self, at: float) -> bytes:
        self.counts.resets += 1
        self._refused.clear()
        self.tells_numbers = False
        return self._ask(Step.RESET, at)

    def _ask(self, step: Step, at: float) -> bytes:
        self._step = step
        self._asked_at = at
        command = self.dialect.value if step is Step.CALLER_ID else step.value
        return f"{command}\r".encode("ascii")

    def _answered(self, at: float) -> tuple[bytes, list[Fact]]:
        match self._step:
            case Step.RESET:
                return self._ask(Step.QUIET, at), []
            case Step.QUIET:
                return self._ask(Step.IDENTIFY, at), []
            case Step.IDENTIFY:
                return self._ask(Step.CALLER_ID, at), []
            case Step.CALLER_ID:
                self.tells_numbers = True
                return b"", self._ready(at)
            case Step.READY:
                return b"", []

    def _refuse(self, at: float) -> tuple[bytes, list[Fact]]:
        if self._step is not Step.CALLER_ID:
            return (b"", []) if self._step is Step.READY else self._answered(at)
        self._refused.add(self.dialect)
        other = Dialect.USR if self.dialect is Dialect.CONEXANT else Dialect.CONEXANT
        if other in self._refused:
            self.tells_numbers = False
            self._refused.clear()
            return b"", self._ready(at)
        self.dialect = other
        return self._ask(Step.CALLER_ID, at), []

    def _ready(self, at: float) -> list[Fact]:
        self._step = Step.READY
        self._asked_at = at
        self._tries = 0
        self._told_lost = False
        came, self._there = not self._there, True
        return [SourceCame(at)] if came else []

    def _forget_bytes(self) -> None:
        self._rest.clear()
        self._skipping = self._escaped = False
        self._card = _Card()
