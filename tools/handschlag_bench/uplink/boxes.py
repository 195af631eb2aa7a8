"""Many boxes at once, each with a call to deliver: is all of it kept, how long does it take, and what does it hold?

All are connected before any begins, so that the archive meets all of them in one moment, as after an outage of the
broker. The boxes are simulated (`swarm`), in one process that shares the machine with broker and archive.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from handschlag.sim.demo.processes import Child, wait_for
from handschlag_bench.backlog import Backlog, fill
from handschlag_bench.row import Row
from handschlag_bench.uplink import swarm
from handschlag_bench.uplink.kept import all_kept, resident_mb
from handschlag_bench.uplink.plant import BoxPlace, Plant, Running

SECONDS = 6.0
PATIENCE_S = 300.0


def rows(folder: Path, *, full: bool) -> Iterator[Row]:
    """All at once."""
    yield from measure(folder, 1000 if full else 100)


def measure(folder: Path, count: int, *, seconds: float = SECONDS) -> Iterator[Row]:
    """So many boxes, each with a call of that length."""
    plant = Plant(folder)
    boxes = [plant.add_box(f"box-{number}") for number in range(count)]
    plant.write_trust()
    waiting = [fill(box.settings, recordings=1, seconds=seconds, sync=False) for box in boxes]
    os.sync()
    with plant.running() as running:
        watched = {"broker": running.broker(), "archive": running.archive()}
        before = {name: resident_mb(child.pid) for name, child in watched.items()}
        load = start_swarm(running, boxes, waiting)
        most = dict(before)

        def done() -> bool:
            for name, child in watched.items():
                most[name] = max(most[name], resident_mb(child.pid))
            return "ended" in load.latest

        wait_for("the boxes", done, *watched.values(), within_s=PATIENCE_S)
        said = load.latest
    kept = all_kept(
        plant, ((box.name, name) for box, made in zip(boxes, waiting, strict=True) for name in made.recordings)
    )
    took_s = said["ended"] - said["began"]
    yield _row("time to the last receipt", took_s, "s", beside={"connecting s": said["connecting_s"]}, count=count)
    yield _row("rate", said["files"] / took_s, "files/s", beside={"recordings/s": count / took_s}, count=count)
    yield _row("kept and verified", kept, f"of {count}", goal=f"== {count}", beside=again_of(said), count=count)
    for name, value in most.items():
        yield _row(f"memory of the {name} at most", value, "MB", beside={"before": before[name]}, count=count)


def again_of(said: Mapping[str, float]) -> dict[str, float]:
    """How often a simulated box had to send something again, and why."""
    return {"incomplete": said["incomplete"], "no receipt in time": said["timeouts"]}


def start_swarm(running: Running, boxes: Sequence[BoxPlace], waiting: Sequence[Backlog], name: str = "swarm") -> Child:
    """The simulated boxes, in one process; its last line of JSON has `ended`."""
    plant = running.plant
    plan = swarm.Plan(
        port=plant.port,
        ca=str(plant.authority.certificate),
        trust=str(plant.archive / "trust.json"),
        boxes=tuple(
            swarm.SimulatedBox(
                name=box.name,
                certificate=str(box.issued.certificate),
                key=str(box.issued.key),
                spool=str(box.data / "spool"),
                recordings=made.recordings,
            )
            for box, made in zip(boxes, waiting, strict=True)
        ),
    )
    path = plant.folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode(plan))
    return running.module(name, swarm.__name__, str(path))


def _row(row: str, value: float, unit: str, *, goal: str = "", beside: dict[str, float], count: int) -> Row:
    return Row(bench="uplink", row=f"{count} boxes: {row}", value=value, unit=unit, goal=goal, beside=beside)
