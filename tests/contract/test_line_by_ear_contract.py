"""A line that is only heard, over the simulated and the real sound device: hints, and never a line that is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest

from handschlag.adapters.audio import PortAudio
from handschlag.adapters.sources import SourcesLine
from handschlag.adapters.vox import VoxLine
from handschlag.core.events import AudioCame, Event, LineSounds, PlayConnected, TapGone
from handschlag.core.sources import Deciders
from handschlag.heard import core_event
from handschlag.hearing import Ear
from handschlag.ports import Audio, AudioBlock
from handschlag.sim.audio import BLOCK, SimAudio, StreamClock
from handschlag.sim.pulse import TAP
from handschlag_bench.hearing.signals import tones, voice
from tests.adapters.test_audio import Wire
from tests.support.inbox import Inbox
from tests.support.pulse import running_pulse

RATE = 48000
QUIET_S = 1.5
F32 = npt.NDArray[np.float32]


class Rig(Protocol):
    """A line that is only heard."""

    inbox: Inbox
    line: SourcesLine

    def carry(self, samples: F32) -> None:
        """The wires carry this."""

    def pump(self) -> None:
        """Let the world go on a little."""

    def close(self) -> None:
        """Away with it."""


class _Heard:
    """What every rig has: an application that hears each block at once, and the line with nothing but vox."""

    def __init__(self, audio: Audio) -> None:
        self.inbox = Inbox()
        self.audio = audio
        self.ear = Ear(RATE)
        self.vox = VoxLine(QUIET_S)
        self.line = SourcesLine({"vox": self.vox}, Deciders(hint=("vox",)))
        self.line.start(self.inbox.post)
        audio.start(self._post)

    def _post(self, event: Event) -> None:
        if not isinstance(event, AudioBlock):
            self.inbox.post(event)
            return
        heard = self.ear.feed(event.frames)
        self.vox.heard(event.at, [core_event(each, event.at, lambda at: at / 8000) for each in heard.events])
        self.audio.done(event)

    def close(self) -> None:
        """Both ends."""
        self.line.close()
        self.audio.close()


class Simulated(_Heard):
    """SimAudio."""

    def __init__(self, _folder: Path) -> None:
        self.sim = SimAudio({}, StreamClock())
        self._waiting: list[F32] = []
        super().__init__(self.sim)

    def carry(self, samples: F32) -> None:
        """Wait for its time."""
        count = len(samples) // BLOCK
        self._waiting += list(np.stack([samples[: count * BLOCK]] * 2, axis=1).reshape(count, BLOCK, 2))

    def pump(self) -> None:
        """20 ms."""
        self.sim.push(self._waiting.pop(0) if self._waiting else np.zeros((BLOCK, 2), np.float32))
        self.sim.pull(BLOCK)


class Real(_Heard):
    """PortAudio over a private PulseAudio."""

    def __init__(self, folder: Path) -> None:
        self._pulse = running_pulse(folder)
        self._pulse.__enter__()
        super().__init__(PortAudio(TAP, {}))
        self.inbox.until(lambda: bool(self.inbox.of(AudioCame)))
        self.wire = Wire()

    def carry(self, samples: F32) -> None:
        """Into the box's ears."""
        self.wire.carry(np.stack([samples] * 2, axis=1))

    def pump(self) -> None:
        """Time passes by itself."""

    def close(self) -> None:
        """Cut the wires, and end the server."""
        self.wire.close()
        super().close()
        self._pulse.__exit__(None, None, None)


@pytest.fixture(params=[Simulated, Real])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A line that is only heard, started."""
    rig: Rig = request.param(tmp_path)
    yield rig
    rig.close()


def _until(rig: Rig, *off_hook: bool) -> None:
    """Wait until the line has been told to sound so, in this order, and nothing else."""
    rig.inbox.until(lambda: len(rig.inbox.of(LineSounds)) >= len(off_hook), rig.pump)
    assert tuple(told.off_hook for told in rig.inbox.of(LineSounds)) == off_hook


@pytest.mark.parametrize(
    "samples",
    [tones((425,), 2000.0, -12.0, RATE), voice(1.0, -18.0, seed=4, rate=RATE)],
    ids=["dial tone", "speech"],
)
def test_how_it_sounds_is_told_and_the_line_stays_unknown(rig: Rig, samples: F32) -> None:
    """Silence is idle probably, a tone or speech off-hook probably; that the line is unknown is all that is known."""
    _until(rig, False)
    rig.carry(samples.astype(np.float32))
    _until(rig, False, True)
    _until(rig, False, True, False)
    assert [event.why for event in rig.inbox.of(TapGone)] == ["hook: not known by wire"]
    told = [event for event in rig.inbox.events if not isinstance(event, LineSounds | TapGone)]
    rig.line.ping()
    rig.line.connect_play(on=True, ms=100)
    after = [event for event in rig.inbox.events if not isinstance(event, LineSounds | TapGone)]
    assert [type(event) for event in after[len(told) :]] == [PlayConnected]
    assert [(answer.ok, answer.why) for answer in rig.inbox.of(PlayConnected)] == [(False, "gone")]
