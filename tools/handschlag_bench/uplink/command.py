"""`tools/bench uplink`: from the box's disk to the receipt that is durable there, and how many boxes that serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from handschlag_bench.show import show
from handschlag_bench.uplink import boxes, drain, ingest, memory
from handschlag_bench.uplink.disk import scratch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from handschlag_bench.row import Row

TOPICS: Final[dict[str, Callable[..., Iterator[Row]]]] = {
    "drain": drain.rows,
    "ingest": ingest.rows,
    "boxes": boxes.rows,
    "memory": memory.rows,
}
"""What is measured, in this order; each gives its rows for an empty folder, and `full=False` (seconds) or True."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--full", action="store_true", help="as long as the goals say; takes many minutes and 10 GB")
    parser.add_argument("--topic", choices=TOPICS, help="only this one")
    parser.add_argument("--dir", type=Path, help="a folder on the disk that is to be measured")


def run(chosen: argparse.Namespace) -> None:
    """Measure, and print."""
    for name, rows in TOPICS.items():
        if chosen.topic in (None, name):
            if not chosen.json:
                print(f"\n{name}")
            with scratch(chosen.dir) as folder:
                show(rows(folder, full=chosen.full), as_json=chosen.json)
