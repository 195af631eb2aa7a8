"""A voice modem on a pseudo terminal, for tests: it answers what real ones answer, and can be pulled and plugged."""

from __future__ import annotations

import os
import select
import tty
from pathlib import Path

REFUSED = {
    "usr": {"AT-SCID=1;+VCID=1;-STE=3"},
    "conexant": {"AT+VCID=1"},
    "deaf": {"AT+VCID=1", "AT-SCID=1;+VCID=1;-STE=3"},
}
IDENTITY = {"usr": "5601", "conexant": "56000", "deaf": "33600"}


class ModemPeer:
    """A modem of one `kind` behind the stable name `port`."""

    def __init__(self, port: Path, kind: str = "usr") -> None:
        self.port = port
        self.kind = kind
        self.asked: list[str] = []
        self.silent = False
        self.reports_caller_id = False
        self._echo = True
        self._rest = b""
        self._ends: tuple[int, int] | None = None
        self.plug()

    def plug(self) -> None:
        """Put it in; it knows nothing of before."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(slave))
        self._ends = (master, slave)
        self.reports_caller_id = False
        self._echo = True
        self._rest = b""

    def unplug(self) -> None:
        """Pull it out."""
        self.port.unlink(missing_ok=True)
        for end in self._ends or ():
            os.close(end)
        self._ends = None

    def say(self, data: bytes) -> None:
        """Put bytes on the wire."""
        if self._ends is not None:
            os.write(self._ends[0], data)

    def line(self, text: str) -> None:
        """Say a line as a modem does."""
        self.say(f"\r\n{text}\r\n".encode())

    def call(self, number: str = "03023125042", name: str = "") -> None:
        """A ring, and who it is, as far as the modem was told to report it."""
        self.line("RING")
        if self.reports_caller_id:
            gap = " " if self.kind == "usr" else ""
            self.line(f"DATE{gap}={gap}1124")
            self.line(f"TIME{gap}={gap}0915")
            self.line(f"NMBR{gap}={gap}{number}")
            if name:
                self.line(f"NAME{gap}={gap}{name}")

    def pump(self) -> None:
        """Read commands and answer them."""
        if self._ends is None or not select.select([self._ends[0]], [], [], 0)[0]:
            return
        try:
            data = os.read(self._ends[0], 4096)
        except OSError:
            return
        *lines, self._rest = (self._rest + data).split(b"\r")
        for raw in lines:
            self._answer(raw.decode())

    def _answer(self, command: str) -> None:
        self.asked.append(command)
        if self.silent:
            return
        if self._echo:
            self.say(f"{command}\r".encode())
        if command in REFUSED[self.kind]:
            self.line("ERROR")
            return
        if command == "ATZ":
            self._echo, self.reports_caller_id = True, False
        elif command.startswith("ATE0"):
            self._echo = False
        elif command == "ATI0":
            self.line(IDENTITY[self.kind])
        elif "+VCID=1" in command:
            self.reports_caller_id = True
        self.line("OK")
