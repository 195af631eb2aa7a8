"""One life of a box: from switching it on until it is switched off, or the power goes.

The application, the core, spool, ledger and catalog are the real ones, on the folder that is given; line, sound, panel,
registers and archive are simulated, and every job on disk is done at once. So a life is the same each time, and every
change on disk and every word about it stand in one order: `notes` holds what was told, each with the number of changes
that had been made by then.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.spool import Identity
from handschlag.app import App, Ports
from handschlag.cli.storage import open_storage
from handschlag.cli.written_time import utc_text
from handschlag.core.events import Event, KeyHeard, Leg, SpeechBegan, SpeechEnded
from handschlag.core.policy import Policy, Way
from handschlag.core.retention import Retention, keep_until
from handschlag.core.staff import StaffConsent
from handschlag.hearing import Ear
from handschlag.ports import SOUND_RATE_HZ, Sound, Worker
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.receipt import Receipt
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient
from handschlag.sim.audio import BLOCK, SimAudio, StreamClock
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.line_port import SimLine
from handschlag.sim.memory_owner import MemoryOwner
from handschlag.sim.memory_registers import MemoryRegisters
from handschlag.sim.panel import SimPanel
from handschlag.sim.tap import SimTap
from handschlag.sim.uplink import REVOKE, SimArchive, SimUplink
from handschlag.sim.worker import InlineWorker

BOX = "test-box"
SERIAL = "sim-1"
OWNER = OwnerSecret.from_bytes(bytes(range(32)))
BOX_KEY = SigningKey.from_seed(bytes(32))
ARCHIVE_KEY = SigningKey.from_seed(bytes([1]) * 32)
SOUND_S = 0.2
SOUNDS = (
    "announcement", "details", "press_now", "refused", "withdrawn", "cancelled", "start", "stop", "denied",
)  # fmt: skip
WALL_START = 1_790_000_000.0


class CrashClock(StreamClock):
    """The stream's time; the wall clock can be set to anything."""

    def __init__(self, wall_start: float = WALL_START) -> None:
        super().__init__(wall_start)
        self.jumped_s = 0.0

    def wall(self) -> tuple[float, bool]:
        """As it is set now."""
        wall, synced = super().wall()
        return wall + self.jumped_s, synced


class Archive(SimArchive):
    """An archive that remembers in which order it was given what, so that it can be set back to any moment."""

    def __init__(self) -> None:
        super().__init__(BOX, ARCHIVE_KEY, wall=lambda: WALL_START)
        self.taken: list[tuple[str, str, bytes]] = []

    def take(self, recording: str, name: str, payload: bytes) -> list[Receipt]:
        """As the archive does, and remember."""
        self.taken.append((recording, name, payload))
        return super().take(recording, name, payload)

    def take_ledger(self, first: int, payload: bytes) -> list[Receipt]:
        """As the archive does, and remember."""
        self.taken.append(("", str(first), payload))
        return super().take_ledger(first, payload)

    def as_it_was(self, taken: int) -> Archive:
        """The archive after it was given the first `taken` things."""
        before = Archive()
        for recording, name, payload in self.taken[:taken]:
            if not recording:
                before.lines.update(enumerate(payload.splitlines(), int(name)))
            elif name == REVOKE:
                before.destroyed.add(recording)
                before.files.pop(recording, None)
            elif recording not in before.destroyed:
                before.files.setdefault(recording, {})[name] = payload
        before.taken = self.taken[:taken]
        return before


@dataclass(frozen=True, slots=True)
class Note:
    """A word of an adapter, and how many changes had been made on disk by then."""

    changes: int
    event: Event


