"""A day in the office (tests/system/office): the real box over a simulated day, judged by what really happened.

It stands with the tests, whose judge it needs; this only starts it.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def arguments(parser: argparse.ArgumentParser, /) -> None:
    """How long, how busy, how unlucky."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--faults", type=float, default=0.25, help="share of calls in which something breaks")
    parser.add_argument("--keep", type=Path, help="an empty folder for what the box leaves")
    parser.add_argument("--verbose", action="store_true", help="each call")


def run(chosen: argparse.Namespace, /) -> None:
    """Live a day, and end with 1 if anything was wrong."""
    given = [f"--{name}={getattr(chosen, name)}" for name in ("seed", "hours", "calls", "faults")]
    given += [f"--keep={chosen.keep.resolve()}"] if chosen.keep else []
    given += ["--verbose"] if chosen.verbose else []
    sys.exit(subprocess.call([sys.executable, "-m", "tests.system.office.cli", *given], cwd=ROOT))
