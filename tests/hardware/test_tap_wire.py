"""The firmware's half of the wire against the box's: parsers that agree, bounded buffers, hostile peers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core import tap_protocol
from handschlag.core.tap_protocol import BOX_WORDS, TAP_WORDS, LineParser, TapTalk
from handschlag_tap import protocol, tap
from handschlag_tap.protocol import Parser
from handschlag_tap.tap import Tap

Heard = list[tuple[int, str, dict[str, str]]]


def _framed(body: bytes) -> bytes:
    return b"%b *%04X\n" % (body, tap_protocol.crc(body))


def _bodies() -> st.SearchStrategy[bytes]:
    words = "1 65535 65536 007 PING PATH PLAY HELLO to=line to=bypass to=moon on=1 on=0 on=2 ms=5 ms=1000000 ms= ms=1=2"
    pieces = st.sampled_from([*words.split(), "=1", "x=1", "x", "X=1", "", "\t", " *0000", "é"])
    return st.lists(pieces, max_size=6).map(lambda words: " ".join(words).encode())


def _streams() -> st.SearchStrategy[list[bytes]]:
    good = st.tuples(st.integers(0, 65535), st.sampled_from(["PING", "PATH to=line", "PLAY on=1 ms=9"])).map(
        lambda told: _framed(f"{told[0]} {told[1]}".encode())
    )
    long = st.integers(100, 140).map(lambda size: _framed(b"1 PING " + b"x" * size))
    torn = st.tuples(good, st.integers(0, 20)).map(lambda told: told[0][: told[1]])
    return st.lists(st.one_of(st.binary(max_size=150), good, _bodies().map(_framed), long, torn), max_size=12)


def _both(blocks: Sequence[bytes]) -> tuple[LineParser, Heard, Parser, Heard]:
    box = LineParser(BOX_WORDS)
    box_heard = [(line.seq, line.word, dict(line.fields)) for block in blocks for line in box.feed(block)]
    tap_heard: Heard = []
    firmware = Parser(lambda seq, word, fields: tap_heard.append((seq, word, fields)))
    for block in blocks:
        firmware.feed(block)
    return box, box_heard, firmware, tap_heard


NASTY = (
    b"65535 PING",
    b"65536 PING",
    b"99999 PING",
    b"100000 PING",
    b"007 PING",
    b" PING",
    b"1",
    b"1 ",
    b"1 PING ",
    b"1 PING  ",
    b"1 PING x=1",
    b"1 PING x=1 x=2",
    b"1 PING X=1",
    b"1 PING x",
    b"1 ping",
    b"1 " + b"A" * 16,
    b"1 " + b"A" * 17,
    b"1 HELLO",
    b"1 PATH",
    b"1 PATH to=line to=line",
    b"1 PATH to=line to=bypass",
    b"1 PATH to=",
    b"1 PATH to=line x=1=2",
    b"1 PATH to=line " + b"a" * 17 + b"=1",
    b"1 PLAY on=1 ms=999999",
    b"1 PLAY on=1 ms=1000000",
    b"1 PLAY on=1 ms=-1",
    b"1 PLAY ms=1",
    b"1 PLAY on=1 *0000",
    b"1 PING x=" + b"y" * 105,  # with its checksum 120 bytes
    b"1 PING x=" + b"y" * 106,
    b"1 PING \x7f",
    b"1 PING \t",
    b"\xff PING",
)
COUNTERS = ("good", "bad_crc", "too_long", "unknown_word", "malformed")


@pytest.mark.parametrize("body", NASTY)
def test_both_parsers_agree_on_nasty_lines(body: bytes) -> None:
    """Lines at the edge of what is allowed: both sides hear the same, count the same, and hear the next good line."""
    good = _framed(b"2 PATH to=line")
    blocks = [_framed(body), good, good.replace(b"*", b"*0"), good.lower(), good[:-1], b"\r\n", good]
    box, box_heard, firmware, tap_heard = _both(blocks)
    assert tap_heard == box_heard
    assert tap_heard[-1] == (2, "PATH", {"to": "line"})
    assert [getattr(firmware, name) for name in COUNTERS] == [getattr(box.counts, name) for name in COUNTERS]


@given(blocks=_streams())
def test_both_parsers_agree_on_everything(blocks: list[bytes]) -> None:
    """On any bytes, cut anywhere, the firmware hears the same lines as the box's parser, and counts the same."""
    box, box_heard, firmware, tap_heard = _both(blocks)
    assert tap_heard == box_heard
    assert [getattr(firmware, name) for name in COUNTERS] == [getattr(box.counts, name) for name in COUNTERS]


