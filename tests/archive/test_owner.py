"""The owner's word at the archive: what it does, whose word counts, and that nothing else changes anything."""

import itertools
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.receipt import Destroyed, Refused, Stored
from handschlag.sealing.revoke import sign_revoke
from handschlag.sealing.trust import Trust
from handschlag_archive import owner
from handschlag_archive.erasures import check
from handschlag_archive.index import State, Which, Why
from handschlag_archive.periods import keep_until, moment, written
from handschlag_archive.retention import Retention
from handschlag_archive.stores.port import Place
from tests.archive.conftest import Folders, over_sqlite
from tests.archive.desk import Desk, PowerCut, all_up, two_boxes, up
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, OPERATOR_KEY, OTHER_RECORDING, OWNER, RECORDING, build

ORDER = {"retention_class": "order", "retain_until": "2030-01-01T00:00:00Z"}
BUILT = build(receipt=False, changes=ORDER)
SENT = all_up(BUILT.files)
STRANGER = SigningKey.from_seed(b"stranger" + bytes(24))


def _revoke(key: SigningKey) -> bytes:
    return sign_revoke(box=BOX, recording=RECORDING, reason="withdrawn", at=AT, ledger_seq=0, key=key)


def _expire(desk: Desk, now: datetime) -> dict[str, int]:
    retention = Retention(index=desk.index, destroying=desk.destroying, key=ARCHIVE_KEY)
    return retention.run(now, clock_is_right=True).expired


def _end(desk: Desk) -> tuple[str | None, str | None]:
    row = desk.row()
    assert row is not None
    return row.kept_for, row.retain_until


def _assert_erased(desk: Desk, why: Why = Why.ERASED) -> None:
    assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())
    with desk.index.transaction() as transaction:
        (tomb,) = transaction.tombs()
    assert tomb.why is why
    entries = [entry for entry in desk.erasures.entries() if entry.destroys]
    assert [check(entry, two_boxes(), ARCHIVE_KEY.verify_key) for entry in entries] == [why]
    assert all(isinstance(one, Destroyed) for one in desk.take(*SENT))
    assert desk.on_disk() == set()


@over_sqlite
@pytest.mark.parametrize("before", [0, 3, len(SENT) - 1, len(SENT)])
def test_an_erasure_destroys_whatever_has_come_so_far(desk: Desk, before: int) -> None:
    """Never seen, coming in, or stored: keys and clips go, the tombstone stands, what comes later stays out."""
    desk.take(*SENT[:before])
    taken = desk.owner.take(word("erase"))
    assert (taken.outcome, taken.again, taken.waits) == ("done", False, "")
    _assert_erased(desk)


def test_of_an_erased_recording_a_lock_keeps_clips_only(desk: Desk) -> None:
    """Clips under a lock stay until it ends, unreadable: the keys are gone at once."""
    desk.take(*SENT)
    desk.clips.locked = lambda place: place.name.endswith(".clip")
    desk.owner.take(word("erase"))
    assert desk.state() is State.DESTROYED
    assert desk.on_disk() == {"000000.clip", "000001.clip", "000002.clip"}


def test_a_held_recording_is_not_erased_until_it_is_released(desk: Desk) -> None:
    """Hold, erase, release, erase: only the last destroys; each is answered with what came of it."""
    desk.take(*SENT)
    tokens = [word("hold", counter=1), word("erase", counter=2), word("release", counter=3)]
    outcomes = [desk.owner.take(token).outcome for token in tokens]
    assert outcomes == ["done", "held", "done"]
    assert desk.on_disk() == set(BUILT.files)
    assert desk.owner.take(word("erase", counter=4)).outcome == "done"
    _assert_erased(desk)
    assert desk.owner.take(word("hold", counter=5)).outcome == "gone"


def test_a_hold_keeps_what_is_over(desk: Desk) -> None:
    """A held recording does not expire; released, it does."""
    desk.take(*SENT)
    later = desk.wall + timedelta(days=9999)
    desk.owner.take(word("hold", counter=1))
    assert _expire(desk, later) == {}
    desk.owner.take(word("release", counter=2))
    assert _expire(desk, later) == {"order": 1}