@dataclass
class Life:
    """The box, running in `folder`; `spool_worker` stands for a disk that lets wait."""

    folder: Path
    archive: Archive = field(default_factory=Archive)
    boot: str = "boot-1"
    tap_boot: str = "1"
    clock: CrashClock = field(default_factory=CrashClock)
    way: Way = Way.KEY
    online: bool = True
    reserve_bytes: int = 0
    spool_worker: Worker | None = None

    def __post_init__(self) -> None:
        self.notes: list[Note] = []
        self.faults: list[Exception] = []
        self.refuse: Callable[[Operation], None] = lambda _operation: None
        self.taken_by: dict[int, int] = {}
        self.files = WatchedFiles(RealFiles())
        self.files.fail = self._before
        self.tap = SimTap(serial=SERIAL, boot=self.tap_boot)
        self.line = SimLine(self.tap, self.clock.mono)
        self.audio = SimAudio(_sounds(), self.clock)
        self.panel = SimPanel(self.clock.mono)
        self._noise = np.random.default_rng(1).normal(0, 0.01, (50, BLOCK, 2)).astype(np.float32)
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._steps = 0
        self.app = self._assemble()
        self.app.start()
        self.settle()

    def _assemble(self) -> App:
        kept = open_storage(
            self.folder,
            identity=Identity(
                box=BOX,
                key=BOX_KEY,
                recipients=(OWNER.workshop().public,),
                firmware="0.1.0",
                retention=Retention.INQUIRY.value,
                keep_until=_keep_until,
            ),
            boot=self.boot,
            files=self.files,
            worker=self._worker,
            codec=FlacCodec(),
            clock=self.clock,
            post=self._note,
            reserve_bytes=self.reserve_bytes,
        )
        self.ledger, self.spool = kept.ledger, kept.spool
        self.uplink = SimUplink(
            self.archive,
            read=self.spool.read,
            ledger_lines=self.ledger.lines,
            now=self.clock.mono,
            online=self.online,
        )
        ports = Ports(
            self.clock,
            self.line,
            self.audio,
            self.panel,
            self.spool,
            self.ledger,
            kept.catalog,
            self.uplink,
            MemoryRegisters(self.clock.mono, (StaffConsent(1, "d" * 64, "1", valid_from=1.0),)),
            MemoryOwner(),
        )
        return App(
            policy(self.way),
            ports,
            Ear(SOUND_RATE_HZ),
            boot=self.boot,
            facts=kept.facts,
            inbox=self._inbox,
            sample_rate_in=SOUND_RATE_HZ,
        )

    # --- time

    def run(self, seconds: float) -> None:
        """So much time passes, in blocks of 20 ms, each of noise."""
        for _ in range(round(seconds * SOUND_RATE_HZ / BLOCK)):
            self._steps += 1
            self.audio.push(self._noise[self._steps % len(self._noise)])
            self.line.pump()
            self.settle()
            self.audio.pull(BLOCK)

    def settle(self) -> None:
        """Handle everything that is due, and let messages flow, until nothing more comes."""
        for _ in range(3):
            self.app.pump()
            self.uplink.pump()
        self.app.pump()

    def run_until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Run until something is so; raises TimeoutError when it does not become so."""
        for _ in range(round(within_s * 50)):
            if condition():
                return
            self.run(0.02)
        raise TimeoutError(f"not within {within_s} s: {condition}")

    # --- people

    def press(self) -> None:
        """A short press of the button."""
        self.panel.press()
        self.run(0.2)
        self.panel.release()
        self.run(0.1)

    def hold(self, seconds: float) -> None:
        """The button held."""
        self.panel.press()
        self.run(seconds)
        self.panel.release()
        self.run(0.1)

    def key(self, key: str) -> None:
        """The other party presses a key."""
        now = self.clock.mono()
        self.app.post(KeyHeard(now, key, Leg.FAR, now - 0.07, 0.15, -10.0, 0.0, 0.95, final=True))
        self.run(0.1)

    def both_speak(self) -> None:
        """First the near party says something, then the far one."""
        for leg in (Leg.NEAR, Leg.FAR):
            self.app.post(SpeechBegan(self.clock.mono(), leg))
            self.run(0.3)
            self.app.post(SpeechEnded(self.clock.mono(), leg))
            self.run(0.1)

    # ---

    def _worker(self, name: str) -> Worker:
        if name == "spool" and self.spool_worker is not None:
            return self.spool_worker
        return InlineWorker(on_error=self.faults.append)

    def _before(self, operation: Operation) -> None:
        self.taken_by[len(self.files.done)] = len(self.archive.taken)
        self.refuse(operation)

    def _note(self, event: Event) -> None:
        self.notes.append(Note(len(self.files.done), event))
        self._inbox.put(event)


def policy(way: Way = Way.KEY) -> Policy:
    """A workshop that may record."""
    return Policy(
        accepted=True,
        line_users=(1,),
        proven_tap=SERIAL,
        text_version="de-1",
        text_hash="0" * 64,
        sound_s=dict.fromkeys(SOUNDS, SOUND_S),
        way=way,
    )


def trust(archive: SimArchive) -> Trust:
    """Whose word counts."""
    return Trust(
        boxes=(TrustedKey.of(VerifyKey(BOX_KEY.public), box=BOX),),
        archive=archive.trust().archive,
        workshop=(TrustedRecipient.of(OWNER.workshop().public),),
    )


def _keep_until(wall: float, synced: bool) -> str | None:  # noqa: FBT001 - as the spool asks
    """90 days, on a clock that is synced."""
    if not synced:
        return None
    return utc_text(keep_until(Retention.INQUIRY, wall))


def _sounds() -> Mapping[str, Sound]:
    samples = np.full(round(SOUND_S * SOUND_RATE_HZ), 0.05, np.float32)
    return {name: Sound(name, samples, 0.1 if name in {"announcement", "details"} else None) for name in SOUNDS}
