"""What can happen to the box, as values.

Adapters post events; only `step` decides what they mean. Every event carries its own time `at`, in seconds of the
monotonic clock, so that a machine fed with a list of events needs no clock and no sleep. Times of what was *heard*
(`start`) are on the same clock: the application maps stream samples to it before it posts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from handschlag.core.staff import StaffConsent


class Leg(StrEnum):
    """Whose audio: told by the direction of power, never by level."""

    FAR = "far"
    NEAR = "near"
    UNCERTAIN = "uncertain"


class TapAudio(StrEnum):
    """What the tap's audio channels carry."""

    VI = "vi"
    MIX = "mix"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `at` (monotonic seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class LastWord:
    """The newest message of owner or operator: its counter, which the next must exceed, its id, what came of it."""

    counter: int = 0
    id: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveWord:
    """The archive's epoch, and the archive's own time (seconds since 1970) of the newest receipt that told it."""

    epoch: str = ""
    at: float = 0.0


# --- the box and its clock


@dataclass(frozen=True, slots=True)
class LedgerDoubted(Event):
    """The ledger is not the one that somebody relies on: `why`, without anything personal.

    `seq` and `hash` are the newest line that is known, or can be read: what comes now follows that one.
    """

    why: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class OwnerSaid(Event):
    """A message of the owner, its signature checked; `id` names it for the answer, `token` is the message itself."""

    id: str
    name: str
    counter: int
    recording: str = ""
    kept_for: str = ""
    epoch: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class OperatorSaid(Event):
    """A command of the operator, its signature checked; `expires` in seconds since 1970.

    `level` and `minutes` are of `log-level`.
    """

    id: str
    name: str
    counter: int
    expires: float
    level: str = ""
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Booted(Event):
    """The process started and has read its spool and ledger back.

    `boot` is the box's own random boot id; `private` and `staff` are what the ledger last said; `seed` are 16 random
    bytes from which recording ids and jitter are derived, so that the machine itself stays deterministic. `doubted` are
    the bench results, as (tap serial, name of the result), that a dial tone has disproved. `owner` is the owner's
    newest message, `epoch` the newest that was opened; `ledger_doubt` is why the ledger is not trusted since a former
    run, `doubted_now` what was found of it at this start. `archive` is the newest change of the archive's epoch that
    the ledger knows, `operator` the operator's newest command.
    """

    boot: str
    seed: bytes
    private: bool = False
    doubted: frozenset[tuple[str, str]] = frozenset()
    staff: tuple[StaffConsent, ...] = ()
    owner: LastWord = field(default_factory=LastWord)
    epoch: int = 0
    ledger_doubt: str = ""
    doubted_now: LedgerDoubted | None = None
    archive: ArchiveWord = field(default_factory=ArchiveWord)
    operator: LastWord = field(default_factory=LastWord)


@dataclass(frozen=True, slots=True)
class ClockTold(Event):
    """Wall time now, in seconds since 1970, whether it can be trusted (P11), and how far local time is ahead of UTC."""

    wall: float
    synced: bool
    utc_offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RegisterTold(Event):
    """The registers, whole, when they were read and whenever they have changed.

    `damaged` says why one cannot be read; `exclusions` counts the entries of the do-not-record list.
    """

    consents: tuple[StaffConsent, ...]
    damaged: str = ""
    exclusions: int = 0


@dataclass(frozen=True, slots=True)
class NumberMatched(Event):
    """What the do-not-record list says to `MatchNumber(ticket)`."""

    ticket: int
    excluded: bool


@dataclass(frozen=True, slots=True)
class Woke(Event):
    """A deadline asked for with `WakeAt` has come."""

    tag: str


# --- the tap and the line


@dataclass(frozen=True, slots=True)
class TapHello(Event):
    """The tap introduced itself: at its start, and on the first PING after a silence."""

    boot: str
    serial: str
    audio: TapAudio


@dataclass(frozen=True, slots=True)
class LineTold(Event):
    """The tap's view of the line, on every change and each second."""

    off_hook: bool
    ring: bool
    seizure: int
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class LineSounds(Event):
    """How a line that no wire knows sounds: off-hook probably, idle probably, or None. For people to read only."""

    off_hook: bool | None


@dataclass(frozen=True, slots=True)
class TapGone(Event):
    """The tap's port closed or failed; it may come back by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class Flashed(Event):
    """A hook flash of `ms` milliseconds: hold, transfer, conference."""

    ms: int


@dataclass(frozen=True, slots=True)
class Pulsed(Event):
    """One digit dialled by loop interruptions."""

    digit: str


@dataclass(frozen=True, slots=True)
class Dialled(Event):
    """The whole number that was called from here, told by the network; not in the representation (P9)."""

    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LineBroke(Event):
    """A short interruption of the line that is neither a hang-up nor a flash."""

    ms: int


@dataclass(frozen=True, slots=True)
class PlayConnected(Event):
    """The tap's answer to `ConnectPlay(on=True)`: the play transformer is on the line, or why not."""

    ok: bool
    why: str = ""


# --- hearing


@dataclass(frozen=True, slots=True)
class KeyHeard(Event):
    """A key (DTMF digit) is or was held; `start` identifies it over its updates.

    Told when decided, when 60 ms and 100 ms were reached, and when released (`final`). `level_dbm0` and `twist_db` and
    `cos_phi` are the evidence that the consent record keeps.
    """

    key: str
    leg: Leg
    start: float
    held_s: float
    level_dbm0: float
    twist_db: float
    cos_phi: float
    final: bool


@dataclass(frozen=True, slots=True)
class ToneHeard(Event):
    """A network tone: dial, ringback, busy, congestion, fax, ...; `cycles` counts clean cadence cycles."""

    name: str
    leg: Leg
    cycles: int
    final: bool


@dataclass(frozen=True, slots=True)
class ExchangeHeard(Event):
    """A clear dial tone, and whose it seems to be: the exchange's, so anything but `far` disproves the polarity."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class SpeechBegan(Event):
    """Speech set in on a leg (on `uncertain` where legs cannot be told apart)."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class SpeechEnded(Event):
    """Speech paused on a leg."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class CallerIdHeard(Event):
    """The exchange said who is calling (or, during a call, who is waiting).

    `absence` is why there is no number. Neither number nor name is in the representation (P9).
    """

    number: str = field(repr=False)
    name: str = field(repr=False)
    time: str
    type: str
    absence: str = ""


# --- audio


@dataclass(frozen=True, slots=True)
class AudioGone(Event):
    """No audio comes from the device."""

    why: str


@dataclass(frozen=True, slots=True)
class AudioLost(Event):
    """The device lost audio for a moment and goes on; a key may have been missed, or heard as two."""


@dataclass(frozen=True, slots=True)
class AudioCame(Event):
    """Audio comes (again)."""


@dataclass(frozen=True, slots=True)
class MarkPassed(Event):
    """The announcement's mark has left the loudspeaker side of the device."""


@dataclass(frozen=True, slots=True)
class Played(Event):
    """A sound was played to its end."""

    sound: str


@dataclass(frozen=True, slots=True)
class PlayFailed(Event):
    """A sound could not be played, or not to its end."""

    sound: str
    why: str


# --- the panel


@dataclass(frozen=True, slots=True)
class ButtonMoved(Event):
    """A raw edge of the button, bounces included."""

    down: bool


# --- disk


@dataclass(frozen=True, slots=True)
class EntryDurable(Event):
    """A ledger entry's fsync has returned."""

    ticket: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class FileDurable(Event):
    """A file of a recording is durable under its name."""

    recording: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class RecordingClosed(Event):
    """A recording's manifest is durable; `names` are all its files, the manifest last.

    `closed_at` and `retain_until` are what the manifest says, in seconds since 1970; None: nothing to be trusted.
    """

    recording: str
    manifest_hash: str
    names: tuple[str, ...]
    closed_at: float | None = None
    retain_until: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingGone(Event):
    """A recording's folder was renamed to `.gone` durably: its audio can never be had from here again."""

    recording: str


@dataclass(frozen=True, slots=True)
class RevokeDurable(Event):
    """A signed revocation is on disk and may be sent."""

    recording: str


@dataclass(frozen=True, slots=True)
class ReceiptDurable(Event):
    """The archive's receipt stands beside its recording; `epoch` is the archive's at that time."""

    recording: str
    epoch: str


@dataclass(frozen=True, slots=True)
class FilesListed(Event):
    """What a recording consists of on disk, in sending order, the manifest last."""

    recording: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskFailed(Event):
    """Something could not be written or read; `recording` names which one it touched, `what` never its content."""

    what: str
    recording: str = ""


@dataclass(frozen=True, slots=True)
class SpaceTold(Event):
    """Bytes free for recordings, the reserve already taken off (negative below it)."""

    free_bytes: int


# --- uplink


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """The broker accepted the box."""


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """The broker is out of reach."""

    why: str


@dataclass(frozen=True, slots=True)
class StatusRefused(Event):
    """The broker's access rules do not let the box say how it is; then its will is not told either."""

    why: str


@dataclass(frozen=True, slots=True)
class FileSent(Event):
    """The broker took a file (which is no promise that anybody has it)."""

    recording: str
    name: str


@dataclass(frozen=True, slots=True)
class SendFailed(Event):
    """The broker refused a file, or it cannot be sent as it is; `permanent` if trying again cannot help."""

    recording: str
    name: str
    why: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Progressed(Event):
    """The archive has these files of a recording (names; cumulative).

    Here and in all receipts: `epoch` is the archive's, `said_at` its own time, in seconds since 1970.
    """

    recording: str
    names: frozenset[str]
    epoch: str
    said_at: float


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """The archive keeps the recording durably: the only word that lets the box forget."""

    recording: str
    manifest_hash: str
    copies: int
    receipt: bytes
    epoch: str
    said_at: float


@dataclass(frozen=True, slots=True)
class Missing(Event):
    """The archive has the manifest and misses these files."""

    recording: str
    manifest_hash: str
    names: tuple[str, ...]
    epoch: str
    said_at: float


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The archive refuses the recording; `manifest_hash` is "" where it refuses something else than a manifest."""

    recording: str
    why: str
    manifest_hash: str
    epoch: str
    said_at: float


@dataclass(frozen=True, slots=True)
class ArchiveDestroyed(Event):
    """The archive destroyed what it had of a recording."""

    recording: str
    epoch: str
    said_at: float


@dataclass(frozen=True, slots=True)
class LedgerSynced(Event):
    """The archive has the ledger without gaps up to `seq`."""

    seq: int
    hash: str
    epoch: str
    said_at: float


# --- recovery


@dataclass(frozen=True, slots=True)
class FolderFound(Event):
    """A recording's folder found at start, with what recovery must know to choose its rule.

    `boot` and `seizure` are of the tap, from the head. `ended_by_ledger` is the kind of the ledger entry that ended it
    (withdrawn, destroyed, purged, expired, erased, or "") and `ended_seq` its number. `closed_at` and `retain_until`
    are the manifest's, `receipted_at` the trusted time of the ledger's `receipted`, all in seconds since 1970; `held`
    and `kept_for` (a retention class, or "") are the owner's later word. `receipted`: its receipt is on disk, and
    `receipt_epoch` and `receipt_said_at` are what that one says of the archive.
    """

    recording: str
    boot: str
    seizure: int
    gone: bool
    has_keys: bool
    has_manifest: bool
    manifest_hash: str
    consented: bool
    ended_by_ledger: str
    ended_seq: int
    closed_in_ledger: bool
    receipted: bool
    closed_at: float | None = None
    retain_until: float | None = None
    receipted_at: float | None = None
    held: bool = False
    kept_for: str = ""
    receipt_epoch: str = ""
    receipt_said_at: float = 0.0


@dataclass(frozen=True, slots=True)
class RevokeFound(Event):
    """A revocation found at start that the archive has not answered yet."""

    recording: str


@dataclass(frozen=True, slots=True)
class RowFound(Event):
    """A row of the catalog found at start."""

    recording: str
    state: str
    attempts: int
    reason: str
