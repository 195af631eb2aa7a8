"""Nothing is lost under fire: short trials in the suite, long ones with `FIRE=full` (README.md of tests/system).

The judge looks at every recording of every box in the end, the witness at every `stored` receipt as it leaves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handschlag.sim.demo.place import archive_program, call
from handschlag.sim.demo.processes import Child
from tests.archive.postgres import PostgreSQL
from tests.support.needs import need_mosquitto
from tests.system.fire.judge import MANIFEST, uncovered
from tests.system.fire.proxy import Wire
from tests.system.fire.rig import PATIENCE_S, Fire, fire, lead_through, may_mount, small_disk

FULL = os.environ.get("FIRE") == "full"
LONG_S = 3000.0
MIB = 1024 * 1024
REFUSED = "nothing can be kept at the moment"

pytestmark = pytest.mark.timeout(3600 if FULL else 600)
only_full = pytest.mark.skipif(not FULL, reason="takes minutes; FIRE=full runs it")


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Fire]:
    """A trial's folder and processes; what it came to is printed."""
    need_mosquitto()
    with fire(tmp_path) as made:
        yield made


def _all_is_well(trial: Fire) -> None:
    assert trial.verdict() == []
    trial.note(
        f"{len(trial.owed)} recordings, {trial.witnessed()} receipts witnessed, {trial.broker_kills} brokers killed, "
        f"{trial.deaths} of {trial.started} workers died"
    )
    assert trial.witnessed() >= len(trial.owed)


def test_a_wild_night(trial: Fire) -> None:
    """All at once: broker, workers and boxes killed, wires cut, messages doubled and disordered, receipts lost."""
    with ExitStack() as stack:
        trial.fill(boxes=2, recordings=3)
        trial.broker()
        wires = [stack.enter_context(Wire(trial.plant.port, seed=n, bytes_at_most=120_000)) for n in (1, 2)]
        for box in trial.plant.boxes.values():
            lead_through(box.settings, trial.plant.port, wires[0].port)
        lead_through(trial.plant.archive_settings, trial.plant.port, wires[1].port)
        trial.burn(duplicated=0.05, reordered=0.05, receipts_lost=0.3)
        for _ in range(2):
            trial.worker(wait=False)
        trial.start_boxes()
        trial.until("wires that are cut", lambda: all(wire.cuts for wire in wires))
        for wire in wires:
            wire.whole = True
        trial.some_more()
        trial.kill_broker()
        trial.end_workers()
        trial.mortal_worker()
        trial.burn(receipts_lost=0.0)
        trial.worker()
        trial.worker()
        trial.restart_boxes()  # what waits for its next attempt need not wait longer
        trial.drain()
        _all_is_well(trial)


@only_full
def test_the_broker_is_killed_fifty_times(trial: Fire) -> None:
    """While two boxes drain; each kill after some more files have come."""
    trial.fill(boxes=2, recordings=200)
    trial.broker()
    trial.worker()
    trial.worker()
    trial.start_boxes()
    for _ in range(50):
        trial.some_more()
        trial.kill_broker()
    assert not trial.drained
    trial.drain(LONG_S)
    _all_is_well(trial)


@only_full
def test_workers_are_killed_fifty_times(trial: Fire) -> None:
    """At a counted step: within a write, before a sync, a rename, a commit, an acknowledgement, a receipt."""
    trial.fill(recordings=60)
    trial.broker()
    trial.start_boxes()
    while trial.deaths < 50:
        trial.mortal_worker()
        assert not trial.drained
    trial.worker()
    trial.drain(LONG_S)
    _all_is_well(trial)


@only_full
@pytest.mark.parametrize("side", ["box", "archive"])
def test_wires_are_cut_at_random_bytes(trial: Fire, side: str) -> None:
    """Each connection of the box, or of the archive, is reset after up to 400 kB in both directions together."""
    trial.fill(recordings=60)
    trial.broker()
    with Wire(trial.plant.port, seed=7, bytes_at_most=400_000) as wire:
        settings = trial.plant.boxes["box-1"].settings if side == "box" else trial.plant.archive_settings
        lead_through(settings, trial.plant.port, wire.port)
        trial.worker(wait=False)
        trial.start_boxes()
        trial.drain(LONG_S)
        _all_is_well(trial)
    trial.note(f"{wire.cuts} cuts")
    assert wire.cuts >= 10


@only_full
def test_disorder_at_the_archive_s_door(trial: Fire) -> None:
    """5 % of the messages come twice, 5 % in another order, to each of two workers."""
    trial.fill(boxes=2, recordings=50)
    trial.broker()
    trial.burn(duplicated=0.05, reordered=0.05)
    trial.worker()
    trial.worker()
    trial.start_boxes()
    trial.drain(LONG_S)
    _all_is_well(trial)


@only_full
def test_receipts_get_lost(trial: Fire) -> None:
    """30 % of all that the archive says never arrives."""
    trial.fill(boxes=2, recordings=50)
    trial.broker()
    trial.burn(receipts_lost=0.3)
    trial.worker()
    trial.start_boxes()
    trial.drain(LONG_S)
    _all_is_well(trial)


