"""The owner's messages on their way to the boxes: until they answer, and not more often than they should."""

import json

import pytest

from handschlag.sealing.owner import message_id
from handschlag_archive.ingest import Message
from tests.archive.conftest import over_sqlite
from tests.archive.desk import OTHER_BOX, Desk, up
from tests.archive.words import word
from tests.sealing.builder import BOX

HOLD, RELEASE = word("hold", counter=1), word("release", counter=2)
SIGN_OF_LIFE = up("head.json", b"x")


def _reply(token: bytes, outcome: str = "done", *, box: str = BOX) -> Message:
    return Message(f"handschlag/1/{box}/up/reply/{message_id(token)}", json.dumps({"outcome": outcome}).encode())


def _told(desk: Desk) -> list[tuple[str, bytes]]:
    told, desk.told = desk.told, []
    return told


def _open_words(desk: Desk) -> list[bytes]:
    with desk.index.transaction() as transaction:
        return [each.token for each in transaction.unanswered(BOX)]


def test_what_is_new_is_sent_at_once_and_in_order(desk: Desk) -> None:
    """A box that is there gets it within seconds, without having to say anything first."""
    desk.owner.take(HOLD)
    desk.owner.take(RELEASE)
    desk.wait(6)
    assert _told(desk) == [(BOX, HOLD), (BOX, RELEASE)]


def test_it_is_sent_again_when_the_box_shows_itself_but_not_within_a_minute(desk: Desk) -> None:
    """A box that was offline hears it when it comes back; one that talks all the time is not talked over."""
    desk.owner.take(HOLD)
    desk.wait(6)
    _told(desk)
    for _ in range(9):
        desk.wait(6)
        desk.take(SIGN_OF_LIFE)
    assert _told(desk) == []
    desk.wait(6)
    desk.take(SIGN_OF_LIFE)
    assert _told(desk) == [(BOX, HOLD)]
    desk.wait(61)
    assert _told(desk) == []
    desk.take(up("head.json", b"x", box=OTHER_BOX))
    assert _told(desk) == []
    desk.take(SIGN_OF_LIFE)
    assert _told(desk) == [(BOX, HOLD)]


def test_a_silent_box_is_told_each_hour(desk: Desk) -> None:
    """It may be there and have nothing to say: days without a call."""
    desk.owner.take(HOLD)
    desk.wait(6)
    _told(desk)
    for _ in range(70):
        desk.wait(60)
    assert _told(desk) == [(BOX, HOLD)]


def test_a_new_connection_tells_what_is_not_answered(desk: Desk) -> None:
    """A worker that starts, or finds its broker again, begins with what is open; the minute counts for it, too."""
    desk.owner.take(HOLD)
    desk.start()
    assert _told(desk) == [(BOX, HOLD)]
    desk.start()
    assert _told(desk) == []
    desk.wait(61)
    desk.start()
    assert _told(desk) == [(BOX, HOLD)]


def test_an_answer_ends_it(desk: Desk) -> None:
    """Answered is answered, for every worker and after every start; the first answer stands."""
    desk.owner.take(HOLD)
    desk.owner.take(RELEASE)
    desk.wait(6)
    assert desk.take(_reply(HOLD)) == []
    assert desk.take(_reply(HOLD, "replayed")) == []
    _told(desk)
    desk.wait(61)
    desk.take(SIGN_OF_LIFE)
    assert _told(desk) == [(BOX, RELEASE)]
    with desk.index.transaction() as transaction:
        assert [each.reply for each in transaction.words(BOX)] == ["done", None]


@over_sqlite
@pytest.mark.parametrize(
    ("message", "why"),
    [
        (_reply(HOLD, box=OTHER_BOX), "reply to nobody here"),
        (_reply(RELEASE), "reply to nobody here"),
        (_reply(HOLD, ""), "bad reply"),
        (_reply(HOLD, "a b"), "bad reply"),
        (_reply(HOLD, "a" * 65), "bad reply"),
        (Message(_reply(HOLD).topic, b"done"), "bad reply"),
        (Message(_reply(HOLD).topic, b'{"outcome":"done"}' + b" " * 2000), "too large"),
    ],
)
def test_what_is_no_answer_ends_nothing(desk: Desk, message: Message, why: str) -> None:
    """Another box's answer, an answer to something else, rubbish: counted, and the message is still to be told."""
    desk.owner.take(HOLD)
    assert desk.take(message) == []
    assert dict(desk.ingest.counts) == {why: 1}
    assert _open_words(desk) == [HOLD]


def test_what_the_box_did_not_do_is_alarmed(desk: Desk) -> None:
    """An erasure of what is being recorded just now is not done: somebody must say it again."""
    desk.owner.take(HOLD)
    desk.take(_reply(HOLD, "running"))
    assert _open_words(desk) == []
    with desk.index.transaction() as transaction:
        (alarm,) = transaction.alarms()
    assert (alarm.kind, alarm.box) == ("owner-word", BOX)
    assert "running" in alarm.text


def test_several_workers_send_it_once(desk: Desk) -> None:
    """The sending is claimed in the index: with many workers a box hears no chorus."""
    desk.owner.take(HOLD)
    colleagues = [desk.colleague() for _ in range(3)]  # each of them starts, and would tell
    for each in colleagues:
        each.wait(6)
        each.take(SIGN_OF_LIFE)
    assert [one for each in (desk, *colleagues) for one in _told(each)] == [(BOX, HOLD)]
    for each in colleagues:
        each.close()


def test_a_clock_that_was_ahead_keeps_nothing_back(desk: Desk) -> None:
    """A worker whose clock ran a year ahead has noted a sending: with the right clock it is told all the same."""
    desk.owner.take(HOLD)
    ahead = desk.colleague()
    ahead.wait(365 * 86400)
    _told(ahead)
    ahead.close()
    desk.wait(6)
    desk.take(SIGN_OF_LIFE)
    assert _told(desk) == [(BOX, HOLD)]
