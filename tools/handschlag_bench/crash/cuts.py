"""Cut everything: after each change of a day on disk, and within it, the power goes; then a box starts on what is left.

A cut point is a moment (between two changes, or within one) together with what of everything unsynced survived it
(`sim.power_cut`). Two cut points that leave the same disk and owe the same count once. What was owed at that moment is
read from what the adapters had told by then, and from the day's whole ledger; nothing of the box's own state is asked:

- a recording whose keys were durable is kept, with every clip that was durable, unless the box had begun to destroy it;
- one that was closed or receipted is so again, verifies, opens, and reaches the archive;
- one that was never confirmed has no wrapped key anywhere, before the restart or after it;
- one whose `.gone` was durable cannot be opened after the restart, nor what is left of it;
- every ledger line that was told durable is there, and the chain is whole;
- the box is ready by itself, and no exception was seen.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path, PurePosixPath

from handschlag.cli.evidence import FolderFiles
from handschlag.core.events import EntryDurable, FileDurable, ReceiptDurable
from handschlag.core.readiness import cannot
from handschlag.sealing.ledger import check_chain, line_hash
from handschlag.sealing.manifest import KEYS, MANIFEST, RECEIPT, clip_index, clip_name
from handschlag.sealing.open import open_recording
from handschlag.sealing.verify import verify_recording
from handschlag.sim.files import Operation
from handschlag.sim.power_cut import Disk, Survival, Tree, fingerprint, lay_down
from handschlag_bench.crash.counted import counted
from handschlag_bench.crash.day import whole_day
from handschlag_bench.crash.life import OWNER, Archive, Life, trust
from handschlag_bench.row import Row

ENDINGS = ("withdrawn", "destroyed", "purged", "expired")
JUMPED_S = 7 * 86400.0
"""The box is switched on again so much later than it first was."""

RESTART_S = 2.0
RESTART_CUT_EACH = 4
CHANCES = 10
"""So many draws for each moment, besides the four plain survivals."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day that was lived: its changes, what was told when, and how the archive came to what it has."""

    root: str
    changes: tuple[Operation, ...]
    notes: tuple[tuple[int, object], ...]
    taken_by: dict[int, int]  # what the archive had been given, by number of changes
    archive: Archive
    ended: dict[str, str]  # recording: the ledger kind that ended it
    keyed_at: dict[str, int]  # recording: changes until its keys were told durable
    leaving_at: dict[str, int]  # recording: changes before the first one of its end
    gone_at: dict[str, int]  # recording: changes until its end was durable


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment and a survival: `changes` were made, `within` says whether the next one was met halfway."""

    changes: int
    within: bool
    survival: Survival
    seed: int

    def __str__(self) -> str:
        """As it is named when something is wrong."""
        return f"cut {'within' if self.within else 'after'} change {self.changes}, {self.survival} ({self.seed})"


@dataclass(slots=True)
class Tally:
    """What was counted."""

    points: int = 0
    restarts_cut: int = 0
    kept: int = 0
    destroyed: int = 0
    clips: int = 0
    wrong: list[str] = field(default_factory=list)


def live_a_day(folder: Path) -> Day:
    """Live the whole day in `folder`, and note everything about it."""
    life = whole_day(folder)
    changes = tuple(life.files.done)
    ended, opened = {}, []
    for entry in life.ledger.entries():
        recording = str(entry.get("recording", ""))
        if entry["kind"] in ENDINGS:
            ended[recording] = str(entry["kind"])
        elif entry["kind"] == "opened":
            opened.append(recording)
    notes = tuple((note.changes, note.event) for note in life.notes)
    keyed_at = {e.recording: at for at, e in notes if isinstance(e, FileDurable) and e.name == KEYS}
    leaving_at, gone_at = {}, {}
    for recording, kind in ended.items():
        renamed_at = _first(changes, "rename", f"{recording}.gone", to=True)
        leaving_at[recording] = min(renamed_at, _written_down(changes, recording, kind))
        gone_at[recording] = _first(changes, "fsync_dir", "spool", after=renamed_at) + 1
    return Day(
        str(folder),
        changes,
        notes,
        {**life.taken_by, len(changes): len(life.archive.taken)},
        life.archive,
        ended,
        keyed_at,
        leaving_at,
        gone_at,
    )


def _written_down(changes: tuple[Operation, ...], recording: str, kind: str) -> int:
    """The change that brought a recording's end into the ledger."""
    for number, change in enumerate(changes):
        if change.kind == "append" and change.path.endswith(".jsonl"):
            for line in change.data.splitlines():
                if recording.encode() in line and f'"kind":"{kind}"'.encode() in line:
                    return number
    raise LookupError(f"{recording}: its end is in no ledger line")


