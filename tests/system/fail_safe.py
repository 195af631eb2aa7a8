"""A box as a process of its own, a tap, and people on the line: what a fail-safe trial needs.

The box runs in lock-step with the simulated world over its audio socket, so the world's clock is the box's, and the
tap's: nothing here measures wall time. While the box is killed or hung the world goes on without it, and so does the
tap's clock; what the line carried meanwhile is lost to the box, and told as lost when it goes on.

At every step of every trial the world looks at the tap's relays (P3): no play transformer while bypassed, and bypass
within 5 s of the tap's own clock after the last PING or PATH that the tap really heard.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import tempfile
import termios
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from handschlag import prompts
from handschlag.cli.evidence import FolderFiles, audio
from handschlag.core.tap_protocol import BOX_WORDS, LineParser
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.open import open_recording
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sealing.verify import verify_recording
from handschlag.sim.audio import PipeWorld
from handschlag.sim.demo.place import box_program, call
from handschlag.sim.demo.processes import Child, wait_for
from handschlag.sim.line import RATE, LineModel, dbm0
from handschlag.sim.tap import PtyTap, SimTap
from handschlag.sim.world import BLOCK, Script, World
from tests.hardware.wires import FirmwareTap

BOX = "fail-safe"
SERIAL = "T-7"
BYPASS_S = 5.0
STEP_S = BLOCK / RATE
PATIENCE_S = 60.0
"""Of stream time, until a phase is reached; a box that needs longer has not recovered."""

AFTER_HZ = 1500.0
"""What the far party sings from the fault on; not to be found in any recording that a fault must end."""

READY = {"ready", "ready-alone"}


class OverheardTap:
    """A tap whose wire is listened to; everything else is the tap's own."""

    def __init__(self, tap: SimTap | FirmwareTap) -> None:
        self.real = tap
        self.mute = False
        self.alive_at = 0.0
        self._parser = LineParser(BOX_WORDS)
        self._now = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @property
    def clock(self) -> float:
        """The tap's own."""
        return self.real.ms / 1000 if isinstance(self.real, FirmwareTap) else self._now

    def tick(self, now: float) -> None:
        """It is `now`."""
        self._now = now
        self.real.tick(now)

    def receive(self, data: bytes) -> None:
        """Bytes from the box; a PING or PATH counts when all of it was heard, unharmed."""
        for line in self._parser.feed(data):
            if line.word == "PING" or line.fields.get("to") == "line":
                self.alive_at = self.clock
        self.real.receive(data)

    def take(self) -> bytes:
        """Bytes for the box; none while the tap is mute."""
        said = self.real.take()
        return b"" if self.mute else said

    def check(self) -> None:
        """P3, at every step."""
        assert not (self.real.playing and self.real.bypass)
        if self.clock - self.alive_at > BYPASS_S + 2 * STEP_S:
            assert self.real.bypass, f"in the line {self.clock - self.alive_at:.2f} s after the last word of the box"


