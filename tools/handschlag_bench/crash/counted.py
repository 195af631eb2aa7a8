"""What was counted, as rows, and the first of what was wrong, as words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from handschlag_bench.row import Row

SHOWN_AT_MOST = 20


def counted(topic: str, counts: Iterable[tuple[str, int, str]], wrong: Sequence[str]) -> Iterator[Row]:
    """Rows of (name, count, goal), and last how many were wrong, of which there may be none."""
    for words in wrong[:SHOWN_AT_MOST]:
        print(words, file=sys.stderr)
    for name, count, goal in (*counts, ("wrong", len(wrong), "== 0")):
        yield Row(bench="crash", row=f"{topic}: {name}", value=count, unit="", goal=goal, beside={})
