"""The course of the demonstration, from an empty folder to the summary."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
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
from handschlag.sim.demo.picture import Picture
from handschlag.sim.demo.place import BOX, DemoFailed, Place, make
from handschlag.sim.demo.running import Running, running
from handschlag.sim.demo.witness import Witness
from handschlag.sim.pulse import TAP
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


def run(folder: Path, *, stay: bool, live: bool, stories: Sequence[Story] = tuple(TITLES)) -> None:
    """Show it all. Raises DemoFailed at the first thing that is not as it must be.

    `live`: in real time, through real sound devices (PortAudio on a private PulseAudio), instead of in lock-step.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    pace = " in Echtzeit, über echte Tongeräte" if live else ""
    calls = "ein Anruf" if len(stories) == 1 else f"{len(stories)} Anrufe"
    console.print(f"[bold]Handschlag[/bold]: Broker, Archiv und Box starten, dann {calls}{pace} …")
    place = make(folder, audio="portaudio" if live else "pipe", device=TAP if live else "")
    try:
        with running(place, live=live) as cast:
            shown = _perform(place, console, cast, stories, live=live)
            summary = Summary(
                calls=[call.result for call in shown],
                keys={
                    "owner": str(place.owner_key.relative_to(folder)),
                    "trust": str(place.trust.relative_to(folder)),
                },
                archive_url=None,
            )
            (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
            _tell(console, place, shown, time.monotonic() - began)
            if stay:
                console.print("\nBroker und Archiv laufen weiter; Strg-C beendet.")
                while True:
                    cast.broker.alive()
                    time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("beendet")
    finally:
        shutil.rmtree(place.sockets, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """A call that was shown, and what was found to hold of it, in words."""

    story: Story
    result: CallResult
    words: list[str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a call needs."""

    place: Place
    cast: Running
    witness: Witness
    picture: Picture
    live: bool

    def until(self, what: str, condition: Callable[[], bool], *, at_most_s: float = PATIENCE_S) -> None:
        """Let the world go on until something is so."""
        until = time.monotonic() + at_most_s
        while not condition():
            self.cast.stage.world.step()
            self.cast.alive()
            if time.monotonic() > until:
                raise DemoFailed(f"{what}: nicht innerhalb von {at_most_s:.0f} s")


def _perform(place: Place, console: Console, cast: Running, stories: Sequence[Story], *, live: bool) -> list[Shown]:
    picture = Picture(console)
    cast.stage.on_step = lambda: picture.update(cast.box.latest)
    shown = []
    with contextlib.closing(Witness(place)) as witness, picture.shown():
        scene = Scene(place, cast, witness, picture, live=live)
        scene.until("bereit", lambda: cast.box.latest.get("status") in {"ready", "ready-alone", "warning"})
        for story in stories:
            picture.title(TITLES[story])
            found = Findings()
            shown.append(Shown(story, _one_call(scene, story, found), found.words))
    return shown


def _one_call(scene: Scene, story: Story, found: Findings) -> CallResult:
    place, witness, box, world = scene.place, scene.witness, scene.cast.box, scene.cast.stage.world
    before = len(place.ledger_entries())
    sealed_before = int(box.latest.get("clips_sealed", 0))
    world.memory = []
    world.begin(call_script(world, story, scene.picture.tell))
    scene.until(f"Anruf {story}", lambda: not world.busy, at_most_s=240)
    heard, world.memory = np.concatenate(world.memory), None
    world.run(SETTLE_S)
    match story:
        case "boiler":
            scene.until("Quittung", lambda: int(box.latest["receipts"]) >= 1)
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
            scene.until("Löschung im Archiv", lambda: int(box.latest["revokes"]) == 0 and witness.revoked())
            return _judge(scene, lambda: checks.withdrawn(place, checks.entries_since(place, before), witness, found))


def _judge(scene: Scene, check: Callable[[], CallResult]) -> CallResult:
    """Check a call. In lock-step the box stands still meanwhile; a live world must go on, or its line falls silent."""
    if not scene.live:
        return check()
    with ThreadPoolExecutor(1) as pool:
        judged = pool.submit(check)
        scene.until("Prüfung", judged.done, at_most_s=240)
        return judged.result()


def _reference(heard: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Voltage and current; a leg resembles the one or the other, so they stand for the legs, too."""
    return [np.ascontiguousarray(heard[:, 0]), np.ascontiguousarray(heard[:, 1])]


def _announcements() -> list[NDArray[np.float32]]:
    return [prompt.samples for prompt in load_prompts("de").every()]


def _tell(console: Console, place: Place, shown: Sequence[Shown], seconds: float) -> None:
    for call in shown:
        console.print(f"\n[bold]{TITLES[call.story]}[/bold]")
        for words in call.words:
            console.print(f"  [green]✓[/green] {words}", soft_wrap=True)
    console.print()
    lines = [f"Zusammenfassung: {place.folder / 'summary.json'}  ({BOX}, {seconds:.0f} s)"]
    for kept in (call.result for call in shown if call.result.opened is not None):
        archived = place.folder / str(kept.archive)
        lines = [
            f"Anhören:         {place.folder / str(kept.opened)}",
            f"Auf der Box:     {place.folder / str(kept.spool)}",
            f"Aus dem Archiv:  {archived}",
            f"Als Beweis:      {place.folder / str(kept.evidence)} (auch als .zip)",
            f"Prüfen:          handschlag verify {archived} --trust {place.trust}",
            *lines,
        ]
    for line in lines:
        console.print(line, soft_wrap=True)