def test_limits_agree() -> None:
    """Both sides hold the same figures for a line's length, the silence and the longest PLAY."""
    from handschlag.sim.tap import MAX_PLAY_MS  # noqa: PLC0415 - beside what it is compared with

    assert protocol.MAX_LINE == tap_protocol.MAX_LINE
    assert protocol.SEQ_MODULUS == tap_protocol.SEQ_MODULUS
    assert tap.SILENCE_MS == tap_protocol.SILENCE_S * 1000
    assert tap.MAX_PLAY_MS == MAX_PLAY_MS


@given(body=st.text("abcXYZ =+-019", min_size=1, max_size=60), seq=st.integers(0, 65535))
def test_checksums_agree(body: str, seq: int) -> None:
    """What the firmware frames has the checksum that the box computes."""
    assert protocol.encode(seq, body) == _framed(f"{seq} {body}".encode())
    assert protocol.crc(b"123456789", 9) == 0x29B1


@given(
    blocks=st.lists(
        st.one_of(_streams().map(b"".join), st.integers(1, 6000)),
        max_size=10,
    )
)
def test_hostile_box(blocks: list[bytes | int]) -> None:
    """A box that says anything at any time: never an exception, bounded memory, the play relay never without K1."""
    board = Tap("ab", "T-1")
    for block in blocks:
        if isinstance(block, int):
            for _ in range(block // 100):
                board.step(100, 48000, 0, pulses=0)
        else:
            board.receive(block)
        assert board.to_line or not board.playing
        assert len(board._out) <= tap.UNSENT_BYTES
        assert len(board.parser._line) == protocol.MAX_LINE


@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=40), flips=st.lists(st.integers(0, 2000), max_size=4))
def test_hostile_wire(cuts: list[int], flips: list[int]) -> None:
    """What the firmware says, torn and with bits flipped, raises nothing in the box; unharmed, every line is good."""
    board = Tap("ab", "T-1")
    talk = TapTalk()
    for mv, ua in ((48000, 0), (10000, 25000), (48000, 0), (10000, 25000), (0, 0), (-10000, -25000)):
        for _ in range(150):
            board.step(1, mv, ua, pulses=0)
    said = bytearray(board.take())
    for flip in flips:
        said[flip % len(said)] ^= 1 << (flip % 8)
    at = 0
    for cut in cuts * (len(said) // sum(cuts) + 1):
        talk.receive(bytes(said[at : at + cut]), 1.0)
        at += cut
    if not flips:
        counts = talk.parser.counts
        assert (counts.good, talk.introduced) == (bytes(said).count(b"\n"), True)
        assert (counts.bad_crc, counts.malformed, counts.unknown_word, counts.too_long) == (0, 0, 0, 0)


def test_longest_lines_fit() -> None:
    """The longest HELLO and LINE that the firmware can say keep within 120 bytes."""
    board = Tap("f" * 16, "f" * 16)
    board.line.seizures, board.line.mv, board.line.ua = 999_999_999, -165_000, -65_000
    board._seq = 65_534
    board._say(board._name)
    board.changed()
    for line in board.take().splitlines():
        assert len(line) <= tap_protocol.MAX_LINE
    assert LineParser(TAP_WORDS).feed(protocol.encode(65535, board._name))[0].word == "HELLO"


def test_a_deaf_box_loses_lines_and_hears_the_newest_state() -> None:
    """Nobody reads for a minute: the buffer stays bounded, and the next PING finds HELLO and the state of now."""
    board = Tap("ab", "T-1")
    for _ in range(60_000):
        board.step(1, 48000, 0, pulses=0)
    assert board.lines_lost > 0
    begun = board.take(20)
    for _ in range(100):
        board.step(1, 10000, 25000, pulses=0)
    board.receive(_framed(b"1 PING"))
    lines = LineParser(TAP_WORDS).feed(begun + board.take())
    assert [line.word for line in lines] == ["HELLO", "HELLO", "LINE"]
    assert lines[-1].fields["hook"] == "offhook"


@pytest.mark.parametrize("boot", ["0a1b2c3d"])
def test_counters_stop(boot: str) -> None:
    """A counter that reached the largest small number stays there."""
    board = Tap(boot, "T-1")
    board.parser.malformed = protocol._COUNT_CAP
    board.receive(b"\n\n")
    assert board.parser.malformed == protocol._COUNT_CAP
