"""Random sequences of events before the core's judge: how many lived, what they contained, what broke a rule.

Each sequence is a world of its own, drawn by a generator seeded with `SEED:INDEX`, so that `--only INDEX` lives one
again. The worlds and the judge are those of tests/core, where Hypothesis draws (and shrinks) the same ones.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 500
SHOWN_AT_MOST = 20


@dataclass(slots=True)
class Count:
    """What became of some sequences."""

    sequences: int = 0
    steps: int = 0
    holding: Counter[str] = field(default_factory=Counter)  # how many sequences had it
    violations: list[str] = field(default_factory=list)

    def add(self, other: Count) -> None:
        """Take another count in."""
        self.sequences += other.sequences
        self.steps += other.steps
        self.holding += other.holding
        self.violations += other.violations


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may be said after `tools/bench worlds`."""
    parser.add_argument("--sequences", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--seed", type=int, default=1, help="the sequences of another seed are others (1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once (one per core)")
    parser.add_argument("--only", type=int, metavar="INDEX", help="live this one sequence and show its last steps")


def live_chunk(part: tuple[int, int, int]) -> Count:
    """Live the sequences from `first` up to `last` of a seed."""
    from tests.core.random_worlds import judge, live  # noqa: PLC0415 -- found only after `run` has said where

    seed, first, last = part
    count = Count()
    for index in range(first, last):
        count.sequences += 1
        try:
            lived = live(Random(f"{seed}:{index}"))
            count.steps += len(lived.world.trace)
            count.holding.update(f"event {name}" for name in lived.seen())
            count.holding.update(judge(lived).tally.keys())
        except Exception as error:  # noqa: BLE001 -- whatever a rule or a step raised, the next world is lived
            where = traceback.extract_tb(error.__traceback__)[-1]
            count.violations.append(f"{seed}:{index}: {error!r} ({Path(where.filename).name}:{where.lineno})")
    return count


def _parts(seed: int, sequences: int) -> Iterator[tuple[int, int, int]]:
    for first in range(0, sequences, CHUNK):
        yield seed, first, min(first + CHUNK, sequences)


def show_one(seed: int, index: int, steps: int = 60) -> None:
    """Live one sequence; print its acts, its last steps up to the broken rule, and the rule."""
    from tests.core.judge import Judge  # noqa: PLC0415 -- as above
    from tests.core.random_worlds import live  # noqa: PLC0415 -- as above

    lived = live(Random(f"{seed}:{index}"))
    print("acts:", ", ".join(lived.acts))
    judge, broken, last = Judge(lived.world.policies), "no rule was broken", len(lived.world.trace)
    try:
        for last, entry in enumerate(lived.world.trace, start=1):  # noqa: B007 -- how far it came
            judge.hear([entry])
        judge.conclude()
    except AssertionError as error:
        broken = f"broken: {error}"
    for entry in lived.world.trace[max(0, last - steps) : last]:
        print(entry.event, *(f"\n    {effect}" for effect in entry.effects))
    print(broken)


def run(chosen: argparse.Namespace) -> None:
    """Live them all; exit with 1 when a rule was broken."""
    sys.path.insert(0, str(ROOT))
    if chosen.only is not None:
        show_one(chosen.seed, chosen.only)
        return
    began, total = time.monotonic(), Count()
    with multiprocessing.Pool(chosen.processes) as pool:
        for count in pool.imap_unordered(live_chunk, _parts(chosen.seed, chosen.sequences)):
            total.add(count)
            for violation in count.violations[:SHOWN_AT_MOST]:
                print(violation, flush=True)
            if sys.stderr.isatty() or total.sequences % 20_000 < CHUNK:
                print(f"{total.sequences} lived, {len(total.violations)} broke a rule", file=sys.stderr, flush=True)
    took_s = time.monotonic() - began
    if chosen.json:
        result = {"sequences": total.sequences, "seed": chosen.seed, "steps": total.steps, "took_s": round(took_s, 1)}
        print(json.dumps(result | {"violations": total.violations, "holding": dict(sorted(total.holding.items()))}))
    else:
        print(f"{total.sequences} sequences (seed {chosen.seed}), {total.steps} steps, {took_s:.0f} s")
        print(f"{len(total.violations)} broke a rule")
        for what, number in sorted(total.holding.items()):
            print(f"{number:>9} {what}")
    sys.exit(1 if total.violations else 0)
