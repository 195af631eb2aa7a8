"""Boxes with closed recordings, the broker and the archive as shipped, all in processes of their own, and what burns.

A trial fills boxes, starts everything, lets things burn while the boxes drain, puts the fire out, waits until all
receipts are on the boxes' disks, and asks the judge. Whatever is waited for is an event of the processes (bytes on
disk, a word of the box), never a time.
"""

from __future__ import annotations

import contextlib
import random
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from handschlag.sim.demo.place import DemoFailed
from handschlag.sim.demo.processes import Child, wait_for
from handschlag_bench.backlog import fill
from handschlag_bench.uplink.plant import BoxPlace, Plant, Running
from tests.system.fire.door import Orders, append, command
from tests.system.fire.judge import RECEIPT, STORES, Owed, closed_on, judge, stored_rows

PATIENCE_S = 240.0
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@dataclass
class Fire:
    """One trial in `folder`. `port_of_box` and `port_of_archive` lead to the broker, directly or by a wire."""

    plant: Plant
    running: Running
    draw: random.Random
    owed: list[Owed] = field(default_factory=list)
    waiting: list[Owed] = field(default_factory=list)
    boxes: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    mortal: list[Child] = field(default_factory=list)
    orders: Orders = field(init=False)
    broker_process: Child | None = None
    started: int = 0
    deaths: int = 0
    broker_kills: int = 0
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.report.mkdir(exist_ok=True)
        self.orders = Orders(data=str(self.data), report=str(self.report))

    @property
    def data(self) -> Path:
        """What the archive keeps."""
        return self.plant.archive / "data"

    @property
    def report(self) -> Path:
        """What the witnesses have seen."""
        return self.plant.folder / "report"

    def fill(self, *, boxes: int = 1, recordings: int, seconds: float = 4.0, newest: float | None = None) -> None:
        """So many boxes with so many recordings each that wait; boxes that are there already get more."""
        for number in range(1, boxes + 1):
            name = f"box-{number}"
            box = self.plant.boxes.get(name) or self.plant.add_box(name)
            fill(box.settings, recordings=recordings, seconds=seconds, newest=newest)
        self.plant.write_trust()
        self.owed = [one for box in self.plant.boxes.values() for one in closed_on(box)]
        self.waiting = list(self.owed)

    # --- processes

    def broker(self) -> None:
        """Start it."""
        self.broker_process = self._note(self.running.broker())

    def kill_broker(self) -> None:
        """Take it away without a word, and start it again."""
        assert self.broker_process is not None
        self.broker_process.kill()
        self.broker_kills += 1
        self.running.children.remove(self.broker_process)
        self.broker()

    def start_box(self, box: BoxPlace, module: str = "handschlag") -> Child:
        """Start a box; `module` is its program."""
        child = self._note(self.running.module(box.name, module, "run", "--config", str(box.settings), "--json"))
        self.boxes.append(child)
        return child

    def start_boxes(self) -> None:
        """Start them all."""
        for box in self.plant.boxes.values():
            self.start_box(box)

    def restart_boxes(self) -> None:
        """Cut the boxes' power, and switch them on again."""
        for child in self.boxes:
            child.kill()
            self.running.children.remove(child)
        self.boxes.clear()
        self.start_boxes()

    def burn(self, **orders: float) -> None:
        """What every worker does from now on (`Orders`)."""
        self.orders = msgspec.structs.replace(self.orders, **orders)

    def worker(
        self,
        *,
        settings: Path | None = None,
        wait: bool = True,
        module: str = "tests.system.fire.door",
        disk: int = 0,
        **orders: object,
    ) -> Child:
        """Start a worker; `orders` in place of what burns for all (`Orders`).

        With `disk` its data lie on a file system of its own, of so many bytes, which ends with it (`small_disk`).
        """
        self.started += 1
        told = msgspec.structs.replace(self.orders, **{"seed": self.started, **orders})
        config = settings or self.plant.archive_settings
        program = command(told, "ingest", "--config", str(config), "--json", module=module)
        if disk:
            program = on_a_disk_of(disk, self.data, program)
        child = self._note(self.running.start(f"worker-{self.started}", program))
        self.workers.append(child)
        if told.die_after:
            self.mortal.append(child)
        if wait:
            wait_for("a worker", child.heard.is_set, child, within_s=PATIENCE_S)
        return child

    def end_worker(self, child: Child) -> None:
        """Let go of one, dead or alive."""
        self.workers.remove(child)
        self.running.stop(child)

    def end_workers(self) -> None:
        """Let go of all of them."""
        for child in list(self.workers):
            self.end_worker(child)

    def mortal_worker(self, most: int = 80) -> None:
        """Start one that dies at a drawn step, and wait until it has, or everything is there."""
        child = self.worker(die_after=self.draw.randint(1, most), wait=False)
        self.until("a worker's death", lambda: gone(child) or self.drained)
        self.deaths += gone(child)
        self.end_worker(child)

    def _note(self, child: Child) -> Child:
        self.pids.append(child.pid)
        return child

    # --- waiting

    @staticmethod
    def now() -> float:
        """Seconds since 1970."""
        return time.time()

    def files_kept(self, data: Path | None = None) -> int:
        """How many files lie in the archive's folders."""
        return sum(1 for store in STORES for _ in (data or self.data).glob(f"{store}/*/*/*"))

    def receipts(self) -> int:
        """How many recordings have their receipt on the boxes' disks."""
        return sum(self._receipt(one).exists() for one in self.owed)

    @property
    def drained(self) -> bool:
        """Every recording has its receipt on the box's disk."""
        while self.waiting and self._receipt(self.waiting[-1]).exists():
            self.waiting.pop()
        return not self.waiting

    def _receipt(self, one: Owed) -> Path:
        return self.plant.boxes[one.box].data / "spool" / one.recording / RECEIPT

    def until(self, what: str, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait for it; boxes must live, and workers that were not ordered to die."""
        living = [*self.boxes, *(worker for worker in self.workers if worker not in self.mortal)]
        try:
            wait_for(what, condition, *living, within_s=within_s)
        except Exception as error:
            error.add_note(f"boxes say: {[box.latest for box in self.boxes]}")
            raise

    def stored(self) -> int:
        """How many recordings the archive's index calls stored."""
        return len(stored_rows(self.plant.archive_settings))

    def promise_what_lies_there(self) -> None:
        """Files that came with a restored backup were synced by whoever restored it."""
        lying = [path for path in self.data.rglob("*") if not path.name.startswith("index")]
        append(self.report / "synced", "".join(f"{path.stat().st_ino}\n" for path in lying))

    def some_more(self, most: int = 20) -> None:
        """Until some more files have come, or everything is there."""
        goal = self.files_kept() + self.draw.randint(1, most)
        self.until("more files", lambda: self.files_kept() >= goal or self.drained)

    def drain(self, within_s: float = PATIENCE_S) -> None:
        """Until the boxes have nothing left."""
        self.until("empty boxes", lambda: self.drained, within_s)

    # --- the end

    def note(self, what: str) -> None:
        """Something to know of a long trial; `pytest -rP` shows it."""
        sys.stderr.write(f"{what}\n")

    def verdict(self) -> list[str]:
        """End everything, and say what is wrong."""
        self.running.end()
        return [*self.seen_wrong(), *judge(self.plant, self.owed), *self.left_behind()]

    def verdict_on_its_disk(self, worker: Child) -> list[str]:
        """The same of an archive whose data can be seen only as long as its worker lives."""
        data = small_disk(worker, self.data)
        settings = self.plant.archive / "seen.toml"
        settings.write_text(self.plant.archive_settings.read_text().replace('data = "data"', f'data = "{data}"'))
        wrong = judge(self.plant, self.owed, data=data, settings=settings)
        self.running.end()
        return [*self.seen_wrong(), *wrong, *self.left_behind()]

    def seen_wrong(self) -> list[str]:
        """What the witnesses saw."""
        path = self.report / "wrong"
        return path.read_text().splitlines() if path.exists() else []

    def witnessed(self) -> int:
        """How many receipts a witness has looked at."""
        path = self.report / "seen"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def left_behind(self) -> list[str]:
        """Processes that still run, and a broker that still listens."""
        left = [f"process {pid} still runs" for pid in self.pids if Path(f"/proc/{pid}").exists()]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.plant.port), timeout=1):
            left.append("somebody still listens on the broker's port")
        return left


