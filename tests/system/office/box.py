"""One run of the real box on a folder that outlives it: application, ear, ledger, spool, catalog, registers, uplink.

Only what the world must move is simulated: the line, the sound device, the panel, the broker with its archive. The
workers do their jobs at once, so that a run is the same each time. A cut of the power is an exception out of a file
operation: what was appended and not synced is lost, or torn in half.
"""

from __future__ import annotations

import errno
import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.registers import FileRegisters
from handschlag.adapters.spool import DiskSpool, Identity
from handschlag.adapters.vox import VoxLine
from handschlag.app import App, Ports
from handschlag.cli.storage import open_storage
from handschlag.core.events import Event
from handschlag.core.policy import Policy
from handschlag.hearing import Ear
from handschlag.ports import SOUND_RATE_HZ, Line, Sound
from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sim.audio import SimAudio, StreamClock
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.memory_owner import MemoryOwner
from handschlag.sim.panel import SimPanel
from handschlag.sim.uplink import SimArchive, SimUplink
from handschlag.sim.worker import InlineWorker

BOX = "office-box"
PLENTY = 50 * 1024**3


class PowerCut(BaseException):
    """The power is gone in the middle of a file operation; no error that anything could handle."""


class OfficeClock(StreamClock):
    """World time as the box sees it: its wall clock can jump, and lose its synchronisation."""

    def __init__(self, wall_start: float) -> None:
        super().__init__(wall_start)
        self.jumped_s = 0.0

    def wall(self) -> tuple[float, bool]:
        """As it is set now."""
        wall, _ = super().wall()
        return wall + self.jumped_s, self.synced


class Disk:
    """The disk under all runs: it can be full, refuse, and lose its power at the n-th operation from now."""

    def __init__(self) -> None:
        self.free = PLENTY
        self.refuses = False
        self.cut_in: int | None = None
        self.files = WatchedFiles(RealFiles())
        self.files.fail = self._before
        self._unsynced: dict[str, int] = {}

    def _before(self, operation: Operation) -> None:
        self.files.done.clear()
        if self.cut_in is not None:
            self.cut_in -= 1
            if self.cut_in < 0:
                self.cut_in = None
                self._tear()
                raise PowerCut
        if self.refuses and operation.kind in {"write", "append"}:
            raise OSError(errno.EIO, "the disk refuses")
        if operation.kind == "append":
            path = Path(operation.path)
            self._unsynced.setdefault(operation.path, path.stat().st_size if path.exists() else 0)
        elif operation.kind == "fsync":
            self._unsynced.pop(operation.path, None)

    def _tear(self) -> None:
        """Half of what was appended and never synced is on the disk."""
        for name, size in self._unsynced.items():
            path = Path(name)
            if path.exists() and path.stat().st_size > size:
                data = path.read_bytes()
                path.write_bytes(data[: size + (len(data) - size) // 2])
        self._unsynced.clear()


class _Spool(DiskSpool):
    """The real spool on a disk whose space the world decides."""

    disk: Disk

    def free_bytes(self) -> int:
        """As the world has it."""
        return self.disk.free


def _nobody(_at: float, _events: Sequence[Event]) -> None:
    """No line is read by its sound."""


class Box:
    """One run, from its start to `stop`, or to being dropped."""

    def __init__(
        self,
        folder: Path,
        policy: Policy,
        *,
        boot: str,
        clock: OfficeClock,
        disk: Disk,
        line: Line,
        sounds: Mapping[str, Sound],
        owner: OwnerSecret,
        key: SigningKey,
        archive: SimArchive,
        online: bool,
        mono: bool,
        vox: VoxLine | None,
        on_error: Callable[[Exception], None],
    ) -> None:
        inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.channels = 1 if mono else 2
        self.audio = SimAudio(sounds, clock, self.channels)
        self.panel = SimPanel(clock.mono)

        def worker(_name: str) -> InlineWorker:
            return InlineWorker(on_error=on_error)

        _Spool.disk = disk
        kept = open_storage(
            folder,
            identity=Identity(
                box=BOX,
                key=key,
                recipients=(owner.workshop().public,),
                firmware="0.1.0",
                retention="order",
                keep_until=lambda _wall, _synced: "2030-01-01T00:00:00Z",
            ),
            boot=boot,
            files=disk.files,
            worker=worker,
            codec=FlacCodec(),
            clock=clock,
            post=inbox.put,
            reserve_bytes=0,
            spool_of=_Spool,
        )
        self.ledger, self.spool = kept.ledger, kept.spool
        self.uplink = SimUplink(
            archive, read=self.spool.read, ledger_lines=self.ledger.lines, now=clock.mono, online=online
        )
        ports = Ports(
            clock,
            line,
            self.audio,
            self.panel,
            self.spool,
            self.ledger,
            kept.catalog,
            self.uplink,
            FileRegisters(folder, worker=worker("registers"), clock=clock, area_code="030"),
            MemoryOwner(),
        )
        self.app = App(
            policy,
            ports,
            Ear(SOUND_RATE_HZ, "mix" if mono else "vi"),
            boot=boot,
            facts=kept.facts,
            inbox=inbox,
            sample_rate_in=SOUND_RATE_HZ,
            on_heard=_nobody if vox is None else vox.heard,
        )
        self.app.start()

    def pump(self) -> None:
        """Handle everything that is due, and let messages flow."""
        self.app.pump()
        self.uplink.pump()
        self.app.pump()

    def stop(self) -> None:
        """Switch it off in order."""
        self.app.close()
