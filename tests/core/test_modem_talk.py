"""The modem's language: both dialects, caller id with and without a name, escapes, silence, hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.modem_talk import AGAIN_S, ANSWER_S, ATTEMPTS, MAX_LINE, NAME_WAIT_S, Dialect, ModemTalk
from handschlag.core.sources import Fact, NumberRead, RingRead, SourceCame, SourceLost

CARD = b"\r\nDATE = 1124\r\nTIME = 0915\r\nNMBR = 03023125042\r\n"


def ready(identity: bytes = b"5601") -> ModemTalk:
    """A conversation whose modem was set up at 0.0."""
    talk = ModemTalk()
    assert talk.opened(0.0) == b"ATZ\r"
    assert talk.receive(b"ATZ\r\r\nOK\r\n", 0.0) == (b"ATE0V1\r", [])
    assert talk.receive(b"\r\nOK\r\n", 0.0) == (b"ATI0\r", [])
    asked, _ = talk.receive(b"\r\n" + identity + b"\r\n\r\nOK\r\n", 0.0)
    assert asked == f"{talk.dialect.value}\r".encode()
    assert talk.receive(b"\r\nOK\r\n", 0.0) == (b"", [SourceCame(0.0)])
    return talk


@pytest.mark.parametrize(
    ("identity", "dialect"), [(b"5601", Dialect.USR), (b"56000", Dialect.CONEXANT), (b"?", Dialect.USR)]
)
def test_each_modem_is_asked_in_its_own_words(identity: bytes, dialect: Dialect) -> None:
    """The answer to ATI0 chooses how caller id is asked for."""
    assert ready(identity).dialect is dialect


def test_a_refused_dialect_is_followed_by_the_other() -> None:
    """A modem that refuses one dialect is asked in the other; one that refuses both still tells rings."""
    talk = ModemTalk()
    talk.opened(0.0)
    for _ in range(3):
        asked, _ = talk.receive(b"OK\r\n", 0.0)
    assert asked == b"AT+VCID=1\r"
    assert talk.receive(b"ERROR\r\n", 0.0) == (b"AT-SCID=1;+VCID=1;-STE=3\r", [])
    assert talk.receive(b"ERROR\r\n", 0.0) == (b"", [SourceCame(0.0)])
    assert not talk.tells_numbers
    assert talk.receive(b"RING\r\n", 1.0) == (b"", [RingRead(1.0, ring=True)])


def test_the_number_counts_half_a_second_after_it_came() -> None:
    """Without a NAME the number is told NAME_WAIT_S later, once."""
    talk = ready()
    assert talk.receive(CARD, 5.0)[1] == []
    assert talk.tick(5.0 + NAME_WAIT_S - 0.01)[1] == []
    assert talk.tick(5.0 + NAME_WAIT_S)[1] == [NumberRead(5.5, "03023125042", "", "11-24 09:15")]
    assert talk.tick(9.0)[1] == []


def test_the_number_counts_with_the_name_or_the_next_ring() -> None:
    """A NAME or the next RING ends the waiting; spaces about `=` do not matter."""
    talk = ready()
    told = talk.receive(CARD.replace(b" = ", b"=") + b"NAME=Weber\r\n", 5.0)[1]
    assert told == [NumberRead(5.0, "03023125042", "Weber", "11-24 09:15")]
    assert talk.receive(CARD + b"RING\r\n", 9.0)[1] == [
        NumberRead(9.0, "03023125042", "", "11-24 09:15"),
        RingRead(9.0, ring=True),
    ]


@pytest.mark.parametrize(("letter", "absence"), [(b"O", "unavailable"), (b"P", "private")])
def test_a_withheld_number_says_why(letter: bytes, absence: str) -> None:
    """NMBR=O and NMBR=P are no numbers."""
    talk = ready()
    assert talk.receive(b"NMBR=" + letter + b"\r\nNAME=" + letter + b"\r\n", 5.0)[1] == [
        NumberRead(5.0, "", "", "", absence)
    ]


def test_what_is_no_number_is_none() -> None:
    """Hostile numbers, dates and names are dropped or cut, never passed on."""
    talk = ready()
    assert talk.receive(b"NMBR=0'; DROP\r\n", 5.0)[1] == []
    assert talk.tick(6.0)[1] == []
    (told,) = talk.receive(b"DATE=x\r\nNMBR=+49 (30) 12-34\r\nNAME=" + b"\x01\x7fW\x9b" + b"e" * 90 + b"\r\n", 7.0)[1]
    assert told == NumberRead(7.0, "+49301234", "W" + "e" * 49, "", "")


def test_a_ring_is_over_a_while_after_its_word() -> None:
    """RING is told at once, its end a second and a half later."""
    talk = ready()
    assert talk.receive(b"\r\nRING\r\n", 5.0)[1] == [RingRead(5.0, ring=True)]
    assert talk.tick(6.4)[1] == []
    assert talk.tick(6.5)[1] == [RingRead(6.5, ring=False)]


def test_escapes_are_taken_out_of_the_bytes() -> None:
    """Events of voice mode come between and within lines; 0x10 R is a ring, also across two reads."""
    talk = ready()
    assert talk.receive(b"NMBR=030\x10b123\x10", 5.0)[1] == []
    assert talk.receive(b"R\x10d\r\nNAME=We\x10sber\r\n", 5.0)[1] == [
        RingRead(5.0, ring=True),
        NumberRead(5.0, "030123", "Weber"),
    ]


def test_the_setting_is_sent_again_but_never_while_it_rings() -> None:
    """A reset nobody told of loses the setting: it is repeated, at a time when no caller id can come."""
    talk = ready()
    talk.receive(b"RING\r\n", AGAIN_S - 1)
    assert talk.tick(AGAIN_S)[0] == b""
    assert talk.tick(AGAIN_S + 8)[0] == b"AT+VCID=1\r"
    assert talk.receive(b"OK\r\n", AGAIN_S + 8.1) == (b"", [])
    assert talk.tick(AGAIN_S + 9)[0] == b""


def test_silence_resets_the_modem_and_loses_it() -> None:
    """A modem that answers nothing is reset again and again; after ATTEMPTS it is lost, once, until it answers."""
    talk = ready()
    assert talk.tick(AGAIN_S)[0] == b"AT+VCID=1\r"
    at = AGAIN_S
    told: list[Fact] = []
    for _ in range(ATTEMPTS + 2):
        at += ANSWER_S
        sent, facts = talk.tick(at)
        assert sent == b"ATZ\r"
        told += facts
    assert told == [SourceLost(AGAIN_S + ATTEMPTS * ANSWER_S, "the modem does not answer")]
    for _ in range(4):
        _, came = talk.receive(b"OK\r\n", at)
    assert came == [SourceCame(at)]


def test_an_endless_line_is_dropped() -> None:
    """What is longer than a line costs itself only."""
    talk = ready()
    assert talk.receive(b"x" * 100000 + b"\r\nRING\r\n", 5.0)[1] == [RingRead(5.0, ring=True)]
    assert talk.counts.too_long == 1


LINES = st.sampled_from([b"RING", b"OK", b"ERROR", b"0", b"NMBR=0301", b"NAME = W", b"DATE=1124", b"56000", b"\x10R"])


@given(st.lists(st.one_of(LINES.map(lambda line: line + b"\r\n"), st.binary(max_size=200))), st.data())
def test_hostile_bytes_in_any_pieces(pieces: list[bytes], data: st.DataObject) -> None:
    """No bytes break it, cuts do not matter, memory is bounded, and only digits pass as a number."""
    whole = b"".join(pieces)
    cut = data.draw(st.integers(0, len(whole)))
    once, twice = ready(), ready()
    sent, facts = once.receive(whole, 1.0)
    first, second = twice.receive(whole[:cut], 1.0), twice.receive(whole[cut:], 1.0)
    assert (first[0] + second[0], first[1] + second[1]) == (sent, facts)
    assert len(once._rest) <= MAX_LINE
    for fact in facts + once.tick(3.0)[1]:
        if isinstance(fact, NumberRead):
            assert set(fact.number) <= set("+*#0123456789")
            assert fact.name.isprintable()