def _first(changes: tuple[Operation, ...], kind: str, name: str, *, to: bool = False, after: int = 0) -> int:
    for number in range(after, len(changes)):
        change = changes[number]
        if change.kind == kind and (change.to if to else change.path).endswith(f"/{name}"):
            return number
    raise LookupError(f"no {kind} of {name} after change {after}")


def cuts(day: Day, *, every: int = 1, chances: int = CHANCES) -> Iterator[tuple[Cut, Tree]]:
    """Each cut point with the disk that it leaves; of the moments every n-th."""
    disk = Disk(day.root)
    seen: set[tuple[str, int]] = set()
    told = [sum(1 for changes, _ in day.notes if changes <= number) for number in range(len(day.changes) + 1)]
    survivals: list[tuple[Survival, int]] = [(survival, 0) for survival in Survival if survival is not Survival.CHANCE]
    survivals += [(Survival.CHANCE, seed) for seed in range(chances)]
    for number in range(len(day.changes) + 1):
        next_change = day.changes[number] if number < len(day.changes) else None
        for (survival, seed), within in product(survivals, (False, True)):
            if number % every or (within and next_change is None):
                continue
            cut = Cut(number, within, survival, seed)
            draw = random.Random(f"{number} {within} {seed}")
            if within and next_change is not None:
                left = disk.halfway(next_change, survival, draw)
            else:
                left = disk.after_cut(survival, draw)
            mark = (fingerprint(left), told[number])
            if mark not in seen:
                seen.add(mark)
                yield cut, left
        if next_change is not None:
            disk.do(next_change)


# --- what was owed, and what is there


