"""A whole box in one process: the real application, spool, ledger and detectors around a simulated line and archive.

Time is the audio stream's: each step of the world brings 20 ms, and everything that follows from it is done before the
next one. Nothing sleeps.
"""

from __future__ import annotations

import queue
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.spool import Identity
from handschlag.app import App, Ports
from handschlag.cli.storage import open_storage
from handschlag.core.events import Event
from handschlag.core.policy import Policy
from handschlag.core.staff import StaffConsent
from handschlag.hearing import Ear
from handschlag.ports import SOUND_RATE_HZ, Samples, Sound
from handschlag.prompts.catalog import load as load_prompts
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient
from handschlag.sim.audio import SimAudio, StreamClock
from handschlag.sim.line import LineModel
from handschlag.sim.line_port import SimLine
from handschlag.sim.memory_owner import MemoryOwner
from handschlag.sim.memory_registers import MemoryRegisters
from handschlag.sim.panel import SimPanel
from handschlag.sim.tap import SimTap
from handschlag.sim.uplink import SimArchive, SimUplink
from handschlag.sim.worker import InlineWorker
from handschlag.sim.world import BLOCK, World

BOX = "test-box"
SERIAL = "sim-1"


class CountingCodec(FlacCodec):
    """The real codec, which counts how often audio was encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode(self, samples: Samples, sample_rate: int) -> bytes:
        """Encode, and count."""
        self.encoded += 1
        return super().encode(samples, sample_rate)


class House:
    """The workshop: box, tap, line, people, and an archive that answers."""

    def __init__(self, folder: Path, policy: Policy | None = None, line: LineModel | None = None) -> None:
        self.folder = folder
        self.prompts = load_prompts("de")
        every = {prompt.name: prompt for prompt in self.prompts.every()}
        self.policy = policy or Policy(
            accepted=True,
            line_users=(1,),
            proven_tap=SERIAL,
            text_version="de-1",
            text_hash=self.prompts.announcement.text_sha256,
            sound_s={},
        )
        self.policy = replace(self.policy, sound_s={name: prompt.length_s for name, prompt in every.items()})
        sounds = {name: Sound(name, prompt.samples, prompt.mark_s) for name, prompt in every.items()}
        inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.clock = StreamClock()
        self.deaf = False  # the sound device loses what the line carries
        self.audio = SimAudio(sounds, self.clock)
        self.tap = SimTap(serial=SERIAL)
        self.line = SimLine(self.tap, self.clock.mono)
        self.panel = SimPanel(self.clock.mono)
        self.codec = CountingCodec()
        self.owner = OwnerSecret.from_bytes(bytes(range(32)))
        self.box_key = SigningKey.from_seed(bytes(32))
        kept = open_storage(
            folder,
            identity=Identity(
                box=BOX,
                key=self.box_key,
                recipients=(self.owner.workshop().public,),
                firmware="0.1.0",
                retention="order",
                keep_until=lambda _wall, _synced: "2030-01-01T00:00:00Z",
            ),
            boot="boot-1",
            files=RealFiles(),
            worker=lambda _name: InlineWorker(on_error=_raise),
            codec=self.codec,
            clock=self.clock,
            post=inbox.put,
            reserve_bytes=0,
        )
        self.ledger, self.spool = kept.ledger, kept.spool
        self.archive = SimArchive(BOX, wall=lambda: self.clock.wall()[0])
        self.uplink = SimUplink(self.archive, read=self.spool.read, ledger_lines=self.ledger.lines, now=self.clock.mono)
        self.registers = MemoryRegisters(self.clock.mono, (StaffConsent(1, "d" * 64, "1", valid_from=1.6e9),))
        self.owners_word = MemoryOwner()
        ports = Ports(
            self.clock,
            self.line,
            self.audio,
            self.panel,
            self.spool,
            self.ledger,
            kept.catalog,
            self.uplink,
            self.registers,
            self.owners_word,
        )
        self.app = App(
            self.policy,
            ports,
            Ear(SOUND_RATE_HZ),
            boot="boot-1",
            facts=kept.facts,
            inbox=inbox,
            sample_rate_in=SOUND_RATE_HZ,
        )
        self.world = World(
            self.tap,
            self._exchange,
            pump=self._pump,
            button=lambda down: self.panel.press() if down else self.panel.release(),
            line=line or LineModel(cable_km=1.0, seed=3),
        )
        self.app.start()
        self.world.run(1.5)

    @property
    def trust(self) -> Trust:
        """Whose word counts."""
        return Trust(
            boxes=(TrustedKey.of(VerifyKey(self.box_key.public), box=BOX),),
            archive=self.archive.trust().archive,
            workshop=(TrustedRecipient.of(self.owner.workshop().public),),
        )

    def recordings(self) -> list[Path]:
        """The folders in the spool, set aside and dying ones included."""
        return sorted((self.folder / "spool").iterdir())

    def entries(self, kind: str) -> list[dict[str, object]]:
        """The ledger's entries of a kind."""
        return [dict(entry) for entry in self.ledger.entries() if entry["kind"] == kind]

    def close(self) -> None:
        """Switch the box off."""
        self.app.close()

    def _exchange(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.deaf:
            self.audio.drop(len(frames))
        else:
            self.audio.push(frames)
        self.app.pump()
        self.uplink.pump()
        self.app.pump()
        return self.audio.pull(BLOCK)

    def _pump(self, _now: float) -> None:
        self.line.pump()
        self.app.pump()


def _raise(error: Exception) -> None:
    raise error
