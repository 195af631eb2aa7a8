"""What the core wants done, as values.

Effects are carried out in order by the application, through the ports. Each is safe to repeat (P12). An effect that
can fail comes back as an event that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done."""


@dataclass(frozen=True, slots=True)
class WakeAt(Effect):
    """Post `Woke(tag)` at `at`; a later one with the same tag replaces it; None takes it back."""

    tag: str
    at: float | None


# --- line and sound


@dataclass(frozen=True, slots=True)
class Ping(Effect):
    """Tell the tap that the core is alive."""


@dataclass(frozen=True, slots=True)
class SetPath(Effect):
    """Put the tap's sense element into the line, or bypass it."""

    bypass: bool


@dataclass(frozen=True, slots=True)
class ConnectPlay(Effect):
    """Connect the play transformer for at most `ms`, or part it."""

    on: bool
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Play(Effect):
    """Play a sound of the prompt catalog into the line."""

    sound: str


@dataclass(frozen=True, slots=True)
class StopPlay(Effect):
    """Fall silent at once."""


@dataclass(frozen=True, slots=True)
class Listen(Effect):
    """Turn hearing on for a seizure, or off, forgetting all audio."""

    on: bool


@dataclass(frozen=True, slots=True)
class ReadGauges(Effect):
    """Read clock, free space and registers: come back as `ClockTold`, `SpaceTold` and, when changed, `RegisterTold`.

    What the disk refused is tried again on this occasion.
    """


@dataclass(frozen=True, slots=True)
class MatchNumber(Effect):
    """Ask the do-not-record list for a number; comes back as `NumberMatched(ticket)`."""

    number: str = field(repr=False)
    ticket: int


# --- lamps


class RecLamp(StrEnum):
    """The red lamp."""

    ON = "on"
    OFF = "off"


class StatusLamp(StrEnum):
    """The second lamp; the pattern alone tells, the colour helps (IEC 60073)."""

    OFF = "off"
    IDENTIFY = "identify"
    CANNOT_RECORD = "cannot-record"
    YOUR_TURN = "your-turn"
    ASKING = "asking"
    PRIVATE = "private"
    WARNING = "warning"
    READY_ALONE = "ready-alone"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Lamps(Effect):
    """What the two lamps show."""

    rec: RecLamp
    status: StatusLamp


# --- ledger


@dataclass(frozen=True, slots=True)
class Record(Effect):
    """Append an entry to the ledger; `EntryDurable(ticket)` comes back when its fsync has returned."""

    kind: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    ticket: int = 0


@dataclass(frozen=True, slots=True)
class CheckLedger(Effect):
    """Hold the ledger against a line that `who` names: comes back as `LedgerDoubted` when it does not have it.

    An empty hash asks for the number only.
    """

    seq: int
    hash: str
    who: str


@dataclass(frozen=True, slots=True)
class Reply(Effect):
    """Answer the message `id` of owner or operator; what came of it is durable in the ledger.

    With `report` the box's status goes along.
    """

    id: str
    outcome: str
    report: bool = False


@dataclass(frozen=True, slots=True)
class SetLogLevel(Effect):
    """Log this and what is graver; "" as it was at the start."""

    level: str


@dataclass(frozen=True, slots=True)
class Restart(Effect):
    """End in good order, and be started again."""


# --- recordings


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a yes is a yes; sealed into the details and named in the manifest.

    `way` is "key" or "oral"; times are monotonic seconds; `leg`, `level_dbm0`, `twist_db`, `held_s` and `cos_phi` are
    of the key, and empty for an oral yes.
    """

    way: str
    at: float
    text_version: str
    text_hash: str
    mark_at: float | None = None
    leg: str = ""
    held_s: float = 0.0
    level_dbm0: float = 0.0
    twist_db: float = 0.0
    cos_phi: float = 0.0
    ledger_seq: int = 0
    confirmed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as the exchange said; personal, so it goes nowhere but into sealed details (P9)."""

    number: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    time: str = ""
    type: str = ""
    absence: str = ""
    heard_at: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenRecording(Effect):
    """Make a recording's key and head; nothing of its audio exists yet."""

    recording: str
    boot: str
    seizure: int
    direction: str
    evidence: Evidence
    caller: Caller | None = None
    dialled: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WriteKeys(Effect):
    """Wrap the recording's key for its recipients and write it durably."""

    recording: str


@dataclass(frozen=True, slots=True)
class StartCapture(Effect):
    """Keep audio from the next frame on."""

    recording: str


@dataclass(frozen=True, slots=True)
class StopCapture(Effect):
    """Keep no further frame; what was kept stays."""

    recording: str


@dataclass(frozen=True, slots=True)
class CloseRecording(Effect):
    """Write the last details, the clip lists and the signed manifest."""

    recording: str
    ended: str
    evidence: Evidence
    marks: tuple[float, ...] = ()
    waiting: tuple[Caller, ...] = ()


@dataclass(frozen=True, slots=True)
class DestroyRecording(Effect):
    """Wipe the key at once and take the folder away by a durable rename: comes back as `RecordingGone`.

    The renamed folder stays as a reminder until the ledger, and the revocation where there is one, are durable;
    then `RemoveGone` removes it.
    """

    recording: str


@dataclass(frozen=True, slots=True)
class SignRevoke(Effect):
    """Sign the revocation for the archive and write it durably: comes back as `RevokeDurable`."""

    recording: str
    reason: str
    ledger_seq: int


@dataclass(frozen=True, slots=True)
class RemoveGone(Effect):
    """Remove what a destroyed recording left: its wrapped keys first, then the rest."""

    recording: str


@dataclass(frozen=True, slots=True)
class FinishInterrupted(Effect):
    """Close what a restart interrupted: hash what is there, sign; consent from the ledger."""

    recording: str


@dataclass(frozen=True, slots=True)
class SetAside(Effect):
    """Keep a recording that fits no rule apart, untouched, for a person to look at."""

    recording: str
    why: str


# --- delivery


@dataclass(frozen=True, slots=True)
class ListFiles(Effect):
    """Ask what a recording consists of: comes back as `FilesListed`."""

    recording: str


class Rank(IntEnum):
    """What goes before what on the way to the archive, the lowest number first."""

    REVOCATION = 0  # past the bandwidth cap, too
    STATUS = 1  # likewise
    MANIFEST = 2
    LIVE = 3  # of a call that is going on
    BACKLOG = 4


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Publish one file of a recording, or its revocation (`revoke.jws`)."""

    recording: str
    name: str
    rank: Rank


@dataclass(frozen=True, slots=True)
class SendLedger(Effect):
    """Publish ledger lines from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class KeepReceipt(Effect):
    """Write the archive's receipt of this epoch beside its recording, in the place of an older one."""

    recording: str
    receipt: bytes
    epoch: str


@dataclass(frozen=True, slots=True)
class DropRevoke(Effect):
    """The archive has destroyed: the revocation need not be repeated any more."""

    recording: str


@dataclass(frozen=True, slots=True)
class SaveRow(Effect):
    """Note a recording's delivery state in the catalog."""

    recording: str
    state: str
    attempts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DropRow(Effect):
    """Forget a recording in the catalog."""

    recording: str
