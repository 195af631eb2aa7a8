"""A private PulseAudio with null sinks: the real PortAudio path in real time, without a sound card.

Two cards that are wired to each other: what the box plays into `handschlag-tap` is what `handschlag-line` records, and
the other way round. A process finds them through ALSA when `ALSA_CONFIG_PATH` names `alsa`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from handschlag.errors import HandschlagError
from handschlag.sim.children import dies_with_parent

TAP = "handschlag-tap"
LINE = "handschlag-line"
SINK_TO_BOX = "from_line"

PATIENCE_S = 20.0

_ALSA = """
</usr/share/alsa/alsa.conf>
pcm.{tap} {{
    type asym
    playback.pcm {{ type pulse server "unix:{socket}" device "to_line" }}
    capture.pcm {{ type pulse server "unix:{socket}" device "from_line.monitor" }}
}}
pcm.{line} {{
    type asym
    playback.pcm {{ type pulse server "unix:{socket}" device "from_line" }}
    capture.pcm {{ type pulse server "unix:{socket}" device "to_line.monitor" }}
}}
"""


class NoPulse(HandschlagError, RuntimeError):
    """PulseAudio is absent or does not start; the message says how to get it."""


class Pulse:
    """The server; `stop` and `start` are the unplugging and plugging of both cards."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("pulseaudio") is None:
            raise NoPulse(
                "pulseaudio is absent; get it with: apt-get install pulseaudio libasound2-plugins libportaudio2"
            )
        self._folder = folder
        self.socket = folder / "native"
        self.alsa = folder / "alsa.conf"
        self.alsa.write_text(_ALSA.format(tap=TAP, line=LINE, socket=self.socket), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        folder = str(self._folder)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder,
            "PULSE_RUNTIME_PATH": folder,
        }
        command = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
        ]
        modules = (
            f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}",
            "module-null-sink sink_name=to_line rate=48000 channels=2",
            f"module-null-sink sink_name={SINK_TO_BOX} rate=48000 channels=2",
        )
        for module in modules:
            command += ["-L", module]
        self.socket.unlink(missing_ok=True)
        log = self._folder / "pulse.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(dies_with_parent(command), env=environment, stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
                return
            time.sleep(0.02)
        raise NoPulse(f"pulseaudio did not start: {log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
