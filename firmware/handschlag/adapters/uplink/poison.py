"""Finds the file that ends connections, so that it is not sent at the head of each new one, for ever.

A broker that cannot take a packet ends the connection, and need not have said so before (MQTT 5, 4.13). When a
connection ends with files on their way, the next ones send one at a time, until a few were taken. So the culprit stands
alone in the end. Where the broker names the packet as the reason, it can never be sent. Where nothing is named, a bad
line is the likelier reason: only a file that stands alone twice, with nothing taken in between, is told before the
connection's end is, so that the core lets others go first and tries it again later and later.
"""

from __future__ import annotations

from collections.abc import Sequence

from handschlag.adapters.uplink.outbox import File

PACKETS_FAULT = frozenset({0x81, 0x82, 0x90, 0x95, 0x99})
"""Malformed packet, protocol error, topic name invalid, packet too large, payload format invalid (MQTT 5, 2.4)."""

CAREFUL = 8


class Poison:
    """Told of every ended connection and of every file that was taken."""

    def __init__(self) -> None:
        self._careful = 0
        self._suspect: File | None = None

    @property
    def alone(self) -> bool:
        """Whether files have to go one at a time."""
        return self._careful > 0

    def taken(self) -> None:
        """The broker took one."""
        self._careful = max(0, self._careful - 1)
        self._suspect = None

    def ended(self, flying: Sequence[File], *, named: bool) -> File | None:
        """A connection ended with these on their way: which one it must have been; None where nobody can know.

        `named`: the broker gave the packet as the reason.
        """
        if not flying:
            return None
        self._careful = CAREFUL
        if len(flying) > 1:
            return None
        (alone,) = flying
        if named or alone == self._suspect:
            return alone
        self._suspect = alone
        return None
