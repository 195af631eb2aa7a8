"""Audio without a sound device: in the same process (`SimAudio`), or from a world in another one (`PipeAudio`).

`PipeAudio` runs in lock-step over a UNIX stream socket. The world sends a block of the line's frames; the box handles
it, and only then answers with as many frames of what it plays; the world goes on. Nobody waits for real time: the
stream's position is the time (`StreamClock`), and the world runs as fast as the box can hear.

On the socket, little-endian: from the world u32 frames, u32 lost frames before them, then frames x channels float32;
from the box u32 frames, then as many float32 (mono).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handschlag.blocks import BlockPool, Passage, Player, Reached
from handschlag.core.events import AudioCame, AudioGone, Event, MarkPassed, Played, PlayFailed
from handschlag.errors import HandschlagError
from handschlag.ports import SOUND_RATE_HZ, AudioBlock, Frames, Post, Sound

BLOCK = 960
"""Frames of 20 ms at 48 kHz."""

OUTSTANDING = 10
"""Blocks that may be out at a time: 200 ms."""

MAX_FRAMES = 9600
"""No block on the socket is longer than 200 ms (P1)."""

_FROM_WORLD = struct.Struct("<II")
_FROM_BOX = struct.Struct("<I")


class BadStream(HandschlagError, ValueError):
    """The other end of the socket does not keep to the format."""


class StreamClock:
    """Time is the stream's position: `mono` starts at 0, `wall` at `wall_start` (seconds since 1970)."""

    def __init__(self, wall_start: float = 1_790_000_000.0, *, rate: int = SOUND_RATE_HZ, synced: bool = True) -> None:
        self.synced = synced
        self._wall_start = wall_start
        self._rate = rate
        self._frames = 0

    def advance(self, frames: int) -> None:
        """`frames` more of the stream have come."""
        self._frames += frames

    def mono(self) -> float:
        """Seconds of stream so far."""
        return self._frames / self._rate

    def wall(self) -> tuple[float, bool]:
        """Seconds since 1970 in the simulated world."""
        return self._wall_start + self.mono(), self.synced

    def utc_offset_s(self) -> float:
        """The simulated world keeps UTC."""
        return 0.0

    def wait_s(self, until: float) -> float | None:  # noqa: ARG002 - the port's signature; no real time brings `until` nearer
        """None: only the next block brings the time forward."""
        return None


class _Playing:
    """What both simulated audios do with sounds: find them, pull them, tell passages in stream time."""

    def __init__(self, clock: StreamClock, sounds: Mapping[str, Sound]) -> None:
        self.player = Player()
        self.sounds = sounds
        self._clock = clock
        self._ahead: list[tuple[float, Passage]] = []
        self._pulled = np.zeros(0, np.float32)

    def play(self, name: str) -> Event | None:
        """Begin a sound; the failure, if there is no such sound."""
        sound = self.sounds.get(name)
        if sound is None:
            self.player.stop()
            return PlayFailed(self._clock.mono(), name, f"no such sound; there are: {', '.join(sorted(self.sounds))}")
        self.player.play(sound)
        return None

    def pull(self, out: npt.NDArray[np.float32]) -> None:
        """Fill `out` with what is heard from now on, and note its passages for when their time has come."""
        now = self._clock.mono()
        self._ahead += [(now + passage.offset / SOUND_RATE_HZ, passage) for passage in self.player.pull(out)]
        self._pulled = np.concatenate([self._pulled, out])[-MAX_FRAMES:]

    def played(self, frames: int) -> npt.NDArray[np.float32] | None:
        """What was pulled for the next `frames` of the line; None for silence."""
        played, self._pulled = self._pulled[:frames], self._pulled[frames:]
        return np.pad(played, (0, frames - len(played))) if played.any() else None

    def drop_pulled(self) -> None:
        """Nobody will hear what was pulled last."""
        self._pulled = np.zeros(0, np.float32)

    def passed(self) -> list[Event]:
        """The events of all passages whose time has come."""
        now = self._clock.mono()
        come = [(at, passage) for at, passage in self._ahead if at <= now]
        self._ahead = [(at, passage) for at, passage in self._ahead if at > now]
        return [
            MarkPassed(at) if passage.reached is Reached.MARK else Played(at, passage.sound)
            for at, passage in come
            if passage.turn == self.player.turn
        ]


