"""A private PulseAudio with null sinks: the real PortAudio path in real time, without a sound card.

Two cards that are wired to each other: what the box plays into `handschlag-tap` is what `handschlag-line` records, and
the other way round.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TAP = "handschlag-tap"
LINE = "handschlag-line"

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


class Pulse:
    """The server; `stop` and `start` are the unplugging and plugging of both cards."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("pulseaudio") is None:
            pytest.skip(
                "pulseaudio is absent; get it with: apt-get install pulseaudio libasound2-plugins libportaudio2"
            )
        self._folder = folder
        self._socket = folder / "native"
        self.alsa = folder / "alsa.conf"
        self.alsa.write_text(_ALSA.format(tap=TAP, line=LINE, socket=self._socket), encoding="utf-8")
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
            f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}",
            "module-null-sink sink_name=to_line rate=48000 channels=2",
            "module-null-sink sink_name=from_line rate=48000 channels=2",
        )
        for module in modules:
            command += ["-L", module]
        self._socket.unlink(missing_ok=True)
        log = self._folder / "pulse.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._socket))
                return
            time.sleep(0.02)
        raise AssertionError(f"pulseaudio did not start: {log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_pulse(folder: Path) -> Iterator[Pulse]:
    """A started server that PortAudio in this process finds through ALSA; both are as before afterwards."""
    pulse = Pulse(folder)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(pulse.alsa)
    pulse.start()
    try:
        _look_again()
        yield pulse
    finally:
        pulse.stop()
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before
        _look_again()


def _look_again() -> None:
    try:
        import sounddevice  # noqa: PLC0415 - importing it needs the library that this fixture may find absent
    except OSError:
        pytest.skip("PortAudio is absent; get it with: apt-get install libportaudio2")
    sounddevice._terminate()
    sounddevice._initialize()
