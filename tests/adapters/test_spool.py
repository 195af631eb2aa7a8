"""The spool on disk: what is durable before what, a slow disk, a full one, and what cuts and damage leave."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handschlag.adapters.spool import WAITING_CLIPS, NotConfirmed
from handschlag.core.events import FileDurable, FolderFound, RecordingClosed, RecordingGone, RevokeDurable
from handschlag.sealing.errors import Wiped
from handschlag.sealing.manifest import read_manifest
from handschlag.sim.files import Operation
from handschlag.sim.worker import HeldWorker
from tests.adapters.spool_bench import CLIP, ONE, TWO, Bench, closing, opening, raise_, samples
from tests.sealing import builder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty data folder."""
    return Bench(tmp_path / "data")


def write_of(name: str) -> list[str]:
    """How a file becomes durable."""
    folder, _, file = name.rpartition("/")
    new = f"{folder}/.{file}.tmp"
    return [f"write {new}", f"fsync {new}", f"rename {new} > {name}", f"fsync_dir {folder}"]


# --- the order on disk


def test_each_step_is_durable_before_the_next_begins(bench: Bench) -> None:
    """Spool, folder, head, details, keys, clips, and at the end details, lists, manifest: each by the whole order."""
    spool = bench.spool()
    bench.record(spool, clips=2)
    spool.close_recording(closing())
    files = [
        "head.json",
        "details.0",
        "keys.json",
        "000000.clip",
        "000001.clip",
        "details.1",
        "clips.0.json",
        "manifest.jws",
    ]
    begin = ["mkdir spool", "fsync_dir .", "mkdir spool/ONE", "fsync_dir spool"]
    assert bench.done() == begin + [step for name in files for step in write_of(f"spool/ONE/{name}")]


def test_a_file_is_told_only_after_its_folder_was_synced(bench: Bench) -> None:
    """FileDurable and RecordingClosed come after the fsync of the name, never before."""
    spool = bench.spool()
    bench.record(spool, clips=2)
    spool.close_recording(closing())
    for told in bench.told:
        last = bench.done()[told.done - 1]
        assert last == "fsync_dir spool/ONE"
        name = told.event.name if isinstance(told.event, FileDurable) else "manifest.jws"
        assert bench.done()[told.done - 2].endswith(f"> spool/ONE/{name}")


def test_destroying_renames_and_syncs_before_it_is_told(bench: Bench) -> None:
    """Rename to `.gone`, fsync of the spool, the word; then the revocation; keys.json goes first, durably."""
    spool = bench.spool()
    bench.record(spool, clips=1)
    bench.files.done.clear()
    bench.told.clear()
    spool.destroy(ONE)
    spool.sign_revoke(ONE, "withdrawn", ledger_seq=4)
    spool.remove_gone(ONE)
    away = ["rename spool/ONE > spool/ONE.gone", "fsync_dir spool"]
    revoke = ["mkdir revoke", "fsync_dir .", *write_of("revoke/ONE.jws")]
    gone = "spool/ONE.gone"
    removal = [
        f"unlink {gone}/keys.json",
        f"fsync_dir {gone}",
        *(f"unlink {gone}/{name}" for name in ("000000.clip", "details.0", "head.json")),
        f"rmdir {gone}",
        "fsync_dir spool",
    ]
    assert bench.done() == away + revoke + removal
    assert [(type(told.event), told.done) for told in bench.told] == [
        (RecordingGone, len(away)),
        (RevokeDurable, len(away + revoke)),
    ]


