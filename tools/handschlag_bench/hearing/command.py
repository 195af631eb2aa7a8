"""`tools/bench hearing`: what to measure, by option."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

from handschlag_bench.hearing import oracles, talkoff
from handschlag_bench.hearing.corpora import missing, speakers
from handschlag_bench.row import Row
from handschlag_bench.show import show


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--talkoff", action="store_true", help="count false keys in hours of speech and music")
    parser.add_argument("--hours", type=float, default=10.0, help="with --talkoff: how many hours to hear")
    parser.add_argument("--keep", type=Path, help="with --talkoff: folder for WAVs of what surrounds each hit")


def run(chosen: argparse.Namespace) -> None:
    """Measure, print."""
    began = time.monotonic()
    if chosen.talkoff:
        _advise()
        show(_talkoff(chosen.hours, chosen.keep), as_json=chosen.json)
    print(f"took {(time.monotonic() - began) / 60.0:.1f} min")


def _talkoff(hours: float, keep: Path | None) -> Iterator[Row]:
    for found in talkoff.search(hours, keep, workers=os.cpu_count() or 1):
        if isinstance(found, Row):
            yield found
        else:
            print(found, flush=True)


def _advise() -> None:
    absent = [*missing(), *([] if speakers() else ["espeak-ng"]), *oracles.missing()]
    if absent:
        print(f"More would be heard or compared with these Debian packages: {', '.join(absent)}")
