"""One ingest worker without a broker: takes files from memory in groups, as the worker does, and says how long it took.

    python -m handschlag_bench.uplink.feeder PLAN.json

Everything is read first; it begins when the file `go` is there, so that several begin at once. In turn with each group,
if wanted, the same bytes are written by nobody in particular: as files that are synced each, eight at a time, and
appended to one file that is synced once. That is what the disk gives at that moment.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

import msgspec

from handschlag.adapters.spool.names import in_sending_order
from handschlag_archive.cli.parts import open_ingest
from handschlag_archive.ingest import Message
from handschlag_archive.settings import read_settings

_LOOK_EACH_S = 0.001
_CLIP = re.compile(r".*\.clip")


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A box's recordings, to come in this order."""

    box: str
    spool: str
    recordings: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to take in. `beside`: an empty folder for the bare disk; "" for none."""

    settings: str
    go: str
    boxes: tuple[Waiting, ...]
    beside: str = ""


def main(plan: Plan) -> None:
    """Take everything in, and tell."""
    settings = read_settings(Path(plan.settings))
    messages = list(_messages(plan.boxes))
    size = settings.ingest.group
    groups = [messages[start : start + size] for start in range(0, len(messages), size)]
    bare = _BareDisk(Path(plan.beside)) if plan.beside else None
    index, ingest = open_ingest(settings)
    stored = 0
    took_s = 0.0
    with closing(index):
        ingest.recover()
        _say(ready=True)
        while not Path(plan.go).exists():
            time.sleep(_LOOK_EACH_S)
        used_before = _used_s()
        used_s = 0.0
        for group in groups:
            began, used_before = time.monotonic(), _used_s()
            answers = ingest.take(group, began)
            took_s += time.monotonic() - began
            used_s += _used_s() - used_before
            stored += len(answers)
            if bare is not None:
                bare.take([message.payload for message in group])
    clips = sum(_CLIP.fullmatch(message.topic) is not None for message in messages)
    facts = {"files": len(messages), "clips": clips, "took_s": took_s, "used_s": used_s, "answers": stored}
    if bare is not None:
        facts |= {"files_synced_s": bare.files_s, "one_file_s": bare.one_s}
    _say(ended=time.monotonic(), **facts)


def _messages(boxes: Sequence[Waiting]) -> Iterator[Message]:
    """All files, a file of each box in turn."""
    for together in zip_longest(*map(_of_box, boxes)):
        yield from (message for message in together if message is not None)


def _of_box(waiting: Waiting) -> Iterator[Message]:
    for recording in waiting.recordings:
        folder = Path(waiting.spool) / recording
        for name in in_sending_order(path.name for path in folder.iterdir()):
            yield Message(f"handschlag/1/{waiting.box}/up/{recording}/{name}", (folder / name).read_bytes())


class _BareDisk:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._threads = ThreadPoolExecutor(max_workers=8)
        self._count = 0
        self._one = os.open(folder / "one", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.files_s = 0.0
        self.one_s = 0.0

    def take(self, payloads: Sequence[bytes]) -> None:
        """A group, both ways."""
        began = time.monotonic()
        paths = [self._folder / str(self._count + number) for number in range(len(payloads))]
        for path, payload in zip(paths, payloads, strict=True):
            path.write_bytes(payload)
        list(self._threads.map(_sync, [*paths, self._folder]))
        self._count += len(payloads)
        between = time.monotonic()
        os.write(self._one, b"".join(payloads))
        os.fsync(self._one)
        self.files_s += between - began
        self.one_s += time.monotonic() - between


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan))
