"""How many clips a second an ingest worker makes durable.

Three ways: a worker by itself, given groups from memory (`feeder`), on folder and SQLite, beside what the same disk
does with the same bytes at the same moments; the whole archive process behind the broker, with several simulated boxes
that send as quickly as they can; and two workers on one PostgreSQL beside one, each given its own boxes' recordings.
All commits wait for the disk. The whole load is on one machine: what a second worker adds is what its cores leave.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handschlag.sim.demo.processes import Child, wait_for
from handschlag_bench.backlog import Backlog, fill
from handschlag_bench.postgres import NoPostgreSQL, PostgreSQL, find_programs
from handschlag_bench.row import Row
from handschlag_bench.uplink import feeder
from handschlag_bench.uplink.boxes import again_of, start_swarm
from handschlag_bench.uplink.kept import all_kept
from handschlag_bench.uplink.plant import BoxPlace, Plant, Running

BOXES = 4
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Size:
    """So many recordings of that length from each of four boxes; `rounds` of one worker and two."""

    recordings: int
    seconds: float = 180.0
    rounds: int = 1


SLICE = Size(6)
FULL = Size(40, rounds=3)


@dataclass(frozen=True, slots=True)
class _Load:
    """Boxes, and what each has to deliver."""

    boxes: tuple[BoxPlace, ...]
    waiting: tuple[Backlog, ...]

    def half(self, which: int) -> _Load:
        """Every second box."""
        return _Load(self.boxes[which::2], self.waiting[which::2])

    def everything(self) -> Iterator[tuple[str, str]]:
        """Box and recording of each."""
        for box, made in zip(self.boxes, self.waiting, strict=True):
            for recording in made.recordings:
                yield box.name, recording


def rows(folder: Path, *, full: bool) -> Iterator[Row]:
    """All three."""
    yield from measure(folder, FULL if full else SLICE)


def measure(folder: Path, size: Size) -> Iterator[Row]:
    """All three ways; PostgreSQL only where there is one."""
    plant = Plant(folder)
    boxes = tuple(plant.add_box(f"box-{number}") for number in range(BOXES))
    plant.write_trust()
    load = _Load(boxes, tuple(fill(box.settings, recordings=size.recordings, seconds=size.seconds) for box in boxes))
    yield from _alone(plant, load)
    yield from _behind_the_broker(plant, load)
    try:
        find_programs()
    except NoPostgreSQL as absent:
        yield _row(f"two workers on PostgreSQL, against one: not measured, {absent}", 0.0, "x")
        return
    yield from _on_postgres(plant, load, size.rounds)


def _alone(plant: Plant, load: _Load) -> Iterator[Row]:
    _settle(plant, "alone")
    with plant.running() as running:
        (said,) = _feed(running, [load], beside=True)
    kept = all_kept(plant, load.everything())
    beside = {
        "bare disk, files": said["files"] / said["files_synced_s"],
        "bare disk, one file": said["files"] / said["one_file_s"],
    }
    goal = ">= 1000"
    yield _row("one worker, folder + SQLite", said["clips"] / said["took_s"], "clips/s", goal=goal, beside=beside)
    yield _row("its share of a core", 100 * said["used_s"] / said["took_s"], "%", beside={"files": said["files"]})
    yield _row("kept and verified", kept, f"of {kept}", goal=f"== {len(list(load.everything()))}")


def _behind_the_broker(plant: Plant, load: _Load) -> Iterator[Row]:
    _settle(plant, "behind")
    with plant.running() as running:
        parts = (running.broker(), running.archive())
        swarm = start_swarm(running, load.boxes, load.waiting)
        wait_for("the boxes", lambda: "ended" in swarm.latest, *parts, within_s=PATIENCE_S)
        said = swarm.latest
    all_kept(plant, load.everything())
    took_s = said["ended"] - said["began"]
    clips = said["files"] * _share_of_clips(load)
    beside = {"share of a core for the boxes, %": 100 * said["cpu_s"] / took_s, **again_of(said)}
    yield _row("one worker behind the broker", clips / took_s, "clips/s", goal=">= 1000", beside=beside)


def _on_postgres(plant: Plant, load: _Load, rounds: int) -> Iterator[Row]:
    server = PostgreSQL(Path(tempfile.mkdtemp(prefix="hs-uplink-pg-", dir=_open_to_others(plant.folder))))
    rates: dict[int, float] = {1: 0.0, 2: 0.0}
    with closing(server.start()):
        for number in range(rounds):
            for workers, loads in ((1, [load]), (2, [load.half(0), load.half(1)])):
                url = server.new_database()
                _settle(plant, f"postgres-{number}-{workers}", more=f'database = "{url}"\n')
                with plant.running() as running:
                    said = _feed(running, loads)
                all_kept(plant, load.everything())
                rate = sum(one["clips"] for one in said) / max(one["took_s"] for one in said)
                rates[workers] = max(rates[workers], rate)
    cores = float(os.cpu_count() or 1)
    beside = {"one, clips/s": rates[1], "two, clips/s": rates[2], "cores": cores}
    yield _row("two workers on PostgreSQL, against one", rates[2] / rates[1], "x", goal=">= 1.7", beside=beside)


def _open_to_others(folder: Path) -> Path:
    """The nearest folder above into which everybody may go: the server runs as somebody else."""
    for above in folder.parents:
        if all(each.stat().st_mode & stat.S_IXOTH for each in (above, *above.parents)) and os.access(above, os.W_OK):
            return above
    return folder.parent


def _settle(plant: Plant, name: str, *, more: str = "") -> None:
    """An empty archive in a folder of its own."""
    plant.archive_settings.write_text(plant.settings_of_archive(data=f"data-{name}", more=more))


def _feed(running: Running, loads: Sequence[_Load], *, beside: bool = False) -> list[dict[str, float]]:
    """A worker for each load, all at once; what they said."""
    plant = running.plant
    go = plant.folder / "go"
    go.unlink(missing_ok=True)
    workers = [_feeder(running, load, f"feeder-{at}", go, beside=beside) for at, load in enumerate(loads)]
    for worker in workers:
        wait_for("a worker", worker.heard.is_set, worker, within_s=PATIENCE_S)
    go.touch()
    wait_for("the workers", lambda: all("ended" in worker.latest for worker in workers), within_s=PATIENCE_S)
    return [worker.latest for worker in workers]


def _feeder(running: Running, load: _Load, name: str, go: Path, *, beside: bool) -> Child:
    plant = running.plant
    plan = feeder.Plan(
        settings=str(plant.archive_settings),
        go=str(go),
        boxes=tuple(
            feeder.Waiting(box=box.name, spool=str(box.data / "spool"), recordings=made.recordings)
            for box, made in zip(load.boxes, load.waiting, strict=True)
        ),
        beside=str(plant.folder / "bare") if beside else "",
    )
    path = plant.folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode(plan))
    return running.module(name, feeder.__name__, str(path))


def _share_of_clips(load: _Load) -> float:
    """How many of the files are clips."""
    box, made = load.boxes[0], load.waiting[0]
    names = [path.name for path in (box.data / "spool" / made.recordings[0]).iterdir()]
    return sum(name.endswith(".clip") for name in names) / len(names)


def _row(row: str, value: float, unit: str, *, goal: str = "", beside: dict[str, float] | None = None) -> Row:
    return Row(bench="uplink", row=f"ingest: {row}", value=value, unit=unit, goal=goal, beside=beside or {})
