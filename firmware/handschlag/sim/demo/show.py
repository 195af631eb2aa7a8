"""The course of the demonstration, from an empty folder to the summary."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from handschlag.prompts.catalog import load as load_prompts
from handschlag.sim.demo import checks
from handschlag.sim.demo.checks import CallResult, Findings
from handschlag.sim.demo.links import Link, LockStep, SoundCard
from handschlag.sim.demo.picture import Picture
from handschlag.sim.demo.place import BOX, DemoFailed, Place, make
from handschlag.sim.demo.processes import Child, started, wait_for
from handschlag.sim.demo.stage import Stage
from handschlag.sim.demo.witness import Witness
from handschlag.sim.pulse import TAP, Pulse
from handschlag.sim.stories import call as call_script
from handschlag.sim.voices import Story

SETTLE_S = 1.5
PATIENCE_S = 30.0
TITLES: dict[Story, str] = {
    "boiler": "1. Der Anrufer sagt Ja (Taste 1)",
    "tap": "2. Der Anrufer antwortet nicht",
    "withdrawal": "3. Der Anrufer sagt Ja und widerruft (Taste 9)",
}


class Summary(msgspec.Struct, kw_only=True):
    """summary.json: what happened, and where it is, so that scripts can go on from here."""

    calls: list[CallResult]
    keys: dict[str, str]
    archive_url: str | None


def run(folder: Path, *, stay: bool, live: bool) -> None:
    """Show it all. Raises DemoFailed at the first thing that is not as it must be.

    `live`: in real time, through real sound devices (PortAudio on a private PulseAudio), instead of in lock-step.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    pace = " in Echtzeit, über echte Tongeräte" if live else ""
    console.print(f"[bold]Handschlag[/bold]: Broker, Archiv und Box starten, dann drei Anrufe{pace} …")
    place = make(folder, audio="portaudio" if live else "pipe", device=TAP if live else "")
    try:
        with _sound(place, live=live), started(place) as (broker, archive, box):
            results, told = _perform(place, console, (broker, archive, box), live=live)
            summary = Summary(
                calls=results,
                keys={
                    "owner": str(place.owner_key.relative_to(folder)),
                    "trust": str(place.trust.relative_to(folder)),
                },
                archive_url=None,
            )
            (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
            _tell(console, place, results, told, time.monotonic() - began)
            if stay:
                console.print("\nBroker und Archiv laufen weiter; Strg-C beendet.")
                while True:
                    broker.alive()
                    time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("beendet")
    finally:
        shutil.rmtree(place.sockets, ignore_errors=True)


@contextlib.contextmanager
def _sound(place: Place, *, live: bool) -> Iterator[None]:
    """For the live demonstration, two sound devices that are wired to each other."""
    if not live:
        yield
        return
    folder = place.sockets / "pulse"
    folder.mkdir(mode=0o700)
    pulse = Pulse(folder)
    os.environ["ALSA_CONFIG_PATH"] = str(pulse.alsa)
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()


def _perform(
    place: Place, console: Console, children: tuple[Child, Child, Child], *, live: bool
) -> tuple[list[CallResult], dict[Story, list[str]]]:
    box = children[2]
    picture = Picture(console)
    link: Callable[[], Link] = SoundCard if live else lambda: LockStep(place)
    stage = Stage(place, link)
    witness = Witness(place)

    def connected() -> bool:
        try:
            stage.connect()
        except OSError:
            return False
        return True

    def watch() -> None:
        picture.update(box.latest)

    stage.on_step = watch
    results: list[CallResult] = []
    told: dict[Story, list[str]] = {}
    try:
        wait_for("the box", connected, *children)
        with picture.shown():
            _until(stage, children, "bereit", lambda: box.latest.get("status") in {"ready", "ready-alone", "warning"})
            scene = Scene(place, stage, children, witness, picture, live=live)
            for story, title in TITLES.items():
                picture.title(title)
                found = Findings()
                results.append(_one_call(scene, story, found))
                told[story] = found.words
    finally:
        witness.close()
        stage.close()
    return results, told


@dataclass(frozen=True, slots=True)
class Scene:
    """Who takes part."""

    place: Place
    stage: Stage
    children: tuple[Child, Child, Child]
    witness: Witness
    picture: Picture
    live: bool


def _one_call(scene: Scene, story: Story, found: Findings) -> CallResult:
    place, stage, children, witness = scene.place, scene.stage, scene.children, scene.witness
    box, world = children[2], stage.world
    before = len(place.ledger_entries())
    sealed_before = int(box.latest.get("clips_sealed", 0))
    world.memory = []
    world.begin(call_script(world, story, scene.picture.tell))
    _until(stage, children, f"Anruf {story}", lambda: not world.busy, at_most_s=240)
    heard, world.memory = np.concatenate(world.memory), None
    world.run(SETTLE_S)
    match story:
        case "boiler":
            _until(stage, children, "Quittung", lambda: int(box.latest["receipts"]) >= 1)
            return _judge(scene, lambda: checks.kept(place, checks.entries_since(place, before), found))
        case "tap":
            encoded = int(box.latest["clips_sealed"]) - sealed_before
            unconsented = checks.Unconsented(
                encoded, None if scene.live else box.pid, _reference(heard), _announcements()
            )
            return _judge(
                scene, lambda: checks.not_recorded(place, checks.entries_since(place, before), unconsented, found)
            )
        case "withdrawal":
            _until(stage, children, "Löschung im Archiv", lambda: int(box.latest["revokes"]) == 0 and witness.revoked())
            return _judge(scene, lambda: checks.withdrawn(place, checks.entries_since(place, before), witness, found))


def _judge(scene: Scene, check: Callable[[], CallResult]) -> CallResult:
    """Check a call. In lock-step the box stands still meanwhile; a live world must go on, or its line falls silent."""
    if not scene.live:
        return check()
    with ThreadPoolExecutor(1) as pool:
        judged = pool.submit(check)
        _until(scene.stage, scene.children, "Prüfung", judged.done, at_most_s=240)
        return judged.result()


def _until(
    stage: Stage,
    children: tuple[Child, Child, Child],
    what: str,
    condition: Callable[[], bool],
    *,
    at_most_s: float = PATIENCE_S,
) -> None:
    """Let the world go on until something is so."""
    until = time.monotonic() + at_most_s
    while not condition():
        stage.world.step()
        for child in children:
            child.alive()
        if time.monotonic() > until:
            raise DemoFailed(f"{what}: nicht innerhalb von {at_most_s:.0f} s")


def _reference(heard: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Voltage and current; a leg resembles the one or the other, so they stand for the legs, too."""
    return [np.ascontiguousarray(heard[:, 0]), np.ascontiguousarray(heard[:, 1])]


def _announcements() -> list[NDArray[np.float32]]:
    return [prompt.samples for prompt in load_prompts("de").every()]


def _tell(
    console: Console, place: Place, results: list[CallResult], told: dict[Story, list[str]], seconds: float
) -> None:
    for story, title in TITLES.items():
        console.print(f"\n[bold]{title}[/bold]")
        for words in told[story]:
            console.print(f"  [green]✓[/green] {words}", soft_wrap=True)
    kept = results[0]
    archived = place.folder / str(kept.archive)
    for line in (
        "",
        f"Anhören:         {place.folder / str(kept.opened)}",
        f"Auf der Box:     {place.folder / str(kept.spool)}",
        f"Aus dem Archiv:  {archived}",
        f"Prüfen:          handschlag verify {archived} --trust {place.trust}",
        f"Zusammenfassung: {place.folder / 'summary.json'}  ({BOX}, {seconds:.0f} s)",
    ):
        console.print(line, soft_wrap=True)
