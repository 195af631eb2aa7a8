"""A disk that is full, read-only, slow or closed to us: nothing is lost, stopping is immediate, the box recovers."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handschlag.cli.evidence import FolderFiles
from handschlag.core.effects import RecLamp
from handschlag.core.readiness import cannot
from handschlag.core.state import Phase
from handschlag.sealing.verify import verify_recording
from handschlag.sim.files import Operation
from handschlag.sim.worker import HeldWorker
from handschlag_bench.crash.day import ask_and_agree, hang_up, lift
from handschlag_bench.crash.life import Life, trust
from tests.system.small_disk import SCENARIOS

ROOT = Path(__file__).parents[2]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
FSYNC_S = 5.0


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="needs user namespaces: sysctl kernel.unprivileged_userns_clone=1")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_small_file_system(scenario: str, tmp_path: Path) -> None:
    """A real file system of 6 MiB gets full, comes below the reserve, and becomes read-only during a recording."""
    command = [*NAMESPACE, sys.executable, "-m", "tests.system.small_disk", scenario, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_clip_whose_fsync_takes_five_seconds(tmp_path: Path) -> None:
    """Sealed clips wait, at most 64; none is lost, and the recording closes when the disk has caught up."""
    disk = HeldWorker(on_error=_raise)
    life = Life(tmp_path, spool_worker=disk)
    disk.run()
    life.run(1.5)
    lift(life)
    ask_and_agree(life)
    most = 0
    for _ in range(4):
        life.run(FSYNC_S)
        most = max(most, disk.waiting)
        disk.run(1)
    hang_up(life)
    while disk.waiting:
        disk.run(1)
        life.run(0.5)
    life.run(3.0)
    (folder,) = (tmp_path / "spool").iterdir()
    verdict = verify_recording(FolderFiles(folder), trust(life.archive))
    assert verdict.ok, verdict.wrong
    assert 5 < most < 64
    assert len(list(folder.glob("*.clip"))) >= 10
    assert (folder / "receipt.jws").exists()
    life.app.close()


def test_withdrawal_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """With a disk that does nothing at all, key 9 stops capture and wipes the key; the rest follows when it can."""
    disk = HeldWorker(on_error=_raise)
    life = Life(tmp_path, spool_worker=disk)
    disk.run()
    life.run(1.5)
    lift(life)
    ask_and_agree(life)
    life.run(3.0)
    life.key("9")
    assert life.app.state.call.phase is not Phase.RECORDING
    assert life.panel.rec is RecLamp.OFF
    disk.run()
    life.run(2.0)
    disk.run()
    assert not list(tmp_path.rglob("*.clip"))
    hang_up(life)
    life.app.close()


def test_folder_closed_to_us_is_told_and_made_good(tmp_path: Path) -> None:
    """Permissions that somebody has changed: the box says that it cannot record, and can when they are mended."""
    life = Life(tmp_path)
    life.run(1.5)

    def closed(operation: Operation) -> None:
        if "/spool" in operation.path:
            raise PermissionError(errno.EACCES, "permission denied")

    lift(life)
    ask_and_agree(life)
    life.refuse = closed
    life.run(3.0)
    hang_up(life)
    life.run(1.0)
    assert cannot(life.app.state.call) == "disk"
    life.refuse = lambda _operation: None
    life.run_until(lambda: cannot(life.app.state.call) == "", 120.0)
    life.run(3.0)
    (folder,) = (tmp_path / "spool").iterdir()
    verdict = verify_recording(FolderFiles(folder), trust(life.archive))
    assert verdict.ok, verdict.wrong
    life.app.close()


def _raise(error: Exception) -> None:
    raise error
