"""`python -m handschlag_bench NAME [--json]`, called by tools/bench."""

import sys

import msgspec

from handschlag_bench import box
from handschlag_bench.row import Row

BENCHES = {"box": box.run}


def main() -> None:
    """Run one benchmark and print its rows."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--json"]
    if len(arguments) != 1 or arguments[0] not in BENCHES:
        raise SystemExit(f"usage: tools/bench NAME [--json]; NAME is one of: {', '.join(BENCHES)}")
    for row in BENCHES[arguments[0]]():
        print(msgspec.json.encode(row).decode() if "--json" in sys.argv else _line(row), flush=True)


def _line(row: Row) -> str:
    beside = ", ".join(f"{name} {value:g}" for name, value in row.beside.items())
    goal = f"goal {row.goal}" if row.goal else ""
    return f"{row.bench:6} {row.row:34} {row.value:10.2f} {row.unit:12} {goal:14} {beside}"


main()
