"""An archive that must not pass: `python -m tests.system.fire.careless_archive ingest --config ...`.

It waits for no disk, drops a file of the first recording that it receipts, and keeps one of the second twice.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

import msgspec

from handschlag_archive import cli
from handschlag_archive.clerk import Answer
from handschlag_archive.mqtt import Worker
from tests.system.fire.door import ORDERS, BurningFiles, Orders, set_fire
from tests.system.fire.judge import STORES, payload


def be_careless(orders: Orders) -> None:
    """Before the witness stands at the door, so that it sees what came of it."""
    careful = Worker._publish
    done: list[str] = []

    def publish(self: Worker, answers: Sequence[Answer]) -> None:
        for answer in answers:
            said = payload(answer.receipt)
            if said["kind"] == "stored" and said["recording"] not in done:
                done.append(said["recording"])
                (clip,) = _clips(Path(orders.data), said["recording"], "000000.clip")
                if len(done) == 1:
                    clip.unlink()
                elif len(done) == 2:
                    clip.with_name("000000.clip." + 64 * "0").write_bytes(clip.read_bytes())
        careful(self, answers)

    Worker._publish = publish  # type: ignore[method-assign]


def _clips(data: Path, recording: str, name: str) -> list[Path]:
    return [path for store in STORES for path in data.glob(f"{store}/*/{recording}/{name}.*")]


class _Hasty:
    """Waits for nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sync(self, paths: Collection[str]) -> None:
        """The bytes are written, and nobody asks whether they have arrived."""


def wait_for_no_disk() -> None:
    """Neither the worker's files nor the witness hear of a sync."""
    setattr(BurningFiles, "batch", lambda _self, _root: _Hasty())  # noqa: B010 - in place of a method


if __name__ == "__main__":
    told = msgspec.json.decode(os.environ[ORDERS], type=Orders)
    set_fire(told)
    be_careless(told)
    wait_for_no_disk()
    cli.main()
