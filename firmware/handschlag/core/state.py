"""The state of the call and consent machine: plain values, nothing that acts.

`Phase` says what the machine is doing; everything else is what it must remember to decide. Consent binds to a
`Seizure`: one continuous use of the line, counted by one boot of the tap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handschlag.core.effects import Caller, Evidence
from handschlag.core.events import LastWord, OperatorSaid, OwnerSaid, TapAudio
from handschlag.core.policy import AskWhen, Policy
from handschlag.core.shelf import Dues, Shelf
from handschlag.core.staff import StaffConsent


class Phase(StrEnum):
    """What the machine is doing."""

    UNKNOWN = "unknown"  # the state of the line is not known: nothing may be asked or recorded
    IDLE = "idle"  # on hook, silent
    RINGING = "ringing"
    OPEN = "open"  # a call that is neither asked nor recorded right now
    ASKING = "asking"  # the announcement plays, or the key is awaited
    GRANTING = "granting"  # a yes was heard; its ledger entry is on the way to the disk
    PENDING = "pending"  # an oral yes is being recorded, key in memory only
    CONFIRMING = "confirming"  # the second press came; its ledger entry is on the way to the disk
    RECORDING = "recording"


CAPTURING = frozenset({Phase.PENDING, Phase.CONFIRMING, Phase.RECORDING})
IN_CALL = CAPTURING | {Phase.OPEN, Phase.ASKING, Phase.GRANTING}


class Bar(StrEnum):
    """Why this call is not asked (again)."""

    PRIVATE = "private"
    EMERGENCY = "emergency"
    FAX = "fax"
    REFUSED = "refused"  # the other party pressed another key
    STAFF = "staff"  # the employee held the button
    WITHDRAWN = "withdrawn"
    ENDED = "ended"  # busy or dial tone, or silence: the conversation is over, the handset still off
    EXCLUDED = "excluded"  # its number stands on the do-not-record list
    UNSEEN = "unseen"  # its beginning was not seen: what was dialled, and whether it was asked, is not known


LIFTED_BY_FLASH = frozenset({None, Bar.REFUSED, Bar.ENDED})
"""Was about a party who may not be there any more after a flash."""


@dataclass(frozen=True, slots=True)
class Seizure:
    """One continuous use of the line."""

    tap_boot: str
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """What the tap said last. `newest` is the highest seizure so far; `missed`: that it is not there has been told."""

    known: bool = False
    off_hook: bool = False
    ring: bool = False
    reversed: bool = False
    tap_boot: str = ""
    tap_serial: str = ""
    audio: TapAudio = TapAudio.MIX
    seizure: int = 0
    newest: int = -1
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording whose capture has ended and whose manifest waits until the line is idle and the button free."""

    recording: str
    seizure: Seizure
    ended: str
    evidence: Evidence
    marks: tuple[float, ...]
    waiting: tuple[Caller, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A recording that a restart interrupted; closed once its call is known to be over."""

    recording: str
    seizure: Seizure


@dataclass(frozen=True, slots=True)
class Call:
    """One use of the line, from off-hook to on-hook."""

    seizure: Seizure
    began_at: float
    incoming: bool
    bar: Bar | None = None
    asked: bool = False
    near_spoke: bool = False
    near_paused: bool = False
    far_spoke: bool = False
    ringback: bool = False
    digits: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    match_ticket: int = 0
    caller: Caller | None = None
    outcome: str = "not-asked"
    flashed: bool = False  # a further number may have been dialled, whoever began the call
    number_lost: bool = False  # audio was lost while dialling: keys may be missing, or heard twice
    unseen: bool = False  # not seen from its beginning on, or not without a gap: 112 may have been dialled, so no sound

    @property
    def dials(self) -> bool:
        """Whether what is pressed here may be a number: in a call from here, or after a flash."""
        return not self.incoming or self.flashed


class Stage(StrEnum):
    """Where a question stands."""

    ANNOUNCING = "announcing"
    DETAILS = "details"  # key 2 was pressed
    PROMPTING = "prompting"  # "press 1 now", after a 1 that came too early
    WINDOW = "window"  # silent, waiting for the key


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is being asked. A key counts only if it began at or after `mark_at`."""

    stage: Stage
    asked_at: float
    mark_at: float | None = None
    closes_at: float | None = None
    early: bool = False
    prompted: bool = False
    wants_details: bool = False
    details_given: int = 0
    handled_key: float = -1.0


@dataclass(frozen=True, slots=True)
class Take:
    """The yes that is being carried out, and the recording that rests on it."""

    recording: str
    evidence: Evidence
    ticket: int
    tone_at: float | None = None
    near_after_tone: bool = False
    far_after_near: bool = False
    speaking: frozenset[str] = frozenset()
    marks: tuple[float, ...] = ()
    waiting: tuple[Caller, ...] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """The button: `down` is debounced, `raw` is the last edge."""

    raw: bool = False
    raw_at: float = 0.0
    down: bool = False
    pressed_at: float = 0.0
    pressed_in: Phase = Phase.UNKNOWN
    pressed_seizure: Seizure | None = None
    held_acted: bool = False
    withdraws: bool = False
    stuck: bool = False
    last_mark_at: float | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """What the box says into the line: `wanted` waits for the transformer, `playing` is on the air."""

    wanted: str = ""
    playing: str = ""


@dataclass(frozen=True, slots=True)
class Destroying:
    """A recording on its way out: what the ledger and the archive must be told once its folder is gone."""

    kind: str  # the ledger's kind; "" when the ledger knows already
    reason: str
    revoke: bool
    say: str = ""
    say_in: Seizure | None = None  # only who was in that call is told
    gone: bool = False
    ticket: int = 0
    ledger_seq: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed recording on this box. Times are wall seconds since 1970; None: not known, or not to be trusted.

    `epoch` is that of its newest receipt.
    """

    closed_at: float | None
    retain_until: float | None
    receipted: bool = False
    epoch: str = ""
    receipted_at: float | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Leaving:
    """A recording on its way out by rule or by the owner's word; `seq` once its ledger entry is durable."""

    recording: str
    kind: str
    ticket: int
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept. `ends` are those of retention by the wall clock, `purges` when 14 days are over.

    `by_age` are the receipted ones, oldest first. `epoch` is the archive's present one: a receipt of another epoch lets
    nothing go. `undated` have a receipt that no trusted time belongs to; `erasing` wait for their turn, `leaving` has
    it.
    """

    closed: Shelf[Closed] = field(default_factory=Shelf)
    epoch: str = ""
    ends: Dues = field(default_factory=Dues)
    purges: Dues = field(default_factory=Dues)
    by_age: Dues = field(default_factory=Dues)
    undated: tuple[str, ...] = ()
    erasing: tuple[Leaving, ...] = ()
    leaving: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command whose entry is on its way to the ledger, or that waits there for an idle line."""

    ticket: int
    message: OperatorSaid
    outcome: str
    durable: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """The staff register by number: `register` is what the ledger has, `waiting` (by ticket) is on its way there."""

    register: Mapping[int, StaffConsent] = field(default_factory=dict)
    waiting: Mapping[int, StaffConsent] = field(default_factory=dict)
    damaged: str = ""
    covered: bool = False
    exclusions: int = 0


@dataclass(frozen=True, slots=True)
class CallState:
    """Everything the call and consent machine remembers."""

    policy: Policy
    phase: Phase = Phase.UNKNOWN
    since: float = 0.0
    booted_at: float | None = None
    boot: str = ""
    seed: bytes = b""
    counter: int = 0
    ticket: int = 0
    match_ticket: int = 0
    deadlines: Mapping[str, float] = field(default_factory=dict)
    wall_offset: float = 0.0
    clock_synced: bool = False
    utc_offset_s: float = 0.0
    people: People = field(default_factory=People)
    keeping: Keeping = field(default_factory=Keeping)
    owner: LastWord = field(default_factory=LastWord)
    owner_waiting: tuple[tuple[int, OwnerSaid, str], ...] = ()  # (ticket, message, what comes of it)
    operator: LastWord = field(default_factory=LastWord)
    ordered: tuple[Ordered, ...] = ()
    identifies: bool = False  # the lamps show which box this is
    epoch: int = 0
    ledger_doubt: str = ""
    doubted_to: int = 0  # the newest line that the doubt is about
    ask_when: AskWhen = AskWhen.BUTTON
    line: Line = field(default_factory=Line)
    sounds_off_hook: bool | None = None  # while the line is unknown; nothing is decided by it
    hears: bool = False
    rang_at: float | None = None
    awaits_caller: bool = False
    caller: Caller | None = None
    call: Call | None = None
    last_call: Call | None = None
    question: Question | None = None
    take: Take | None = None
    kept: tuple[Kept, ...] = ()
    interrupted: tuple[Interrupted, ...] = ()
    destroying: tuple[tuple[str, Destroying], ...] = ()
    button: Button = field(default_factory=Button)
    voice: Voice = field(default_factory=Voice)
    private: bool = False
    audio_ok: bool = False
    ledger_ok: bool = True
    disk_failed_at: float | None = None
    free_bytes: int | None = None
    set_aside: int = 0
    doubted: frozenset[tuple[str, str]] = frozenset()  # (tap serial, bench result)
