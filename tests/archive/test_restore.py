"""An archive restored from yesterday's backup: refused as it is, and after `restored` nothing destroyed is back."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from handschlag.sealing.receipt import Destroyed, Stored
from handschlag.sealing.revoke import sign_revoke
from handschlag_archive.age import Behind, check_age, mark
from handschlag_archive.erasures import Entry
from handschlag_archive.index import State, Which, Why
from handschlag_archive.ingest import Message
from handschlag_archive.owner import Refused
from handschlag_archive.restore import Restore, Restored
from handschlag_archive.retention import Retention
from tests.archive.conftest import Folders
from tests.archive.desk import Desk, PowerCut, all_up, two_boxes, up
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, build

ERASED, EXPIRED, HELD, RECLASSED, WITHDRAWN, UNTOUCHED, LATE = (
    f"01890a5d-ac96-774b-bcce-b302099a{number:04x}" for number in range(7)
)
GONE = (ERASED, EXPIRED, WITHDRAWN)
ENDS = {EXPIRED: "2026-11-20T00:00:00Z", HELD: "2026-11-21T00:00:00Z"}


def _sent(recording: str) -> list[Message]:
    changes = {"retention_class": "order", "retain_until": ENDS.get(recording, "2030-01-01T00:00:00Z")}
    return all_up(build(recording=recording, receipt=False, clips=1, changes=changes).files, recording=recording)


SENT = {recording: _sent(recording) for recording in (*GONE, HELD, RECLASSED, UNTOUCHED, LATE)}
REVOKE = up(
    "revoke.jws",
    sign_revoke(box=BOX, recording=WITHDRAWN, reason="withdrawn", at=AT, ledger_seq=5, key=BOX_KEY),
    recording=WITHDRAWN,
)
WORDS = (
    word("hold", counter=1, recording=HELD),
    word("class", counter=2, recording=RECLASSED, kept_for="building"),
    word("erase", counter=3, recording=ERASED),
)


def _yesterday(desk: Desk) -> None:
    """What the backup has: everything stored but what is withdrawn or comes later."""
    for recording in (ERASED, EXPIRED, HELD, RECLASSED, UNTOUCHED):
        assert isinstance(desk.take(*SENT[recording])[-1], Stored)
    desk.take(*SENT[WITHDRAWN][:-1])


def _today(desk: Desk) -> None:
    """What the backup does not know."""
    for token in WORDS:
        assert desk.owner.take(token).outcome == "done"
    assert _expire(desk) == {"order": 1}
    desk.take(REVOKE)
    assert isinstance(desk.take(*SENT[LATE])[-1], Stored)


def _expire(desk: Desk) -> dict[str, int]:
    retention = Retention(index=desk.index, destroying=desk.destroying, key=ARCHIVE_KEY)
    return retention.run(desk.wall, clock_is_right=True).expired


def _back_up(desk: Desk, parts: Sequence[str]) -> None:
    desk.close()
    for part in parts:
        for path in desk.folder.glob(f"{part}*"):
            copy = desk.folder / "backup" / path.name
            shutil.copytree(path, copy) if path.is_dir() else _copy(path, copy)
    desk.start()


def _put_back(desk: Desk, parts: Sequence[str]) -> None:
    desk.close()
    for part in parts:
        for path in desk.folder.glob(f"{part}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (desk.folder / "backup").glob(f"{part}*"):
            copy = desk.folder / path.name
            shutil.copytree(path, copy) if path.is_dir() else _copy(path, copy)


def _copy(path: Path, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(path, copy)


def _restore(desk: Desk) -> Restored:
    return Restore(
        index=desk.index,
        clips=desk.clips,
        keys=desk.keys,
        erasures=desk.erasures,
        destroying=desk.destroying,
        owner=desk.owner,
        trust=two_boxes,
        own=ARCHIVE_KEY.verify_key,
    ).run(desk.wall)


def _assert_as_it_was(desk: Desk) -> None:
    """Everything that was destroyed is, the owner's word counts, the rest is stored."""
    for recording in GONE:
        assert (desk.state(recording=recording), desk.on_disk(recording=recording)) == (State.DESTROYED, set())
        assert all(isinstance(receipt, Destroyed) for receipt in desk.take(*SENT[recording]))
        assert desk.on_disk(recording=recording) == set()
    held, reclassed = desk.row(recording=HELD), desk.row(recording=RECLASSED)
    assert held is not None
    assert held.held
    assert reclassed is not None
    assert (reclassed.kept_for, reclassed.retain_until) == ("building", "2031-11-02T09:15:00.000Z")
    assert _expire(desk) == {}
    for recording in (HELD, RECLASSED, UNTOUCHED, LATE):
        assert desk.state(recording=recording) is State.STORED


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Desk]:
    """An archive on its own database file, which can be put back."""
    with closing(Desk(tmp_path)) as desk:
        yield desk


