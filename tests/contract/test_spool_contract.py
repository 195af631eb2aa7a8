"""What every `ports.Spool` does, whether its disk answers at once or on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from handschlag.adapters.spool import DiskSpool
from handschlag.adapters.spool.terms import seconds
from handschlag.adapters.worker import WorkerThread
from handschlag.core.events import (
    DiskFailed,
    Event,
    FileDurable,
    FilesListed,
    FolderFound,
    ReceiptDurable,
    RecordingClosed,
    RecordingGone,
    RevokeDurable,
    RevokeFound,
)
from handschlag.ports import LedgerFacts, Spool
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.receipt import Destroyed, Stored, sign_receipt
from handschlag.sealing.revoke import read_revoke
from handschlag.sim.worker import InlineWorker
from tests.adapters.spool_bench import CLIP, ONE, TWO, Bench, closing, opening, raise_, samples
from tests.sealing import builder


class Stand(Bench):
    """A bench whose events can be waited for."""

    def __init__(self, data: Path, *, threaded: bool) -> None:
        super().__init__(data)
        self.threaded = threaded
        self.news = threading.Condition()
        self.faults: list[Exception] = []
        self.spools: list[Spool] = []

    def post(self, event: Event) -> None:
        """Note an event, and wake whoever waits for it."""
        with self.news:
            super().post(event)
            self.news.notify_all()

    def start(self) -> DiskSpool:
        """A spool as after a start."""
        thread = WorkerThread("spool", on_error=self.faults.append) if self.threaded else InlineWorker(on_error=raise_)
        spool = self.spool(thread)
        self.spools.append(spool)
        return spool

    def wait(self, *events: Event) -> None:
        """Until all of these have been posted."""
        with self.news:
            ok = self.news.wait_for(lambda: all(event in [t.event for t in self.told] for event in events), 20)
        assert ok, self.told

    def wait_for(self, kind: type[Event]) -> None:
        """Until one of that kind has been posted."""
        with self.news:
            assert self.news.wait_for(lambda: self.of(kind), 20), self.told


@pytest.fixture(params=["at once", "on a thread"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """Both kinds of disk; nothing may fail on either."""
    stand = Stand(tmp_path / "data", threaded=request.param == "on a thread")
    yield stand
    for spool in stand.spools:
        spool.close()
    assert not stand.faults
    assert not stand.of(DiskFailed)


def test_a_whole_recording_verifies_and_opens_to_the_same_samples(stand: Stand) -> None:
    """From samples to a verified folder and back: every sample, the details, the consent, the gap that was reported."""
    spool = stand.start()
    kept = stand.record(spool)
    assert spool.add_clip(ONE, 5, 5 * CLIP, samples(5))
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    verdict = stand.verdict()
    assert verdict.ok, verdict.wrong
    opened, clips = stand.opened()
    assert all(np.array_equal(a, b) for a, b in zip(clips, [*kept, samples(5)], strict=True))
    assert opened.details == [opening().personal, closing().personal]
    manifest = opened.manifest
    assert manifest.gaps == ((3 * CLIP, 2 * CLIP),)
    assert (manifest.ended, manifest.retention_class, manifest.retain_until) == (
        "idle",
        "standard",
        "2027-11-23T00:00:00Z",
    )
    assert (manifest.ledger.seq, manifest.consent[0].ledger_seq, manifest.consent[0].mark_s) == (5, 3, 9.5)


def test_every_file_is_told_and_the_end_names_all_in_sending_order(stand: Stand) -> None:
    """FileDurable in the order of sealing, then RecordingClosed with head, clips, details, keys, lists, manifest."""
    spool = stand.start()
    stand.record(spool, clips=2)
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    clips = ["000000.clip", "000001.clip"]
    assert stand.durable() == [
        "head.json",
        "details.0",
        "keys.json",
        *clips,
        "details.1",
        "clips.0.json",
        "manifest.jws",
    ]
    names = ("head.json", *clips, "details.0", "details.1", "keys.json", "clips.0.json", "manifest.jws")
    told = stand.of(RecordingClosed)[0]
    manifest_hash = sha256_hex(spool.read(ONE, "manifest.jws"))
    assert told == RecordingClosed(5.0, ONE, manifest_hash, names, seconds(builder.AT), seconds("2027-11-23T00:00:00Z"))
    for event in stand.of(FileDurable):
        assert event.size == len(spool.read(ONE, event.name))
    spool.list_files(ONE)
    stand.wait(FilesListed(5.0, ONE, names))


def test_a_pending_recording_has_no_wrapped_key_until_it_is_confirmed(stand: Stand) -> None:
    """Oral way: clips come, keys.json only when asked for; then it closes like any other."""
    spool = stand.start()
    stand.record(spool, keys=False)
    with stand.news:
        assert stand.news.wait_for(lambda: "000002.clip" in stand.durable(), 20)
    assert not (stand.folder() / "keys.json").exists()
    spool.write_keys(ONE)
    spool.write_keys(ONE)
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    assert stand.durable().count("keys.json") == 1
    assert stand.verdict().ok


def test_a_recording_without_a_clip_closes(stand: Stand) -> None:
    """Consent and hang-up in one moment: head, keys, details, manifest, and nothing else."""
    spool = stand.start()
    stand.record(spool, clips=0)
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    assert stand.verdict().ok


def test_destroyed_revoked_and_removed(stand: Stand) -> None:
    """RecordingGone, then RevokeDurable with a revocation that the archive accepts, then nothing is left of it."""
    spool = stand.start()
    stand.record(spool)
    spool.destroy(ONE)
    stand.wait(RecordingGone(5.0, ONE))
    assert not spool.add_clip(ONE, 3, 3 * CLIP, samples(3))
    with pytest.raises(FileNotFoundError):
        spool.read(ONE, "head.json")
    spool.sign_revoke(ONE, "withdrawn", ledger_seq=9)
    stand.wait(RevokeDurable(5.0, ONE))
    token = spool.read(ONE, "revoke.jws")
    revoke = read_revoke(token, builder.trust().revoker_keys())
    assert (revoke.recording, revoke.reason, revoke.ledger_seq, revoke.clock) == (ONE, "withdrawn", 9, "synced")
    spool.sign_revoke(ONE, "again", ledger_seq=10)
    spool.remove_gone(ONE)
    spool.remove_gone(ONE)
    spool.close()
    assert stand.tree() == {f"revoke/{ONE}.jws": token}


def test_destroying_twice_and_what_never_was_is_told_all_the_same(stand: Stand) -> None:
    """The core waits for RecordingGone; it comes also for what is gone already, or was never there."""
    spool = stand.start()
    spool.open(opening())
    for recording in (ONE, ONE, TWO):
        spool.destroy(recording)
    spool.close()
    assert stand.of(RecordingGone) == [RecordingGone(5.0, ONE), RecordingGone(5.0, ONE), RecordingGone(5.0, TWO)]


def test_an_answered_revocation_is_dropped(stand: Stand) -> None:
    """After the archive's word nothing is left to repeat; dropping twice is quiet."""
    spool = stand.start()
    spool.sign_revoke(ONE, "withdrawn", ledger_seq=1)
    spool.drop_revoke(ONE)
    spool.drop_revoke(ONE)
    spool.drop_revoke(TWO)
    spool.close()
    with pytest.raises(FileNotFoundError):
        spool.read(ONE, "revoke.jws")


