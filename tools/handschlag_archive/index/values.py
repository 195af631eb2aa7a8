"""What goes into the index and comes out of it."""

from dataclasses import dataclass
from enum import StrEnum

from handschlag.errors import HandschlagError


class State(StrEnum):
    """How far a recording is."""

    OPEN = "open"
    """Files are coming in."""
    STORED = "stored"
    """Complete, verified, durable, receipted."""
    DESTROYING = "destroying"
    """Over: the tombstone stands, not everything is gone yet."""
    DESTROYED = "destroyed"
    """Over, and its keys are gone; of its clips only what a lock still keeps is left."""

    @property
    def withdrawn(self) -> bool:
        """Whether the tombstone stands."""
        return self in {State.DESTROYING, State.DESTROYED}


class Why(StrEnum):
    """Why a tombstone stands."""

    WITHDRAWN = "withdrawn"
    """By the box's word, before it was stored."""
    REVOKED = "revoked"
    """The consent was withdrawn, by the owner's word."""
    ERASED = "erased"
    """By the owner's word."""
    EXPIRED = "expired"
    """Its time was over."""


class BadIndex(HandschlagError, ValueError):
    """An index that this program cannot work with."""


class IndexBusy(HandschlagError, OSError):
    """The database cannot take anything at the moment: full, locked, unreachable."""


class IndexBroken(HandschlagError, RuntimeError):
    """The database is damaged, or is not what this program expects; trying again will not help."""


@dataclass(frozen=True, order=True)
class Which:
    """One recording of one box."""

    box: str
    recording: str


@dataclass(frozen=True)
class StoredReceipt:
    """A `stored` receipt with what the index notes of it.

    `retain_until` None: by `kept_for`, the retention class.
    """

    manifest_sha256: str
    at: str
    epoch: str
    retain_until: str | None
    text: bytes
    kept_for: str | None = None


@dataclass(frozen=True)
class Row:
    """What the index says of one recording."""

    which: Which
    state: State
    manifest_sha256: str | None = None
    stored_at: str | None = None
    epoch: str | None = None
    retain_until: str | None = None
    receipt: bytes | None = None
    kept_for: str | None = None
    held: bool = False
    checked_at: str | None = None
    ended_why: Why | None = None
    ended_at: str | None = None


@dataclass(frozen=True)
class Tomb:
    """A tombstone: on whose word it stands (`proof`, a JWS), and since when. Of the oldest ones `at` is not known."""

    which: Which
    state: State
    why: Why
    proof: bytes
    at: str | None = None
    manifest_sha256: str | None = None


@dataclass(frozen=True)
class Word:
    """A message of the owner to a box, as it was taken: what came of it here (`outcome`), and at the box (`reply`)."""

    box: str
    id: str
    counter: int
    name: str
    recording: str | None
    token: bytes
    taken_at: str
    outcome: str
    sent_at: str | None = None
    sent: int = 0
    reply: str | None = None
    replied_at: str | None = None


@dataclass(frozen=True)
class Summary:
    """One recording in a list: with what it takes."""

    row: Row
    files: int
    size: int


@dataclass(frozen=True)
class Line:
    """One ledger line as it came."""

    seq: int
    sha256: str
    prev: str
    line: bytes


@dataclass(frozen=True)
class Head:
    """Up to where a box's ledger is here without a gap."""

    seq: int
    sha256: str


@dataclass(frozen=True)
class Epoch:
    """A new epoch of a box's ledger: the line in which the owner's word stands, and whether the head has come there.

    Up to the number `settles_to` lines may be here of a history that does not count any more.
    """

    number: int
    seq: int
    sha256: str
    settles_to: int
    reached: bool = False
