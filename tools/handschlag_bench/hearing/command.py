"""`tools/bench hearing`: what to measure, by option."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handschlag_bench.hearing import (
    caller_id,
    cost,
    direction,
    echo,
    keys,
    legs,
    levels,
    masking,
    oracles,
    talkoff,
    tones,
)
from handschlag_bench.hearing.corpora import missing, speakers
from handschlag_bench.row import Row
from handschlag_bench.show import show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    Rows = Callable[..., Iterator[Row]]

TOPICS: Final[dict[str, Rows]] = {
    "keys": keys.rows,
    "direction": direction.rows,
    "echo": echo.rows,
    "legs": legs.rows,
    "levels": levels.rows,
    "masking": masking.rows,
    "caller-id": caller_id.rows,
    "tones": tones.rows,
    "talkoff": talkoff.rows,
}
"""What `--quality` counts, in this order; each gives its rows for `full=False` (seconds) or `full=True` (minutes)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quality", action="store_true", help="how well every detector hears, others beside")
    what.add_argument("--talkoff", action="store_true", help="count false keys in hours of speech and music")
    parser.add_argument("--full", action="store_true", help="with --quality: every count whole; takes many minutes")
    parser.add_argument("--topic", choices=TOPICS, help="with --quality: only this one")
    parser.add_argument("--hours", type=float, default=10.0, help="with --talkoff: how many hours to hear")
    parser.add_argument("--keep", type=Path, help="with --talkoff: folder for WAVs of what surrounds each hit")


def run(chosen: argparse.Namespace) -> None:
    """Measure, print; what took how long, and what missed, is said at the end."""
    began = time.monotonic()
    if not chosen.json and (chosen.talkoff or chosen.quality):
        _advise()
    if chosen.talkoff:
        missed = show(_talkoff(chosen.hours, chosen.keep, hits=not chosen.json), as_json=chosen.json)
    elif chosen.quality:
        missed = _quality(chosen.topic, full=chosen.full, as_json=chosen.json)
    else:
        missed = show(cost.rows(full=chosen.full), as_json=chosen.json)
    if not chosen.json:
        names = ", ".join(f"{row.bench}: {row.row}" for row in missed)
        print(f"\ntook {(time.monotonic() - began) / 60.0:.1f} min; goals missed: {names or 'none'}")


def _quality(topic: str | None, *, full: bool, as_json: bool) -> list[Row]:
    missed: list[Row] = []
    for name, rows in TOPICS.items():
        if topic in (None, name):
            if not as_json:
                print(f"\n{name}")
            missed += show(rows(full=full), as_json=as_json)
    return missed


def _talkoff(hours: float, keep: Path | None, *, hits: bool) -> Iterator[Row]:
    for found in talkoff.search(hours, keep, workers=os.cpu_count() or 1):
        if isinstance(found, Row):
            yield found
        elif hits:
            print(found, flush=True)


def _advise() -> None:
    absent = [*missing(), *([] if speakers() else ["espeak-ng"]), *oracles.missing()]
    if absent:
        print(f"More would be heard or compared with these Debian packages: {', '.join(absent)}\n")
