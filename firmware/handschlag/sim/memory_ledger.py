"""The ledger without a disk: the same lines, durable at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handschlag.core.effects import Value
from handschlag.core.events import EntryDurable, LedgerDoubted
from handschlag.ports import Clock, Post
from handschlag.sealing import ledger


class MemoryLedger:
    """`ports.Ledger` in memory, for the box's run `boot`. Posts EntryDurable before `append` returns."""

    def __init__(self, *, boot: str, post: Post, clock: Clock) -> None:
        self._boot = boot
        self._post = post
        self._clock = clock
        self._lines: list[bytes] = []
        self._newest = ledger.GENESIS

    def append(self, kind: str, fields: Mapping[str, Value], ticket: int) -> None:
        """Append an entry with the next number."""
        wall, synced = self._clock.wall()
        line, self._newest = ledger.next_line(
            self._newest,
            kind,
            fields,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall)),
            clock="synced" if synced else "unsynced",
            mono=self._clock.mono(),
            boot=self._boot,
        )
        self._lines.append(line)
        self._post(EntryDurable(self._clock.mono(), ticket, self._newest.seq, self._newest.hash))

    def try_again(self) -> None:
        """Memory refuses nothing."""

    def durable(self) -> tuple[int, str]:
        """Number and hash of the newest entry; (0, 64 zeros) when there is none."""
        return self._newest.seq, self._newest.hash

    def lines(self, first: int, last: int) -> Sequence[bytes]:
        """Lines by number, both ends included."""
        return self._lines[max(first, 1) - 1 : max(last, 0)]

    def entries(self) -> Iterable[Mapping[str, Any]]:
        """All entries in order."""
        return map(ledger.parse_line, list(self._lines))

    @property
    def doubt(self) -> LedgerDoubted | None:
        """It is always whole."""
        return None

    def check(self, seq: int, line_hash: str, who: str) -> None:
        """Post LedgerDoubted unless it has that line."""
        found = self.lines(seq, seq)
        if seq and not (found and line_hash in {"", ledger.line_hash(found[0])}):
            self._post(LedgerDoubted(self._clock.mono(), f"{who} names entry {seq}", seq, line_hash))

    def close(self) -> None:
        """End."""
