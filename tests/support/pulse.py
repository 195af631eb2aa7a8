"""The private PulseAudio of the simulated world, as PortAudio in the test's own process finds it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag.sim.pulse import NoPulse, Pulse


@contextlib.contextmanager
def running_pulse(folder: Path) -> Iterator[Pulse]:
    """A started server that PortAudio in this process finds through ALSA; both are as before afterwards.

    Skips, saying how to get it, where PulseAudio or PortAudio is absent.
    """
    before = os.environ.get("ALSA_CONFIG_PATH")
    try:
        pulse = Pulse(folder)
        pulse.start()
    except NoPulse as error:
        pytest.skip(str(error))
    os.environ["ALSA_CONFIG_PATH"] = str(pulse.alsa)
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
