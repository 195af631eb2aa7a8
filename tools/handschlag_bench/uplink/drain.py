"""How quickly one box that was offline is emptied, beside paho alone on the same way.

One box process, the shipped broker, one archive process: from the last thing that the box said before it was connected
to the last receipt that is durable on the box. In turn with it, through the same broker, with the same lengths, QoS
and window: a bare publisher and a bare subscriber (`bare`), from the first publish to the last message received. The
machine is the same for both, so their ratio means more than either rate; and as it may have few cores, all of them busy
then, what a file costs of a core is told beside it. Afterwards every recording is laid out by the archive and verified;
where one is missing there is no figure.
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
from handschlag_bench.uplink import bare, line
from handschlag_bench.uplink.disk import need_bytes
from handschlag_bench.uplink.kept import all_kept, cpu_s
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
    over_a_line: int = 0  # so many of them in one more round, over a line


SLICE = Size(10, 3, over_a_line=4)
FULL = Size(1000, 1, over_a_line=20)
LINE_MBIT_S = 40.0
"""Upstream of a good VDSL line (profile 35b, as sold); most workshops have less."""


def rows(folder: Path, *, full: bool) -> Iterator[Row]:
    """Drain, and compare."""
    yield from measure(folder, FULL if full else SLICE)


def measure(folder: Path, size: Size) -> Iterator[Row]:
    """Alternately bare, box, bare, box, ..., bare; each box between two of the bare."""
    need_bytes(folder, 3 * BYTES_EACH * size.recordings * size.rounds)
    plant = Plant(folder)
    box = plant.add_box("box-1")
    plant.write_trust()
    ours: list[_Pass] = []
    bares: list[_Pass] = []
    made: list[str] = []
    with plant.running() as running:
        broker = running.broker()
        for _ in range(size.rounds):
            backlog = fill(box.settings, recordings=size.recordings, seconds=size.seconds)
            made += backlog.recordings
            bares.append(_bare(running, broker, box, backlog))
            ours.append(_drained(running, broker, box, backlog))
        bares.append(_bare(running, broker, box, backlog))
        over_a_line = list(_over_a_line(running, broker, box, size)) if size.over_a_line else []
    kept = all_kept(plant, ((box.name, recording) for recording in made))
    beside = [(before.each_s + after.each_s) / 2 for before, after in itertools.pairwise(bares)]
    ratio = statistics.median(bare_s / one.each_s for one, bare_s in zip(ours, beside, strict=True))
    rate, bare_rate = (1 / statistics.median(one.each_s for one in passes) for passes in (ours, bares))
    name = f"drain {size.recordings} x {size.seconds:.0f} s"
    yield _row(f"{name}, against bare paho", ratio, "x", goal=">= 0.8")
    yield _row(f"{name}", rate, "files/s", beside={"bare paho": bare_rate})
    used = {who: 1e6 * statistics.median(one.used_s[who] for one in ours) for who in ours[0].used_s}
    bare_used = 1e6 * statistics.median(sum(one.used_s.values()) for one in bares)
    yield _row("drain: cpu for a file", sum(used.values()), "us", beside={**used, "bare paho and broker": bare_used})
    yield from over_a_line
    yield _row("drain: recordings verified in the archive", kept, f"of {len(made)}", goal=f"== {len(made)}")


@dataclass(frozen=True, slots=True)
class _Pass:
    """One way through, for each file: seconds, and seconds of a core by process."""

    each_s: float
    used_s: dict[str, float]


def _over_a_line(running: Running, broker: Child, box: BoxPlace, size: Size) -> Iterator[Row]:
    """The same over a line that is slower than all of it, as a box has it."""
    wire = running.module("line", line.__name__, str(running.plant.port), str(LINE_MBIT_S * 1e6))
    wait_for("the line", wire.heard.is_set, wire)
    port = int(wire.latest["port"])
    backlog = fill(box.settings, recordings=size.over_a_line, seconds=size.seconds)
    before = _bare(running, broker, box, backlog, port=port)
    direct = box.settings.read_text()
    box.settings.write_text(direct.replace(f"port = {running.plant.port}", f"port = {port}"))
    one = _drained(running, broker, box, backlog)
    box.settings.write_text(direct)
    running.stop(wire)
    name = f"drain over a line of {LINE_MBIT_S:.0f} Mbit/s, against bare paho"
    beside = {"files/s": 1 / one.each_s, "bare paho": 1 / before.each_s}
    yield _row(name, before.each_s / one.each_s, "x", beside=beside)


def _drained(running: Running, broker: Child, box: BoxPlace, backlog: Backlog) -> _Pass:
    """From the last word before the box was connected until everything is receipted."""
    archive = running.archive()
    process = running.box(box)
    watched = {"box": process, "archive": archive, "broker": broker}
    said: dict[str, float] = {}
    used: dict[str, float] = {}

    def done() -> bool:
        latest = process.latest
        if latest and not latest["connected"] and not latest["receipts"]:
            said["began"] = latest["at"]
            used.update({name: cpu_s(child.pid) for name, child in watched.items()})
        said["ended"] = latest.get("at", 0.0)
        return bool(latest.get("receipts", 0) >= len(backlog.recordings))

    wait_for("the backlog", done, process, archive, within_s=_patience_s(backlog.files))
    spent = {name: (cpu_s(child.pid) - used[name]) / backlog.files for name, child in watched.items()}
    for child in (process, archive):
        running.stop(child)
    return _Pass((said["ended"] - said["began"]) / backlog.files, spent)


def _bare(running: Running, broker: Child, box: BoxPlace, backlog: Backlog, *, port: int = 0) -> _Pass:
    """What paho alone takes for the same; its publisher's way is over `port`."""
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
    before = cpu_s(broker.pid)
    subscriber = _program(running, "subscribe", task)
    wait_for("the bare subscriber", subscriber.heard.is_set, subscriber)
    issued = {"certificate": str(box.issued.certificate), "key": str(box.issued.key), "port": port or task.port}
    publisher = _program(running, "publish", msgspec.structs.replace(task, **issued))
    both = (publisher, subscriber)
    # both end by themselves
    wait_for("paho alone", lambda: all("ended" in each.latest for each in both), within_s=_patience_s(task.messages))
    for child in both:
        running.stop(child)
    used = {"paho": sum(float(each.latest["used_s"]) for each in both), "broker": cpu_s(broker.pid) - before}
    took_s = float(subscriber.latest["ended"]) - float(publisher.latest["began"])
    return _Pass(took_s / backlog.files, {name: spent / backlog.files for name, spent in used.items()})


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
