"""The sound device behind the tap, through PortAudio (sounddevice), as `ports.Audio`.

PortAudio calls back from its own threads; there nothing is decided, nothing waits and nothing raises: a block is copied
into a buffer that is used again and again, and posted. One thread of ours supervises: it finds the device by its name
(an index changes with every plug), opens it, tells passages of sounds when they have really left the device, notices
when no more blocks come, and opens it again, for ever.

Of the 200 ms that audio may exist (P1), the device's own buffer takes about 60 ms; the rest may be out with the caller.
PortAudio lists devices once per initialisation, so that looking again means to initialise again: there can be one
`PortAudio` in a process.
"""

from __future__ import annotations

import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from handschlag.blocks import BlockPool, Passage, Player, Reached
from handschlag.core.events import AudioCame, AudioGone, Event, MarkPassed, Played, PlayFailed
from handschlag.errors import HandschlagError
from handschlag.ports import SOUND_RATE_HZ, AudioBlock, Post, Sound

OUTSTANDING_S = 0.14
"""How much audio may be out with the caller; more is lost and counted."""

LATENCY_S = 0.04
"""Asked of the device; it answers with up to 60 ms."""

SILENT_S = 1.0
"""No block for so long: the device is gone."""

OPENING_S = 5.0
"""The first block may take longer: devices and sound servers wake up."""

REOPEN_S = 1.0
_LOOK_S = 0.25


class BadDevice(HandschlagError, LookupError):
    """No sound device, or more than one, fits the name."""


def choose_device(name: str, devices: Sequence[tuple[str, int, int]], channels: int) -> int:
    """Which of `devices` (name, inputs, outputs) is meant: the one of exactly that name, or else the only one with it.

    Raises:
        BadDevice: none or several fit, or it has too few channels; names what there is.
    """
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


class PortAudio:
    """The device named `device`: `channels` inputs (voltage, current) and one output at `rate`.

    Args:
        device: exact name, or a part of it that no other device has.
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
        self._pool = BlockPool(max(2, round(OUTSTANDING_S * rate / block)), block, channels)
        self._player = Player()
        self._lost = 0
        self._last_block: float | None = None
        self._streams: list[Any] = []
        self._notes: queue.SimpleQueue[_Due | None] = queue.SimpleQueue()
        self._there = False
        self._told_gone = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        self.faults = 0
        """Callbacks that failed in a way nobody foresaw; each cost one block."""

    def start(self, post: Post) -> None:
        """Begin to deliver blocks of 20 ms; a device that is missing is reported and looked for again."""
        self._post = post
        self._thread.start()

    def done(self, block: AudioBlock) -> None:
        """The block was handled: wipe its buffer and use it again."""
        self._pool.give(block.frames)

    def play(self, sound: str) -> None:
        """Play a sound of the catalog from its beginning, instead of what is playing."""
        found = self._sounds.get(sound)
        if found is None:
            self._player.stop()
            there = ", ".join(sorted(self._sounds))
            self._post(PlayFailed(self._now(), sound, f"no such sound; there are: {there}"))
        elif not self._there:
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

    # --- PortAudio's threads

    def _capture(self, indata: npt.NDArray[np.float32], frames: int, _times: object, status: Any) -> None:
        try:
            self._last_block = time.monotonic()
            at = self._now()
            if not self._there:
                self._there = True
                self._told_gone = False
                self._post(AudioCame(at))
            if status.input_overflow:
                self._lost += frames  # at least; the device does not say how many
            buffer = self._pool.take()
            if buffer is None:
                self._lost += frames
                return
            buffer[:] = indata
            lost, self._lost = self._lost, 0
            self._post(AudioBlock(at, buffer, lost))
        except Exception:  # noqa: BLE001 - an exception here would end the stream; counted, and seen as lost frames
            self.faults += 1
            self._lost += frames

    def _render(self, outdata: npt.NDArray[np.float32], _frames: int, times: Any, _status: object) -> None:
        try:
            passages = self._player.pull(outdata[:, 0])
            if passages:
                latency_s = times.outputBufferDacTime - times.currentTime
                if not 0 < latency_s < 1:  # some devices do not know
                    latency_s = self._streams[-1].latency
                begins = time.monotonic() + latency_s
                for passage in passages:
                    self._notes.put(_Due(begins + passage.offset / self._rate, passage))
        except Exception:  # noqa: BLE001 - likewise
            self.faults += 1

    # --- our own thread

    def _run(self) -> None:
        library: Any = None
        while not self._closing:
            try:
                # Importing initialises PortAudio: that takes a second, and fails where the library is absent.
                import sounddevice  # noqa: PLC0415

                if library is not None:
                    # The only way to see a device that was plugged in since; sounddevice has no public name for it.
                    library._terminate()  # noqa: SLF001
                    library._initialize()  # noqa: SLF001
                library = sounddevice
                self._open(library)
                why = self._supervise()
            except Exception as error:  # noqa: BLE001 - whatever a driver can come up with, the box looks for it again
                why = _reason(error)
            self._shut(why)
            if not self._closing:
                with contextlib.suppress(queue.Empty):
                    self._notes.get(timeout=REOPEN_S)

    def _open(self, library: Any) -> None:
        devices = [
            (str(each["name"]), int(each["max_input_channels"]), int(each["max_output_channels"]))
            for each in library.query_devices()
        ]
        number = choose_device(self._device, devices, self._channels)
        options = {
            "device": number,
            "samplerate": self._rate,
            "blocksize": self._block,
            "dtype": "float32",
            "latency": LATENCY_S,
        }
        self._last_block = None
        self._streams.append(library.InputStream(channels=self._channels, callback=self._capture, **options))
        self._streams.append(library.OutputStream(channels=1, callback=self._render, **options))
        for stream in self._streams:
            stream.start()

    def _supervise(self) -> str:
        """Tell passages when they are due; returns why the device is gone, or "" when closing."""
        opened = time.monotonic()
        due: list[_Due] = []
        while not self._closing:
            now = time.monotonic()
            while due and due[0].at <= now:
                self._tell_passage(heapq.heappop(due).passage)
            last, allowed_s = (opened, OPENING_S) if self._last_block is None else (self._last_block, SILENT_S)
            if now - last > allowed_s:
                return f"no audio for {allowed_s:.0f} s"
            if not all(stream.active for stream in self._streams):
                return "the device stopped"
            wait_s = min(_LOOK_S, due[0].at - now) if due else _LOOK_S
            with contextlib.suppress(queue.Empty):
                note = self._notes.get(timeout=max(wait_s, 0.001))
                if note is not None:
                    heapq.heappush(due, note)
        return ""

    def _tell_passage(self, passage: Passage) -> None:
        if passage.turn != self._player.turn:
            return  # something else plays, or was stopped, since
        event: Event = MarkPassed(self._now())
        if passage.reached is Reached.END:
            event = Played(self._now(), passage.sound)
        self._post(event)

    def _shut(self, why: str) -> None:
        self._there = False
        for stream in self._streams:
            with contextlib.suppress(Exception):  # a device that is gone may refuse to be closed
                stream.abort()
            with contextlib.suppress(Exception):
                stream.close()
        self._streams.clear()
        self._there = False  # a last callback may have come in between
        sound = self._player.playing
        self._player.stop()
        if self._closing:
            return
        if sound is not None:
            self._post(PlayFailed(self._now(), sound, why))
        if not self._told_gone:
            self._told_gone = True
            self._post(AudioGone(self._now(), why))


def _reason(error: Exception) -> str:
    if isinstance(error, HandschlagError):
        return str(error)
    return f"{type(error).__name__}: {error}"
