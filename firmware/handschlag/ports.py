"""What the outside must offer to the box, and nothing about how.

An adapter takes a `Post` when it starts and posts events; it never decides. Calls on a port return at once: what takes
time happens on the adapter's own thread, and its result comes back as an event. The same contract tests run on the
simulated and on the real implementation of each port (tests/contract).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handschlag.core.effects import Rank, RecLamp, StatusLamp, Value
from handschlag.core.events import Event, LedgerDoubted
from handschlag.core.sources import Fact

Frames = npt.NDArray[np.float32]
"""Audio as (frames, channels); 1.0 is full scale, a full-scale sine is +3.14 dBm0."""

Samples = npt.NDArray[np.int16]
"""Audio to be kept, as (samples, channels)."""


SOUND_RATE_HZ = 48000
"""Every sound of the catalog has this rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A sound to be played into the line: float32 mono at 48 kHz, 1.0 is full scale.

    `mark_s` is where the announcement's mark stands, in seconds from the beginning; None for sounds without one.
    """

    name: str
    samples: npt.NDArray[np.float32]
    mark_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock(Event):
    """A block of frames from the line, at the device's rate; `at` is when its last frame was captured.

    `lost` frames were missing just before it. `frames` is one of a few buffers that are used again and again: it is
    valid until `Audio.done(block)`, which wipes it (P1), so nobody may keep it. The same holds for `played`.

    `played` (frames,) is what the box itself played, None for silence, aligned as well as the adapter knows: what comes
    back of a frame comes back with the same frame, or later, and by as much for as long as the device stays open.
    """

    frames: Frames
    lost: int = 0
    played: npt.NDArray[np.float32] | None = None


Post = Callable[[Event], None]


class Clock(Protocol):
    """Time. `mono` orders and measures; `wall` is only ever written down, with how far it is trusted (P11)."""

    def mono(self) -> float:
        """Seconds of a clock that never jumps."""
        ...

    def wall(self) -> tuple[float, bool]:
        """Seconds since 1970, and whether they are synchronised."""
        ...

    def utc_offset_s(self) -> float:
        """How far the workshop's local time is ahead of UTC now."""
        ...

    def wait_s(self, until: float) -> float | None:
        """How many real seconds to wait for the monotonic time `until`; None: until the next event."""
        ...


class Line(Protocol):
    """The tap. Posts TapHello, LineTold, TapGone, Flashed, Pulsed, LineBroke, PlayConnected."""

    def start(self, post: Post) -> None:
        """Begin to report; a tap that is missing is reported, looked for again, and no error."""
        ...

    def ping(self) -> None:
        """Say that the core is alive."""
        ...

    def path(self, *, bypass: bool) -> None:
        """Bypass the sense element, or take it into the line."""
        ...

    def connect_play(self, *, on: bool, ms: int) -> None:
        """Connect the play transformer for at most `ms`; answered by `PlayConnected` when `on`."""
        ...

    def close(self) -> None:
        """Bypass, and end."""
        ...


class LineSource(Protocol):
    """One of several parts that together read a line (`core.sources`): what it tells are facts, not decisions."""

    def start(self, tell: Callable[[Fact], None]) -> None:
        """Begin to tell; SourceLost while the part is missing, which is looked for again, for ever."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Audio(Protocol):
    """The sound device. Posts AudioBlock, AudioGone, AudioCame, MarkPassed, Played, PlayFailed."""

    def start(self, post: Post) -> None:
        """Begin to deliver blocks of 20 ms; a device that is missing is reported and looked for again."""
        ...

    def want(self, *, blocks: bool) -> None:
        """Whether anybody listens (so it is at first). While nobody does, blocks need not be delivered."""
        ...

    def done(self, block: AudioBlock) -> None:
        """The block and all its effects were handled: wipe its buffer and use it again.

        At most 200 ms are out at a time; a caller that lags further loses the newest frames, and is told how many
        with the next block.
        """
        ...

    def play(self, sound: str) -> None:
        """Play a sound of the catalog from its beginning, instead of what is playing, which posts nothing more."""
        ...

    def stop_play(self) -> None:
        """Fall silent within one block."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Panel(Protocol):
    """Two lamps and a button. Posts ButtonMoved."""

    def start(self, post: Post) -> None:
        """Begin to report edges, and the button's position if it is down at the start."""
        ...

    def show(self, rec: RecLamp, status: StatusLamp) -> None:
        """Show a pattern from now on."""
        ...

    def close(self) -> None:
        """Lamps off, and end."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What a recording's head and first details are made of. `personal` is sealed, the rest is public."""

    recording: str
    boot: str
    seizure: int
    opened_at: str
    clock: str
    sample_rate: int
    channels: int
    personal: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """The manifest's public word on the consent, without anything personal."""

    way: str
    at: str
    text_version: str
    text_hash: str
    mark_s: float | None
    leg: str
    ledger_seq: int
    clock: str = "unsynced"


