"""What a box and an archive worker hold in memory while a backlog is drained, by the length of the backlog.

The recordings are small, since it is their number that must not show. The box is looked at from its first receipt to
its last; the archive worker likewise. How long the box takes to connect when so much is on its disk is told, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handschlag.sim.demo.processes import wait_for
from handschlag_bench.backlog import fill
from handschlag_bench.row import Row
from handschlag_bench.uplink.kept import NotKept, resident_mb, states
from handschlag_bench.uplink.plant import BoxPlace, Plant, Running

SIZES = (10, 100, 1_000)
FULL_SIZES = (10, 100, 1_000, 10_000)
SECONDS = 1.0
SLOWEST_RECORDINGS_S = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One drain: what was held at most and at the end, and how long the start took."""

    box_mb: float
    archive_mb: float
    start_s: float
    took_s: float


def rows(folder: Path, *, full: bool) -> Iterator[Row]:
    """Drain backlogs of all sizes."""
    yield from measure(folder, FULL_SIZES if full else SIZES)


def measure(folder: Path, sizes: Sequence[int]) -> Iterator[Row]:
    """A box for each size, one after the other."""
    plant = Plant(folder)
    boxes = [(size, plant.add_box(f"box-{size}")) for size in sizes]
    plant.write_trust()
    seen: list[Seen] = []
    with plant.running() as running:
        running.broker()
        for size, box in boxes:
            fill(box.settings, recordings=size, seconds=SECONDS)
            one = _drained(running, box, size)
            seen.append(one)
            yield _row(f"{size} recordings: box at most", one.box_mb, "MB", beside={"archive worker": one.archive_mb})
            rate = size / one.took_s
            yield _row(f"{size} recordings: box starts in", one.start_s, "s", beside={"then recordings/s": rate})
    stored = states(plant).get("stored", 0)
    if stored != sum(sizes):
        raise NotKept(f"{stored} of {sum(sizes)} recordings are stored")
    spread = max(one.box_mb for one in seen) - min(one.box_mb for one in seen)
    yield _row(f"box, spread over {sizes[0]} to {sizes[-1]} recordings", spread, "MB", goal="<= 10")
    spread = max(one.archive_mb for one in seen) - min(one.archive_mb for one in seen)
    yield _row("archive worker, spread over the same", spread, "MB")


def _drained(running: Running, place: BoxPlace, size: int) -> Seen:
    archive = running.archive()
    started_at = time.monotonic()
    box = running.box(place)
    most = {box.pid: 0.0, archive.pid: 0.0}
    wait_for("the box", lambda: bool(box.latest.get("connected")), box, archive, within_s=120.0)
    connected_at = time.monotonic()

    def done() -> bool:
        receipts = box.latest.get("receipts", 0)
        if receipts:
            most.update({pid: max(before, resident_mb(pid)) for pid, before in most.items()})
        return bool(receipts >= size)

    wait_for("the backlog", done, box, archive, within_s=60.0 + size / SLOWEST_RECORDINGS_S)
    ended_at = time.monotonic()
    seen = Seen(most[box.pid], most[archive.pid], connected_at - started_at, ended_at - connected_at)
    for child in (box, archive):
        running.stop(child)
    return seen


def _row(row: str, value: float, unit: str, *, goal: str = "", beside: dict[str, float] | None = None) -> Row:
    return Row(bench="uplink", row=f"memory: {row}", value=value, unit=unit, goal=goal, beside=beside or {})