class SimAudio:
    """`ports.Audio` in one process: `push` what the line carries, `pull` what the box plays; then both clocks agree."""

    def __init__(self, sounds: Mapping[str, Sound], clock: StreamClock | None = None, channels: int = 2) -> None:
        self.clock = clock or StreamClock()
        self._playing = _Playing(self.clock, sounds)
        self._pool = BlockPool(OUTSTANDING, BLOCK, channels)
        self._post: Post | None = None
        self._came = False
        self._lost = 0
        self._wanted = True

    def start(self, post: Post) -> None:
        """Begin to deliver blocks of 20 ms, as they are pushed."""
        self._post = post

    def want(self, *, blocks: bool) -> None:
        """Whether anybody listens; while nobody does, what is pushed goes nowhere."""
        self._wanted = blocks

    def push(self, frames: Frames) -> None:
        """The line carried (frames, channels), a whole number of blocks."""
        if len(frames) % BLOCK:
            raise BadStream(f"pushed {len(frames)} frames; allowed is a multiple of {BLOCK}")
        for first in range(0, len(frames), BLOCK):
            self._push_block(frames[first : first + BLOCK])

    def drop(self, frames: int) -> None:
        """The line carried so many frames that the device lost, as when it is plugged out and in again."""
        self.clock.advance(frames)
        for event in self._playing.passed():
            self._tell(event)
        self._playing.played(frames)
        self._lost += frames if self._wanted else 0

    def pull(self, frames: int) -> npt.NDArray[np.float32]:
        """What the box plays in the next `frames`."""
        out = np.empty(frames, np.float32)
        self._playing.pull(out)
        return out

    def done(self, block: AudioBlock) -> None:
        """The block was handled: wipe it and use it again."""
        self._pool.give(block.frames)
        if block.played is not None:
            block.played.fill(0)

    def play(self, sound: str) -> None:
        """Play a sound of the catalog from its beginning."""
        self._tell(self._playing.play(sound))

    def stop_play(self) -> None:
        """Fall silent."""
        self._playing.player.stop()

    def fail(self, why: str) -> None:
        """The device is gone until the next push."""
        self._came = False
        if (sound := self._playing.player.playing) is not None:
            self._playing.player.stop()
            self._tell(PlayFailed(self.clock.mono(), sound, why))
        self._tell(AudioGone(self.clock.mono(), why))

    def close(self) -> None:
        """End."""
        self._post = None
        self._pool.wipe()

    def _push_block(self, frames: Frames) -> None:
        self.clock.advance(len(frames))
        for event in self._playing.passed():
            self._tell(event)
        if not self._came:
            self._came = True
            self._tell(AudioCame(self.clock.mono()))
        played = self._playing.played(len(frames))
        if not self._wanted:
            self._lost = 0
            return
        buffer = self._pool.take()
        if buffer is None:
            self._lost += len(frames)
            return
        buffer[:] = frames
        lost, self._lost = self._lost, 0
        self._tell(AudioBlock(self.clock.mono(), buffer, lost, played))

    def _tell(self, event: Event | None) -> None:
        if event is not None and self._post is not None:
            self._post(event)


