"""A state is laid down on a real disk, the box starts on it, and how it goes on is seen (record.md, "Recovery")."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handschlag.adapters.clock import SystemClock
from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.ledger_file import LedgerFile
from handschlag.adapters.spool import DiskSpool, Identity
from handschlag.app import App
from handschlag.cli.box import assemble
from handschlag.cli.evidence import FolderFiles
from handschlag.cli.report import report as report_command
from handschlag.cli.storage import facts_of
from handschlag.core.fold import fold
from handschlag.core.readiness import cannot
from handschlag.ports import LedgerFacts
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.owner import OwnerMessage, sign_owner
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sealing.verify import verify_ledger
from handschlag.settings import load
from handschlag.sim.worker import InlineWorker
from tests.adapters.spool_bench import CONSENT, ONE, closing, opening, samples
from tests.sealing import builder
from tests.support.clock import HandClock
from tests.support.settings import NO_PARTS
from tests.system.house import BOX, House

OWNER = OwnerSecret.from_bytes(bytes(range(32)))
KEY = SigningKey.from_seed(bytes(32))
DAY = 86400.0
SETTINGS = (
    f"""[box]
name = "{BOX}"
data = "."
key = "box.key"
trust = "trust.json"

[consent]
line_users = [1]

"""
    + NO_PARTS
)


class Laid:
    """A disk on which a former run of the box left a recording in some state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        files, worker = RealFiles(), InlineWorker(on_error=_raise)
        for part in (folder, folder / "spool", folder / "ledger"):
            files.mkdir(str(part))
        self.ledger = LedgerFile(
            folder / "ledger", boot="b0", files=files, worker=worker, post=_ignore, clock=self.clock
        )
        self.until: str | None = "2036-01-01T00:00:00Z"
        self.spool = DiskSpool(
            folder,
            identity=Identity(BOX, KEY, (OWNER.workshop().public,), "0.1.0", "order", lambda _w, _s: self.until),
            files=files,
            worker=worker,
            codec=FlacCodec(),
            clock=self.clock,
            post=_ignore,
            facts=lambda _recording: LedgerFacts(),
            reserve_bytes=0,
        )

    def write(self, kind: str, **fields: Any) -> None:
        """An entry of the ledger."""
        self.ledger.append(kind, fields, 0)

    def grant(self) -> None:
        """The yes."""
        self.write("boot", boot="b0", version="0.1.0", settings="")
        self.write(
            "granted",
            recording=ONE,
            way="key",
            tap_boot=builder.BOOT,
            seizure=builder.SEIZURE,
            text_version="de-1",
            text_hash=builder.TEXT_HASH,
            leg="far",
        )

    def record(self, *, keys: bool = True, closed: bool = True) -> None:
        """Three clips, with wrapped keys and a manifest or without."""
        self.spool.open(opening())
        if keys:
            self.spool.write_keys(ONE)
        for index in range(3):
            self.spool.add_clip(ONE, index, index * 1600, samples(index))
        if closed:
            seq, line_hash = self.ledger.durable()
            consent = replace(CONSENT, ledger_seq=min(2, seq))
            self.spool.close_recording(replace(closing(), consent=consent, ledger_seq=seq, ledger_hash=line_hash))

    def closed(self) -> None:
        """The whole story up to `closed`."""
        self.grant()
        self.record()
        self.write("closed", recording=ONE, manifest="ab" * 32)

    @property
    def here(self) -> Path:
        """The recording's folder."""
        return self.folder / "spool" / ONE

    def gone(self) -> None:
        """Its folder was renamed, and no more."""
        self.here.rename(self.here.with_name(f"{ONE}.gone"))


def _raise(error: Exception) -> None:
    raise error


def _ignore(_event: object) -> None:
    """Nobody listens to a former run."""


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    """An empty disk."""
    return Laid(tmp_path / "data")


def started(laid: Laid) -> House:
    """The box starts, its line is idle, the archive answers."""
    house = House(laid.folder)
    house.world.run(1.0)
    return house


def left(house: House) -> set[str]:
    """What the spool still has."""
    return {path.name for path in house.recordings()}


@pytest.mark.parametrize("keys", [True, False])
def test_rule_1_a_gone_folder_is_finished(laid: Laid, keys: bool) -> None:  # noqa: FBT001 -- both
    """Removed; revoked at the archive if a key had been written."""
    laid.grant()
    laid.record(keys=keys, closed=False)
    laid.gone()
    house = started(laid)
    assert left(house) == set()
    assert house.archive.destroyed == ({ONE} if keys else set())
    assert len(house.entries("withdrawn" if keys else "destroyed")) == 1


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("kind", ["withdrawn", "purged", "expired", "destroyed", "erased"])
def test_rule_2_what_the_ledger_ended_is_destroyed(laid: Laid, kind: str, gone: bool) -> None:  # noqa: FBT001 -- both
    """A cut after the entry, before or after the rename: finished by the entry, without a second one."""
    laid.closed()
    if kind == "erased":
        said = {"by": "owner", "id": "i", "name": "erase", "counter": 1, "outcome": "done"}
        laid.write("command", recording=ONE, **said)
    else:
        laid.write(kind, recording=ONE, reason="x")
    if gone:
        laid.gone()
    house = started(laid)
    assert left(house) == set()
    assert len(house.entries("command" if kind == "erased" else kind)) == 1
    assert house.archive.destroyed == ({ONE} if kind in {"withdrawn", "destroyed"} else set())
    assert not house.archive.files.get(ONE)