@dataclass(frozen=True, slots=True)
class Closing:
    """What a recording's manifest and last details are made of. `gaps` are (first sample, samples) pairs."""

    recording: str
    ended: str
    closed_at: str
    clock: str
    consent: ConsentRecord
    ledger_seq: int
    ledger_hash: str
    gaps: tuple[tuple[int, int], ...]
    personal: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the durable ledger says of one recording.

    `consented`: by a key, or by word and confirmed. `ended` is the kind of the entry that ended it (withdrawn,
    destroyed, purged, expired, erased, or "") and `ended_seq` its number; `closed` and `receipted`: it has that entry.
    `consent` is what a manifest can still say when only the ledger is left; None without one. `receipted_at` (seconds
    since 1970) is None unless a synced clock told it; `held` and `kept_for` (a retention class, or "") are the owner's
    word.
    """

    consented: bool = False
    ended: str = ""
    ended_seq: int = 0
    closed: bool = False
    receipted: bool = False
    consent: ConsentRecord | None = None
    receipted_at: float | None = None
    held: bool = False
    kept_for: str = ""


class Spool(Protocol):
    """The recordings on disk, sealed. Posts FileDurable, RecordingClosed, RecordingGone, RevokeDurable, ...

    Encoding and sealing happen in the caller's thread, so that no plain audio waits in a queue; only sealed bytes wait
    for the disk, at most 64 clips of them. A recording's key lives here while it runs, and nowhere else.
    """

    def open(self, opening: Opening) -> None:
        """Make the key; write the head and the first details. Posts FileDurable for both."""
        ...

    def write_keys(self, recording: str) -> None:
        """Wrap and write the key. Posts FileDurable for keys.json."""
        ...

    def add_clip(self, recording: str, index: int, first_sample: int, samples: Samples) -> bool:
        """Seal and write a clip; False if the disk lags too far and the clip was dropped."""
        ...

    def close_recording(self, closing: Closing) -> None:
        """Write last details, clip lists and manifest, wipe the key. Posts RecordingClosed."""
        ...

    def destroy(self, recording: str) -> None:
        """Wipe the key now; rename the folder to `.gone` durably. Posts RecordingGone (again, if gone before)."""
        ...

    def sign_revoke(self, recording: str, reason: str, *, ledger_seq: int) -> None:
        """Write `revoke/<recording>.jws` durably. Posts RevokeDurable."""
        ...

    def remove_gone(self, recording: str) -> None:
        """Remove a `.gone` folder: keys.json first, then the rest; nothing there is no error."""
        ...

    def finish_interrupted(self, recording: str, *, ledger_seq: int, ledger_hash: str) -> None:
        """Close what a restart interrupted. Posts RecordingClosed, or DiskFailed."""
        ...

    def set_aside(self, recording: str, why: str) -> None:
        """Move a recording that fits no rule out of the way, unchanged."""
        ...

    def keep_receipt(self, recording: str, receipt: bytes, epoch: str) -> None:
        """Write receipt.jws, in the place of an older one. Posts ReceiptDurable of that epoch."""
        ...

    def drop_revoke(self, recording: str) -> None:
        """Remove a revocation that the archive has answered."""
        ...

    def list_files(self, recording: str) -> None:
        """Post FilesListed."""
        ...

    def read(self, recording: str, name: str) -> bytes:
        """A sealed file's bytes, for sending; safe from any thread. Raises FileNotFoundError."""
        ...

    def find(self, post: Post) -> None:
        """At start: post FolderFound for every folder and RevokeFound for every open revocation."""
        ...

    def free_bytes(self) -> int:
        """Bytes free for recordings, the reserve taken off."""
        ...

    def try_again(self) -> None:
        """Asked each second: do what the disk refused, if there is such a thing."""
        ...

    def close(self) -> None:
        """Wait until everything is on disk, wipe all keys, and end."""
        ...


