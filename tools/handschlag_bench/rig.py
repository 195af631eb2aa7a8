"""A box in real time on a line that says exactly what it is told to: PulseAudio, a tap on a terminal, a button.

The box is the program itself in a process of its own. The far end of both wires is PortAudio, too, with half a second
in its buffer: a machine that is busy may keep it waiting, and what is measured is the box.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handschlag.core.button import DEAF_AFTER_TRANSITION_S
from handschlag.sim.children import dies_with_parent
from handschlag.sim.demo.place import TAP_SERIAL, DemoFailed, Place, make
from handschlag.sim.demo.processes import Child, started, wait_for
from handschlag.sim.pulse import LINE, TAP, Pulse
from handschlag.sim.tap import PtyTap, SimTap

RATE = 48_000
BLOCK = 960
SENDER_BUFFER_S = 0.5
KEY_S = 0.18
PATIENCE_S = 40.0
ATTEMPTS = 3

I16 = npt.NDArray[np.int16]


def key(name: str, seconds: float = KEY_S) -> I16:
    """A key at -13 dBm0 a tone (ITU-T Q.23)."""
    at = np.arange(round(seconds * RATE)) / RATE
    row, column = divmod("123A456B789C*0#D".index(name), 4)
    tones = np.sin(2 * np.pi * (697, 770, 852, 941)[row] * at) + np.sin(
        2 * np.pi * (1209, 1336, 1477, 1633)[column] * at
    )
    samples: I16 = np.rint(5000 * tones).astype(np.int16)
    return samples


@dataclass(slots=True)
class Sender:
    """Plays what is queued into the box, the same on voltage and current as from the far party; then `endless`."""

    endless: I16 | None = None
    underflows: int = 0
    _queued: list[I16] = field(default_factory=list)
    _at: int = 0
    _stream: Any = None

    def start(self) -> None:
        """Open the line's end."""
        import sounddevice  # noqa: PLC0415 - finds its devices when it is imported

        sounddevice._terminate()  # noqa: SLF001 - or when it was, before there was this sound server
        sounddevice._initialize()  # noqa: SLF001
        self._stream = sounddevice.OutputStream(
            device=LINE,
            samplerate=RATE,
            blocksize=BLOCK,
            channels=2,
            dtype="int16",
            latency=SENDER_BUFFER_S,
            callback=self._play,
        )
        self._stream.start()

    def say(self, samples: I16) -> None:
        """Play this next, from a block's beginning."""
        self._queued.append(samples)

    def close(self) -> None:
        """Close the line's end."""
        self._stream.abort()
        self._stream.close()

    def _play(self, out: I16, _frames: int, _times: Any, status: Any) -> None:
        self.underflows += bool(status.output_underflow)
        out.fill(0)
        if self._queued:
            head = self._queued[0][: len(out)]
            out[: len(head)] = head[:, None]
            rest = self._queued[0][len(out) :]
            if len(rest):
                self._queued[0] = rest
            else:
                del self._queued[0]
        elif self.endless is not None:
            places = (self._at + np.arange(len(out))) % len(self.endless)
            out[:] = self.endless[places][:, None]
            self._at += len(out)


@dataclass(slots=True)
class Rig:
    """The box and what hangs on it."""

    place: Place
    box: Child
    tap: SimTap
    wire: PtyTap
    sender: Sender
    pulse: Pulse
    press: Callable[[bool], None]

    def wait(self, what: str, condition: Callable[[dict[str, Any]], bool], within_s: float = PATIENCE_S) -> None:
        """Until the box's status says so."""
        try:
            wait_for(what, lambda: condition(self.box.latest), self.box, within_s=within_s)
        except DemoFailed as error:
            raise DemoFailed(f"{error}; the box says: {self.box.latest}") from error

    def record(self) -> None:
        """A call in which the caller says yes with key 1; tried again when the key got lost on a busy machine."""
        for attempt in range(ATTEMPTS):
            self.seize()
            time.sleep(DEAF_AFTER_TRANSITION_S + 0.5)
            self.ask()
            self.sender.say(key("1"))
            self.wait("the box has an answer", lambda said: said.get("phase") in {"recording", "open"})
            if self.box.latest["phase"] == "recording":
                return
            self.tap.hang_up()
            self.wait(f"the call has ended, attempt {attempt}", lambda said: said.get("phase") == "idle")
        raise DemoFailed(f"no recording in {ATTEMPTS} calls; the box says: {self.box.latest}")

    def seize(self) -> None:
        """The handset is lifted."""
        self.wait("the box is ready", lambda said: said.get("phase") == "idle" and not said["cannot"])
        self.tap.seize()
        self.wait("the box is in the call", lambda said: said.get("phase") == "open")

    def ask(self) -> None:
        """A short press, and the question to its end."""
        self.press(True)
        time.sleep(0.3)
        self.press(False)
        self.wait("the box asks", lambda said: said.get("phase") == "asking" and bool(said["playing"]))
        self.wait("the box has asked", lambda said: not said["playing"])

    def hang_up(self) -> None:
        """The call ends; what was recorded is with the archive when this returns."""
        receipts = self.box.latest["receipts"]
        self.tap.hang_up()
        self.wait("the recording is with the archive", lambda said: said["receipts"] > receipts)

    def pull_plug(self) -> None:
        """The sound card is gone, the box's side and the line's."""
        self.pulse.stop()

    def plug_in(self) -> None:
        """It is back."""
        self.pulse.start()
        with contextlib.suppress(Exception):  # a stream on a dead server closes as it can
            self.sender.close()
        self.sender.start()

    def recordings(self) -> list[str]:
        """Names of what is in the spool."""
        return sorted(path.name for path in self.place.spool.iterdir())


@contextlib.contextmanager
def rig(folder: Path, module: str = "handschlag") -> Iterator[Rig]:
    """Start it all, and end it all; `module` is the box's program, or one that watches it."""
    place = make(folder / "box", audio="portaudio", device=TAP)
    settings = place.box / "box.toml"
    settings.write_text(settings.read_text().replace('calibration = "calibration.json"\n', ""))  # the mix is kept as is
    place.sound.mkdir(mode=0o700)
    pulse = Pulse(place.sound)
    tap = SimTap(serial=TAP_SERIAL)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(pulse.alsa)
    ends = threading.Event()
    sender = Sender()
    try:
        pulse.start()
        wire = PtyTap(tap, place.sockets / "tap")
        pumping = threading.Thread(target=_pump, args=(wire, ends), daemon=True)
        with started(place, module) as (_broker, _archive, box), socket.socket(socket.AF_UNIX) as panel:
            panel_path = place.sockets / "panel"
            wait_for("the box's panel", panel_path.exists, box)
            panel.connect(os.fspath(panel_path))
            pumping.start()
            sender.start()
            try:
                yield Rig(place, box, tap, wire, sender, pulse, lambda down: panel.sendall(b"1" if down else b"0"))
            finally:
                sender.close()
                ends.set()
                pumping.join()
                wire.close()
    finally:
        pulse.stop()
        if before is None:
            os.environ.pop("ALSA_CONFIG_PATH", None)
        else:
            os.environ["ALSA_CONFIG_PATH"] = before
        shutil.rmtree(place.sockets, ignore_errors=True)


def _pump(wire: PtyTap, ends: threading.Event) -> None:
    while not ends.wait(0.005):
        wire.pump(time.monotonic())


@contextlib.contextmanager
def busy(processes: int, nice: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    command = [sys.executable, "-c", f"import os\nos.nice({nice})\nwhile True: pass"]
    spinning = [subprocess.Popen(dies_with_parent(command)) for _ in range(processes)]
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.wait()
