"""`python -m handschlag_bench NAME [...]`, called by tools/bench."""

import argparse

from handschlag_bench import box, worlds
from handschlag_bench.hearing import command
from handschlag_bench.show import show


def main() -> None:
    """Run one benchmark and print its rows."""
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures; each row with its goal.")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    of_box = names.add_parser("box", help="what the live box costs")
    of_box.add_argument("--json", action="store_true", help="one JSON object per row")
    of_hearing = names.add_parser("hearing", help="what the detectors cost and how well they hear")
    of_hearing.add_argument("--json", action="store_true", help="one JSON object per row")
    command.arguments(of_hearing)
    of_worlds = names.add_parser("worlds", help="random sequences of events before the judge of the core")
    worlds.arguments(of_worlds)
    chosen = parser.parse_args()
    if chosen.name == "box":
        show(box.run(), as_json=chosen.json)
    elif chosen.name == "worlds":
        worlds.run(chosen)
    else:
        command.run(chosen)


main()
