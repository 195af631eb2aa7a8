"""A box on a file system of its own that is small: `python -m tests.system.small_disk SCENARIO FOLDER`.

It is to be started in a mount namespace of its own (`unshare --user --map-root-user --mount`), where anybody may mount
a tmpfs. What a scenario expects is asserted here; it ends with 0 when all of it held.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from handschlag.cli.evidence import FolderFiles
from handschlag.core.effects import RecLamp
from handschlag.core.readiness import cannot
from handschlag.core.state import Phase
from handschlag.sealing.verify import verify_recording
from handschlag_bench.crash.day import ask_and_agree, hang_up, lift
from handschlag_bench.crash.life import Life, trust

SIZE = 6 * 1024 * 1024
RESERVE = 1024 * 1024


def full(life: Life) -> None:
    """The disk is full to the last byte while a call is recorded; later there is room again."""
    lift(life)
    ask_and_agree(life)
    life.run(3.0)
    ballast = _fill(life, leaving=0)
    life.run(6.0)
    assert life.panel.rec is RecLamp.OFF
    hang_up(life)
    life.run(2.0)
    assert cannot(life.app.state.call) != ""
    ballast.unlink()
    _ready_again(life)
    _whole(life, clips_at_least=1)


def reserve(life: Life) -> None:
    """Less than the reserve is free: what runs is closed properly on it, and nothing new begins."""
    lift(life)
    ask_and_agree(life)
    life.run(3.0)
    ballast = _fill(life, leaving=RESERVE // 2)
    life.run(3.0)
    hang_up(life)
    life.run(2.0)
    _whole(life, clips_at_least=2)
    assert cannot(life.app.state.call) == "space"
    lift(life)
    life.press()
    assert life.app.state.call.phase is Phase.OPEN
    hang_up(life)
    ballast.unlink()
    _ready_again(life)


def read_only(life: Life) -> None:
    """The kernel makes the file system read-only in the middle of a call, as it does after an error."""
    lift(life)
    ask_and_agree(life)
    life.run(3.0)
    _remount(life.folder, "ro")
    life.run(4.0)
    hang_up(life)
    life.run(2.0)
    assert cannot(life.app.state.call) != ""
    _remount(life.folder, "rw")
    _ready_again(life)
    _whole(life, clips_at_least=1)


SCENARIOS = {scenario.__name__: scenario for scenario in (full, reserve, read_only)}


def _fill(life: Life, *, leaving: int) -> Path:
    """Take up all space but so much."""
    ballast = life.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        free = life.spool.free_bytes() + life.reserve_bytes - leaving
        file.write(bytes(max(free, 0)))
    return ballast


def _ready_again(life: Life) -> None:
    life.run_until(lambda: cannot(life.app.state.call) == "", 120.0)
    life.run(3.0)


def _whole(life: Life, *, clips_at_least: int) -> None:
    """The one recording is closed, verified, and has no gap: it ends where the disk gave in."""
    (folder,) = (life.folder / "spool").iterdir()
    verdict = verify_recording(FolderFiles(folder), trust(life.archive))
    assert verdict.ok, verdict.wrong
    assert len(list(folder.glob("*.clip"))) >= clips_at_least
    assert not verdict.checked.get("gaps")


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def main(scenario: str, folder: str) -> None:
    """Mount, live, and look."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", folder], check=True)
    life = Life(Path(folder), reserve_bytes=RESERVE, online=False)  # a receipt would let so small a disk forget at once
    life.run(1.5)
    SCENARIOS[scenario](life)
    assert not life.faults, life.faults
    life.app.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
