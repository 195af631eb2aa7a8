"""The real box killed (SIGKILL) again and again during calls, under a real broker and a real archive.

A kill loses what was in memory and nothing else, so the disk keeps even what was not synced: what is shown here is that
the processes, the wires and the archive find each other again at every moment, and that the sum is right at the end.
Times are drawn from a seed, but what they meet is up to the machine.
"""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handschlag.cli.evidence import FolderFiles
from handschlag.sealing.ledger import check_chain, parse_line, read_lines
from handschlag.sealing.manifest import KEYS, clip_index
from handschlag.sealing.trust import read_trust
from handschlag.sealing.verify import verify_recording
from handschlag.sim.audio import BadStream
from handschlag.sim.demo.links import LockStep
from handschlag.sim.demo.place import DemoFailed, Place, archive_program, box_program, make
from handschlag.sim.demo.place import call as run_program
from handschlag.sim.demo.processes import Child, started, wait_for
from handschlag.sim.demo.stage import Stage
from handschlag.sim.line import RATE, dbm0
from handschlag.sim.world import Condition, Script, World
from handschlag_bench.crash.counted import counted
from handschlag_bench.row import Row

ENDED = ("withdrawn", "destroyed", "purged", "expired")
LATEST_KILL_S = 6.0
"""Real seconds after a call began; in them some 40 s of the simulated line pass."""

DRAIN_S = 90.0


@dataclass(slots=True)
class Tally:
    """What was counted."""

    kills: int = 0
    kept: int = 0
    interrupted: int = 0
    ended: int = 0
    verified: int = 0
    wrong: list[str] = field(default_factory=list)


def rows(*, full: bool) -> Iterator[Row]:
    """How many kills, and what came of them."""
    tally = run(kills=200 if full else 5, seed=1)
    counts = (
        ("kills of the box", tally.kills, ">= 200" if full else ""),
        ("recordings that were owed", tally.kept, ""),
        ("closed after a kill", tally.interrupted, ""),
        ("verified at the end", tally.verified, ""),
        ("withdrawn or never confirmed", tally.ended, ""),
    )
    yield from counted("kills", counts, tally.wrong)


def run(*, kills: int, seed: int) -> Tally:
    """Call, kill, start, and so on; then let everything reach the archive, and count."""
    with tempfile.TemporaryDirectory(prefix="hs-kills-") as name:
        place = make(Path(name) / "place", audio="pipe")
        with started(place) as (broker, archive, box):
            loop = _Loop(place, box, random.Random(seed), (broker, archive))
            try:
                for _ in range(kills):
                    loop.once()
                loop.drain()
                loop.count()
            finally:
                loop.close()
        return loop.tally