def test_a_receipt_stands_beside_its_recording(stand: Stand) -> None:
    """receipt.jws is kept as it came, told, and no file to be sent."""
    spool = stand.start()
    stand.record(spool, clips=1)
    spool.close_recording(closing())
    spool.keep_receipt(ONE, b"receipt", "e1")
    stand.wait(ReceiptDurable(5.0, ONE, "e1"))
    assert spool.read(ONE, "receipt.jws") == b"receipt"
    spool.list_files(ONE)
    stand.wait_for(FilesListed)
    assert "receipt.jws" not in stand.of(FilesListed)[0].names


@pytest.mark.parametrize("keys", [True, False])
def test_what_a_restart_interrupted_is_found(stand: Stand, *, keys: bool) -> None:
    """The head's tap boot and seizure, whether keys and manifest are there, and the ledger's word, come back."""
    stand.facts[ONE] = LedgerFacts(consented=True, ended="withdrawn", ended_seq=8, closed=True)
    spool = stand.start()
    stand.record(spool, keys=keys)
    spool.close()
    stand.told.clear()
    stand.start().find(stand.post)
    assert [told.event for told in stand.told] == [
        FolderFound(
            5.0,
            ONE,
            boot=builder.BOOT,
            seizure=builder.SEIZURE,
            gone=False,
            has_keys=keys,
            has_manifest=False,
            manifest_hash="",
            consented=True,
            ended_by_ledger="withdrawn",
            ended_seq=8,
            closed_in_ledger=True,
            receipted=False,
        )
    ]


def test_closed_gone_and_revoked_are_found(stand: Stand) -> None:
    """A closed and receipted recording, a destroyed one and an open revocation."""
    spool = stand.start()
    stand.record(spool)
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    digest = stand.of(RecordingClosed)[0].manifest_hash
    for epoch, at in (("e1", "2026-11-24T10:00:00Z"), ("e2", "2026-11-25T10:00:00.5Z")):
        said = Stored(box=builder.BOX, recording=ONE, at=at, epoch=epoch, manifest_hash=digest, copies=1)
        spool.keep_receipt(ONE, sign_receipt(said, builder.ARCHIVE_KEY), epoch)
    stand.record(spool, recording=TWO)
    with stand.news:
        assert stand.news.wait_for(lambda: stand.durable().count("keys.json") == 2, 20)
    spool.destroy(TWO)
    spool.sign_revoke(TWO, "withdrawn", ledger_seq=1)
    spool.close()
    stand.told.clear()
    again = stand.start()
    again.find(stand.post)
    one, two = stand.of(FolderFound)
    assert (one.recording, one.gone, one.receipted, one.has_manifest) == (ONE, False, True, True)
    assert (one.receipt_epoch, one.receipt_said_at) == ("e2", 1795600800.5)
    assert one.manifest_hash == sha256_hex(again.read(ONE, "manifest.jws"))
    assert (two.recording, two.gone, two.has_keys) == (TWO, True, True)
    assert stand.of(RevokeFound) == [RevokeFound(5.0, TWO)]


