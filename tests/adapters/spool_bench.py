"""A spool on a bench: a folder, watched file operations, a worker to choose, and everything that was posted."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.spool import DiskSpool, Identity
from handschlag.core.events import DiskFailed, Event, FileDurable
from handschlag.ports import Closing, ConsentRecord, LedgerFacts, Opening, Samples, Worker
from handschlag.sealing.open import Opened, open_recording
from handschlag.sealing.verify import Verdict, verify_recording
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.worker import InlineWorker
from tests.sealing import builder
from tests.support.clock import HandClock

ONE = builder.RECORDING
TWO = builder.OTHER_RECORDING
CLIP = 1600
LEDGER_HASH = "ab" * 32

E = TypeVar("E", bound=Event)

CONSENT = ConsentRecord(
    way="key",
    at=builder.AT,
    text_version="de-1",
    text_hash=builder.TEXT_HASH,
    mark_s=9.5,
    leg="far",
    ledger_seq=3,
    clock="synced",
)


class Folder:
    """A recording's folder as verify and open read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Sequence[str]:
        """All names in it."""
        return sorted(path.name for path in self._path.iterdir())

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return (self._path / name).read_bytes()


def raise_(error: Exception) -> None:
    """No job may fail by accident."""
    raise error


def samples(seed: int, count: int = CLIP) -> Samples:
    """Noise, (count, 2)."""
    return np.random.default_rng(seed).integers(-9000, 9000, (count, 2), dtype=np.int16)


def opening(recording: str = ONE) -> Opening:
    """A recording's beginning."""
    return Opening(
        recording=recording,
        boot=builder.BOOT,
        seizure=builder.SEIZURE,
        opened_at=builder.AT,
        clock="synced",
        sample_rate=8000,
        channels=2,
        personal={"number": "+49 30 1234567", "direction": "incoming"},
    )


def closing(recording: str = ONE) -> Closing:
    """A recording's end."""
    return Closing(
        recording=recording,
        ended="idle",
        closed_at=builder.AT,
        clock="synced",
        consent=CONSENT,
        ledger_seq=5,
        ledger_hash=LEDGER_HASH,
        gaps=(),
        personal={"marks_s": [1.5]},
    )


@dataclass(frozen=True)
class Told:
    """An event, and what had been done on disk when it was posted."""

    event: Event
    done: int


class Bench:
    """A data folder; `spool()` opens a spool on it, as after a start."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.files = WatchedFiles(RealFiles())
        self.clock = HandClock()
        self.told: list[Told] = []
        self.facts: dict[str, LedgerFacts] = {}
        self.codec_calls = 0
        data.mkdir(exist_ok=True)

    def spool(self, worker: Worker | None = None, *, reserve_bytes: int = 0) -> DiskSpool:
        """A spool as after a start."""
        identity = Identity(
            box=builder.BOX,
            key=builder.BOX_KEY,
            recipients=[builder.OWNER.workshop().public],
            firmware="0.1.0",
            retention="standard",
            keep_until=lambda _wall, synced: "2027-11-23T00:00:00Z" if synced else None,
        )
        return DiskSpool(
            self.data,
            identity=identity,
            files=self.files,
            worker=worker or InlineWorker(on_error=raise_),
            codec=FlacCodec(),
            clock=self.clock,
            post=self.post,
            facts=lambda recording: self.facts.get(recording, LedgerFacts()),
            reserve_bytes=reserve_bytes,
        )

    def post(self, event: Event) -> None:
        """Note an event beside what was done before it."""
        self.told.append(Told(event, len(self.files.done)))

    def of(self, kind: type[E]) -> list[E]:
        """All events of a kind."""
        return [told.event for told in self.told if isinstance(told.event, kind)]

    def durable(self) -> list[str]:
        """The files told as durable, in order."""
        return [event.name for event in self.of(FileDurable)]

    def failures(self) -> list[str]:
        """What the disk refused."""
        return [event.what for event in self.of(DiskFailed)]

    def folder(self, recording: str = ONE) -> Path:
        """A recording's folder."""
        return self.data / "spool" / recording

    def gone(self, recording: str = ONE) -> Path:
        """A destroyed recording's folder."""
        return self.data / "spool" / f"{recording}.gone"

    def revoke(self, recording: str = ONE) -> Path:
        """A revocation."""
        return self.data / "revoke" / f"{recording}.jws"

    def done(self) -> list[str]:
        """The operations so far: kind and path below the data folder, `old > new` for a rename."""
        return [self._in_words(operation) for operation in self.files.done]

    def _in_words(self, operation: Operation) -> str:
        paths = [os.path.relpath(path, self.data) for path in (operation.path, operation.to) if path]
        return f"{operation.kind} {' > '.join(paths)}".replace(ONE, "ONE")

    def refuse(self, *kinds: str, code: int = errno.ENOSPC, where: str = "") -> None:
        """The disk refuses operations of these kinds from now on."""

        def fail(operation: Operation) -> None:
            if operation.kind in kinds and where in operation.path:
                raise OSError(code, os.strerror(code))

        self.files.fail = fail

    def allow(self) -> None:
        """The disk works again."""
        self.files.fail = lambda _operation: None

    def record(self, spool: DiskSpool, *, clips: int = 3, recording: str = ONE, keys: bool = True) -> list[Samples]:
        """Open a recording and give it clips; not closed yet."""
        spool.open(opening(recording))
        if keys:
            spool.write_keys(recording)
        kept = [samples(index) for index in range(clips)]
        for index, part in enumerate(kept):
            assert spool.add_clip(recording, index, index * CLIP, part.copy())
        return kept

    def consented(self, recording: str = ONE) -> None:
        """The ledger knows the consent."""
        self.facts[recording] = LedgerFacts(consented=True, consent=replace(CONSENT, mark_s=None))

    def verdict(self, recording: str = ONE) -> Verdict:
        """What verify says of the folder."""
        return verify_recording(Folder(self.folder(recording)), builder.trust(), box=builder.BOX, recording=recording)

    def opened(self, recording: str = ONE) -> tuple[Opened, list[Samples]]:
        """The recording opened with the workshop key, and its clips decoded."""
        opened = open_recording(Folder(self.folder(recording)), builder.OWNER.workshop(), builder.trust())
        return opened, [FlacCodec().decode(flac)[0] for _, flac in opened.clips()]

    def tree(self) -> Mapping[str, bytes]:
        """Every file below the data folder."""
        paths = sorted(path for path in self.data.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data)): path.read_bytes() for path in paths}
