"""A demonstration that runs: sound, broker, archive, box, and the simulated world plugged into the box."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from handschlag.sim.demo.links import Link, LockStep, SoundCard
from handschlag.sim.demo.place import Place
from handschlag.sim.demo.processes import Child, started, wait_for
from handschlag.sim.demo.stage import Stage
from handschlag.sim.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Running:
    """Who takes part."""

    broker: Child
    archive: Child
    box: Child
    stage: Stage

    def alive(self) -> None:
        """Raise DemoFailed, with its last words, when one of the processes has ended."""
        for child in (self.broker, self.archive, self.box):
            child.alive()


@contextlib.contextmanager
def running(place: Place, *, live: bool) -> Iterator[Running]:
    """Start it all, and end it all, whatever happens.

    `live`: in real time, through real sound devices (PortAudio on a private PulseAudio), instead of in lock-step.

    Raises:
        DemoFailed: something did not start.
        NoPulse: PulseAudio is absent.
    """
    link: Callable[[], Link] = SoundCard if live else lambda: LockStep(place)
    with _sound(place, live=live), started(place) as (broker, archive, box):
        stage = Stage(place, link)

        def connected() -> bool:
            with contextlib.suppress(OSError):
                stage.connect()
                return True
            return False

        try:
            wait_for("the box", connected, broker, archive, box)
            yield Running(broker, archive, box, stage)
        finally:
            stage.close()


@contextlib.contextmanager
def _sound(place: Place, *, live: bool) -> Iterator[None]:
    """For a live demonstration, two sound devices that are wired to each other."""
    if not live:
        yield
        return
    folder = place.sound
    folder.mkdir(mode=0o700)
    pulse = Pulse(folder)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(pulse.alsa)
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before