@pytest.mark.parametrize("before", [0, 3])
def test_hold_and_class_said_before_it_is_stored_count_once_it_is(desk: Desk, before: int) -> None:
    """The owner spoke while the box was still sending, or offline: nothing of it is forgotten."""
    desk.take(*SENT[:before])
    assert desk.owner.take(word("hold", counter=1)).outcome == "not-yet"
    assert desk.owner.take(word("class", counter=2, kept_for="building")).outcome == "not-yet"
    assert desk.owner.take(word("erase", counter=3)).outcome == "held"
    assert isinstance(desk.take(*SENT)[-1], Stored)
    row = desk.row()
    assert row is not None
    assert row.held
    assert (row.kept_for, row.retain_until) == ("building", "2031-11-02T09:15:00.000Z")


def test_the_last_word_on_holding_counts(desk: Desk) -> None:
    """Held and released before it was stored: it is not held."""
    desk.owner.take(word("hold", counter=1))
    desk.owner.take(word("release", counter=2))
    desk.take(*SENT)
    row = desk.row()
    assert row is not None
    assert not row.held


@over_sqlite
@pytest.mark.parametrize("kept_for", ["inquiry", "order", "repair", "building"])
def test_a_class_counts_from_the_recordings_own_date(desk: Desk, kept_for: str) -> None:
    """Whatever it was kept for before: the end is that of the class from the day it was closed."""
    desk.take(*SENT)
    assert desk.owner.take(word("class", kept_for=kept_for)).outcome == "done"
    end = keep_until(kept_for, moment(BUILT.manifest.closed_at))
    assert end is not None
    assert _end(desk) == (kept_for, written(end))
    assert _expire(desk, end - timedelta(seconds=1)) == {}
    assert _expire(desk, end) == {kept_for: 1}


def test_without_a_trusted_date_a_class_counts_from_the_storing(desk: Desk) -> None:
    """The box did not know the time when it closed the recording: its word on the date is not used."""
    built = build(receipt=False, changes={"clock": "unsynced", "closed_at": "2001-01-01T00:00:00Z", **ORDER})
    desk.take(*all_up(built.files))
    row = desk.row()
    assert row is not None
    assert row.stored_at is not None
    desk.owner.take(word("class", kept_for="inquiry"))
    assert _end(desk) == ("inquiry", written(moment(row.stored_at) + timedelta(days=90)))


def test_a_lock_follows_the_class_and_never_keeps_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer class locks the clips for longer, and nothing else."""
    desk.take(*SENT)
    locked: list[tuple[Place, datetime]] = []

    def protect(places: Iterable[Place], until: datetime) -> None:
        locked.extend((place, until) for place in places)

    monkeypatch.setattr(desk.clips, "protect", protect)
    desk.owner.take(word("class", kept_for="building"))
    assert {place.name for place, _ in locked} == set(BUILT.files) - {"keys.json"}
    assert {written(until) for _, until in locked} == {"2031-11-02T09:15:00.000Z"}


def _expired_owner() -> Trust:
    known = two_boxes()
    old = msgspec.structs.replace(known.owner[0], valid_until="2026-11-03T00:00:00Z")
    return msgspec.structs.replace(known, owner=(old,))


@over_sqlite
@pytest.mark.parametrize(
    ("token", "says"),
    [
        (word("erase", key=STRANGER), "knows no key"),
        (word("erase", key=BOX_KEY), "knows no key"),
        (word("erase", key=ARCHIVE_KEY), "knows no key"),
        (word("erase", key=OPERATOR_KEY), "knows no key"),
        (word("erase", box="nobody"), "does not know"),
        (word("erase", counter=7), "allowed are higher ones"),
        (word("erase", counter=6), "allowed are higher ones"),
        (word("erase", counter=99)[:-8] + b"AAAAAAAA", "message"),
        (b"rubbish", "not a compact JWS"),
        (b"", "not a compact JWS"),
        (b"x" * 100_000, "at most"),
        (BUILT.files["manifest.jws"], "expected 'handschlag-owner'"),
        (_revoke(BOX_KEY), "expected 'handschlag-owner'"),
        (_revoke(STRANGER), "expected 'handschlag-owner'"),
    ],
    ids=[
        "stranger",
        "box",
        "archive",
        "operator",
        "other box",
        "same counter",
        "older",
        "bent",
        "rubbish",
        "empty",
        "long",
        "manifest",
        "the box's revocation",
        "a stranger's revocation",
    ],
)
def test_what_is_not_the_owners_newest_word_changes_nothing(desk: Desk, token: bytes, says: str) -> None:
    """Forged, foreign and replayed ones are refused in words; index, stores, list and wire stay as they were."""
    desk.take(*SENT)
    desk.owner.take(word("hold", counter=7, recording=OTHER_RECORDING))
    before = desk.row(), desk.on_disk(), len(list(desk.erasures.entries()))
    with pytest.raises(owner.Refused, match=says):
        desk.owner.take(token)
    assert (desk.row(), desk.on_disk(), len(list(desk.erasures.entries()))) == before
    with desk.index.transaction() as transaction:
        assert len(transaction.words()) == 1


def test_a_key_that_is_over_says_nothing_any_more(tmp_path: Path) -> None:
    """The owner's key was replaced: what somebody signs with the old one later does not count."""
    with closing(Desk(tmp_path, trust_of=_expired_owner)) as desk:
        desk.take(*SENT)
        with pytest.raises(owner.Refused, match="was valid until"):
            desk.owner.take(word("erase"))
        assert desk.state() is State.STORED