def test_rule_3_neither_keys_nor_manifest(laid: Laid) -> None:
    """Never confirmed: gone, and the archive never hears of it."""
    laid.grant()
    laid.record(keys=False, closed=False)
    house = started(laid)
    assert left(house) == set()
    assert house.archive.files == {}
    assert len(house.entries("destroyed")) == 1


@pytest.mark.parametrize("what", ["manifest without keys", "keys without consent", "whole without consent"])
def test_rule_4_what_fits_no_story_is_set_aside(laid: Laid, what: str) -> None:
    """Moved to `aside`, unchanged, with a text, a fault in the ledger, and nothing sent."""
    if what == "manifest without keys":
        laid.closed()
        (laid.here / "keys.json").unlink()
    else:
        laid.write("boot", boot="b0", version="0.1.0", settings="")
        laid.record(closed=what == "whole without consent")
    before = {path.name: path.read_bytes() for path in laid.here.iterdir()}
    house = started(laid)
    aside = laid.folder / "aside" / ONE
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
    assert (laid.folder / "aside" / f"{ONE}.txt").read_text().strip()
    assert left(house) == set()
    assert house.archive.files == {}
    assert [entry["what"] for entry in house.entries("fault")] == ["recovery:set-aside"]


def test_rule_5_an_interrupted_recording_is_closed_and_sent(laid: Laid) -> None:
    """Hashed, signed as interrupted, written down, receipted; a torn temporary file is gone."""
    laid.grant()
    laid.record(closed=False)
    (laid.here / ".000003.clip.tmp").write_bytes(b"torn")
    house = started(laid)
    assert len(house.entries("interrupted")) == len(house.entries("closed")) == len(house.entries("receipted")) == 1
    assert (laid.here / "receipt.jws").exists()
    assert not list(laid.here.glob(".*"))
    assert set(house.archive.files[ONE]) >= {"manifest.jws", "keys.json", "000002.clip"}


def test_rule_6_closed_but_not_in_the_ledger(laid: Laid) -> None:
    """`closed` is written, then it is sent and receipted."""
    laid.grant()
    laid.record()
    house = started(laid)
    assert len(house.entries("closed")) == len(house.entries("receipted")) == 1
    assert (laid.here / "receipt.jws").exists()


# --- the whole program on its own disk


def place(laid: Laid) -> None:
    """Settings, keys and trust beside the data."""
    (laid.folder / "box.toml").write_text(SETTINGS)
    (laid.folder / "box.key").write_bytes(KEY.to_file())
    (laid.folder / "owner.key").write_bytes(OWNER.to_file())
    (laid.folder / "trust.json").write_bytes(write_trust(trust()))


def trust() -> Trust:
    """Whose word counts."""
    return Trust(
        boxes=(TrustedKey.of(VerifyKey(KEY.public), box=BOX),),
        owner=(TrustedKey.of(OWNER.signing().verify_key),),
        workshop=(TrustedRecipient.of(OWNER.workshop().public),),
    )


def run_until(laid: Laid, done: Callable[[App], bool], wall: float | None = None) -> App:
    """Start the box as `handschlag run` does, and stop it when something has come about."""
    place(laid)
    reached = False

    def look(app: App) -> None:
        nonlocal reached
        if not reached and done(app):
            reached = True
            app.stop()

    with pytest.MonkeyPatch.context() as patch:
        if wall is not None:
            patch.setattr(SystemClock, "wall", lambda _clock: (wall, True))
        app = assemble(load(laid.folder / "box.toml"), on_change=look)
        guard = threading.Timer(30.0, app.stop)
        guard.start()
        app.start()
        app.run()
        guard.cancel()
        app.close()
    assert reached
    return app


def entries(laid: Laid) -> list[dict[str, Any]]:
    """The ledger as the next start reads it."""
    files = RealFiles()
    worker = InlineWorker(on_error=_raise)
    ledger = LedgerFile(laid.folder / "ledger", boot="x", files=files, worker=worker, post=_ignore, clock=laid.clock)
    return [dict(entry) for entry in ledger.entries()]


def has(app: App, kind: str, **fields: object) -> bool:
    """Whether the ledger has such an entry, durably."""
    return any(
        entry["kind"] == kind and all(entry.get(name) == value for name, value in fields.items())
        for entry in app.ports.ledger.entries()
    )


