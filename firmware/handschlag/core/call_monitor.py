"""The FRITZ!Box call monitor: lines over TCP (port 1012) about every call that the router handles.

    24.11.26 09:15:02;RING;0;03023125042;4930123;SIP0;
    24.11.26 09:15:02;CALL;1;4;4930123;03023125042;SIP0;
    24.11.26 09:15:09;CONNECT;0;4;03023125042;
    24.11.26 09:16:40;DISCONNECT;0;91;

The third field numbers the connection. The monitor does not say what goes on when it is opened: until a first line
the hook is not known. A line that says nothing (garbled, overlong, of an unknown word) is counted and dropped. With
`extension` only calls of that telephone move the hook; a RING rings all of them. The format is not documented by its
maker; this is what is seen of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from handschlag.core.sources import Fact, HookRead, NumberDialled, NumberRead, RingRead, SourceCame, SourceLost

MAX_LINE = 256
CONNECTIONS_AT_MOST = 16

_LINE = re.compile(
    r"(?P<day>[0-9]{2})\.(?P<month>[0-9]{2})\.[0-9]{2} (?P<time>[0-9]{2}:[0-9]{2}):[0-9]{2};"
    r"(?P<word>RING|CALL|CONNECT|DISCONNECT);(?P<id>[0-9]{1,3});(?P<rest>[^\r\n]*)"
)
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_EXTENSION = re.compile(r"[0-9]{1,3}")


@dataclass(slots=True)
class MonitorCounts:
    """What became of the lines so far."""

    good: int = 0
    dropped: int = 0


class CallMonitor:
    """Bytes of one connection to the monitor in, facts out."""

    def __init__(self, extension: int | None = None) -> None:
        self.counts = MonitorCounts()
        self._extension = extension
        self._rest = bytearray()
        self._skipping = False
        self._ringing: set[str] = set()
        self._talking: set[str] = set()

    def opened(self, at: float) -> list[Fact]:
        """The connection was made: what went on before is not known."""
        self._rest.clear()
        self._skipping = False
        self._ringing.clear()
        self._talking.clear()
        return [SourceCame(at)]

    def closed(self, at: float, why: str) -> list[Fact]:
        """The connection is gone."""
        self.opened(at)
        return [SourceLost(at, why)]

    def receive(self, data: bytes, at: float) -> list[Fact]:
        """What came in."""
        facts: list[Fact] = []
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            self._take(piece)
            facts += self._end(at)
        self._take(pieces[-1])
        return facts

    def _take(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > MAX_LINE:
            self._skipping = True
            self._rest.clear()
        if not self._skipping:
            self._rest += piece

    def _end(self, at: float) -> list[Fact]:
        line = bytes(self._rest).decode("latin-1").rstrip("\r")
        self._rest.clear()
        skipped, self._skipping = self._skipping, False
        found = _LINE.fullmatch(line)
        facts = self._line(found, at) if found is not None and not skipped else None
        if facts is None:
            self.counts.dropped += 1
            return []
        self.counts.good += 1
        return facts

    def _line(self, found: re.Match[str], at: float) -> list[Fact] | None:
        """The facts of a line; None when it lacks what its word needs."""
        number, fields = found["id"], found["rest"].split(";")
        full = len(self._ringing | self._talking) >= CONNECTIONS_AT_MOST
        match found["word"]:
            case "RING" if not full:
                return self._ring(number, fields[0], f"{found['month']}-{found['day']} {found['time']}", at)
            case "CALL" if len(fields) >= 3 and not full:
                return self._call(number, fields[0], fields[2], at)
            case "CONNECT" if len(fields) >= 2 and (number in self._ringing | self._talking or not full):
                return self._connect(number, fields[0], at)
            case "DISCONNECT":
                self._ringing.discard(number)
                self._talking.discard(number)
                return self._state(at)
            case _:
                return None

    def _ring(self, number: str, caller: str, time: str, at: float) -> list[Fact]:
        self._ringing.add(number)
        shown = caller if _NUMBER.fullmatch(caller) else ""
        told = NumberRead(at, shown, "", time, "" if shown else "private")
        return [*self._state(at), told]

    def _call(self, number: str, extension: str, called: str, at: float) -> list[Fact] | None:
        if not _EXTENSION.fullmatch(extension):
            return None
        if not self._mine(extension):
            return self._state(at)
        self._talking.add(number)
        dialled = called.removesuffix("#")
        facts = self._state(at)
        return [*facts, NumberDialled(at, dialled)] if _NUMBER.fullmatch(dialled) else facts

    def _connect(self, number: str, extension: str, at: float) -> list[Fact] | None:
        if not _EXTENSION.fullmatch(extension):
            return None
        self._ringing.discard(number)
        if self._mine(extension):
            self._talking.add(number)
        else:
            self._talking.discard(number)
        return self._state(at)

    def _mine(self, extension: str) -> bool:
        return self._extension is None or int(extension) == self._extension

    def _state(self, at: float) -> list[Fact]:
        return [HookRead(at, bool(self._talking)), RingRead(at, bool(self._ringing), electric=False)]