def test_each_box_has_a_counter_of_its_own(desk: Desk) -> None:
    """A high counter for one box does not make the owner mute for another."""
    desk.owner.take(word("hold", counter=1000))
    assert desk.owner.take(word("hold", counter=1, box="werkstatt-2")).outcome == "not-yet"


def test_the_same_message_again_is_answered_as_before(desk: Desk) -> None:
    """Whoever carries it may bring it twice: the outcome is told again, and nothing happens again."""
    desk.take(*SENT)
    first = desk.owner.take(word("hold", counter=1))
    desk.owner.take(word("release", counter=2))
    again = desk.owner.take(word("hold", counter=1))
    assert (again.outcome, again.again, again.id) == (first.outcome, True, first.id)
    row = desk.row()
    assert row is not None
    assert not row.held


def test_the_owner_withdraws_what_is_stored_and_held(desk: Desk) -> None:
    """The box may not revoke any more; the owner may, and a hold is no reason against a withdrawn consent."""
    desk.take(*SENT)
    desk.owner.take(word("hold"))
    assert isinstance(desk.take(up("revoke.jws", _revoke(BOX_KEY)))[0], Refused)
    taken = desk.owner.take(_revoke(OWNER.signing()))
    assert (taken.name, taken.outcome, taken.again) == ("revoke", "done", False)
    _assert_erased(desk, Why.REVOKED)
    assert desk.owner.take(_revoke(OWNER.signing())).again


def test_a_store_that_is_away_delays_an_erasure_and_forgets_it_not(desk: Desk) -> None:
    """The tombstone stands at once, whoever asks is told that it waits, and the worker finishes it later."""
    desk.take(*SENT)
    desk.keys.away = True
    assert "away" in desk.owner.take(word("erase")).waits
    assert desk.state() is State.DESTROYING
    assert desk.take(*SENT) == []
    desk.keys.away = False
    assert any(isinstance(receipt, Destroyed) for receipt in desk.wait(6))
    assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("erase", word("erase")),
        ("hold", word("hold")),
        ("class", word("class", kept_for="building")),
        ("epoch", word("epoch", epoch=3)),
    ],
)
def test_after_a_cut_at_any_step_the_message_can_be_given_again(folders: Folders, name: str, token: bytes) -> None:
    """Cut while it is taken: no key is gone without its entry in the list, and to give it again is enough."""
    for cut_at in itertools.count(1):
        with closing(Desk(folders())) as desk:
            desk.take(*SENT)
            desk.cut.steps, desk.cut.at = 0, cut_at
            try:
                desk.owner.take(token)
            except PowerCut:
                was_cut = True
            else:
                was_cut = False
            desk.cut.at = None
            if "keys.json" not in desk.on_disk():
                assert [entry.which for entry in desk.erasures.entries()] == [Which(BOX, RECORDING)]
            desk.start()
            assert desk.owner.take(token).outcome == "done"
            row = desk.row()
            assert row is not None
            assert (row.state is State.DESTROYED) is (name == "erase")
            assert row.held is (name == "hold")
            assert (row.kept_for == "building") is (name == "class")
            with desk.index.transaction() as transaction:
                assert [one.token for one in transaction.words()] == [token]
            assert [entry.proof for entry in desk.erasures.entries()] == [token]
        if not was_cut:
            return