@only_full
def test_two_workers_share_one_long_recording(trial: Fire) -> None:
    """Whichever commit completes the set says so; the other one's files are in it."""
    trial.fill(recordings=1, seconds=600.0)
    trial.broker()
    trial.worker()
    trial.worker()
    trial.start_boxes()
    trial.drain(LONG_S)
    _all_is_well(trial)


@pytest.mark.skipif(not may_mount(), reason="needs user namespaces: sysctl kernel.unprivileged_userns_clone=1")
def test_the_archive_s_disk_is_full_for_a_while(trial: Fire) -> None:
    """A file system without a byte left: nothing is acknowledged and nothing receipted, until there is room again."""
    trial.fill(recordings=60 if FULL else 4)
    trial.broker()
    worker = trial.worker(disk=(64 if FULL else 8) * MIB)
    disk = small_disk(worker, trial.data)
    _take_all_room(disk / "ballast")
    trial.start_boxes()
    _full_for_a_while(trial, worker, disk)
    for _ in range(9 if FULL else 0):
        _take_all_room(disk / "ballast")
        _full_for_a_while(trial, worker, disk)
    trial.drain(LONG_S if FULL else PATIENCE_S)
    assert trial.verdict_on_its_disk(worker) == []
    assert trial.witnessed() >= len(trial.owed)


def _full_for_a_while(trial: Fire, worker: Child, disk: Path) -> None:
    log = trial.plant.logs / f"{worker.name}.log"
    refused = log.read_text().count(REFUSED)
    trial.until("a disk that refuses", lambda: log.read_text().count(REFUSED) > refused)
    trial.until("a second refusal", lambda: log.read_text().count(REFUSED) > refused + 1)
    receipts = trial.receipts()  # the last words from before have arrived by now
    trial.until("a third refusal", lambda: log.read_text().count(REFUSED) > refused + 2)
    assert trial.receipts() == receipts
    (disk / "ballast").unlink()
    kept = trial.files_kept(disk)
    trial.until("more files", lambda: trial.files_kept(disk) > kept or trial.drained)


def _take_all_room(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_the_archive_is_restored_from_yesterday_s_backup(trial: Fire) -> None:
    """What came after the backup is gone, and receipted: the box offers it again, and in the end all is there."""
    each = 40 if FULL else 2
    trial.fill(boxes=2, recordings=each)
    one, other = trial.plant.boxes.values()
    trial.broker()
    trial.worker()
    trial.start_box(one)
    trial.until("the first box's recordings", lambda: trial.receipts() == each, LONG_S if FULL else PATIENCE_S)
    trial.end_workers()
    yesterday = trial.data.with_name("yesterday")
    shutil.copytree(trial.data, yesterday)
    trial.worker()
    trial.start_box(other)
    trial.drain(LONG_S if FULL else PATIENCE_S)
    trial.end_workers()

    shutil.rmtree(trial.data)
    yesterday.rename(trial.data)
    lost = [owed for owed in trial.owed if uncovered(trial.data, owed.box, owed.recording, owed.files[MANIFEST])]
    assert {owed.box for owed in lost} == {other.name}
    call(archive_program("restored", "--config", str(trial.plant.archive_settings)))
    trial.promise_what_lies_there()
    trial.worker()
    trial.restart_boxes()  # a box that is on learns of it by the next word of the archive; this one asks for one
    whole = sum(len(owed.files) for owed in trial.owed)
    trial.until("every file again", lambda: trial.files_kept() >= whole, LONG_S if FULL else PATIENCE_S)
    trial.until("every receipt again", lambda: trial.stored() == len(trial.owed))
    _all_is_well(trial)


@only_full
def test_two_workers_on_postgresql_and_its_server_is_killed(trial: Fire) -> None:
    """Two workers of one archive on a real PostgreSQL that is killed five times while two boxes drain."""
    server = PostgreSQL()
    with contextlib.closing(server.start()):
        more = f'database = "{server.new_database()}"'
        trial.plant.archive_settings.write_text(trial.plant.settings_of_archive(more=more, settle_s=1.0))
        trial.fill(boxes=2, recordings=100)
        trial.broker()
        trial.burn(duplicated=0.05, reordered=0.05)
        trial.worker()
        trial.worker()
        trial.start_boxes()
        for _ in range(5):
            trial.some_more(100)
            server.kill()
            server.start()
        assert not trial.drained
        trial.drain(LONG_S)
        _all_is_well(trial)


@only_full
def test_a_box_comes_back_after_fourteen_days(trial: Fire) -> None:
    """1,500 recordings of two weeks, the youngest an hour old, drained by two workers."""
    hour, day = 3600.0, 86400.0
    for days in range(13, -1, -1):
        trial.fill(recordings=107 if days else 109, seconds=4.0, newest=trial.now() - days * day - hour)
    assert len(trial.owed) == 1500
    trial.broker()
    trial.worker()
    trial.worker()
    trial.start_boxes()
    trial.drain(LONG_S)
    _all_is_well(trial)
