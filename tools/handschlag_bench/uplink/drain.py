"""How quickly one box that was offline is emptied, beside paho alone on the same way.

One box process, the shipped broker, one archive process: from the last thing that the box said before it was connected
to the last receipt that is durable on the box. In turn with it, through the same broker, with the same lengths, QoS
and window: a bare publisher and a bare subscriber (`bare`), from the first publish to the last message received. The
machine is the same for both, so their ratio means more than either rate. Afterwards every recording is laid out by the
archive and verified; where one is missing there is no figure.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handschlag.adapters.uplink import IN_FLIGHT
from handschlag.sim.demo.processes import Child, wait_for
from handschlag_bench.backlog import Backlog, fill
from handschlag_bench.row import Row
from handschlag_bench.uplink import bare
from handschlag_bench.uplink.disk import need_bytes
from handschlag_bench.uplink.kept import all_kept
from handschlag_bench.uplink.plant import BoxPlace, Plant, Running

SECONDS = 180.0
BYTES_EACH = 3_000_000
SLOWEST_MESSAGES_S = 50.0
"""Below this rate something hangs, and the bench ends with an error."""


@dataclass(frozen=True, slots=True)
class Size:
    """So many recordings of so many seconds in each of so many rounds."""

    recordings: int
    rounds: int
    seconds: float = SECONDS


SLICE = Size(10, 3)
FULL = Size(1000, 1)


def rows(folder: Path, *, full: bool) -> Iterator[Row]:
    """Drain, and compare."""
    yield from measure(folder, FULL if full else SLICE)


def measure(folder: Path, size: Size) -> Iterator[Row]:
    """Alternately bare, box, bare, box, ..., bare; each box between two of the bare."""
    need_bytes(folder, 3 * BYTES_EACH * size.recordings * size.rounds)
    plant = Plant(folder)
    box = plant.add_box("box-1")
    plant.write_trust()
    ours: list[float] = []
    bares: list[float] = []
    made: list[str] = []
    with plant.running() as running:
        running.broker()
        for _ in range(size.rounds):
            backlog = fill(box.settings, recordings=size.recordings, seconds=size.seconds)
            made += backlog.recordings
            bares.append(_bare(running, box, backlog) / backlog.files)
            ours.append(_drained(running, box, backlog) / backlog.files)
        bares.append(_bare(running, box, backlog) / backlog.files)
    kept = all_kept(plant, ((box.name, recording) for recording in made))
    beside = [(before + after) / 2 for before, after in itertools.pairwise(bares)]
    ratio = statistics.median(bare_s / our_s for our_s, bare_s in zip(ours, beside, strict=True))
    rate, bare_rate = 1 / statistics.median(ours), 1 / statistics.median(bares)
    name = f"drain {size.recordings} x {size.seconds:.0f} s"
    yield _row(f"{name}, against bare paho", ratio, "x", goal=">= 0.8")
    yield _row(f"{name}", rate, "files/s", beside={"bare paho": bare_rate})
    yield _row("drain: recordings verified in the archive", kept, f"of {len(made)}", goal=f"== {len(made)}")


def _drained(running: Running, box: BoxPlace, backlog: Backlog) -> float:
    """Seconds that the box takes until everything is receipted."""
    archive = running.archive()
    process = running.box(box)
    said: dict[str, float] = {}

    def done() -> bool:
        latest = process.latest
        if latest and not latest["connected"] and not latest["receipts"]:
            said["began"] = latest["at"]
        said["ended"] = latest.get("at", 0.0)
        return bool(latest.get("receipts", 0) >= len(backlog.recordings))

    wait_for("the backlog", done, process, archive, within_s=_patience_s(backlog.files))
    for child in (process, archive):
        running.stop(child)
    return said["ended"] - said["began"]


def _bare(running: Running, box: BoxPlace, backlog: Backlog) -> float:
    """Seconds that paho alone takes for the same."""
    ca = running.plant.authority.folder
    task = bare.Task(
        port=running.plant.port,
        ca=str(ca / "ca.pem"),
        certificate=str(ca / "archive.pem"),
        key=str(ca / "archive.key"),
        topic=f"handschlag/1/{box.name}/up/bare/file",
        sizes=sizes_of(box, backlog),
        in_flight=IN_FLIGHT,
    )
    subscriber = _program(running, "subscribe", task)
    wait_for("the bare subscriber", subscriber.heard.is_set, subscriber)
    issued = {"certificate": str(box.issued.certificate), "key": str(box.issued.key)}
    publisher = _program(running, "publish", msgspec.structs.replace(task, **issued))
    both = (publisher, subscriber)
    # both end by themselves
    wait_for("paho alone", lambda: all("ended" in each.latest for each in both), within_s=_patience_s(task.messages))
    for child in both:
        running.stop(child)
    return float(subscriber.latest["ended"]) - float(publisher.latest["began"])


def sizes_of(box: BoxPlace, backlog: Backlog) -> tuple[tuple[int, int], ...]:
    """How long the files of a backlog are: lengths, and how often each."""
    folders = (box.data / "spool" / recording for recording in backlog.recordings)
    counts = Counter(path.stat().st_size for folder in folders for path in folder.iterdir())
    return tuple(sorted(counts.items()))


def _program(running: Running, what: str, task: bare.Task) -> Child:
    return running.module(f"bare-{what}", bare.__name__, what, msgspec.json.encode(task).decode())


def _patience_s(messages: int) -> float:
    return 30.0 + messages / SLOWEST_MESSAGES_S


def _row(row: str, value: float, unit: str, *, goal: str = "", beside: dict[str, float] | None = None) -> Row:
    return Row(bench="uplink", row=row, value=value, unit=unit, goal=goal, beside=beside or {})
