"""The sound device behind the tap, through PortAudio (sounddevice), as `ports.Audio`.

PortAudio calls back from its own threads; there nothing is decided, nothing waits and nothing raises: a block is
copied into a buffer that is used again and again, and posted. One thread of ours supervises: it finds the device by
its identity or name (an index changes with every plug), opens it, tells passages of sounds when they have really left
the device, notices when no more blocks come, and opens it again, for ever.

Of the 200 ms that audio may exist (P1), the device's own buffer takes about 60 ms; the rest may be out with the caller.
PortAudio lists devices once per initialisation, so that looking again means to initialise again: there can be one
`PortAudio` in a process.

A short loss is a gap, a longer one is a device that is gone. When blocks stop, the device is opened again at once; if
it delivers within `GRACE_S` of its last block, nothing is told but the frames lost, with the next block, and a
recording goes on with a gap in its manifest. A key pressed meanwhile is not heard, so it may not last: after `GRACE_S`
AudioGone is posted, whatever the driver is doing, and the core ends what was being recorded (P2, P7). A sound that was
playing fails at once, and nothing can be played before the device is back.

PortAudio 19.6 and 19.7 hang for ever when a device goes between opening and starting (its ALSA thread leaves without
releasing the mutex that the starter waits on). So whatever may hang runs on a thread that can be left behind; after
that PortAudio cannot be initialised again in this process, only tried again a few times, and the word says so.
"""

from __future__ import annotations

import atexit
import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from handschlag.blocks import BlockPool, Passage, Player, Reached, Rendered
from handschlag.core.events import AudioCame, AudioGone, Event, MarkPassed, Played, PlayFailed
from handschlag.errors import HandschlagError
from handschlag.ports import SOUND_RATE_HZ, AudioBlock, Post, Sound
from handschlag.usb_sound import SOUND, find_card, is_identity, is_on_card

F32 = npt.NDArray[np.float32]
T = TypeVar("T")

OUTSTANDING_S = 0.14
"""How much audio may be out with the caller; more is lost and counted."""

LATENCY_S = 0.04
"""Asked of the device; it answers with up to 60 ms."""

SILENT_S = 1.0
"""No block for so long: the device is gone."""

OPENING_S = 5.0
"""The first block may take longer: devices and sound servers wake up."""

REOPEN_S = 1.0
"""Between two attempts."""

GRACE_S = 2.0
"""A loss up to this long is a gap."""

REOPEN_IN_GRACE_S = 0.05
"""Between two attempts while a loss may still become a gap."""

HANG_S = 10.0
"""A call into the driver that takes longer will never return."""

MOST_HANGS = 5
"""So many threads are left behind at most."""

RENDERED_S = 0.2
"""How much of what was rendered is kept for what comes back of it."""

_LOOK_S = 0.25


class BadDevice(HandschlagError, LookupError):
    """No sound device, or more than one, fits the name."""


class DriverHangs(HandschlagError, TimeoutError):
    """A call into the sound driver does not return."""


def choose_device(name: str, devices: Sequence[tuple[str, int, int]], channels: int, sound: Path = SOUND) -> int:
    """Which of `devices` (name, inputs, outputs) is meant: the one of exactly that name, or else the only one with it.

    An identity (`handschlag.usb_sound`) means the first device of that card that has what is needed; `sound` is where
    the kernel lists cards.

    Raises:
        BadCard: no card, or more than one, has that identity.
        BadDevice: none or several fit, or it has too few channels; names what there is.
    """
    if is_identity(name):
        card = find_card(name, sound)
        on_card = [number for number, (each, _, _) in enumerate(devices) if is_on_card(each, card.number)]
        for number in on_card:
            if devices[number][1] >= channels and devices[number][2] >= 1:
                return number
        seen = "; ".join(f"{each} ({inputs} in, {outputs} out)" for each, inputs, outputs in devices) or "none at all"
        raise BadDevice(
            f"sound card {name!r} is card {card.number}, and no device there has {channels} inputs and 1 output free "
            f"(another program may have it); devices: {seen}"
        )
    usable = [number for number, (_, inputs, outputs) in enumerate(devices) if inputs >= channels and outputs >= 1]
    fitting = [number for number in usable if devices[number][0] == name]
    fitting = fitting or [number for number in usable if name and name in devices[number][0]]
    if len(fitting) == 1:
        return fitting[0]
    there = "; ".join(f"{each} ({inputs} in, {outputs} out)" for each, inputs, outputs in devices) or "none at all"
    problem = "no sound device" if not fitting else f"{len(fitting)} sound devices"
    raise BadDevice(
        f"{problem} named {name!r} with {channels} inputs and 1 output; there are: {there}; "
        "allowed is an exact name, or a part that only one of them has"
    )


