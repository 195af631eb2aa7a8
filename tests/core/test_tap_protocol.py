"""The tap's serial language: one spelling, torn anywhere, garbage in between."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.events import Flashed, LineBroke, LineTold, PlayConnected, Pulsed, TapAudio, TapHello
from handschlag.core.tap_protocol import (
    BOX_WORDS,
    INTRODUCTION_S,
    MAX_LINE,
    TAP_WORDS,
    BadTapLine,
    LineParser,
    TapLine,
    TapTalk,
    crc,
    encode,
    event_of,
)

HELLO = encode(0, "HELLO", {"proto": 1, "boot": "A1", "serial": "T-7", "hw": "r2", "fw": "1.0", "audio": "vi"})
LINE = encode(1, "LINE", {"hook": "offhook", "ring": 0, "seiz": 3, "mv": 9000, "ua": -25000, "pol": "-"})


def parse(data: bytes) -> tuple[list[TapLine], LineParser]:
    """What a tap's bytes give, and the parser with its counters."""
    parser = LineParser(TAP_WORDS)
    return parser.feed(data), parser


def framed(body: bytes) -> bytes:
    """Any body with a checksum that fits."""
    return b"%b *%04X\n" % (body, crc(body))


def test_the_checksum_is_ccitt_false() -> None:
    """The check value of CRC-16/CCITT-FALSE in the catalogue of parametrised CRC algorithms."""
    assert crc(b"123456789") == 0x29B1


def test_a_ping_as_it_goes_over_the_wire() -> None:
    """The exact bytes that a board's firmware must accept."""
    assert encode(7, "PING", {}) == b"7 PING *%04X\n" % crc(b"7 PING")


def test_each_word_of_a_tap_means_one_event() -> None:
    """Every line of the design's table comes out as its event, with its values."""
    data = (
        HELLO
        + LINE
        + encode(2, "FLASH", {"ms": 120})
        + encode(3, "PULSE", {"digit": 0})
        + encode(4, "BREAK", {"ms": 80})
        + encode(65535, "OK", {"re": 9})
    )
    lines, _ = parse(data)
    assert [event_of(line, 1.5) for line in lines] == [
        TapHello(1.5, "a1", "T-7", TapAudio.VI),
        LineTold(1.5, off_hook=True, ring=False, seizure=3, reversed=True),
        Flashed(1.5, 120),
        Pulsed(1.5, "0"),
        LineBroke(1.5, 80),
        None,
    ]


def test_a_flipped_bit_is_never_a_line() -> None:
    """Every single-bit error of a line is caught, or is in what no field keeps."""
    (good,), _ = parse(LINE)
    for position in range(len(LINE)):
        for bit in range(8):
            torn = bytearray(LINE)
            torn[position] ^= 1 << bit
            lines, _ = parse(bytes(torn) + b"\n")
            assert lines in ([], [good])  # the same line: only a bit of the newline was hit


@pytest.mark.parametrize(
    ("data", "counter"),
    [
        (LINE.replace(b"seiz=3", b"seiz=4"), "bad_crc"),
        (framed(b"1 LINE " + b"x=" + b"y" * 120), "too_long"),
        (b"x" * 100_000 + b"\n", "too_long"),
        (framed(b"1 NONSENSE a=1"), "unknown_word"),
        (framed(b"1 PING"), "unknown_word"),
        (b"\n", "malformed"),
        (b"\xff\xfe\x00\n", "malformed"),
        (LINE.replace(b"\n", b"\r\n"), "malformed"),
        (framed(b"65536 OK re=1"), "malformed"),
        (framed(b"-1 OK re=1"), "malformed"),
        (framed(b"1 OK"), "malformed"),
        (framed(b"1 OK re=99999999"), "malformed"),
        (framed(b"1 OK re=1 re=2"), "malformed"),
        (framed(b"1 OK  re=1"), "malformed"),
        (framed(b"1 ERR re=1 why=Two words"), "malformed"),
        (framed(b"1 LINE hook=maybe ring=0 seiz=1"), "malformed"),
        (framed(b"1 LINE hook=onhook ring=2 seiz=1"), "malformed"),
        (framed(b"1 LINE hook=onhook ring=0"), "malformed"),
        (framed(b"1 HELLO proto=2 boot=1 serial=a audio=vi"), "malformed"),
        (framed(b"1 HELLO proto=1 boot=xyz serial=a audio=vi"), "malformed"),
        (framed(b"1 PULSE digit=12"), "malformed"),
        (framed("1 PULSE digit=٣".encode()), "malformed"),
        (framed(b"1 FLASH ms=-5"), "malformed"),
    ],
)
def test_bad_lines_are_counted_and_the_next_good_one_counts(data: bytes, counter: str) -> None:
    """Each kind of rubbish has its counter, is no line, and does no harm to the line after it."""
    lines, parser = parse(data + LINE)
    assert [line.word for line in lines] == ["LINE"]
    counts = {name: getattr(parser.counts, name) for name in ("bad_crc", "too_long", "unknown_word", "malformed")}
    assert counts == {name: int(name == counter) for name in counts}
    assert parser.counts.good == 1


def test_fields_of_a_later_protocol_are_passed_over() -> None:
    """A newer board may say more in a line than this box knows."""
    (line,), _ = parse(framed(b"1 FLASH ms=90 depth=7"))
    assert line.fields == {"ms": "90"}


