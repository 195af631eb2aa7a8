"""One call in real time: the real box behind real sound devices, PortAudio on PulseAudio, as `demo --live` shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import need_mosquitto
from tests.support.pulse import running_pulse


@pytest.mark.timeout(300)
def test_a_call_over_real_sound_devices_is_recorded(tmp_path: Path) -> None:
    """Key 1 comes through two real sound devices; the recording is receipted, verified and opened."""
    need_mosquitto()
    with running_pulse(tmp_path):
        pass  # skips where PulseAudio or PortAudio is absent
    folder = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "handschlag",
        "demo",
        "--live",
        "--exit",
        "--story",
        "boiler",
        "--dir",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    (call,) = json.loads((folder / "summary.json").read_text())["calls"]
    assert call["outcome"] == "recorded"
    assert call["verified"] is True


def test_an_unknown_story_is_named_with_those_there_are(tmp_path: Path) -> None:
    """`--story polka` ends with 2 and one line that says what is allowed; nothing is started."""
    command = [sys.executable, "-m", "handschlag", "demo", "--story", "polka", "--dir", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip() == "handschlag: --story polka: allowed are boiler, tap, withdrawal"
    assert not (tmp_path / "out").exists()