@dataclass(order=True, slots=True)
class _Due:
    at: float
    passage: Passage = field(compare=False)


@dataclass(eq=False, slots=True)
class _Opened:
    """The streams of one attempt. Callbacks of any but the current attempt are ignored."""

    rendered: Rendered
    streams: list[Any] = field(default_factory=list)

    def close(self) -> None:
        """Close what was opened; a device that is gone may refuse."""
        for stream in self.streams:
            with contextlib.suppress(Exception):
                stream.abort()
            with contextlib.suppress(Exception):
                stream.close()


class PortAudio:
    """The device named `device`: `channels` inputs (voltage, current) and one output at `rate`.

    Args:
        device: a USB identity, or an exact name, or a part of it that no other device has.
        sounds: what can be played, by name, at 48 kHz.
        rate: frames per second; sounds are not resampled, so 48000.
        block: frames per AudioBlock.
        channels: inputs.
        now: monotonic seconds, for events.
    """

    def __init__(
        self,
        device: str,
        sounds: Mapping[str, Sound],
        *,
        rate: int = SOUND_RATE_HZ,
        block: int = 960,
        channels: int = 2,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate != SOUND_RATE_HZ:
            raise BadDevice(f"sample rate {rate}; allowed is {SOUND_RATE_HZ}, the rate of the sounds")
        self._device = device
        self._sounds = sounds
        self._rate = rate
        self._block = block
        self._channels = channels
        self._now = now
        self._post: Post = lambda _event: None
        outstanding = max(2, round(OUTSTANDING_S * rate / block))
        self._pool = BlockPool(outstanding, block, channels)
        self._played = BlockPool(outstanding, block)
        self._player = Player()
        self._lost = 0
        self._wanted = True
        self._last_block: float | None = None
        self._opened: _Opened | None = None
        self._library: Any = None
        self._hangs = 0
        self._due: list[_Due] = []
        self._notes: queue.SimpleQueue[_Due | None] = queue.SimpleQueue()
        self._there = False  # told to be there
        self._told_gone = False
        self._missing_since: float | None = None  # the last block before a loss that may still become a gap
        self._why = ""
        self._presence = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        self.faults = 0
        """Callbacks that failed in a way nobody foresaw; each cost one block."""

    def start(self, post: Post) -> None:
        """Begin to deliver blocks of 20 ms; a device that is missing is reported and looked for again."""
        self._post = post
        self._thread.start()

    def want(self, *, blocks: bool) -> None:
        """Whether anybody listens; while nobody does, the device's frames are left where they are (P1)."""
        self._wanted = blocks

    def done(self, block: AudioBlock) -> None:
        """The block was handled: wipe its buffer and use it again."""
        self._pool.give(block.frames)
        if block.played is not None:
            self._played.give(block.played)

    def play(self, sound: str) -> None:
        """Play a sound of the catalog from its beginning, instead of what is playing."""
        found = self._sounds.get(sound)
        if found is None:
            self._player.stop()
            there = ", ".join(sorted(self._sounds))
            self._post(PlayFailed(self._now(), sound, f"no such sound; there are: {there}"))
        elif not self._there or self._missing_since is not None:
            self._post(PlayFailed(self._now(), sound, "no sound device"))
        else:
            self._player.play(found)

    def stop_play(self) -> None:
        """Fall silent within one block."""
        self._player.stop()

    def close(self) -> None:
        """End."""
        if self._closing:
            return
        self._closing = True
        self._notes.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._pool.wipe()
        self._played.wipe()

    # --- PortAudio's threads

    def _capture(self, opened: _Opened, indata: F32, frames: int, status: Any) -> None:
        if opened is not self._opened:
            return
        try:
            self._last_block = time.monotonic()
            at = self._now()
            if not self._there or self._missing_since is not None:
                self._arrived(at, frames)
            if not self._wanted:
                self._lost = 0
                opened.rendered.skip(frames)
                return
            if status.input_overflow:
                self._lost += frames  # at least; the device does not say how many
                opened.rendered.skip(frames)
            buffer = self._pool.take()
            if buffer is None:
                self._lost += frames
                opened.rendered.skip(frames)
                return
            buffer[:] = indata
            lost, self._lost = self._lost, 0
            self._post(AudioBlock(at, buffer, lost, self._take_played(opened)))
        except Exception:  # noqa: BLE001 - an exception here would end the stream; counted, and seen as lost frames
            self.faults += 1
            self._lost += frames

    def _arrived(self, at: float, frames: int) -> None:
        """The first block after a loss, or ever."""
        with self._presence:
            since, self._missing_since = self._missing_since, None
            if not self._there:
                self._there = True
                self._told_gone = False
                self._post(AudioCame(at))
            elif since is not None:
                self._lost += max(0, round((time.monotonic() - since) * self._rate) - frames)

    def _take_played(self, opened: _Opened) -> F32 | None:
        """What was rendered for the block that was captured; None for silence."""
        played = self._played.take()
        if played is None:
            opened.rendered.skip(self._block)
        elif not opened.rendered.read(played):
            self._played.give(played)
            return None
        return played

    def _render(self, opened: _Opened, outdata: F32, times: Any) -> None:
        if opened is not self._opened:
            outdata.fill(0)
            return
        try:
            passages = self._player.pull(outdata[:, 0])
            opened.rendered.write(outdata[:, 0])
            if passages:
                latency_s = times.outputBufferDacTime - times.currentTime
                if not 0 < latency_s < 1:  # some devices do not know
                    latency_s = opened.streams[-1].latency
                begins = time.monotonic() + latency_s
                for passage in passages:
                    self._notes.put(_Due(begins + passage.offset / self._rate, passage))
        except Exception:  # noqa: BLE001 - likewise
            self.faults += 1

    # --- our own thread

    def _run(self) -> None:
        while not self._closing and self._hangs < MOST_HANGS:
            try:
                opened = self._within(self._open)
                self._last_block = None
                self._opened = opened
                why = self._supervise(opened)
            except Exception as error:  # noqa: BLE001 - whatever a driver can come up with, the box looks for it again
                why = _reason(error)
            self._shut(why)
            if not self._closing:
                with contextlib.suppress(queue.Empty):
                    self._notes.get(timeout=REOPEN_S if self._missing_since is None else REOPEN_IN_GRACE_S)
                self._tell_long_loss()
        self._tell_long_loss(now=True)

    def _within(self, job: Callable[[], T]) -> T:
        """Do `job` on a thread of its own; raises what it raised, or DriverHangs, and leaves the thread behind."""
        outcome: queue.SimpleQueue[tuple[T | Exception]] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put((job(),))
            except Exception as error:  # noqa: BLE001 - raised again by whoever waits
                outcome.put((error,))

        threading.Thread(target=run, name="audio-driver", daemon=True).start()
        until = time.monotonic() + HANG_S
        while True:
            self._tell_long_loss()
            try:
                (result,) = outcome.get(timeout=min(_LOOK_S, max(0.001, until - time.monotonic())))
                break
            except queue.Empty:
                if time.monotonic() >= until:
                    raise self._left_behind() from None
        if isinstance(result, Exception):
            raise result
        return result

    def _left_behind(self) -> DriverHangs:
        self._hangs += 1
        if self._library is not None:
            # ending PortAudio while a call hangs in it aborts the process
            atexit.unregister(self._library._exit_handler)  # noqa: SLF001
        return DriverHangs(
            f"the sound driver hangs, {self._hangs} of {MOST_HANGS} times; then the box must be started anew"
        )

    def _open(self) -> _Opened:
        # Importing initialises PortAudio: that takes a second, and fails where the library is absent.
        import sounddevice  # noqa: PLC0415

        if self._library is not None and not self._hangs:
            # The only way to see a device that was plugged in since; sounddevice has no public name for it.
            sounddevice._terminate()  # noqa: SLF001
            sounddevice._initialize()  # noqa: SLF001
        self._library = sounddevice
        devices = [
            (str(each["name"]), int(each["max_input_channels"]), int(each["max_output_channels"]))
            for each in sounddevice.query_devices()
        ]
        chosen = choose_device(self._device, devices, self._channels)
        options = {
            "device": chosen,
            "samplerate": self._rate,
            "blocksize": self._block,
            "dtype": "float32",
            "latency": LATENCY_S,
        }
        opened = _Opened(Rendered(round(RENDERED_S * self._rate), self._block))

        def capture(indata: F32, frames: int, _times: Any, status: Any) -> None:
            self._capture(opened, indata, frames, status)

        def render(outdata: F32, _frames: int, times: Any, _status: Any) -> None:
            self._render(opened, outdata, times)

        try:
            opened.streams.append(sounddevice.InputStream(channels=self._channels, callback=capture, **options))
            opened.streams.append(sounddevice.OutputStream(channels=1, callback=render, **options))
            for stream in opened.streams:
                stream.start()
        except Exception as error:
            opened.close()
            raise _refusal(error, devices[chosen][0]) from error
        return opened

    def _supervise(self, opened: _Opened) -> str:
        """Tell passages when they are due; returns why the device is gone, or "" when closing."""
        began = time.monotonic()
        while not self._closing:
            now = time.monotonic()
            self._tell_long_loss()
            while self._due and self._due[0].at <= now:
                self._tell_passage(heapq.heappop(self._due).passage)
            last, allowed_s = (began, OPENING_S) if self._last_block is None else (self._last_block, SILENT_S)
            if now - last > allowed_s:
                return f"no audio for {allowed_s:.0f} s"
            if not all(stream.active for stream in opened.streams):
                return "the device stopped"
            wait_s = min(_LOOK_S, self._due[0].at - now) if self._due else _LOOK_S
            with contextlib.suppress(queue.Empty):
                note = self._notes.get(timeout=max(wait_s, 0.001))
                if note is not None:
                    heapq.heappush(self._due, note)
        return ""

    def _tell_passage(self, passage: Passage) -> None:
        if passage.turn != self._player.turn:
            return  # something else plays, or was stopped, since
        event: Event = MarkPassed(self._now())
        if passage.reached is Reached.END:
            event = Played(self._now(), passage.sound)
        self._post(event)

    def _shut(self, why: str) -> None:
        # The word comes first: a driver may take its time to close a device that is gone.
        opened, self._opened = self._opened, None
        sound = self._unfinished()
        self._player.stop()
        if not self._closing and sound is not None:
            self._post(PlayFailed(self._now(), sound, why))
        with self._presence:
            self._why = why
            if self._there and self._missing_since is None:
                self._missing_since = self._last_block
        self._tell_long_loss()
        if opened is not None:
            with contextlib.suppress(DriverHangs):
                self._within(opened.close)

    def _tell_long_loss(self, *, now: bool = False) -> None:
        """Post AudioGone once, as soon as a loss is too long for a gap; with `now`, or before any block, at once."""
        with self._presence:
            since = self._missing_since
            if self._there and not now and (since is None or time.monotonic() - since <= GRACE_S):
                return
            if not self._why:
                return  # nothing was tried yet
            self._there, self._missing_since = False, None
            if not self._closing and not self._told_gone:
                self._told_gone = True
                self._post(AudioGone(self._now(), self._why))

    def _unfinished(self) -> str | None:
        """The sound that plays, or whose last frames are on their way to the device."""
        with contextlib.suppress(queue.Empty):
            while True:
                note = self._notes.get_nowait()
                if note is not None:
                    self._due.append(note)
        ending = [due.passage.sound for due in self._due if due.passage.turn == self._player.turn]
        self._due.clear()
        return self._player.playing or (ending[0] if ending else None)


def _refusal(error: Exception, device: str) -> Exception:
    """What a device's refusal means, in words; PortAudio's errors are (text, code).

    "Invalid sample rate" is paInvalidSampleRate, "unavailable" paDeviceUnavailable (portaudio.h).
    """
    match error.args:
        case (_, -9997):
            return BadDevice(f"{device!r} refuses {SOUND_RATE_HZ} frames a second; allowed is a device that has them")
        case (_, -9985):
            return BadDevice(f"{device!r} is busy: another program has it; allowed is a device that is free")
        case _:
            return error


def _reason(error: Exception) -> str:
    if isinstance(error, HandschlagError):
        return str(error)
    return f"{type(error).__name__}: {error}"
