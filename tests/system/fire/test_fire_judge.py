"""The judge is judged: careless archives and boxes, real processes and altered disks, must not pass."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.needs import need_mosquitto
from tests.system.fire import judge as judging
from tests.system.fire.judge import hashes, judge, payload
from tests.system.fire.rig import Fire, fire


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fire]:
    """Nothing burns: one box, three recordings, one worker; everything is ended and well."""
    need_mosquitto()
    with fire(tmp_path_factory.mktemp("drained")) as trial:
        trial.fill(recordings=3)
        trial.broker()
        trial.worker()
        trial.start_boxes()
        trial.drain()
        assert trial.verdict() == []
        assert trial.witnessed() == 3
        yield trial


@pytest.fixture
def altered(drained: Fire) -> Iterator[Fire]:
    """The same, to be altered; put back afterwards."""
    kept = drained.plant.folder.with_name("kept")
    shutil.copytree(drained.plant.folder, kept)
    yield drained
    shutil.rmtree(drained.plant.folder)
    kept.rename(drained.plant.folder)


def _stored(trial: Fire, name: str) -> Path:
    """Where the archive keeps a file of the first recording."""
    one = trial.owed[0]
    (path,) = (path for store in judging.STORES for path in trial.data.glob(f"{store}/*/{one.recording}/{name}.*"))
    return path


def _on_box(trial: Fire) -> Path:
    one = trial.owed[0]
    return trial.plant.boxes[one.box].data / "spool" / one.recording


def _lost_clip(trial: Fire) -> None:
    _stored(trial, "000001.clip").unlink()


def _altered_clip(trial: Fire) -> None:
    path = _stored(trial, "000001.clip")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def _lost_key(trial: Fire) -> None:
    _stored(trial, "keys.json").unlink()


def _lost_manifest(trial: Fire) -> None:
    _stored(trial, "manifest.jws").unlink()


def _kept_twice(trial: Fire) -> None:
    path = _stored(trial, "000001.clip")
    path.with_name("000001.clip." + 64 * "a").write_bytes(path.read_bytes())


def _forgotten_by_both(trial: Fire) -> None:
    shutil.rmtree(trial.data)
    shutil.rmtree(_on_box(trial))


def _altered_on_the_box(trial: Fire) -> None:
    (_on_box(trial) / "000000.clip").write_bytes(b"x")


def _receipt_for_nothing(trial: Fire) -> None:
    """The archive lost all, and the box still holds its word."""
    shutil.rmtree(trial.data)


def _only_the_ledger_says_so(trial: Fire) -> None:
    """No receipt on the disk any more, and no bytes in the archive: the ledger's `receipted` is still a promise."""
    shutil.rmtree(trial.data)
    for path in trial.plant.boxes["box-1"].data.glob("spool/*/receipt.jws"):
        path.unlink()


DAMAGE: dict[Callable[[Fire], None], str] = {
    _lost_clip: "stored, but 1 files are missing or altered, e.g. 000001.clip",
    _altered_clip: "stored, but 1 files are missing or altered, e.g. 000001.clip",
    _lost_key: "stored, but 1 files are missing or altered, e.g. keys.json",
    _lost_manifest: "stored, but its manifest is not there",
    _kept_twice: "000001.clip lies there 1 times too often",
    _forgotten_by_both: "lost: neither stored nor whole on the box",
    _altered_on_the_box: "changed on the box: ['000000.clip']",
    _receipt_for_nothing: "receipted, but its manifest is not there",
    _only_the_ledger_says_so: "receipted, but its manifest is not there",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_every_damage_is_named(altered: Fire, damage: Callable[[Fire], None]) -> None:
    """One thing is wrong, and the judge names the recording and the thing."""
    damage(altered)
    one = altered.owed[0]
    wrong = judge(altered.plant, altered.owed)
    assert any(f"{one.box}/{one.recording}: {DAMAGE[damage]}" in each for each in wrong), wrong


def test_a_recording_that_nobody_made_is_noticed(drained: Fire) -> None:
    """The archive has one more than the boxes had."""
    wrong = judge(drained.plant, drained.owed[1:])
    assert wrong == [f"{drained.owed[0].box}/{drained.owed[0].recording}: nobody made it"]


def test_a_receipt_that_was_signed_by_somebody_else_does_not_pass(altered: Fire) -> None:
    """The archive's row with a receipt of another key: what it lays out does not verify."""
    one = altered.owed[0]
    receipt = (_on_box(altered) / "receipt.jws").read_bytes()
    head, body, signature = receipt.split(b".")
    assert payload(receipt)["recording"] == one.recording
    said = {**payload(receipt), "copies": 9}
    forged = b".".join((head, base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"="), signature))
    assert forged != receipt
    assert body != forged.split(b".")[1]
    _put_receipt(altered, one.recording, forged)
    assert any(each.startswith(f"{one.box}/{one.recording}: ") for each in judge(altered.plant, altered.owed))


def _put_receipt(trial: Fire, recording: str, receipt: bytes) -> None:
    import sqlite3  # noqa: PLC0415 - only here is the index written by hand

    with sqlite3.connect(trial.data / "index.sqlite") as database:
        changed = database.execute("UPDATE recordings SET receipt = ? WHERE recording = ?", (receipt, recording))
        assert changed.rowcount == 1
    database.close()


def test_a_careless_archive_is_caught(tmp_path: Path) -> None:
    """A real worker that waits for no disk, drops a file and keeps one twice: the witness and the judge say each."""
    need_mosquitto()
    with fire(tmp_path) as trial:
        trial.fill(recordings=3)
        trial.broker()
        trial.worker(module="tests.system.fire.careless_archive")
        trial.start_boxes()
        trial.drain()
        wrong = trial.verdict()
    seen = [each for each in wrong if each.startswith("receipt of")]
    assert sum("was not synced" in each for each in seen) >= 3
    assert any("files are missing or altered, e.g. 000000.clip" in each for each in seen)
    judged = [each for each in wrong if each not in seen]
    assert any("stored, but 1 files are missing or altered, e.g. 000000.clip" in each for each in judged)
    assert any("000000.clip lies there 1 times too often" in each for each in judged)


def test_a_careless_box_is_caught(tmp_path: Path) -> None:
    """A real box that forgets when the broker has acknowledged, before an archive that was never there."""
    need_mosquitto()
    with fire(tmp_path) as trial:
        trial.fill(recordings=2)
        trial.broker()
        trial.start_box(trial.plant.boxes["box-1"], module="tests.system.fire.careless_box")
        spool = trial.plant.boxes["box-1"].data / "spool"
        trial.until("a box that forgets", lambda: not any(spool.iterdir()))
        wrong = trial.verdict()
    lost = [f"{one.box}/{one.recording}: lost: neither stored nor whole on the box" for one in trial.owed]
    assert wrong == lost


def test_processes_that_are_left_are_noticed(tmp_path: Path) -> None:
    """A broker that still runs when the trial should be over."""
    need_mosquitto()
    with fire(tmp_path) as trial:
        trial.broker()
        left = trial.left_behind()
    assert len(left) == 2
    assert "still runs" in left[0]
    assert trial.left_behind() == []


def test_hashes_are_of_what_lies_there(tmp_path: Path) -> None:
    """The judge's own look at a folder: names and SHA-256, nothing below."""
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").mkdir()
    assert hashes(tmp_path) == {"a": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