class Ledger(Protocol):
    """The append-only journal of decisions. Posts EntryDurable."""

    def append(self, kind: str, fields: Mapping[str, Value], ticket: int) -> None:
        """Append an entry with the next number; EntryDurable comes when its fsync has returned."""
        ...

    def durable(self) -> tuple[int, str]:
        """Number and hash of the newest entry whose fsync has returned; (0, 64 zeros) when there is none."""
        ...

    def lines(self, first: int, last: int) -> Sequence[bytes]:
        """Durable lines by number, both ends included, without newlines; safe from any thread."""
        ...

    def entries(self) -> Iterable[Mapping[str, Any]]:
        """All durable entries in order, for folding at the start."""
        ...

    def try_again(self) -> None:
        """Asked each second: write what the disk refused, if there is such a thing."""
        ...

    @property
    def doubt(self) -> LedgerDoubted | None:
        """What is wrong with the ledger that was found at the start; None: nothing."""
        ...

    def check(self, seq: int, line_hash: str, who: str) -> None:
        """Post LedgerDoubted unless it has the line that `who` names (an empty hash: any line of that number)."""
        ...

    def close(self) -> None:
        """Wait until everything is on disk, and end."""
        ...


class Catalog(Protocol):
    """The index of the spool and its retry queue; can always be rebuilt."""

    def save(self, recording: str, row: Mapping[str, Value]) -> None:
        """Write one row."""
        ...

    def drop(self, recording: str) -> None:
        """Remove one row; none is no error."""
        ...

    def rows(self) -> Mapping[str, Mapping[str, Value]]:
        """All rows by recording."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Uplink(Protocol):
    """The MQTT side. Posts Connected, Disconnected, FileSent, SendFailed, what receipts say, and OwnerSaid."""

    def start(self, post: Post) -> None:
        """Begin to connect, for ever."""
        ...

    def send(self, recording: str, name: str, rank: Rank = Rank.BACKLOG) -> None:
        """Publish a file; its bytes are read when its turn comes, by rank. Posts FileSent or SendFailed."""
        ...

    def send_ledger(self, first: int, last: int) -> None:
        """Publish ledger lines; answered by LedgerSynced, one day."""
        ...

    def reply(self, message: str, outcome: str, status: Mapping[str, Any] | None = None) -> None:
        """Publish what came of a message of owner or operator, and the status where it was asked for.

        While offline nothing is kept, as the message is repeated.
        """
        ...

    def close(self) -> None:
        """Say goodbye, and end."""
        ...


class Owner(Protocol):
    """The owner's messages that were put on the box itself. Posts OwnerSaid."""

    def start(self, post: Post) -> None:
        """Look, and tell."""
        ...

    def look(self) -> None:
        """Asked each second: tell what is new."""
        ...

    def answered(self, message: str) -> None:
        """A message was answered, wherever it came from; it need not be told again."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Registers(Protocol):
    """Staff register and do-not-record list. Posts RegisterTold, NumberMatched."""

    def start(self, post: Post) -> None:
        """Read it, and tell."""
        ...

    def look(self) -> None:
        """Asked each second: read them again if they have changed, and tell."""
        ...

    def match(self, number: str, ticket: int) -> None:
        """Ask the do-not-record list for a number, as it was dialled or told; answered by `NumberMatched(ticket)`."""
        ...

    def close(self) -> None:
        """End."""
        ...


class FileOps(Protocol):
    """Every change on disk goes through these, so that tests can cut the power at each of them."""

    def write(self, path: str, data: bytes) -> None:
        """Write a new file (mode 0600) without syncing it."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """Append to a file, made when missing (mode 0600), without syncing it."""
        ...

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to `size` bytes."""
        ...

    def fsync(self, path: str) -> None:
        """Wait until a file's bytes are on disk."""
        ...

    def fsync_dir(self, path: str) -> None:
        """Wait until a folder's names are on disk."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename within one file system, replacing."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is no error."""
        ...

    def mkdir(self, path: str) -> None:
        """Make a folder (mode 0700); an existing one is no error."""
        ...

    def rmdir(self, path: str) -> None:
        """Remove an empty folder; a missing one is no error."""
        ...


class Worker(Protocol):
    """One thread that does things in order."""

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job` after everything submitted before."""
        ...

    def close(self) -> None:
        """Finish everything submitted, and end."""
        ...


class Codec(Protocol):
    """Turns samples into a complete FLAC file and back."""

    def encode(self, samples: Samples, sample_rate: int) -> bytes:
        """One complete FLAC file."""
        ...

    def decode(self, data: bytes) -> tuple[Samples, int]:
        """Samples and sample rate of a FLAC file; raises ValueError on anything else."""
        ...
