"""`tools/bench crash`: what a power cut, a slow disk and damaged bytes can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from handschlag_bench.crash import catalog, cuts, fuzz, kills
from handschlag_bench.show import show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from handschlag_bench.row import Row

TOPICS: Final[dict[str, Callable[..., Iterator[Row]]]] = {
    "cuts": cuts.rows,
    "kills": kills.rows,
    "catalog": catalog.rows,
    "fuzz": fuzz.rows,
}
"""What is counted, in this order; each gives its rows for `full=False` (seconds) or `full=True` (minutes)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--full", action="store_true", help="every count whole; takes many minutes")
    parser.add_argument("--topic", choices=TOPICS, help="only this one")


def run(chosen: argparse.Namespace) -> None:
    """Count, and print."""
    for name, rows in TOPICS.items():
        if chosen.topic in (None, name):
            if not chosen.json:
                print(f"\n{name}")
            show(rows(full=chosen.full), as_json=chosen.json)