def test_nothing_plain_is_in_any_file_and_all_files_are_private(bench: Bench) -> None:
    """Neither number nor samples nor FLAC are found in any file; modes are 0600 and 0700."""
    spool = bench.spool()
    kept = bench.record(spool)
    spool.close_recording(closing())
    for data in bench.tree().values():
        assert b"1234567" not in data
        assert b"fLaC" not in data
        assert all(part[:64].tobytes() not in data for part in kept)
    for path in (bench.data / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


# --- a slow disk


def test_at_most_64_clips_wait_and_none_of_them_is_lost(bench: Bench) -> None:
    """The 65th is refused and may be a gap; when the disk comes back, all that were taken are written and verify."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool, clips=WAITING_CLIPS)
    assert not spool.add_clip(ONE, WAITING_CLIPS, WAITING_CLIPS * CLIP, samples(1))
    worker.run()
    after = WAITING_CLIPS + 1
    assert spool.add_clip(ONE, after, after * CLIP, samples(2))
    spool.close_recording(replace(closing(), gaps=((WAITING_CLIPS * CLIP, CLIP),)))
    worker.run()
    assert bench.verdict().ok, bench.verdict().wrong
    assert len(bench.opened()[1]) == WAITING_CLIPS + 1


def test_a_refused_clip_is_neither_encoded_nor_sealed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index can be used for a later clip, as nothing was sealed with it."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool, clips=WAITING_CLIPS)
    monkeypatch.setattr(spool._codec, "encode", lambda *_: pytest.fail("encoded"))
    assert not spool.add_clip(ONE, WAITING_CLIPS, WAITING_CLIPS * CLIP, samples(1))
    monkeypatch.undo()
    worker.run()
    assert spool.add_clip(ONE, WAITING_CLIPS, WAITING_CLIPS * CLIP, samples(1))


def test_a_withdrawal_wipes_at_once_while_the_disk_is_stuck(bench: Bench) -> None:
    """With every write still waiting: the key is gone before destroy returns, what waited is dropped, nothing comes."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool)
    sealer = spool._running[ONE].sealer
    waiting = spool._running[ONE].waiting
    spool.destroy(ONE)
    with pytest.raises(Wiped):
        sealer.keys([builder.OWNER.workshop().public])
    assert not waiting
    assert not spool.add_clip(ONE, 9, 9 * CLIP, samples(9))
    spool.write_keys(ONE)
    spool.close_recording(closing())
    worker.run()
    assert bench.tree() == {}
    assert [type(told.event) for told in bench.told] == [RecordingGone]


@pytest.mark.parametrize("jobs", range(12))
def test_a_withdrawal_at_any_moment_leaves_nothing_under_the_recordings_name(bench: Bench, jobs: int) -> None:
    """After any number of finished writes, closing included: gone, told once, and no late file brings it back."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool)
    spool.close_recording(closing())
    worker.run(jobs)
    spool.destroy(ONE)
    worker.run()
    assert not bench.folder().exists()
    assert len(bench.of(RecordingGone)) == 1
    spool.remove_gone(ONE)
    worker.run()
    assert bench.tree() == {}


def test_a_withdrawal_in_the_middle_of_a_write(bench: Bench) -> None:
    """Withdrawn while a clip is between write and rename: that write ends, nothing else follows, the folder goes."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool)

    def withdraw(operation: Operation) -> None:
        if operation.kind == "rename" and operation.to.endswith("000000.clip"):
            bench.allow()
            spool.destroy(ONE)

    bench.files.fail = withdraw
    worker.run()
    assert "000000.clip" not in bench.durable()
    assert not bench.folder().exists()
    assert (bench.gone() / "000000.clip").exists()
    assert not (bench.gone() / "000001.clip").exists()


def test_a_receipt_that_comes_after_the_destruction_brings_nothing_back(bench: Bench) -> None:
    """A late write by path fails instead of making the folder again, and is not tried for ever."""
    spool = bench.spool()
    bench.record(spool)
    spool.close_recording(closing())
    spool.destroy(ONE)
    spool.keep_receipt(ONE, b"receipt", "e1")
    assert bench.failures() == ["keeping the receipt: ENOENT"]
    assert not bench.folder().exists()
    bench.files.done.clear()
    spool.remove_gone(ONE)
    assert not any("receipt" in step for step in bench.done())


def test_the_key_is_wiped_when_closing_returns(bench: Bench) -> None:
    """Nothing can be sealed any more although the disk has not written a byte; a second closing changes nothing."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    bench.record(spool)
    sealer = spool._running[ONE].sealer
    spool.close_recording(closing())
    with pytest.raises(Wiped):
        sealer.clip(9, 9 * CLIP, CLIP, b"fLaC")
    assert not spool.add_clip(ONE, 9, 9 * CLIP, samples(9))
    spool.close_recording(closing())
    worker.run()
    assert bench.durable().count("manifest.jws") == 1
    assert bench.verdict().ok


def test_closing_the_spool_wipes_every_key(bench: Bench) -> None:
    """A box that ends in the middle of a recording leaves it interrupted, and no key in memory."""
    spool = bench.spool()
    bench.record(spool)
    sealer = spool._running[ONE].sealer
    spool.close()
    with pytest.raises(Wiped):
        sealer.clip(9, 9 * CLIP, CLIP, b"fLaC")
    assert not (bench.folder() / "manifest.jws").exists()


def test_an_unconfirmed_recording_cannot_be_closed(bench: Bench) -> None:
    """Closing without keys is refused; nothing is signed and no key is written."""
    spool = bench.spool()
    bench.record(spool, keys=False)
    with pytest.raises(NotConfirmed, match=r"keys\.json"):
        spool.close_recording(closing())
    assert "manifest.jws" not in bench.durable()


def test_what_no_manifest_may_say_is_told_and_the_key_is_wiped(bench: Bench) -> None:
    """A consent without the hash of its text is no manifest: DiskFailed, no half closing, nothing left to seal with."""
    spool = bench.spool()
    bench.record(spool)
    sealer = spool._running[ONE].sealer
    spool.close_recording(replace(closing(), consent=replace(closing().consent, text_hash="")))
    assert bench.failures() == ["closing: damaged"]
    assert "details.1" not in bench.durable()
    with pytest.raises(Wiped):
        sealer.clip(9, 9 * CLIP, CLIP, b"fLaC")


def test_a_recording_is_never_opened_again(bench: Bench) -> None:
    """A folder that is there, gone or not, stays as it was; opening an open one changes nothing."""
    spool = bench.spool()
    bench.record(spool)
    before = bench.tree()
    spool.open(opening())
    spool.close()
    again = bench.spool()
    again.open(opening())
    assert not again.add_clip(ONE, 0, 0, samples(0))
    again.destroy(ONE)
    again.open(opening())
    assert bench.failures() == ["opening: EEXIST"] * 2
    assert sorted(bench.tree().values()) == sorted(before.values())


# --- a disk that refuses


@pytest.mark.parametrize("kind", ["mkdir", "write", "fsync", "rename", "fsync_dir"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_the_disk_refused_is_told_once_and_written_later_in_order(bench: Bench, kind: str, code: int) -> None:
    """No word for what is not durable; each refused file is one DiskFailed; afterwards everything is there."""
    spool = bench.spool()
    bench.refuse(kind, code=code)
    bench.record(spool, clips=2)
    assert bench.durable() == []
    name = errno.errorcode[code]
    expected = [f"{file}: {name}" for file in ("head.json", "details.0", "keys.json", "000000.clip", "000001.clip")]
    assert bench.failures()[:1] == expected[:1]
    assert set(bench.failures()) <= set(expected)
    bench.allow()
    spool.close_recording(closing())
    assert bench.durable()[:3] == ["head.json", "details.0", "keys.json"]
    assert bench.verdict().ok, bench.verdict().wrong


def test_a_full_disk_gets_its_bytes_back(bench: Bench) -> None:
    """The temporary file of a write that failed does not stay."""
    spool = bench.spool()
    bench.record(spool, clips=0)
    bench.refuse("fsync")
    assert spool.add_clip(ONE, 0, 0, samples(0))
    assert not list(bench.folder().glob(".*"))


def test_one_recordings_trouble_does_not_stop_another(bench: Bench) -> None:
    """While one cannot be written, another is opened, recorded and closed."""
    spool = bench.spool()
    bench.refuse("write", where=ONE)
    bench.record(spool)
    bench.record(spool, recording=TWO)
    spool.close_recording(closing(TWO))
    assert bench.verdict(TWO).ok
    assert {event.recording for event in bench.of(RecordingClosed)} == {TWO}


def test_a_refused_destruction_is_made_good_and_what_follows_waits(bench: Bench) -> None:
    """No RecordingGone for a rename that failed; the removal does not overtake it; the next job brings both."""
    spool = bench.spool()
    bench.record(spool)
    bench.refuse("rename")
    spool.destroy(ONE)
    spool.remove_gone(ONE)
    assert bench.failures() == ["destroying: ENOSPC"]
    assert bench.of(RecordingGone) == []
    bench.allow()
    spool.list_files(TWO)
    assert len(bench.of(RecordingGone)) == 1
    assert bench.tree() == {}


def test_a_refused_revocation_keeps_the_reminder(bench: Bench) -> None:
    """The `.gone` folder is not removed before its revocation is durable."""
    spool = bench.spool()
    bench.record(spool)
    spool.destroy(ONE)
    bench.refuse("write", where="revoke")
    spool.sign_revoke(ONE, "withdrawn", ledger_seq=1)
    spool.remove_gone(ONE)
    assert bench.gone().exists()
    bench.allow()
    spool.close()
    assert list(bench.tree()) == [f"revoke/{ONE}.jws"]


def test_a_destruction_overtakes_what_a_full_disk_holds_up(bench: Bench) -> None:
    """Withdrawn while the disk is full: dropped, gone, told."""
    spool = bench.spool()
    bench.refuse("write")
    bench.record(spool)
    spool.destroy(ONE)
    assert len(bench.of(RecordingGone)) == 1
    bench.allow()
    spool.list_files(ONE)
    assert bench.tree() == {}


def test_space_on_a_disk_that_does_not_answer_is_none(bench: Bench) -> None:
    """No answer counts as nothing free."""
    spool = bench.spool(reserve_bytes=5)
    bench.data.rename(bench.data.with_name("unplugged"))
    assert spool.free_bytes() == -5


# --- what cuts and damage leave


def test_torn_temporary_files_are_removed_and_other_things_left_alone(bench: Bench) -> None:
    """What a cut left of writes goes; foreign names are neither recordings nor removed."""
    spool = bench.spool()
    bench.record(spool, clips=1)
    spool.close()
    torn = bench.folder() / ".000001.clip.tmp"
    torn.write_bytes(b"half a clip")
    (bench.data / "revoke").mkdir()
    (bench.data / "revoke" / ".x.jws.tmp").write_bytes(b"half")
    (bench.data / "revoke" / "notes.jws").write_bytes(b"")
    (bench.data / "spool" / "lost+found").mkdir()
    (bench.data / "spool" / "notes.gone").touch()
    again = bench.spool()
    bench.told.clear()
    again.find(bench.post)
    assert [type(told.event) for told in bench.told] == [FolderFound]
    assert not torn.exists()
    assert not (bench.data / "revoke" / ".x.jws.tmp").exists()
    assert (bench.data / "spool" / "lost+found").exists()


def test_what_is_found_is_made_durable_before_it_is_told(bench: Bench) -> None:
    """A name that only memory holds must not be built upon: folder and spool are synced first."""
    spool = bench.spool()
    bench.record(spool, clips=1)
    spool.close()
    bench.files.done.clear()
    bench.spool().find(bench.post)
    assert bench.done() == ["fsync_dir spool", "fsync_dir spool/ONE"]


def test_a_damaged_or_missing_head_is_found_without_a_seizure(bench: Bench) -> None:
    """A folder cut right after it was made, and one with a damaged head, are told like any other."""
    (bench.folder()).mkdir(parents=True)
    bench.folder(TWO).mkdir()
    (bench.folder(TWO) / "head.json").write_bytes(b'{"boot": 5')
    bench.spool().find(bench.post)
    assert [(found.boot, found.seizure, found.has_keys) for found in bench.of(FolderFound)] == [("", 0, False)] * 2


def test_an_unreadable_folder_hides_no_other(bench: Bench) -> None:
    """A file where a folder should be is DiskFailed for that recording; the rest is found."""
    spool = bench.spool()
    bench.record(spool, recording=TWO)
    bench.folder().write_bytes(b"")
    bench.spool().find(bench.post)
    assert [found.recording for found in bench.of(FolderFound)] == [TWO]
    assert bench.failures() == ["looking into a recording: ENOTDIR"]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_cut_at_any_file_of_the_closing_is_finished(bench: Bench, cut: int) -> None:
    """Whatever of details.1, lists and manifest was there: after the restart it is closed, and verifies."""
    worker = HeldWorker(on_error=raise_)
    spool = bench.spool(worker)
    kept = bench.record(spool)
    worker.run()
    spool.close_recording(closing())
    steps = 4 * 3

    def stop(_operation: Operation) -> None:
        if len(bench.files.done) >= before + min(cut * steps // 8, steps - 1):
            raise OSError(errno.EIO, "cut")

    before = len(bench.files.done)
    bench.files.fail = stop
    worker.run()
    bench.allow()
    bench.consented()
    again = bench.spool()
    again.find(bench.post)
    again.finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    assert bench.verdict().ok, bench.verdict().wrong
    opened, clips = bench.opened()
    assert all(np.array_equal(a, b) for a, b in zip(clips, kept, strict=True))
    assert opened.manifest.ended in {"interrupted", "idle"}


@pytest.mark.parametrize("damage", [b"", b"HSC1", bytes(5000), b"x"])
def test_a_damaged_clip_becomes_a_gap_and_is_kept_aside(bench: Bench, damage: bytes) -> None:
    """What is no clip is no part of the recording; the rest verifies, with the hole named."""
    spool = bench.spool()
    bench.record(spool, clips=4)
    spool.close()
    (bench.folder() / "000001.clip").write_bytes(damage)
    (bench.folder() / "000002.clip").write_bytes((bench.folder() / "000000.clip").read_bytes())
    bench.consented()
    bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    assert bench.verdict().ok, bench.verdict().wrong
    manifest = read_manifest((bench.folder() / "manifest.jws").read_bytes(), builder.trust().keys("boxes"))
    assert manifest.gaps == ((CLIP, 2 * CLIP),)
    assert (bench.data / "aside" / f"{ONE}.000001.clip").read_bytes() == damage


def test_a_clip_under_another_clips_name_is_damaged(bench: Bench) -> None:
    """A whole clip whose name says another index is no part of the recording, even where it would fit the order."""
    spool = bench.spool()
    bench.record(spool, clips=3)
    spool.close()
    (bench.folder() / "000002.clip").rename(bench.folder() / "000007.clip")
    bench.consented()
    bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    assert bench.verdict().ok, bench.verdict().wrong
    assert (bench.data / "aside" / f"{ONE}.000007.clip").exists()


def test_a_missing_clip_becomes_a_gap(bench: Bench) -> None:
    """A hole that nobody reported is named by the manifest all the same."""
    spool = bench.spool()
    bench.record(spool, clips=3)
    spool.close()
    (bench.folder() / "000000.clip").unlink()
    bench.consented()
    bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    assert bench.verdict().ok
    assert bench.opened()[0].manifest.gaps == ((0, CLIP),)


@pytest.mark.parametrize("name", ["head.json", "keys.json"])
def test_what_cannot_be_vouched_for_is_not_signed(bench: Bench, name: str) -> None:
    """Damaged head or keys, or those of another recording: told, and no manifest."""
    spool = bench.spool()
    bench.record(spool)
    bench.record(spool, recording=TWO)
    spool.close()
    bench.consented()
    for bad in (b"{}", (bench.folder(TWO) / name).read_bytes()):
        bench.told.clear()
        (bench.folder() / name).write_bytes(bad)
        bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
        assert bench.failures() == ["finishing: damaged"]
        assert not (bench.folder() / "manifest.jws").exists()


def test_nothing_is_finished_without_a_consent_in_the_ledger(bench: Bench) -> None:
    """P2: the disk alone is no consent."""
    spool = bench.spool()
    bench.record(spool)
    spool.close()
    bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    assert bench.failures() == ["finishing: no consent in the ledger"]
    assert not (bench.folder() / "manifest.jws").exists()


def test_an_unsynced_clock_promises_no_date(bench: Bench) -> None:
    """P11: what an unsynchronised clock says is marked so, and sets no end of retention."""
    spool = bench.spool()
    bench.record(spool)
    spool.close()
    bench.consented()
    bench.clock.synced = False
    bench.spool().finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    manifest = bench.opened()[0].manifest
    assert (manifest.clock, manifest.retain_until) == ("unsynced", None)


def test_a_cut_between_removals_is_finished_after_the_restart(bench: Bench) -> None:
    """keys.json is gone first; what a cut left of the folder is found as gone, and removed."""
    spool = bench.spool()
    bench.record(spool)
    spool.destroy(ONE)
    bench.refuse("unlink", where="000001.clip", code=errno.EIO)
    spool.remove_gone(ONE)
    bench.allow()
    again = bench.spool()
    again.find(bench.post)
    assert [(found.gone, found.has_keys) for found in bench.of(FolderFound)] == [(True, False)]
    again.destroy(ONE)
    again.remove_gone(ONE)
    assert bench.tree() == {}