@contextlib.contextmanager
def fire(folder: Path, *, seed: int = 1) -> Iterator[Fire]:
    """A trial; every process is gone afterwards."""
    plant = Plant(folder)
    with plant.running() as running:
        yield Fire(plant, running, random.Random(seed))


def gone(child: Child) -> bool:
    """Whether a process has ended."""
    try:
        child.alive()
    except DemoFailed:
        return True
    return False


def on_a_disk_of(size: int, folder: Path, program: list[str]) -> list[str]:
    """The program in a mount namespace of its own, with a file system of that size at `folder`."""
    folder.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size},mode=700 tmpfs {shlex.quote(str(folder))} && exec {shlex.join(program)}"
    return [*NAMESPACE, "sh", "-c", mount]


def small_disk(worker: Child, folder: Path) -> Path:
    """The folder as that worker sees it, from outside of its namespace (proc(5), /proc/pid/root)."""
    return Path(f"/proc/{worker.pid}/root{folder}")


def may_mount() -> bool:
    """Whether anybody may have a mount namespace here."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def lead_through(settings: Path, port: int, through: int) -> None:
    """Let a box or an archive reach the broker by another port."""
    text = settings.read_text()
    assert f"port = {port}\n" in text
    settings.write_text(text.replace(f"port = {port}\n", f"port = {through}\n"))
