"""After a cut at any moment of a day a box starts on what is left: nothing owed is lost, nothing dead comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from handschlag.adapters.spool.folders import Folders
from handschlag_bench.crash import cuts
from handschlag_bench.crash.cuts import Judge, live_a_day


def test_slice_of_all_cut_points_shows_nothing_wrong() -> None:
    """Every 61st moment with all its survivals; `tools/bench crash --topic cuts --full` takes every one."""
    tally = cuts.run(every=61)
    assert tally.wrong == []
    assert tally.points > 60
    assert tally.restarts_cut > 15
    assert tally.kept > 100
    assert tally.destroyed > 50


def test_day_holds_what_the_cuts_are_for(tmp_path: Path) -> None:
    """The day has recordings that end in each way: a cut of a day without them would show nothing."""
    day = live_a_day(tmp_path)
    assert {"withdrawn", "destroyed", "purged", "expired"} <= set(day.ended.values())
    assert len(day.keyed_at) > 6
    assert set(day.ended) - set(day.keyed_at)


def test_judge_sees_a_folder_that_was_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that forgets to sync a new recording's folder is found out."""

    def careless(self: Folders, recording: str) -> None:
        self._files.mkdir(str(self.of(recording)))

    monkeypatch.setattr(Folders, "make", careless)
    (tmp_path / "day").mkdir()
    day = live_a_day(tmp_path / "day")
    judge = Judge(day, tmp_path)
    moment = min(day.keyed_at.values()) + 2
    for cut, left in cuts.cuts(day):
        if cut.changes == moment:
            judge.judge(cut, left)
        elif cut.changes > moment:
            break
    assert any("lost" in wrong for wrong in judge.tally.wrong)
