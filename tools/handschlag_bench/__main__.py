"""`python -m handschlag_bench NAME [...]`, called by tools/bench.

Each bench is a module with `arguments(parser)`, which says what it takes, and `run(chosen)`, which measures and prints.
"""

import argparse
from typing import Final, Protocol

from handschlag_bench import audio, box, latency, office, worlds
from handschlag_bench.crash import command as crash
from handschlag_bench.hearing import command as hearing
from handschlag_bench.uplink import command as uplink


class Bench(Protocol):
    """One benchmark."""

    def arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Say what it takes."""
        ...

    def run(self, chosen: argparse.Namespace, /) -> None:
        """Measure and print."""
        ...


BENCHES: Final[dict[str, tuple[Bench, str]]] = {
    "audio": (audio, "is every frame of a long call there, beside a busy machine"),
    "box": (box, "what the live box costs"),
    "crash": (crash, "what cuts of the power and damaged bytes can do"),
    "hearing": (hearing, "what the detectors cost and how well they hear"),
    "latency": (latency, "the time budgets, in real time"),
    "office": (office, "a simulated day of calls in the real box, judged by what really happened"),
    "uplink": (uplink, "how fast recordings reach the archive, and how many boxes it serves"),
    "worlds": (worlds, "random sequences of events before the judge of the core"),
}


def main() -> None:
    """Run one benchmark and print its rows."""
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures; each row with its goal.")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, (bench, told) in BENCHES.items():
        of_bench = names.add_parser(name, help=told)
        of_bench.add_argument("--json", action="store_true", help="one JSON object per row")
        bench.arguments(of_bench)
    chosen = parser.parse_args()
    BENCHES[chosen.name][0].run(chosen)


main()
