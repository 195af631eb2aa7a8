"""`tools/bench uplink` in its smallest form: does each topic run, and find everything kept?"""

from __future__ import annotations

from pathlib import Path

import pytest

from handschlag_bench.row import Row
from handschlag_bench.show import met
from handschlag_bench.uplink import boxes, drain, ingest, memory
from handschlag_bench.uplink.disk import file_system
from handschlag_bench.uplink.kept import NotKept, all_kept
from handschlag_bench.uplink.plant import Plant
from tests.support.needs import need_mosquitto


@pytest.fixture(autouse=True)
def _broker() -> None:
    need_mosquitto()


def by_row(rows: list[Row], ending: str) -> Row:
    """The row whose name ends so."""
    (found,) = [row for row in rows if row.row.endswith(ending)]
    return found


def test_a_box_is_drained_beside_bare_paho(tmp_path: Path) -> None:
    """Both finish, directly and over a slow line; everything is kept and verified, and there is a ratio."""
    rows = list(drain.measure(tmp_path, drain.Size(recordings=1, rounds=1, seconds=4.0, over_a_line=1)))
    assert met(by_row(rows, "verified in the archive")) is True
    ratios = [row.value for row in rows if row.row.endswith("against bare paho")]
    assert all(0.0 < ratio < 10.0 for ratio in ratios)
    assert len(ratios) == 2


def test_boxes_at_once_are_all_kept(tmp_path: Path) -> None:
    """Each of three boxes delivers its call over a connection of its own."""
    rows = list(boxes.measure(tmp_path, 3, seconds=1.0))
    assert met(by_row(rows, "kept and verified")) is True
    assert by_row(rows, "to the last receipt").value > 0.0


def test_ingest_is_measured_in_three_ways(tmp_path: Path) -> None:
    """By itself beside the bare disk, behind the broker, and, where there is PostgreSQL, by two beside one."""
    rows = list(ingest.measure(tmp_path, ingest.Size(recordings=1, seconds=2.0)))
    assert met(by_row(rows, "kept and verified")) is True
    assert by_row(rows, "folder + SQLite").beside["bare disk, files"] > 0.0
    assert by_row(rows, "behind the broker").value > 0.0
    assert by_row(rows, "against one").value > 0.0 or any("not measured" in row.row for row in rows)


def test_memory_is_told_for_each_length_of_backlog(tmp_path: Path) -> None:
    """A box is a process of its own, of a size that a process has, and both backlogs are drained."""
    rows = list(memory.measure(tmp_path, (1, 2)))
    assert 20.0 < by_row(rows, "2 recordings: box at most").value < 500.0
    assert met(by_row(rows, "spread over 1 to 2 recordings")) is True


def test_what_is_not_in_the_archive_is_no_result(tmp_path: Path) -> None:
    """A figure counts only when every recording is found again: one that is not raises."""
    plant = Plant(tmp_path)
    with pytest.raises(NotKept, match="box-1/01890a5d"):
        all_kept(plant, [("box-1", "01890a5d-ac96-774b-bcce-b302099a8057")])


def test_file_systems_are_named() -> None:
    """The kernel's own folder is what it is; whoever measures must see a disk that is none."""
    assert file_system(Path("/proc")) == "proc"