class _Loop:
    """One place, one world, and one box after the other."""

    def __init__(self, place: Place, box: Child, draw: random.Random, others: tuple[Child, ...]) -> None:
        self.tally = Tally()
        self._place = place
        self._box = box
        self._draw = draw
        self._others = others
        self._stage = Stage(place, lambda: LockStep(place))
        self._owed: dict[str, set[str]] = {}
        self._ledger = b""
        self._plug_in()

    def close(self) -> None:
        """End the box that runs now."""
        self._box.end()
        self._stage.close()

    def once(self) -> None:
        """A call, a kill somewhere in it or after it, a look at the disk, and a new start."""
        world = self._stage.world
        world.begin(_call(world, self._draw))
        box = self._box
        killed = threading.Event()

        def kill() -> None:
            box.kill()
            killed.set()

        timer = threading.Timer(self._draw.uniform(0.0, LATEST_KILL_S), kill)
        timer.start()
        with contextlib.suppress(OSError, BadStream):
            while not killed.is_set():
                world.step()
        timer.join()
        self.tally.kills += 1
        self._stage.unplug()
        self._look()
        if self._draw.random() < 0.5:  # else the call goes on until the box is back
            world.tap.hang_up()
        self._box = Child(
            "box",
            box_program("run", "--config", str(self._place.box / "box.toml"), "--json"),
            self._place.folder / "logs" / "box.log",
        )
        self._plug_in()

    def drain(self) -> None:
        """Hang up, and wait until nothing is left to be sent."""
        self._stage.world.tap.hang_up()
        with contextlib.suppress(DemoFailed):
            self._until("an empty backlog", lambda: self._told("backlog") == 0 and self._told("revokes") == 0, DRAIN_S)

    def count(self) -> None:
        """What should be, and what is."""
        place, tally = self._place, self.tally
        self._box.end()
        trust = read_trust(place.trust.read_bytes())
        entries = [parse_line(line) for line in self._lines()]
        check_chain(self._lines())
        ended = {str(entry["recording"]) for entry in entries if entry["kind"] in ENDED}
        closed = {str(entry["recording"]) for entry in entries if entry["kind"] == "closed"}
        listed = run_program(
            archive_program("list", "--config", str(place.archive / "archive.toml"), "--json")
        ).splitlines()
        stored = [row["recording"] for row in map(json.loads, listed) if row["state"] == "stored"]
        tally.ended = len(ended)
        tally.interrupted = sum(entry["kind"] == "interrupted" for entry in entries)
        for recording in {*self._owed, *closed} - ended:
            tally.kept += 1
            folder = place.spool / recording
            if stored.count(recording) != 1:
                tally.wrong.append(f"{recording}: {stored.count(recording)} times in the archive")
            if not folder.is_dir():
                tally.wrong.append(f"{recording}: lost")
                continue
            verdict = verify_recording(FolderFiles(folder), trust)
            tally.verified += verdict.ok
            if not verdict.ok:
                tally.wrong.append(f"{recording}: {verdict.wrong}")
            if missing := self._owed.get(recording, set()) - {path.name for path in folder.iterdir()}:
                tally.wrong.append(f"{recording}: lost {sorted(missing)}")
        tally.wrong += [f"{recording}: comes back" for recording in ended if (place.spool / recording).exists()]
        tally.wrong += [f"{recording}: in the archive, and ended" for recording in ended if recording in stored]

    # --- the disk

    def _look(self) -> None:
        """What is on the disk now must be there for ever, but what was or will be taken back."""
        for folder in self._place.spool.iterdir():
            names = {path.name for path in folder.iterdir()}
            if KEYS in names and not folder.name.endswith(".gone"):
                self._owed.setdefault(folder.name, set()).update(n for n in names if clip_index(n) is not None)
        before, self._ledger = self._ledger, b"".join(line + b"\n" for line in self._lines())
        if not self._ledger.startswith(before):
            self.tally.wrong.append(f"kill {self.tally.kills}: the ledger has lost or changed lines")

    def _lines(self) -> list[bytes]:
        files = sorted(self._place.ledger.glob("*.jsonl"))
        data = b"".join(path.read_bytes() for path in files)
        return read_lines(data[: data.rfind(b"\n") + 1])

    # --- the box

    def _plug_in(self) -> None:
        def connected() -> bool:
            with contextlib.suppress(OSError):
                self._stage.connect()
                return True
            return False

        try:
            wait_for("the box", connected, self._box, *self._others)
            self._until("a box that is ready", lambda: self._box.latest.get("cannot") == "", 30.0)
        except DemoFailed as error:
            self.tally.wrong.append(f"kill {self.tally.kills}: {error}: {self._box.latest.get('cannot')}")
            raise

    def _told(self, name: str) -> object:
        return self._box.latest.get(name)

    def _until(self, what: str, condition: Callable[[], bool], within_s: float) -> None:
        """Let the world go on until something is so."""

        def so() -> bool:
            self._stage.world.run(0.2)
            return condition()

        wait_for(what, so, self._box, *self._others, within_s=within_s)


def _call(world: World, draw: random.Random) -> Script:
    """Lifted, asked, agreed, talked about nothing, now and then taken back, hung up. Nobody waits for a dead box."""
    noise = np.random.default_rng(draw.getrandbits(32))
    world.tap.seize()
    yield world.after(1.2)
    yield from world.short_press()
    yield _either(world.box_speaks, world.after(3.0))
    yield _either(world.box_silent, world.after(25.0))
    world.far.press("1", 0.18)
    yield world.after(1.0)
    for party in (world.near, world.far):
        party.say((dbm0(-20.0) * noise.normal(0, 0.5, 3 * RATE)).astype(np.float32))
    yield world.after(draw.uniform(1.0, 9.0))
    if draw.random() < 0.2:
        world.far.press("9", 0.25)
        yield world.after(2.0)
    world.tap.hang_up()
    yield world.after(2.0)


def _either(one: Condition, other: Condition) -> Condition:
    return lambda: one() or other()
