"""What delivery remembers: values only, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handschlag.core.events import RowFound
from handschlag.core.shelf import Dues, Shelf

IN_FLIGHT = 8
WITHOUT_PROGRESS = 256
ACTIVE_AT_MOST = 8  # while some wait for their receipt others are sent: with 3 the archive's groups stay small
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


JUDGED = frozenset({Stage.SENDING, Stage.WAITING})  # the archive may have seen the manifest


@dataclass(frozen=True, slots=True)
class Active:
    """A recording whose files are on their way; `unanswered` were taken by the broker, not yet named by `progress`."""

    stage: Stage
    to_send: tuple[str, ...] = ()
    in_flight: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()
    manifest_hash: str = ""
    ticket: int = 0
    attempts: int = 0
    refusals: int = 0
    hold_until: float = 0.0
    since: float | None = None  # when it was closed


@dataclass(frozen=True, slots=True)
class Queued:
    """A closed recording that waits for its turn; with `manifest_only` its files are believed to be there."""

    manifest_hash: str
    since: float
    due_at: float
    attempts: int = 0
    refusals: int = 0
    manifest_only: bool = False


@dataclass(frozen=True, slots=True)
class Revoke:
    """A revocation that the archive has not answered yet."""

    due_at: float
    attempts: int = 0
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Everything the delivery machine remembers."""

    connected: bool = False
    seed: bytes = b""
    draws: int = 0
    ticket: int = 1
    active: Mapping[str, Active] = field(default_factory=dict)
    held_back: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: Shelf[Queued] = field(default_factory=Shelf)
    dues: Dues = field(default_factory=Dues)  # of the queue: whose turn is next
    waiting: Dues = field(default_factory=Dues)  # of the queue: who waits for longest
    revokes: Mapping[str, Revoke] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()
    hints: Shelf[RowFound] = field(default_factory=Shelf)
    ledger_durable: int = 0
    ledger_acked: int = 0
    ledger_asked_at: float | None = None
    receipts: int = 0


def backlog(state: DeliveryState) -> int:
    """How many closed recordings have no receipt yet."""
    return len(state.queue) + sum(1 for a in state.active.values() if a.stage is not Stage.LIVE)


def backlog_warning(state: DeliveryState, at: float) -> bool:
    """Whether something waits for too long, or was set aside."""
    oldest = state.waiting.first
    return bool(state.aside) or (oldest is not None and at - oldest[0] > OLD_BACKLOG_S)


def manifest_last(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, the manifest after all others."""
    return (*(name for name in names if name != MANIFEST), MANIFEST)