@pytest.mark.parametrize(
    ("parts", "back"),
    [(("index",), 2), (("index", "keys"), 3), (("index", "clips", "keys"), 3), (("keys",), 3)],
    ids=["database", "database and keys", "all but the list", "keys"],
)
def test_nothing_that_was_destroyed_comes_back(story: Desk, parts: tuple[str, ...], back: int) -> None:
    """Erased, expired, withdrawn since the backup: gone again; what was held and reclassed is; the rest is stored."""
    _yesterday(story)
    _back_up(story, parts)
    _today(story)
    story.destroying.settle(story.wall + timedelta(hours=2))  # no start clears them by itself any more
    _put_back(story, parts)
    story.start()
    if "index" in parts:
        with pytest.raises(Behind, match="restored --config"):
            check_age(story.index, story.erasures)
    before = story.index.epoch
    report = _restore(story)
    check_age(story.index, story.erasures)
    assert report.epoch != before
    assert (report.entries, report.unchecked) == (5, ())
    assert report.back == back
    assert report.words == (0 if parts == ("keys",) else 3)
    story.start()
    if "clips" in parts or "keys" in parts:  # what was stored since is lost here; its box still has it
        story.take(*SENT[LATE])
        story.take(*SENT[LATE])  # that some of it is lost was found at the first
    _assert_as_it_was(story)
    (receipt,) = story.take(SENT[UNTOUCHED][-1])
    assert isinstance(receipt, Stored)
    assert receipt.epoch == report.epoch


def test_what_was_stored_since_the_backup_is_taken_in_again_from_the_stores(story: Desk) -> None:
    """Only the database was put back: the recording lies there whole, and its box need not send it again."""
    _yesterday(story)
    _back_up(story, ("index",))
    _today(story)
    _put_back(story, ("index",))
    story.start()
    assert story.state(recording=LATE) is None
    assert _restore(story).adopted == 1
    receipts = story.start()
    assert [receipt.recording for receipt in receipts if isinstance(receipt, Stored)] == [LATE]
    assert story.state(recording=LATE) is State.STORED


def test_counters_are_not_set_back(story: Desk) -> None:
    """The restored database knows no counter of today: an old message does not count all the same."""
    _yesterday(story)
    _back_up(story, ("index",))
    _today(story)
    _put_back(story, ("index",))
    story.start()
    _restore(story)
    with pytest.raises(Refused, match="allowed are higher ones"):
        story.owner.take(word("erase", counter=2, recording=UNTOUCHED))
    assert story.owner.take(WORDS[0]).again


def test_a_word_that_did_nothing_is_remembered_too(story: Desk) -> None:
    """An erasure of what was held came to nothing; after the restore it must not erase what is released by then."""
    _yesterday(story)
    _back_up(story, ("index",))
    erase = word("erase", counter=2, recording=HELD)
    story.owner.take(word("hold", counter=1, recording=HELD))
    assert story.owner.take(erase).outcome == "held"
    story.owner.take(word("release", counter=3, recording=HELD))
    mark(story.index, story.erasures)
    _put_back(story, ("index",))
    story.start()
    assert _restore(story).words == 3
    assert story.owner.take(erase).again
    assert story.state(recording=HELD) is State.STORED


def test_the_boxes_are_told_again_what_the_database_forgot(story: Desk) -> None:
    """Whether they had answered is not known any more; a box answers the same message as before."""
    _yesterday(story)
    _back_up(story, ("index",))
    _today(story)
    _put_back(story, ("index",))
    story.start()
    _restore(story)
    story.told.clear()
    story.wait(3600)
    assert [token for _, token in story.told] == list(WORDS)