def test_a_damaged_catalog_is_moved_aside_and_rebuilt(laid: Laid) -> None:
    """Spool and ledger are the truth: what waits is queued again, and its row written when it moves."""
    laid.closed()
    laid.folder.joinpath("catalog.log").write_bytes(b"00000000 {}\n" * 5)
    app = run_until(laid, lambda app: ONE in app.state.delivery.queue)
    assert (laid.folder / "catalog.log.damaged").exists()
    assert ONE in app.state.call.keeping.closed


def test_a_recording_whose_time_is_over_goes_and_a_cut_in_between_changes_nothing(laid: Laid) -> None:
    """Expired: the entry first; on a disk where only the entry arrived, the next start finishes it."""
    laid.until = "2026-11-24T00:00:00Z"
    laid.closed()
    kept = {path.name: path.read_bytes() for path in laid.here.iterdir()}
    over = laid.clock.now + 30 * DAY
    run_until(laid, lambda app: has(app, "expired", recording=ONE) and not laid.here.exists(), wall=over)
    laid.here.mkdir()
    for name, data in kept.items():
        (laid.here / name).write_bytes(data)
    run_until(laid, lambda _app: not list((laid.folder / "spool").iterdir()))
    assert len([entry for entry in entries(laid) if entry["kind"] == "expired"]) == 1


def test_the_owners_file_erases_and_is_removed_when_it_is_written_down(laid: Laid) -> None:
    """A box without an archive hears the owner all the same."""
    laid.closed()
    (laid.folder / "owner").mkdir()
    said = OwnerMessage(box=BOX, name="erase", counter=1, at=builder.AT, recording=ONE)
    path = laid.folder / "owner" / "erase.jws"
    path.write_bytes(sign_owner(said, OWNER.signing()))
    run_until(laid, lambda _app: not path.exists() and not list((laid.folder / "spool").iterdir()))
    (entry,) = [entry for entry in entries(laid) if entry["kind"] == "command"]
    assert (entry["name"], entry["recording"], entry["outcome"]) == ("erase", ONE, "done")


def break_middle(laid: Laid) -> None:
    """A byte of an old entry is another one."""
    (path,) = (laid.folder / "ledger").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"leg":"far"', b'"leg":"fat"'))


def cut_end(laid: Laid) -> None:
    """Whole entries are missing at the end, which the recording's manifest names."""
    (path,) = (laid.folder / "ledger").glob("*.jsonl")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def remove(laid: Laid) -> None:
    """All of it is missing."""
    for path in (laid.folder / "ledger").glob("*.jsonl"):
        path.unlink()


@pytest.mark.parametrize("damage", [break_middle, cut_end, remove])
def test_a_doubted_ledger_does_not_stop_the_box_and_the_owner_lifts_it(
    laid: Laid, damage: Callable[[Laid], None]
) -> None:
    """It starts, says why it cannot record, still says so after a restart; then a new epoch, and verify tells all."""
    laid.closed()
    damage(laid)
    app = run_until(laid, lambda app: has(app, "fault", what="ledger:doubted"))
    assert app.state.call.ledger_doubt
    app = run_until(laid, lambda app: len(app.state.call.deadlines) > 0 and has(app, "boot", boot=app.state.call.boot))
    assert app.state.call.ledger_doubt
    before = verify_ledger(FolderFiles(laid.folder / "ledger"), trust(), box=BOX)
    assert not before.ok
    assert "no new epoch" in str(before.wrong)
    (laid.folder / "owner").mkdir()
    said = OwnerMessage(box=BOX, name="epoch", counter=1, at=builder.AT, epoch=2)
    (laid.folder / "owner" / "epoch.jws").write_bytes(sign_owner(said, OWNER.signing()))
    run_until(laid, lambda app: has(app, "command", name="epoch", outcome="done") and not app.state.call.ledger_doubt)
    app = run_until(laid, lambda app: has(app, "boot", boot=app.state.call.boot) and not app.state.call.ledger_doubt)
    assert cannot(app.state.call) != "ledger-doubted"
    after = verify_ledger(FolderFiles(laid.folder / "ledger"), trust(), box=BOX)
    assert after.ok, after.wrong
    assert damage is not break_middle or "NOT proven" in after.checked["ledger"]
    report_command("2026-11", None, laid.folder / "ledger", laid.folder / "trust.json")


def test_a_torn_end_is_no_doubt(laid: Laid) -> None:
    """What a cut leaves behind the last entry is dropped, and nobody is asked."""
    laid.closed()
    (path,) = (laid.folder / "ledger").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"seq":4,"pr' + b"\0" * 99)
    app = run_until(laid, lambda app: has(app, "boot", boot=app.state.call.boot))
    assert not app.state.call.ledger_doubt
    assert fold(entries(laid)).ledger_doubt == ""
    assert facts_of(fold(entries(laid)), ONE).consented
