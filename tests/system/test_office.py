"""A short day in the office, judged by what really happened; `tools/bench office` lives whole ones."""

from __future__ import annotations

from pathlib import Path

from tests.system.office.cli import judged
from tests.system.office.day import Day


def test_an_hour_in_the_office_comes_out_even(tmp_path: Path) -> None:
    """Every off-hook period is accounted for, nothing is captured without a yes, emergency calls hear nothing."""
    office = Day(tmp_path, seed=3, hours=0.4, number=8).live()
    verdict = judged(office)
    assert verdict.wrong == []
    assert verdict.tally["samples"] > 0
    assert verdict.tally["periods"] >= 6