class PipeAudio:
    """`ports.Audio` for a world that connects to the UNIX socket `path`; it brings `clock` forward."""

    def __init__(self, path: Path, clock: StreamClock, sounds: Mapping[str, Sound], channels: int = 2) -> None:
        self._path = path
        self._clock = clock
        self._channels = channels
        self._playing = _Playing(clock, sounds)
        self._buffer = np.zeros((MAX_FRAMES, channels), np.float32)
        self._reply = np.zeros(MAX_FRAMES, np.float32)
        self._post: Post | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._world: socket.socket | None = None
        self._outstanding: AudioBlock | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="pipe-audio", daemon=True)

    def start(self, post: Post) -> None:
        """Wait for the world, and begin to deliver what it sends."""
        self._post = post
        self._path.unlink(missing_ok=True)
        self._listener.bind(os.fspath(self._path))
        self._listener.listen(1)
        self._thread.start()

    def want(self, *, blocks: bool) -> None:
        """Blocks are delivered all the same: the world waits for the answer to each, and keeps step by it."""

    def done(self, block: AudioBlock) -> None:
        """The block was handled: wipe it, and answer with what plays during the next one."""
        if self._outstanding is not block:
            return
        self._outstanding = None
        frames = len(block.frames)
        block.frames.fill(0)
        if block.played is not None:
            block.played.fill(0)
        out = self._reply[:frames]
        self._playing.pull(out)
        world = self._world
        if world is not None:
            with contextlib.suppress(OSError):  # the reading thread sees and tells that the world has gone
                world.sendall(_FROM_BOX.pack(frames))
                world.sendall(out.data.cast("B"))

    def play(self, sound: str) -> None:
        """Play a sound of the catalog from its beginning."""
        failed = self._playing.play(sound)
        if failed is not None and self._post is not None:
            self._post(failed)

    def stop_play(self) -> None:
        """Fall silent with the next frames."""
        self._playing.player.stop()

    def close(self) -> None:
        """End; the world is told by the closed socket."""
        self._closing = True
        for end in (self._listener, self._world):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        self._listener.close()
        self._buffer.fill(0)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        self._tell(AudioGone(self._clock.mono(), "no world has connected"))
        while not self._closing:
            try:
                world, _ = self._listener.accept()
            except OSError:
                return
            with world:
                self._world = world
                try:
                    self._serve(world)
                except (OSError, BadStream) as error:
                    self._lose(str(error))
                finally:
                    self._world = None

    def _serve(self, world: socket.socket) -> None:
        came = False
        header = memoryview(bytearray(_FROM_WORLD.size))
        while True:
            _receive(world, header)
            frames, lost = _FROM_WORLD.unpack(header)
            if not 0 < frames <= MAX_FRAMES:
                raise BadStream(f"a block of {frames} frames; allowed are 1 to {MAX_FRAMES}")
            if self._outstanding is not None:
                raise BadStream("the world sent a block before the last one was answered")
            view = self._buffer[:frames]
            _receive(world, view.data.cast("B"))
            self._clock.advance(frames + lost)
            for event in self._playing.passed():
                self._tell(event)
            if not came:
                came = True
                self._tell(AudioCame(self._clock.mono()))
            self._outstanding = AudioBlock(self._clock.mono(), view, lost, self._playing.played(frames))
            self._tell(self._outstanding)

    def _lose(self, why: str) -> None:
        self._outstanding = None
        self._buffer.fill(0)
        self._playing.drop_pulled()
        if (sound := self._playing.player.playing) is not None:
            self._playing.player.stop()
            self._tell(PlayFailed(self._clock.mono(), sound, why))
        self._tell(AudioGone(self._clock.mono(), why))

    def _tell(self, event: Event) -> None:
        if self._post is not None and not self._closing:
            self._post(event)


class PipeWorld:
    """The world's end of `PipeAudio`. Connects at once; raises OSError when no box listens."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(os.fspath(path))
        except OSError:
            self._socket.close()
            raise

    def exchange(self, frames: Frames, lost: int = 0) -> npt.NDArray[np.float32]:
        """Send (frames, channels) of the line; give the (frames,) that the box plays next.

        Raises:
            OSError: the box has gone.
        """
        self._socket.sendall(_FROM_WORLD.pack(len(frames), lost))
        self._socket.sendall(np.ascontiguousarray(frames, np.float32).tobytes())
        header = memoryview(bytearray(_FROM_BOX.size))
        _receive(self._socket, header)
        (count,) = _FROM_BOX.unpack(header)
        if count != len(frames):
            raise BadStream(f"the box answered {len(frames)} frames with {count}")
        played = np.empty(count, np.float32)
        _receive(self._socket, played.data.cast("B"))
        return played

    def close(self) -> None:
        """Go away."""
        self._socket.close()


def _receive(end: socket.socket, into: memoryview) -> None:
    """Fill `into`; raises ConnectionError when the other end closes."""
    while len(into):
        count = end.recv_into(into)
        if count == 0:
            raise ConnectionResetError("the other end has closed")
        into = into[count:]
