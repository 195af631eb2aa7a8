"""What every session must know, and what is counted over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from handschlag.adapters.uplink.outbox import File
from handschlag.adapters.uplink.pace import Pace
from handschlag.adapters.uplink.poison import Poison
from handschlag.adapters.uplink.tls import TlsFiles
from handschlag.core.events import SendFailed
from handschlag.ports import Post
from handschlag.sealing.keys import Keyring

MAX_PAYLOAD = 96 * 1024
"""No file of a recording is longer (design/wire.md)."""

IN_FLIGHT = 8
"""Files without PUBACK at a time, unless the settings say otherwise."""

MAX_PACKET = 131072
"""What the shipped broker takes; also what the box takes from a broker."""


@dataclass(slots=True)
class UplinkCounts:
    """How often a connection began, what was dropped on the way in, what could not be sent or was refused."""

    connections: int = 0
    foreign: int = 0
    forged: int = 0
    too_long: int = 0
    ledger_failed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """What a session must know; see `MqttUplink`."""

    host: str
    port: int
    box: str
    tls: TlsFiles | None
    read: Callable[[str, str], bytes]
    ledger_lines: Callable[[int, int], Sequence[bytes]]
    archive: Keyring
    owner: Keyring
    operator: Keyring
    in_flight: int
    max_packet: int
    now: Callable[[], float]
    post: Post
    counts: UplinkCounts
    pace: Pace
    poison: Poison

    def fail(self, file: File, why: str, *, permanent: bool) -> None:
        """Tell that a file was not sent."""
        self.post(SendFailed(self.now(), file.recording, file.name, why, permanent))