@pytest.mark.parametrize("wrong", ["recording", "manifest", "kind", "bytes"])
def test_a_receipt_that_says_nothing_of_it_is_found_as_none(stand: Stand, wrong: str) -> None:
    """Of another recording or manifest, no `stored`, or damaged: the recording has to be offered again."""
    spool = stand.start()
    stand.record(spool)
    spool.close_recording(closing())
    stand.wait_for(RecordingClosed)
    digest = stand.of(RecordingClosed)[0].manifest_hash
    about = {"box": builder.BOX, "at": "2026-11-24T10:00:00Z", "epoch": "e1"}
    said: Stored | Destroyed = {  # type: ignore[assignment]  # mypy joins the two to their base
        "recording": Stored(**about, recording=TWO, manifest_hash=digest, copies=1),
        "manifest": Stored(**about, recording=ONE, manifest_hash="0" * 64, copies=1),
        "kind": Destroyed(**about, recording=ONE),
        "bytes": Stored(**about, recording=ONE, manifest_hash=digest, copies=1),
    }[wrong]
    token = sign_receipt(said, builder.ARCHIVE_KEY)
    spool.keep_receipt(ONE, token[100:] if wrong == "bytes" else token, "e1")
    spool.close()
    stand.told.clear()
    stand.start().find(stand.post)
    (found,) = stand.of(FolderFound)
    assert (found.receipted, found.receipt_epoch, found.receipt_said_at) == (False, "", 0.0)


def test_an_interrupted_recording_is_finished_and_verifies(stand: Stand) -> None:
    """After a restart: what is there is hashed and signed as `interrupted`, and opens; again is the same manifest."""
    spool = stand.start()
    kept = stand.record(spool)
    spool.close()
    stand.told.clear()
    stand.consented()
    again = stand.start()
    for _ in range(2):
        again.finish_interrupted(ONE, ledger_seq=7, ledger_hash="cd" * 32)
    again.close()
    assert stand.verdict().ok, stand.verdict().wrong
    opened, clips = stand.opened()
    assert all(np.array_equal(a, b) for a, b in zip(clips, kept, strict=True))
    assert (opened.manifest.ended, opened.manifest.ledger.seq) == ("interrupted", 7)
    assert opened.details == [opening().personal]
    first, second = stand.of(RecordingClosed)
    assert first == second
    assert first.names[-1] == "manifest.jws"


def test_a_recording_set_aside_is_kept_unchanged_with_the_reason(stand: Stand) -> None:
    """It is no folder of the spool any more, and nothing of it is lost."""
    spool = stand.start()
    stand.record(spool)
    spool.close()
    before = {path.name: path.read_bytes() for path in stand.folder().iterdir()}
    again = stand.start()
    again.set_aside(ONE, "keys without consent in the ledger")
    again.set_aside(ONE, "keys without consent in the ledger")
    again.close()
    aside = stand.data / "aside"
    assert {path.name: path.read_bytes() for path in (aside / ONE).iterdir()} == before
    assert (aside / f"{ONE}.txt").read_text() == "keys without consent in the ledger\n"
    stand.told.clear()
    stand.start().find(stand.post)
    assert stand.told == []


@pytest.mark.parametrize(
    ("recording", "name"),
    [
        (ONE, "../../secret"),
        (ONE, "/etc/passwd"),
        (ONE, ".head.json.tmp"),
        (ONE, "head.json/"),
        (ONE, "head.json\n"),
        (ONE, "000000.clip.bak"),
        (ONE, ""),
        (ONE, "."),
        (ONE, "999999.clip"),
        (ONE, "manifest.jws"),
        (ONE, "revoke.jws"),
        ("..", "head.json"),
        ("", "head.json"),
        (f"{ONE}.gone", "head.json"),
        (f"../spool/{ONE}", "head.json"),
        ("../../x", "revoke.jws"),
        (ONE.upper(), "head.json"),
    ],
)
def test_only_files_of_a_recording_are_read(stand: Stand, recording: str, name: str) -> None:
    """Whatever name an archive asks for: a file of the format below the spool, or FileNotFoundError."""
    spool = stand.start()
    stand.record(spool, clips=1)
    (stand.data.parent / "secret").write_bytes(b"secret")
    with pytest.raises(FileNotFoundError):
        spool.read(recording, name)


def test_free_space_is_told_without_the_reserve(stand: Stand) -> None:
    """Below the reserve it is negative."""
    assert stand.start().free_bytes() > 0
    assert stand.spool(reserve_bytes=1 << 60).free_bytes() < 0
