"""`handschlag-archive ingest` with a fire in its door: `python -m tests.system.fire.door ingest --config ...`.

The worker is the product's own; around its parts stands what the environment variable HANDSCHLAG_FIRE orders: messages
twice or in another order, receipts that get lost, a death at a counted step (in the middle of a write, before a sync,
between two renames, before a commit, before an acknowledgement, before a receipt). A witness stands at the door, too:
at the moment when a `stored` receipt leaves, all that its manifest names must lie on the disk and have been synced.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import paho.mqtt.client as paho
import sqlalchemy as sql

from handschlag_archive import cli
from handschlag_archive.clerk import Answer
from handschlag_archive.ingest import Ingest, Message
from handschlag_archive.mqtt import Worker
from handschlag_archive.stores.files import Batch, RealFiles
from handschlag_archive.stores.folder import FolderStore
from tests.system.fire.judge import STORES, payload, uncovered

ORDERS = "HANDSCHLAG_FIRE"
ROOT = Path(__file__).resolve().parents[3]


class Orders(msgspec.Struct, frozen=True):
    """What burns. Shares are of messages or receipts; `die_after` counts steps, 0 is never."""

    data: str
    """The archive's data folder."""
    report: str
    """A folder for what the witness sees, shared by all workers of an archive."""
    seed: int = 0
    duplicated: float = 0.0
    reordered: float = 0.0
    receipts_lost: float = 0.0
    die_after: int = 0


class Witness:
    """What was synced, and what left before it was. Workers of one archive share the folder."""

    def __init__(self, orders: Orders) -> None:
        self._data = Path(orders.data)
        folder = Path(orders.report)
        self._synced = folder / "synced"
        self._wrong = folder / "wrong"
        self._seen = folder / "seen"

    def synced(self, paths: Collection[str]) -> None:
        """These paths' bytes are promised."""
        append(self._synced, "".join(f"{os.stat(path).st_ino}\n" for path in paths))  # noqa: PTH116 - plain paths

    def leaves(self, answer: Answer) -> None:
        """A receipt is about to leave."""
        said = payload(answer.receipt)
        if said["kind"] != "stored":
            return
        box, recording = said["box"], said["recording"]
        wrong = uncovered(self._data, box, recording, said["manifest_hash"])
        promised = set(self._synced.read_text().split()) if self._synced.exists() else set()
        for path in self._of(box, recording):
            if str(path.stat().st_ino) not in promised:
                wrong.append(f"{path.name[:40]} was not synced")
        append(self._seen, f"{box}/{recording}\n")
        append(self._wrong, "".join(f"receipt of {box}/{recording}: {each}\n" for each in wrong))

    def _of(self, box: str, recording: str) -> Iterator[Path]:
        for store in STORES:
            folder = self._data / store / box / recording
            if folder.is_dir():
                yield folder
                yield from (path for path in folder.iterdir() if not path.name.endswith(".tmp"))


def append(path: Path, text: str) -> None:
    """In one piece, whoever else writes there."""
    if text:
        with path.open("ab", buffering=0) as file:
            file.write(text.encode())


class Steps:
    """Counts what changes something, and ends the process at one of them, as a power cut would end it."""

    def __init__(self, die_after: int) -> None:
        self._left = die_after

    @property
    def last(self) -> bool:
        """Whether the next step is the last."""
        return self._left == 1

    def step(self) -> None:
        """One more."""
        if self._left:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class BurningFiles(RealFiles):
    """The real operations, with steps in between; a write that is the last step is torn."""

    steps: Steps
    witness: Witness

    def batch(self, root: str) -> Batch:
        """Changes below `root` whose sync is seen."""
        return _Batch(super().batch(root), self.steps, self.witness)

    def write(self, path: str, data: bytes) -> None:
        """Write a file, or half of it."""
        if self.steps.last:
            super().write(path, data[: len(data) // 2])
        self.steps.step()
        super().write(path, data)

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        self.steps.step()
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self.steps.step()
        super().unlink(path)


class _Batch:
    def __init__(self, inner: Batch, steps: Steps, witness: Witness) -> None:
        self._inner = inner
        self._steps = steps
        self._witness = witness

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)

    def sync(self, paths: Collection[str]) -> None:
        self._steps.step()
        self._inner.sync(paths)
        self._witness.synced(paths)


def set_fire(orders: Orders) -> None:
    """Put everything in place; nothing of the product is changed but what stands around its parts."""
    draw = random.Random(orders.seed)
    steps, witness = Steps(orders.die_after), Witness(orders)
    BurningFiles.steps, BurningFiles.witness = steps, witness
    FolderStore.__init__ = _with_files(FolderStore.__init__)  # type: ignore[method-assign]
    sql.event.listen(sql.Engine, "commit", lambda _connection: steps.step())
    _disorder(orders, draw)
    _lose_receipts(orders, draw, witness)
    acknowledge, publish = paho.Client.ack, paho.Client.publish

    def ack(self: paho.Client, mid: int, qos: int) -> Any:
        steps.step()
        return acknowledge(self, mid, qos)

    def said(self: paho.Client, *arguments: Any, **options: Any) -> Any:
        steps.step()
        return publish(self, *arguments, **options)

    paho.Client.ack, paho.Client.publish = ack, said  # type: ignore[method-assign]


def _with_files(init: Callable[..., None]) -> Callable[..., None]:
    def burning(self: Any, root: Path, **options: Any) -> None:
        init(self, root, **{"files": BurningFiles(), **options})

    return burning


def _disorder(orders: Orders, draw: random.Random) -> None:
    take = Ingest.take
    held: list[Message] = []

    def disordered(self: Ingest, messages: Sequence[Message], now: float) -> Sequence[Answer]:
        group = [*held, *messages]
        held.clear()
        group += [message for message in messages if draw.random() < orders.duplicated]
        for at in range(len(group)):
            if draw.random() < orders.reordered:
                other = draw.randrange(len(group))
                group[at], group[other] = group[other], group[at]
        if len(group) > 1 and draw.random() < orders.reordered:
            held.append(group.pop(draw.randrange(len(group))))
        return take(self, group, now)

    if orders.duplicated or orders.reordered:
        Ingest.take = disordered  # type: ignore[method-assign]


def _lose_receipts(orders: Orders, draw: random.Random, witness: Witness) -> None:
    publish = Worker._publish

    def publish_some(self: Worker, answers: Sequence[Answer]) -> None:
        for answer in answers:
            witness.leaves(answer)
        publish(self, [answer for answer in answers if draw.random() >= orders.receipts_lost])

    Worker._publish = publish_some  # type: ignore[method-assign]


def command(orders: Orders, *arguments: str, module: str) -> list[str]:
    """The program with its orders; `module` is this one, or one that goes further."""
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    environment = [f"{ORDERS}={msgspec.json.encode(orders).decode()}", f"PYTHONPATH={path}"]
    return ["env", *environment, sys.executable, "-m", module, *arguments]


if __name__ == "__main__":
    set_fire(msgspec.json.decode(os.environ[ORDERS], type=Orders))
    cli.main()
