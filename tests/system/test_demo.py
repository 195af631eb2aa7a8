"""The demonstration as a user starts it: real broker, archive, box; and what must be true afterwards."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.support.needs import need_mosquitto

HANDSCHLAG = [sys.executable, "-m", "handschlag"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that one run of the demonstration left."""
    need_mosquitto()
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [*HANDSCHLAG, "demo", "--dir", str(folder), "--exit"], capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.timeout(420)
def test_summary_names_what_is_there(shown: Path) -> None:
    """summary.json tells three calls, and every path in it leads to something below the folder."""
    summary = json.loads((shown / "summary.json").read_text())
    assert [call["outcome"] for call in summary["calls"]] == ["recorded", "refused", "withdrawn"]
    kept = summary["calls"][0]
    assert kept["verified"] is True
    for path in (kept["spool"], kept["archive"], kept["opened"], kept["evidence"], *summary["keys"].values()):
        assert (shown / path).exists()


def test_opened_recording_is_playable(shown: Path) -> None:
    """The opened file is FLAC with two legs, and somebody speaks on each."""
    summary = json.loads((shown / "summary.json").read_text())
    samples, rate = soundfile.read(shown / summary["calls"][0]["opened"], dtype="int16")
    assert rate == 8000
    assert len(samples) > 8000 * 5
    assert all(abs(samples[:, leg].astype(int)).max() > 1000 for leg in (0, 1))


def test_flipped_bit_is_found_by_the_command(shown: Path, tmp_path: Path) -> None:
    """`handschlag verify` ends with 1 and names the file when one bit of one clip is another."""
    summary = json.loads((shown / "summary.json").read_text())
    copy = tmp_path / "copy"
    shutil.copytree(shown / summary["calls"][0]["archive"], copy)
    clip = copy / "000001.clip"
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(data)
    command = [*HANDSCHLAG, "verify", str(copy), "--trust", str(shown / summary["keys"]["trust"]), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    verdict = json.loads(done.stdout)
    assert done.returncode == 1
    assert verdict["ok"] is False
    assert "000001.clip" in verdict["wrong"]


def test_evidence_is_checked_by_its_own_program(shown: Path) -> None:
    """The export of the demonstration, checked by the verifier in it, with the keys of the demonstration's owner."""
    summary = json.loads((shown / "summary.json").read_text())
    evidence = shown / summary["calls"][0]["evidence"]
    command = [sys.executable, str(evidence / "verify.py"), str(evidence), str(shown / summary["keys"]["trust"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every sample" in done.stdout


def test_ledger_of_the_box_verifies(shown: Path) -> None:
    """The box's ledger is whole, and says so to anyone with the public keys."""
    command = [*HANDSCHLAG, "verify", str(shown / "box/data/ledger"), "--trust", str(shown / "keys/trust.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_killed_demonstration_leaves_nothing_running(tmp_path: Path) -> None:
    """Broker, archive and box end with it, also when it had no chance to end them."""
    need_mosquitto()
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is absent; get it with: apt-get install util-linux")
    folder = tmp_path / "out"
    with subprocess.Popen([*HANDSCHLAG, "demo", "--dir", str(folder)], stdout=subprocess.DEVNULL) as demo:
        while not any(str(folder) in line and "run --config" in line for line in _running()):
            assert demo.poll() is None
        demo.kill()
    while any(str(folder) in line for line in _running()):
        pass  # the test's own time limit ends this


def _running() -> list[str]:
    """The command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines


def _report(ledger: Path, trust: Path) -> subprocess.CompletedProcess[str]:
    first = json.loads(next(iter(sorted(ledger.glob("*.jsonl")))).read_text().splitlines()[0])
    where = ["--ledger", str(ledger), "--trust", str(trust)]
    command = [*HANDSCHLAG, "report", "--month", first["at"][:7], *where, "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_report_tells_the_three_calls(shown: Path) -> None:
    """One recorded, one unanswered, one withdrawn; nothing odd."""
    told = json.loads(_report(shown / "box/data/ledger", shown / "keys/trust.json").stdout)
    assert told["calls"] == 3
    assert told["outcomes"] == {"recorded": 1, "unanswered": 1, "withdrawn": 1}
    assert told["odd"] == []


def test_there_is_no_report_on_an_edited_ledger(shown: Path, tmp_path: Path) -> None:
    """A refusal that somebody has turned into something nicer: one line, exit 2."""
    copy = tmp_path / "ledger"
    shutil.copytree(shown / "box/data/ledger", copy)
    for path in copy.glob("*.jsonl"):
        path.write_text(path.read_text().replace("unanswered", "unanswereD"))
    done = _report(copy, shown / "keys/trust.json")
    assert done.returncode == 2
    assert "does not hold" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
