"""`python -m tests.system.office.cli`: a day in the office, judged; `tools/bench office` calls it."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from handschlag.cli import report as report_command
from tests.system.office.day import FAULTS_SHARE, Day
from tests.system.office.judge import Judge, Reported, Verdict
from tests.system.office.office import MONTH, Office


def told_report(office: Office) -> Reported:
    """What `handschlag report` says of the month."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        report_command.report(MONTH, ledger=office.folder / "ledger", trust=office.folder / "trust.json", as_json=True)
    return msgspec.json.decode(said.getvalue(), type=Reported)


def judged(office: Office) -> Verdict:
    """The judge's word on a day."""
    return Judge(office).judge(told_report(office))


def main() -> int:
    """Live a day, judge it, and tell."""
    parser = argparse.ArgumentParser(prog="tools/bench office", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--faults", type=float, default=FAULTS_SHARE, help="share of calls in which something breaks")
    parser.add_argument("--keep", type=Path, help="an empty folder for what the box leaves")
    parser.add_argument("--verbose", action="store_true", help="each call")
    given = parser.parse_args()
    print(f"seed {given.seed}: {given.hours:g} h, {given.calls} calls")
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="hs-office-") as name:
        day = Day(given.keep or Path(name), seed=given.seed, hours=given.hours, number=given.calls, faults=given.faults)
        office = day.live(print if given.verbose else lambda _line: None)
        verdict = judged(office)
    for title, counted in (("happened", office.truth.counted), ("judged", verdict.tally)):
        print(f"{title}: {', '.join(f'{what} {count}' for what, count in sorted(counted.items()))}")
    for what in verdict.wrong:
        print(f"WRONG {what}")
    print(f"{len(verdict.wrong)} wrong, {time.process_time() - began:.0f} s of a core")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