def test_the_longest_line() -> None:
    """120 bytes are a line, 121 are not, whether sent or received."""
    body = b"1 FLASH ms=5 note="
    fits = framed(body + b"x" * (MAX_LINE - 6 - len(body)))
    assert len(fits) == MAX_LINE + 1
    assert parse(fits)[1].counts.good == 1
    assert parse(framed(body + b"x" * (MAX_LINE - 5 - len(body))))[1].counts.too_long == 1
    with pytest.raises(BadTapLine, match="121 bytes; allowed are 120"):
        encode(0, "FLASH", {"ms": 5, "note": "x" * 50, "more": "y" * 41})


@pytest.mark.parametrize(
    ("seq", "word", "fields"),
    [
        (65536, "PING", {}),
        (-1, "PING", {}),
        (0, "ping", {}),
        (0, "PING", {"a b": "1"}),
        (0, "PATH", {"to": "li ne"}),
        (0, "PATH", {"to": "line\n9 PLAY on=1"}),
        (0, "PATH", {"to": ""}),
        (0, "PATH", {"to": "*"}),
        (0, "PATH", {"to": "länge"}),
    ],
)
def test_what_no_line_can_carry_is_refused(seq: int, word: str, fields: dict[str, str]) -> None:
    """Nothing can be smuggled into a line: separators, newlines and other alphabets are refused."""
    with pytest.raises(BadTapLine):
        encode(seq, word, fields)


pieces = st.lists(
    st.one_of(st.sampled_from([HELLO, LINE, b"\n", b"*", b" *FFFF\n", LINE[:20]]), st.binary(max_size=200)), max_size=12
)


@given(pieces, st.randoms(use_true_random=False))
def test_where_bytes_are_torn_does_not_matter(parts: list[bytes], random: object) -> None:
    """Fed whole, byte by byte or in any chunks, the same bytes give the same lines and counts, and never raise."""
    data = b"".join(parts)
    whole, counted = parse(data)
    single = LineParser(TAP_WORDS)
    assert [line for byte in data for line in single.feed(bytes([byte]))] == whole
    assert single.counts == counted.counts
    chunked = LineParser(TAP_WORDS)
    lines, rest = [], data
    while rest:
        size = random.randint(1, 50)  # type: ignore[attr-defined]
        lines += chunked.feed(rest[:size])
        rest = rest[size:]
    assert lines == whole
    assert chunked.counts == counted.counts


@given(
    st.integers(0, 65535),
    st.sampled_from([("PATH", "to", ["line", "bypass"]), ("PLAY", "ms", ["1", "999999"])]),
    st.data(),
)
def test_what_is_encoded_is_parsed(seq: int, word: tuple[str, str, list[str]], data: st.DataObject) -> None:
    """The two directions of the codec agree."""
    name, field, values = word
    fields = {field: data.draw(st.sampled_from(values))} | ({"on": "1"} if name == "PLAY" else {})
    assert LineParser(BOX_WORDS).feed(encode(seq, name, fields)) == [TapLine(seq, name, fields)]


def test_a_parser_keeps_no_more_than_a_line() -> None:
    """An endless line costs no memory."""
    parser = LineParser(TAP_WORDS)
    for _ in range(1000):
        parser.feed(b"x" * 1000)
    assert len(parser._rest) <= MAX_LINE


def test_pings_wait_for_the_silence_that_brings_a_hello() -> None:
    """Before HELLO, PINGs stay further apart than the tap's silence; after it, none is held back."""
    talk = TapTalk()
    sent = [second / 2 for second in range(60) if talk.ping(second / 2)]
    assert sent
    assert all(later - earlier >= INTRODUCTION_S for earlier, later in itertools.pairwise(sent))
    talk.receive(HELLO, 30.0)
    assert talk.ping(30.1)
    assert talk.ping(30.2)
    talk.opened()
    assert talk.ping(30.3)
    assert not talk.ping(31.3)


def test_nothing_counts_before_hello() -> None:
    """A line without a known boot cannot bind a consent: it is not passed on."""
    talk = TapTalk()
    assert talk.receive(LINE, 1.0) == []
    assert [type(event) for event in talk.receive(HELLO + LINE, 2.0)] == [TapHello, LineTold]
    talk.opened()
    assert talk.receive(LINE, 3.0) == []


def test_only_the_answer_to_a_play_is_an_answer() -> None:
    """OK and ERR count once, for the PLAY they name, and not for PATH or a PLAY of before the replug."""
    talk = TapTalk()
    talk.receive(HELLO, 0.0)
    talk.path(bypass=False)  # seq 0
    talk.play(on=True, ms=100)  # seq 1
    ok, err = encode(5, "OK", {"re": 1}), encode(6, "ERR", {"re": 1, "why": "busy"})
    assert talk.receive(encode(4, "OK", {"re": 0}), 1.0) == []
    assert talk.receive(ok + ok + err, 1.0) == [PlayConnected(1.0, ok=True)]
    talk.play(on=True, ms=100)  # seq 2
    assert talk.receive(encode(7, "ERR", {"re": 2, "why": "busy"}), 2.0) == [PlayConnected(2.0, ok=False, why="busy")]
    talk.play(on=True, ms=100)  # seq 3
    talk.opened()
    talk.receive(HELLO, 3.0)
    assert talk.receive(encode(8, "OK", {"re": 3}), 3.0) == []


def test_seq_wraps() -> None:
    """After 65535 comes 0, and the answers still fit."""
    talk = TapTalk(introduced=True, _seq=65535)
    assert talk.ping(0.0).startswith(b"65535 PING")
    assert talk.play(on=True, ms=1).startswith(b"0 PLAY")
    assert talk.receive(encode(0, "OK", {"re": 0}), 1.0) == [PlayConnected(1.0, ok=True)]
