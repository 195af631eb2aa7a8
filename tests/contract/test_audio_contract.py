"""What every simulated `ports.Audio` keeps, in stream time; tests/adapters/test_audio.py asks the same of PortAudio."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest

from handschlag.core.events import AudioCame, AudioGone, MarkPassed, Played, PlayFailed
from handschlag.ports import Audio, AudioBlock, Sound
from handschlag.sim.audio import BLOCK, PipeAudio, PipeWorld, SimAudio, StreamClock
from tests.support.inbox import Inbox

RATE = 48000
RAMP = np.linspace(0.1, 0.9, RATE // 2, dtype=np.float32)
SOUNDS = {
    "ramp": Sound("ramp", RAMP, mark_s=0.25),
    "short": Sound("short", np.full(100, 0.5, np.float32)),
}


class Rig(Protocol):
    """An audio port, and the line it is connected to."""

    audio: Audio
    inbox: Inbox
    clock: StreamClock

    def exchange(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The line carries (BLOCK, 2) frames and then hears (BLOCK,) frames."""

    def close(self) -> None:
        """Away with it."""


class InProcess:
    """SimAudio."""

    def __init__(self, _folder: Path) -> None:
        self.inbox = Inbox()
        self.clock = StreamClock()
        self.sim = SimAudio(SOUNDS, self.clock)
        self.audio: Audio = self.sim
        self.seen: list[npt.NDArray[np.float32]] = []
        self.played: list[npt.NDArray[np.float32] | None] = []
        self.sim.start(self.inbox.post)
        self.close = self.sim.close

    def exchange(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Push, handle, pull."""
        before = len(self.inbox.of(AudioBlock))
        self.sim.push(frames)
        for block in self.inbox.of(AudioBlock)[before:]:
            self.seen.append(block.frames.copy())
            self.played.append(None if block.played is None else block.played.copy())
            self.audio.done(block)
        return self.sim.pull(len(frames))


class OverSocket:
    """PipeAudio, with an application that handles each block at once."""

    def __init__(self, folder: Path) -> None:
        self.inbox = Inbox()
        self.clock = StreamClock()
        pipe = PipeAudio(folder / "audio", self.clock, SOUNDS)
        self.audio: Audio = pipe
        self.seen: list[npt.NDArray[np.float32]] = []
        self.played: list[npt.NDArray[np.float32] | None] = []
        pipe.start(self.inbox.post)
        self.world = PipeWorld(folder / "audio")

    def exchange(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Send; handle in this thread; receive in another one, as another process would."""
        before = len(self.inbox.of(AudioBlock))
        heard: list[npt.NDArray[np.float32]] = []
        world = threading.Thread(target=lambda: heard.append(self.world.exchange(frames)))
        world.start()
        self.inbox.until(lambda: len(self.inbox.of(AudioBlock)) > before)
        block = self.inbox.of(AudioBlock)[-1]
        self.seen.append(block.frames.copy())
        self.played.append(None if block.played is None else block.played.copy())
        self.audio.done(block)
        world.join()
        return heard[0]

    def close(self) -> None:
        """Both ends."""
        self.world.close()
        self.audio.close()


@pytest.fixture(params=[InProcess, OverSocket])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each kind of audio, started."""
    rig: Rig = request.param(tmp_path)
    yield rig
    rig.close()


def silence() -> npt.NDArray[np.float32]:
    """A block of nothing."""
    return np.zeros((BLOCK, 2), np.float32)


def test_blocks_carry_what_the_line_carried(rig: InProcess | OverSocket) -> None:
    """Frames arrive unchanged, stamped with the time of their last frame, after AudioCame."""
    sent = np.random.default_rng(1).uniform(-1, 1, (BLOCK, 2)).astype(np.float32)
    rig.exchange(sent)
    rig.exchange((sent / 2).astype(np.float32))
    kinds = [type(event) for event in rig.inbox.events if not isinstance(event, AudioGone)]
    assert kinds == [AudioCame, AudioBlock, AudioBlock]
    assert np.array_equal(rig.seen[0], sent)
    assert np.array_equal(rig.seen[1], sent / 2)
    assert [block.at for block in rig.inbox.of(AudioBlock)] == pytest.approx([0.02, 0.04])


def test_done_wipes_the_buffer(rig: Rig) -> None:
    """After `done` no trace of the line is left in the block (P1)."""
    rig.exchange(np.ones((BLOCK, 2), np.float32))
    assert not rig.inbox.of(AudioBlock)[0].frames.any()


def test_sounds_play_while_nobody_listens(rig: Rig) -> None:
    """Without a wish for blocks the line still hears every sample, and their end is told."""
    rig.exchange(silence())
    rig.audio.want(blocks=False)
    rig.audio.play("short")
    heard = np.concatenate([rig.exchange(silence()) for _ in range(3)])
    assert np.count_nonzero(heard) == 100
    assert [end.sound for end in rig.inbox.of(Played)] == ["short"]
    rig.audio.want(blocks=True)
    before = len(rig.inbox.of(AudioBlock))
    rig.exchange(silence())
    assert len(rig.inbox.of(AudioBlock)) == before + 1


def test_a_sound_is_played_whole_and_its_mark_told_in_time(rig: Rig) -> None:
    """The line hears every sample once; mark and end come at their sample's time."""
    rig.exchange(silence())
    rig.audio.play("ramp")
    began = rig.clock.mono()
    heard = np.concatenate([rig.exchange(silence()) for _ in range(27)])
    # the first exchange's answer was given before `play`, so the sound begins with the next one
    assert np.array_equal(heard[: len(RAMP)], RAMP)
    assert not heard[len(RAMP) :].any()
    (mark,) = rig.inbox.of(MarkPassed)
    (end,) = rig.inbox.of(Played)
    assert mark.at - began == pytest.approx(0.02 + 0.25, abs=1e-4)
    assert end == Played(end.at, "ramp")
    assert end.at - began == pytest.approx(0.02 + 0.5, abs=1e-4)


def test_blocks_say_what_was_played_meanwhile(rig: InProcess | OverSocket) -> None:
    """Each block brings the very samples that the line heard during it, None for silence; `done` wipes them."""
    assert rig.inbox.of(AudioBlock) == []
    rig.exchange(silence())
    rig.audio.play("ramp")
    heard = [rig.exchange(silence()) for _ in range(28)]
    blocks = rig.inbox.of(AudioBlock)
    assert rig.played[0] is None  # the answer to the first block came before `play`
    for played, wanted in zip(rig.played[2:], heard[:-1], strict=True):
        assert (played is not None) == bool(wanted.any())
        assert played is None or np.array_equal(played, wanted)
    assert not any(block.played.any() for block in blocks if block.played is not None)


def test_stop_is_silent_within_a_block_and_tells_nothing_more(rig: Rig) -> None:
    """After stop_play neither sound nor mark nor end comes."""
    rig.exchange(silence())
    rig.audio.play("ramp")
    rig.exchange(silence())
    rig.audio.stop_play()
    heard = np.concatenate([rig.exchange(silence()) for _ in range(30)])
    assert not heard.any()
    assert not rig.inbox.of(MarkPassed)
    assert not rig.inbox.of(Played)


def test_what_was_passed_after_a_stop_is_not_told(rig: Rig) -> None:
    """A sound whose end was handed out, but not yet heard, when it was stopped tells no end."""
    rig.exchange(silence())
    rig.audio.play("short")
    rig.exchange(silence())  # its answer holds the whole sound
    rig.audio.stop_play()
    rig.exchange(silence())
    rig.exchange(silence())
    assert not rig.inbox.of(Played)


def test_a_new_sound_replaces_the_old_one(rig: Rig) -> None:
    """Playing while playing ends the first sound without a word of it."""
    rig.exchange(silence())
    rig.audio.play("ramp")
    rig.exchange(silence())
    rig.audio.play("short")
    heard = np.concatenate([rig.exchange(silence()) for _ in range(3)])
    assert np.array_equal(heard[:100], SOUNDS["short"].samples)
    assert not heard[100:].any()
    assert [end.sound for end in rig.inbox.of(Played)] == ["short"]


def test_an_unknown_sound_fails_by_name(rig: Rig) -> None:
    """A sound that is not in the catalog is refused, naming those that are."""
    rig.audio.play("polka")
    (failed,) = rig.inbox.of(PlayFailed)
    assert failed.sound == "polka"
    assert "ramp, short" in failed.why


def test_a_lagging_application_loses_the_newest_and_is_told() -> None:
    """At most 200 ms are ever out; what came meanwhile is counted with the next block (P1)."""
    rig = SimAudio(SOUNDS)
    inbox = Inbox()
    rig.start(inbox.post)
    rig.push(np.ones((BLOCK * 15, 2), np.float32))
    blocks = inbox.of(AudioBlock)
    assert len(blocks) == 10
    for block in blocks:
        rig.done(block)
        rig.done(block)  # told twice, wiped once
    inbox.forget()
    rig.push(np.ones((BLOCK * 15, 2), np.float32))
    again = inbox.of(AudioBlock)
    assert again[0].lost == 5 * BLOCK
    assert len({id(block.frames) for block in again}) == len(again) == 10


def test_a_lost_device_ends_the_sound() -> None:
    """A device that goes while playing posts PlayFailed and AudioGone, then AudioCame with its next block."""
    rig = SimAudio(SOUNDS)
    inbox = Inbox()
    rig.start(inbox.post)
    rig.push(silence())
    rig.play("ramp")
    rig.fail("unplugged")
    assert [failed.sound for failed in inbox.of(PlayFailed)] == ["ramp"]
    inbox.forget()
    rig.push(silence())
    assert isinstance(inbox.events[0], AudioCame)


def test_a_world_that_goes_and_comes_back(tmp_path: Path) -> None:
    """A closed socket is AudioGone and a failed sound; a new world is AudioCame, lost frames counted in the clock."""
    rig = OverSocket(tmp_path)
    rig.exchange(silence())
    rig.audio.play("ramp")
    rig.inbox.forget()
    rig.world.close()
    rig.inbox.until(lambda: bool(rig.inbox.of(AudioGone)))
    assert [failed.sound for failed in rig.inbox.of(PlayFailed)] == ["ramp"]
    rig.world = PipeWorld(tmp_path / "audio")
    rig.inbox.forget()
    rig.exchange(silence())
    assert isinstance(rig.inbox.events[0], AudioCame)
    rig.close()


@pytest.mark.parametrize("header", [b"\0" * 8, b"\xff" * 8])
def test_a_world_that_breaks_the_format_is_dropped(tmp_path: Path, header: bytes) -> None:
    """Impossible sizes end the connection with a reason instead of being allocated (P10)."""
    rig = OverSocket(tmp_path)
    rig.inbox.until(lambda: bool(rig.inbox.of(AudioGone)))
    rig.world._socket.sendall(header)
    rig.inbox.until(lambda: len(rig.inbox.of(AudioGone)) == 2)
    assert "allowed are 1 to 9600" in rig.inbox.of(AudioGone)[-1].why
    rig.close()


def test_a_new_world_hears_nothing_of_the_old_ones(tmp_path: Path) -> None:
    """What the lost world would have heard next is not told as played to the new one."""
    rig = OverSocket(tmp_path)
    rig.audio.play("ramp")
    rig.exchange(silence())
    rig.world.close()
    rig.inbox.until(lambda: len(rig.inbox.of(AudioGone)) == 2)
    rig.world = PipeWorld(tmp_path / "audio")
    rig.exchange(silence())
    assert rig.played == [None, None]
    rig.close()


def test_what_nobody_wanted_counts_for_what_was_played() -> None:
    """Blocks that are not delivered, unwanted or for want of a buffer, take their share of what was played along."""
    rig = SimAudio(SOUNDS)
    inbox = Inbox()
    rig.start(inbox.post)
    rig.play("ramp")
    rig.push(silence())
    first, second, third = (rig.pull(BLOCK) for _ in range(3))
    rig.want(blocks=False)
    rig.push(silence())
    rig.want(blocks=True)
    rig.push(silence())
    rig.push(silence())
    assert first.any()
    for block, wanted in zip(inbox.of(AudioBlock)[1:], (second, third), strict=True):
        assert block.played is not None
        assert np.array_equal(block.played, wanted)
