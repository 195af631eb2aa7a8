"""What every session must know, and what is counted over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from handschlag.adapters.uplink.outbox import File
from handschlag.adapters.uplink.tls import TlsFiles
from handschlag.core.events import SendFailed
from handschlag.ports import Post
from handschlag.sealing.encoding import is_before
from handschlag.sealing.keys import Keyring
from handschlag.sealing.receipt import Receipt, Refused

MAX_PAYLOAD = 96 * 1024
"""No file of a recording is longer (design/wire.md)."""

MAX_PACKET = 131072
"""What the shipped broker takes; also what the box takes from a broker."""


@dataclass(slots=True)
class UplinkCounts:
    """What was dropped on the way in, and how often a connection began."""

    connections: int = 0
    foreign: int = 0
    forged: int = 0
    replayed: int = 0
    too_long: int = 0
    ledger_failed: int = 0


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
    in_flight: int
    max_packet: int
    now: Callable[[], float]
    post: Post
    counts: UplinkCounts
    refused_at: dict[str, str] = field(default_factory=dict)
    """The archive's time of each recording's last refusal."""

    def is_replayed(self, said: Receipt) -> bool:
        """Whether a refusal is not newer than the last one: only those count up, so only those are worth repeating.

        Whoever gets hold of one genuine refusal could else have a recording set aside by saying it again and again.
        """
        if not isinstance(said, Refused):
            return False
        last = self.refused_at.get(said.recording)
        if last is not None and not is_before(last, said.at):
            return True
        self.refused_at[said.recording] = said.at
        return False

    def fail(self, file: File, why: str, *, permanent: bool) -> None:
        """Tell that a file was not sent."""
        self.post(SendFailed(self.now(), file.recording, file.name, why, permanent))