def test_after_a_cut_at_any_step_it_is_refused_until_it_was_finished(folders: Folders) -> None:
    """No step of `restored` leaves an archive that starts with half of the list applied; again is always enough."""
    template = folders()
    with closing(Desk(template)) as desk:
        _yesterday(desk)
        _back_up(desk, ("index",))
        _today(desk)
        _put_back(desk, ("index",))
    step = 1
    for cut_at in itertools.count(1, 7):
        folder = folders() / "archive"
        shutil.copytree(template, folder)
        with closing(Desk(folder)) as desk:
            desk.cut.steps, desk.cut.at = 0, cut_at
            try:
                _restore(desk)
            except PowerCut:
                was_cut = True
            else:
                was_cut = False
            desk.cut.at = None
            if was_cut and any(desk.state(recording=each) is State.STORED for each in GONE):
                with pytest.raises(Behind):
                    check_age(desk.index, desk.erasures)
            _restore(desk)
            check_age(desk.index, desk.erasures)
            desk.start()
            _assert_as_it_was(desk)
        step = cut_at
        if not was_cut:
            break
    assert step > 30


def test_a_backup_from_before_the_last_start_is_refused(story: Desk) -> None:
    """Nothing was destroyed since, but something may have been stored: each start leaves its mark."""
    mark(story.index, story.erasures)
    _back_up(story, ("index",))
    story.start()
    check_age(story.index, story.erasures)
    mark(story.index, story.erasures)
    _put_back(story, ("index",))
    story.start()
    with pytest.raises(Behind):
        check_age(story.index, story.erasures)


def test_an_archive_that_was_not_restored_is_never_refused(story: Desk) -> None:
    """Starts, words, expiries, a cut between index and mark: the list is never ahead of its own index."""
    check_age(story.index, story.erasures)
    _yesterday(story)
    _today(story)
    check_age(story.index, story.erasures)
    story.cut.at = story.cut.steps + 3
    with pytest.raises(PowerCut):
        mark(story.index, story.erasures)
    story.start()
    check_age(story.index, story.erasures)


def test_a_list_that_is_lost_is_written_anew(story: Desk) -> None:
    """The place of the list was emptied: the next start writes every tombstone's word into it again."""
    _yesterday(story)
    _today(story)
    before = {(entry.which, entry.name) for entry in story.erasures.entries() if entry.destroys}
    shutil.rmtree(story.folder / "erasures")
    story.start()
    mark(story.index, story.erasures)
    assert {(entry.which, entry.name) for entry in story.erasures.entries()} == before
    assert len(before) == 3


def test_what_cannot_be_checked_is_applied_and_alarmed(story: Desk) -> None:
    """A bent entry, and one of a box that nobody knows any more: destroyed all the same, and somebody is told."""
    _yesterday(story)
    bent = WORDS[2][:-4] + b"AAAA"
    story.erasures.add([Entry(Which(BOX, ERASED), "erase.jws", bent)], 1)
    story.erasures.add([Entry(Which("old-box", EXPIRED), "revoke.jws", REVOKE.payload)], 2)
    (path,) = (story.folder / "erasures" / "old-box" / EXPIRED).iterdir()
    path.write_bytes(b"lost")
    report = _restore(story)
    assert [each.split(":")[0] for each in report.unchecked] == [f"old-box/{EXPIRED}", f"{BOX}/{ERASED}"]
    assert story.state(recording=ERASED) is State.DESTROYED
    assert story.state("old-box", EXPIRED) is State.DESTROYED
    with story.index.transaction() as transaction:
        assert {(alarm.kind, alarm.box, alarm.subject) for alarm in transaction.alarms()} == {
            ("erasure-list", BOX, ERASED),
            ("erasure-list", "old-box", EXPIRED),
        }
        assert {tomb.why for tomb in transaction.tombs()} == {Why.ERASED, Why.WITHDRAWN}


def test_without_the_list_nothing_is_finished(story: Desk) -> None:
    """A key store that is away: `restored` fails, and the archive stays refused."""
    _yesterday(story)
    _back_up(story, ("index",))
    _today(story)
    _put_back(story, ("index",))
    story.start()
    story.keys.away = True
    with pytest.raises(OSError, match="away"):
        _restore(story)
    story.keys.away = False
    with pytest.raises(Behind, match="not finished"):
        check_age(story.index, story.erasures)
    _restore(story)
    check_age(story.index, story.erasures)


def test_a_box_that_was_quiet_for_a_day_loses_nothing(story: Desk) -> None:
    """Restored, and a day later the box offers again what it has: each is answered in the new epoch."""
    _yesterday(story)
    _back_up(story, ("index",))
    _today(story)
    _put_back(story, ("index",))
    story.start()
    epoch = _restore(story).epoch
    story.start()
    story.wait(timedelta(days=1).total_seconds())
    for recording in (HELD, RECLASSED, UNTOUCHED, LATE):
        (receipt,) = story.take(SENT[recording][-1])
        assert isinstance(receipt, Stored)
        assert receipt.epoch == epoch
