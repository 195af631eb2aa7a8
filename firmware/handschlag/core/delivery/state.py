"""What delivery remembers: values only, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handschlag.core.events import ArchiveWord, RowFound
from handschlag.core.hours import Hours
from handschlag.core.policy import Policy
from handschlag.core.shelf import Dues, Shelf

HANDED_OUT = 64
"""Files that the uplink has at a time, over all recordings. It keeps a few of them in flight; the others wait for their
turn there, by rank, so that it need not wait for the core after each file."""

HANDED_OUT_CAPPED = 8
"""With a bandwidth cap: what waits there goes out even when quiet hours begin."""

WITHOUT_PROGRESS = 256
SENDING_AT_MOST = 8  # with fewer the archive's groups stay small
ACTIVE_AT_MOST = 16  # with those that were sent whole and wait for their receipts
RECEIPT_TIMEOUT_S = 12.0
BACK_OFF_S = (2.0, 900.0)
REFUSALS_AT_MOST = 5
LEDGER_BATCH = 200
LEDGER_TIMEOUT_S = 15.0
MANIFEST = "manifest.jws"
REVOKE = "revoke.jws"
LEDGER_ROW = "ledger"
LIVE_NAMES = ("head.json", "details.0")
FILE_NAME = re.compile(r"head\.json|keys\.json|details\.[01]|[0-9]{6}\.clip|clips\.[0-9]{1,4}\.json|manifest\.jws")
OLD_BACKLOG_S = 86400.0
HASTY_REPAIRS = 3  # so many repairs follow each other at once, later ones back off


class Stage(StrEnum):
    """Where an active recording stands."""

    LIVE = "live"  # its call is running
    CLOSING = "closing"  # its manifest is durable, the ledger's `closed` is not yet
    LISTING = "listing"  # its file names are being read from disk
    SENDING = "sending"
    WAITING = "waiting"  # the manifest was sent


@dataclass(frozen=True, slots=True)
class Active:
    """A recording whose files are on their way.

    Of `to_send` the first `handed` were handed out. `sent`: taken by the broker while the call ran. `unanswered` were
    taken by the broker, not yet named by `progress`. `refused_at` is the archive's time of the newest refusal counted.
    """

    stage: Stage
    to_send: tuple[str, ...] = ()
    handed: int = 0
    in_flight: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()
    manifest_hash: str = ""
    ticket: int = 0
    attempts: int = 0
    refusals: int = 0
    refused_at: float = 0.0
    hold_until: float = 0.0
    since: float | None = None  # when it was closed
    until: float | None = None  # for how long it is kept, by the wall

    @property
    def judged(self) -> bool:
        """Whether the archive may answer: the manifest was sent, or is on its way."""
        return self.stage is Stage.WAITING or (self.stage is Stage.SENDING and MANIFEST in self.in_flight)


@dataclass(frozen=True, slots=True)
class Queued:
    """A closed recording that waits for its turn; with `manifest_only` its files are believed to be there."""

    manifest_hash: str
    since: float
    due_at: float
    attempts: int = 0
    refusals: int = 0
    refused_at: float = 0.0
    manifest_only: bool = False
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A recording with a receipt, and of which epoch of the archive that is."""

    manifest_hash: str
    epoch: str
    until: float | None


@dataclass(frozen=True, slots=True)
class OfEpoch:
    """How many recordings are confirmed in one epoch, and the oldest of them first."""

    count: int = 0
    by_age: Dues = field(default_factory=Dues)


@dataclass(frozen=True, slots=True)
class Revoke:
    """A revocation that the archive has not answered yet."""

    due_at: float
    attempts: int = 0
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class WallClock:
    """What the clock said last; `quiet`: it is one of the quiet hours."""

    offset: float = 0.0
    synced: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Everything the delivery machine remembers.

    `quiet` are the hours of the settings. `confirmed` have a receipt, and are not among `active` and `queue`;
    `by_epoch` has them by that receipt's epoch. `wakes_at` is the deadline that was asked for last; `stale_receipts`
    counts those that were no news; `status_refused` is why the broker does not take the box's status.
    """

    quiet: tuple[Hours, ...] = ()
    handed_out: int = HANDED_OUT
    connected: bool = False
    seed: bytes = b""
    draws: int = 0
    ticket: int = 1
    clock: WallClock = field(default_factory=WallClock)
    active: Mapping[str, Active] = field(default_factory=dict)
    held_back: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: Shelf[Queued] = field(default_factory=Shelf)
    dues: Dues = field(default_factory=Dues)  # of the queue: whose turn is next
    waiting: Dues = field(default_factory=Dues)  # of the queue: who waits for longest
    revokes: Mapping[str, Revoke] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()
    hints: Shelf[RowFound] = field(default_factory=Shelf)
    archive: ArchiveWord = field(default_factory=ArchiveWord)
    confirmed: Shelf[Confirmed] = field(default_factory=Shelf)
    by_epoch: Mapping[str, OfEpoch] = field(default_factory=dict)
    wakes_at: float | None = None
    ledger_durable: int = 0
    ledger_acked: int = 0
    ledger_asked_at: float | None = None
    receipts: int = 0
    stale_receipts: int = 0
    status_refused: str = ""

    @classmethod
    def new(cls, policy: Policy) -> DeliveryState:
        """Nothing to deliver yet, under these settings."""
        return cls(quiet=policy.quiet, handed_out=HANDED_OUT_CAPPED if policy.capped else HANDED_OUT)


def backlog(state: DeliveryState) -> int:
    """How many closed recordings have no receipt yet, or none of the archive's present epoch."""
    active = sum(1 for a in state.active.values() if a.stage is not Stage.LIVE)
    stale = sum(held.count for epoch, held in state.by_epoch.items() if epoch != state.archive.epoch)
    return len(state.queue) + active + stale


def backlog_warning(state: DeliveryState, at: float) -> bool:
    """Whether something waits for too long, or was set aside."""
    oldest = state.waiting.first
    return bool(state.aside) or (oldest is not None and at - oldest[0] > OLD_BACKLOG_S)


def manifest_last(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, the manifest after all others."""
    return (*(name for name in names if name != MANIFEST), MANIFEST)
