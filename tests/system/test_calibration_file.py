"""The bench's file beside the settings: read strictly, and handed to the ear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handschlag.calibration_file import BadCalibration, as_json, read_calibration
from handschlag.hearing import Calibration
from handschlag.settings import BadSetting, load

FITTED = Calibration((1.5, 0.1, 0.02), (1.2, -0.1), -1, 1, (41.2, 43.0))


def settings(folder: Path, line: str) -> Path:
    """A settings file with these additional keys for the line."""
    for name in ("box.key", "trust.json"):
        (folder / name).write_text("x")
    path = folder / "box.toml"
    path.write_text(
        f"""[box]
name = "b"
data = "data"
key = "box.key"
trust = "trust.json"
[line]
kind = "tap"
port = "/dev/null"
proven = "T1"
{line}
[audio]
kind = "absent"
[panel]
kind = "absent"
[uplink]
kind = "absent"
"""
    )
    return path


def test_what_the_bench_wrote_is_what_the_ear_gets(tmp_path: Path) -> None:
    """Written and read again, number for number; the result's name comes with it."""
    (tmp_path / "calibration.json").write_bytes(as_json(FITTED, tap="T1", bench="2026-11-24"))
    loaded = load(settings(tmp_path, 'calibration = "calibration.json"'))
    held = loaded.calibration()
    assert held is not None
    assert held.calibration() == FITTED
    assert loaded.bench() == "2026-11-24"


def test_without_a_file_the_settings_name_the_result(tmp_path: Path) -> None:
    """No calibration: nothing to hand on, and `line.bench` names what the bench has proven."""
    loaded = load(settings(tmp_path, 'bench = "2026-1"'))
    assert loaded.calibration() is None
    assert loaded.bench() == "2026-1"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ({}, 'calibration = "gone.json"', "line.calibration = 'gone.json': cannot be read"),
        ({"tap": "T2"}, "", "is of tap 'T2'; allowed is that of line.proven = 'T1'"),
        ({"polarity": 0}, "", "polarity"),
        ({"line_z": []}, "", "line_z: allowed are 1 to 64 finite taps"),
        ({"delay": 9}, "", "delay 9"),
        ({"more": 1}, "", "more"),
        ({"bench": "Herr Müller"}, "", "bench"),
        ({}, 'calibration = "calibration.json"\nbench = "other"', "line.bench = 'other': the calibration names"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, object], line: str, says: str) -> None:
    """Each error names the key and what is wrong with it."""
    held = json.loads(as_json(FITTED, tap="T1", bench="2026-11-24")) | change
    (tmp_path / "calibration.json").write_text(json.dumps(held))
    with pytest.raises(BadSetting) as error:
        load(settings(tmp_path, line or 'calibration = "calibration.json"'))
    assert says in str(error.value)


def test_no_file_of_what_was_not_measured() -> None:
    """A nominal calibration is no bench result; bytes that are no JSON are none either."""
    with pytest.raises(BadCalibration, match="no bench result"):
        as_json(Calibration(), tap="T1", bench="x")
    with pytest.raises(BadCalibration, match=r"cal\.json: "):
        read_calibration(b"\x00", "cal.json")