class Judge:
    """Starts a box on what a cut left, and looks whether everything owed is there."""

    def __init__(self, day: Day, scratch: Path) -> None:
        self.day = day
        self.tally = Tally()
        self._scratch = scratch
        self._unkeyed = {recording for recording in day.ended if recording not in day.keyed_at}

    def judge(self, cut: Cut, left: Tree) -> None:
        """One cut point; of every n-th, the restart is cut, too, and the third life is judged like the second."""
        self.tally.points += 1
        taken = self.day.taken_by[cut.changes]
        second = self._start(str(cut), cut, left, self.day.archive.as_it_was(taken), boot=2)
        if second is None or self.tally.points % RESTART_CUT_EACH:
            return
        draw = random.Random(f"{cut}")
        disk = Disk(str(second.folder))
        disk.put(left)
        made = draw.randint(0, len(second.files.done))
        for change in second.files.done[:made]:
            disk.do(change)
        archive = second.archive.as_it_was(second.taken_by.get(made, len(second.archive.taken)))
        again = disk.after_cut(Survival.CHANCE, draw)
        self.tally.restarts_cut += 1
        self._start(f"{cut}, and again after {made} changes of the restart", cut, again, archive, boot=3)

    def _start(self, name: str, cut: Cut, left: Tree, archive: Archive, *, boot: int) -> Life | None:
        """Start a box on what is left, and note what is wrong; None if it did not even start."""
        folder = self._scratch / "left"
        shutil.rmtree(folder, ignore_errors=True)
        lay_down(left, folder)
        told = [event for changes, event in self.day.notes if changes <= cut.changes]
        self.tally.wrong += [f"{name}: {wrong}" for wrong in self._before(left)]
        try:
            life = Life(folder, archive, boot=f"boot-{boot}", tap_boot=str(boot))
            life.clock.jumped_s = JUMPED_S
            life.run(RESTART_S)
            self.tally.wrong += [f"{name}: {wrong}" for wrong in self._after(cut, life, told)]
            life.app.close()
        except Exception as error:  # noqa: BLE001 - a box that falls over is a finding, not the end of the count
            self.tally.wrong.append(f"{name}: {type(error).__name__}: {error}")
            return None
        return life

    def _before(self, left: Tree) -> Iterator[str]:
        """What may not be on the disk that was found."""
        for path in left:
            name = PurePosixPath(path)
            recording = name.parent.name.removesuffix(".gone")
            if KEYS in name.name and recording in self._unkeyed:
                yield f"{path}: wrapped keys of a recording that nobody confirmed"

    def _after(self, cut: Cut, life: Life, told: Sequence[object]) -> Iterator[str]:
        """What must be, and may not be, once the box has started again."""
        yield from (f"fault: {fault!r}" for fault in life.faults)
        if why := cannot(life.app.state.call):
            yield f"the box is not ready: {why}"
        yield from self._ledger(life, told)
        yield from self._recordings(cut, life, told)

    def _ledger(self, life: Life, told: Sequence[object]) -> Iterator[str]:
        lines = life.ledger.lines(1, life.ledger.durable()[0])
        check_chain(lines)
        for event in told:
            if isinstance(event, EntryDurable) and (
                len(lines) < event.seq or line_hash(lines[event.seq - 1]) != event.hash
            ):
                yield f"ledger entry {event.seq} was durable and is lost"

    def _recordings(self, cut: Cut, life: Life, told: Sequence[object]) -> Iterator[str]:
        day = self.day
        clips: dict[str, set[str]] = defaultdict(set)
        owed: set[str] = set()
        for event in told:
            if isinstance(event, FileDurable) and clip_index(event.name) is not None:
                clips[event.recording].add(event.name)
            elif isinstance(event, FileDurable) and event.name == KEYS:
                owed.add(event.recording)
        receipted = {event.recording for event in told if isinstance(event, ReceiptDurable)}
        for recording in owed:
            if cut.changes < day.leaving_at.get(recording, len(day.changes) + 1):
                self.tally.kept += 1
                self.tally.clips += len(clips[recording])
                yield from self._kept(life, recording, clips[recording], receipted=recording in receipted)
        for recording, gone_at in day.gone_at.items():
            if cut.changes >= gone_at:
                self.tally.destroyed += 1
                yield from self._destroyed(life, recording)
        spool = life.folder / "spool"
        for path in spool.iterdir():
            if path.name.endswith(".gone") or not (path / MANIFEST).exists():
                yield f"{path.name}: neither closed nor removed after the restart"

    def _kept(self, life: Life, recording: str, clips: set[str], *, receipted: bool) -> Iterator[str]:
        folder = life.folder / "spool" / recording
        if not folder.exists():
            yield f"{recording}: lost"
            return
        there = {path.name for path in folder.iterdir()}
        if missing := clips - there:
            yield f"{recording}: lost {', '.join(sorted(missing))}"
        verdict = verify_recording(FolderFiles(folder), trust(life.archive))
        if not verdict.ok:
            yield f"{recording}: {verdict.wrong}"
            return
        opened = {
            clip_name(entry.index)
            for entry, _ in open_recording(FolderFiles(folder), OWNER.workshop(), trust(life.archive)).clips()
        }
        if not clips <= opened:
            yield f"{recording}: {', '.join(sorted(clips - opened))} is on disk and cannot be opened"
        if RECEIPT not in there:
            yield f"{recording}: {'its receipt is lost' if receipted else 'did not reach the archive'}"

    @staticmethod
    def _destroyed(life: Life, recording: str) -> Iterator[str]:
        for path in life.folder.rglob("*"):
            if recording in str(path) and path.name != f"{recording}.jws":
                yield f"{path.relative_to(life.folder)}: of a recording that was destroyed durably"


def rows(*, full: bool) -> Iterator[Row]:
    """What was counted: the whole day, or a slice of its moments."""
    tally = run(every=1 if full else 37)
    counts = (
        ("distinct cut points", tally.points, ">= 5000" if full else ""),
        ("restarts cut, too", tally.restarts_cut, ""),
        ("recordings owed", tally.kept, ""),
        ("clips owed", tally.clips, ""),
        ("destroyed recordings looked for", tally.destroyed, ""),
    )
    yield from counted("cuts", counts, tally.wrong)


def run(*, every: int, chances: int = CHANCES) -> Tally:
    """Live a day, cut it everywhere (at every n-th moment), and judge."""
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a place in memory, if there is one
    with tempfile.TemporaryDirectory(dir=where) as scratch:
        folder = Path(scratch) / "day"
        folder.mkdir()
        day = live_a_day(folder)
        judge = Judge(day, Path(scratch))
        for cut, left in cuts(day, every=every, chances=chances):
            judge.judge(cut, left)
        return judge.tally