class Workshop:
    """A box in `folder`, its tap and its line. `start` it, make calls, do it harm."""

    def __init__(self, folder: Path, tap: SimTap | FirmwareTap) -> None:
        self.folder = folder
        self._sockets = Path(tempfile.mkdtemp(prefix="hs-"))
        self.owner = OwnerSecret.new()
        self._make()
        self.tap = OverheardTap(tap)
        self.wire = PtyTap(cast("SimTap", self.tap), self._sockets / "tap")
        self.noise: Callable[[], bytes] | None = None
        """What the tap says besides, at each step."""
        self.noise_to_tap: Callable[[], bytes] | None = None
        self.hung = False
        self.box: Child | None = None
        self._pipe: PipeWorld | None = None
        self._panel: socket.socket | None = None
        self._lost = 0
        self._taken = True
        self._starts = 0
        self.world = World(
            cast("SimTap", self.tap),
            self._exchange,
            pump=self._pump,
            button=self._press,
            line=LineModel(cable_km=1.0, seed=3),
        )

    # --- the box

    def start(self) -> None:
        """Start the box and plug the world in."""
        self._starts += 1
        log = self.folder / f"box-{self._starts}.log"
        box = Child("box", box_program("run", "--config", str(self.folder / "box.toml"), "--json"), log)
        self.box = box

        def connected() -> bool:
            with contextlib.suppress(OSError):
                if self._panel is None:
                    with contextlib.ExitStack() as undo:
                        panel = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                        panel.connect(os.fspath(self._sockets / "panel"))
                        self._panel = panel
                        undo.pop_all()
                if not (self._sockets / "audio").is_socket():
                    return False
                self._pipe = PipeWorld(self._sockets / "audio")
                return True
            return False

        wait_for("the box", connected, box)
        self._lost = 0

    def kill(self) -> None:
        """End the box as a crash does: at once, and without a word."""
        assert self.box is not None
        os.kill(self.box.pid, signal.SIGKILL)
        self._unplug_box()
        (self._sockets / "audio").unlink(missing_ok=True)  # a crash leaves it behind

    def stop(self) -> None:
        """Ask the box to end."""
        self._unplug_box()

    def hang(self) -> None:
        """The box does nothing any more."""
        assert self.box is not None
        os.kill(self.box.pid, signal.SIGSTOP)
        _until(lambda: self._box_state() == "T")
        self.hung = True

    def go_on(self) -> None:
        """It does."""
        assert self.box is not None
        os.kill(self.box.pid, signal.SIGCONT)
        self.hung = False

    def resident_kib(self) -> int:
        """How much memory the box has now."""
        assert self.box is not None
        text = Path(f"/proc/{self.box.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0])

    def set(self, **settings: str) -> None:
        """Change settings, for the next start."""
        path = self.folder / "box.toml"
        text = path.read_text(encoding="utf-8")
        for name, value in settings.items():
            text = re.sub(rf'^{name} = ".*"$', f'{name} = "{value}"', text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """End it all."""
        if self.box is not None:
            if self.hung:
                self.go_on()
            self._unplug_box()
        self.wire.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    # --- what it says and leaves

    @property
    def phase(self) -> str:
        """The box's, as it told last."""
        return str(self._latest().get("phase", ""))

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's entries of a kind."""
        files = sorted((self.folder / "data" / "ledger").glob("*.jsonl"))
        every = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return [entry for entry in every if entry["kind"] == kind]

    def recordings(self) -> list[Path]:
        """The folders in the spool, dying ones included."""
        return sorted((self.folder / "data" / "spool").iterdir())

    def opened(self, folder: Path) -> tuple[str, NDArray[np.float32]]:
        """A recording that verifies: how it ended, and its audio as (samples, channels)."""
        self.until((folder / "manifest.jws").exists, f"{folder.name} closed")
        trust = self._trust
        verdict = verify_recording(FolderFiles(folder), trust, ledger=FolderFiles(self.folder / "data" / "ledger"))
        assert verdict.ok, verdict.wrong
        recording = open_recording(FolderFiles(folder), self.owner.workshop(), trust)
        return recording.manifest.ended, np.asarray(audio(recording), np.float32) / np.float32(32768)

    # --- what people do

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the world go on until something is so."""
        until = self.world.now + PATIENCE_S
        while not condition():
            self.world.step()
            assert self.world.now < until, f"{what}: in vain; the box says {self._latest()}"

    def is_ready(self) -> bool:
        """The next call can be recorded, as lamps and phase say."""
        latest = self._latest()
        return latest.get("phase") == "idle" and latest.get("status") in READY

    def bring_to(self, phase: str) -> None:
        """A call that has come as far as that: idle (none), asking, recording."""
        self.until(self.is_ready, "ready")
        if phase == "idle":
            return
        world = self.world
        world.begin(self._answered_call())
        self.until(lambda: self.phase == "asking", "asking")
        if phase == "asking":
            return
        self.until(lambda: self._latest().get("stage") == "window", "the announcement's end")
        world.far.press("1", 0.2)
        self.until(lambda: self.phase == "recording", "recording")
        world.near.say(_speech(1.6, seed=5))
        world.run(2.5)

    def bring_to_pending(self) -> None:
        """The oral way, before its confirmation."""
        self.until(self.is_ready, "ready")
        self.world.begin(self._answered_call())
        self.until(lambda: self.phase == "pending", "pending")
        self.world.near.say(_speech(1.6, seed=5))
        self.world.run(2.5)

    def sing(self, seconds: float) -> None:
        """The far party sings what no recording may hold."""
        time_s = np.arange(round(seconds * RATE)) / RATE
        self.world.far.say(np.asarray(dbm0(-12.0) * np.sin(2 * np.pi * AFTER_HZ * time_s), np.float32))

    def hang_up(self) -> None:
        """The call is over."""
        self.world.far.hush()
        self.world.near.hush()
        if self.tap.off_hook:
            self.tap.hang_up()

    # --- within

    def _answered_call(self) -> Script:
        world = self.world
        world.tap.ringing(on=True)
        yield world.after(0.6)
        world.tap.ringing(on=False)
        yield world.after(0.3)
        world.tap.seize()
        yield world.after(2.5)
        for _ in range(3):  # a box that hears late of the lifted handset ignores a press within a second of it
            told_at = self._latest().get("at", 0.0)
            yield from world.short_press()
            yield lambda: bool(self._latest().get("at", 0.0) > told_at + 2.0)  # noqa: B023 - asked before the next turn
            if self.phase != "open":
                return

    def _latest(self) -> dict[str, Any]:
        return self.box.latest if self.box is not None else {}

    def _exchange(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._pipe is None or self.hung:
            self._lost += len(frames)
            return np.zeros(BLOCK, np.float32)
        lost, self._lost = self._lost, 0
        return self._pipe.exchange(frames, lost)

    def _pump(self, now: float) -> None:
        if self.noise is not None:
            self.wire.inject(self.noise())
        if self.noise_to_tap is not None:
            self.tap.receive(self.noise_to_tap())
        self.wire.pump(now)
        self.tap.check()
        if self._pipe is not None and not self.hung:
            # once in vain is enough: a box that left the port alone takes nothing for a while
            self._taken = _until(self._all_taken, at_most_s=0.3 if self._taken else 0.001)

    def _all_taken(self) -> bool:
        return not self.wire.untaken and not self.wire.waiting

    def _press(self, down: bool) -> None:  # noqa: FBT001 - the world's signature
        if self._panel is not None:
            panel = self._panel
            panel.sendall(b"1" if down else b"0")
            _until(lambda: not any(fcntl.ioctl(panel, termios.TIOCOUTQ, b"\0\0\0\0")), at_most_s=0.3)

    def _unplug_box(self) -> None:
        for end in (self._pipe, self._panel):
            if end is not None:
                end.close()
        self._pipe = self._panel = None
        if self.box is not None:
            self.box.end()
            self.box = None

    def _box_state(self) -> str:
        assert self.box is not None
        return Path(f"/proc/{self.box.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]

    def _make(self) -> None:
        folder = self.folder
        box = SigningKey.new()
        self._trust = Trust(
            boxes=(TrustedKey.of(VerifyKey(box.public), box=BOX),),
            archive=(TrustedKey.of(VerifyKey(SigningKey.new().public)),),
            owner=(TrustedKey.of(VerifyKey(self.owner.signing().public)),),
            workshop=(TrustedRecipient.of(self.owner.workshop().public),),
        )
        (folder / "box.key").write_bytes(box.to_file())
        (folder / "box.key").chmod(0o600)
        (folder / "trust.json").write_bytes(write_trust(self._trust))
        _shorten_announcement(folder / "prompts")
        (folder / "box.toml").write_text(
            f"""[box]
name = "{BOX}"
data = "data"
key = "box.key"
trust = "trust.json"
accepted = true
reserve_mib = 16

[consent]
way = "key"
line_users = [1]
retention = "order"
prompts = "prompts"

[line]
kind = "tap"
port = "{self._sockets / "tap"}"
proven = "{SERIAL}"

[audio]
kind = "pipe"
socket = "{self._sockets / "audio"}"

[panel]
kind = "pipe"
socket = "{self._sockets / "panel"}"

[uplink]
kind = "absent"
""",
            encoding="utf-8",
        )
        form = folder / "consent.txt"
        form.write_text("agreed\n", encoding="ascii")
        consent = ["--document", str(form), "--version", "1", "--name", "Petra Muster"]
        call(box_program("staff", "add", "--config", str(folder / "box.toml"), *consent))


def level_at(samples: NDArray[np.float32], hz: float) -> float:
    """The loudest 100 ms at this frequency, over the channels, in dB of full scale."""
    size = 800
    rows = len(samples) // size
    if rows == 0:
        return -200.0
    wave_ = np.exp(-2j * np.pi * hz * np.arange(size) / 8000)
    parts = samples[: rows * size].reshape(rows, size, -1)
    power = np.abs(np.einsum("rsc,s->rc", parts, wave_)) * 2 / size
    return float(20 * np.log10(np.max(power) + 1e-10))


def _speech(seconds: float, seed: int) -> NDArray[np.float32]:
    """Syllables of noise."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    beat = np.sin(2 * np.pi * 2.0 * np.arange(len(noise)) / RATE) > 0
    return np.asarray(dbm0(-20.0) * noise * beat, np.float32)


def _shorten_announcement(folder: Path) -> None:
    """The German prompts with an announcement of its last 1.6 s, so that trials are short."""
    shutil.copytree(Path(prompts.__file__).parent / "de", folder)
    path = folder / "announcement.wav"
    with wave.open(str(path), "rb") as whole:
        parameters = whole.getparams()
        frames = whole.readframes(whole.getnframes())
    kept = round(1.6 * parameters.framerate) * parameters.sampwidth
    with wave.open(str(path), "wb") as short:
        short.setparams(parameters)
        short.writeframes(frames[-kept:])
    text = (folder / "prompts.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("length_s = 12.600\nmark_s = 12.550\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rest = re.sub(r'sha256 = "[0-9a-f]{64}"', f'sha256 = "{digest}"', rest, count=1)
    (folder / "prompts.toml").write_text(f"{head}length_s = 1.600\nmark_s = 1.550\n{rest}", encoding="utf-8")


def _until(condition: Callable[[], bool], at_most_s: float = 20.0) -> bool:
    """Look again and again, for another process does its part meanwhile; whether it came true."""
    until = time.monotonic() + at_most_s
    while not (true := condition()) and time.monotonic() < until:
        select.select([], [], [], 0.0003)
    return true
