"""The call monitor's language: calls in and out, several at once, and hostile lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.call_monitor import CONNECTIONS_AT_MOST, MAX_LINE, CallMonitor
from handschlag.core.sources import Fact, HookRead, NumberDialled, NumberRead, RingRead, SourceCame, SourceLost


def line(text: str) -> bytes:
    """A line as the router sends it."""
    return f"24.11.26 09:15:02;{text}\r\n".encode()


def state(at: float, *, off_hook: bool = False, ring: bool = False) -> list[Fact]:
    """What each good line tells."""
    return [HookRead(at, off_hook), RingRead(at, ring, electric=False)]


def opened(extension: int | None = None) -> CallMonitor:
    """A monitor that was just connected."""
    monitor = CallMonitor(extension)
    assert monitor.opened(0.0) == [SourceCame(0.0)]
    return monitor


def test_a_call_comes_in() -> None:
    """RING tells ring and number, CONNECT lifts, DISCONNECT hangs up."""
    monitor = opened()
    told = monitor.receive(line("RING;0;03023125042;4930123;SIP0;"), 1.0)
    assert told == [*state(1.0, ring=True), NumberRead(1.0, "03023125042", "", "11-24 09:15")]
    assert monitor.receive(line("CONNECT;0;4;03023125042;"), 2.0) == state(2.0, off_hook=True)
    assert monitor.receive(line("DISCONNECT;0;91;"), 3.0) == state(3.0)


def test_a_withheld_number() -> None:
    """An empty number is a caller who shows none."""
    assert opened().receive(line("RING;0;;4930123;SIP0;"), 1.0)[-1] == NumberRead(1.0, "", "", "11-24 09:15", "private")


def test_a_call_goes_out() -> None:
    """CALL lifts and tells the whole number, an emergency number included."""
    told = opened().receive(line("CALL;1;4;4930123;110#;SIP0;"), 1.0)
    assert told == [*state(1.0, off_hook=True), NumberDialled(1.0, "110")]


def test_only_the_own_telephone_moves_the_hook() -> None:
    """With an extension, calls of other telephones are none; a ring that another one answered is over."""
    monitor = opened(extension=1)
    monitor.receive(line("RING;0;0301;0302;SIP0;"), 1.0)
    assert monitor.receive(line("CONNECT;0;2;0301;"), 2.0) == state(2.0)
    assert monitor.receive(line("CALL;1;2;0302;0301;SIP0;"), 3.0) == state(3.0)
    assert monitor.receive(line("CALL;2;1;0302;0301;SIP0;"), 4.0)[:2] == state(4.0, off_hook=True)


def test_the_line_is_idle_when_the_last_connection_ends() -> None:
    """With two connections, one that ends leaves the other."""
    monitor = opened()
    monitor.receive(line("CALL;0;4;0302;0301;SIP0;") + line("RING;1;0303;0302;SIP0;"), 1.0)
    assert monitor.receive(line("DISCONNECT;1;0;"), 2.0) == state(2.0, off_hook=True)
    assert monitor.receive(line("DISCONNECT;0;9;"), 3.0) == state(3.0)


def test_nothing_outlives_the_connection() -> None:
    """A connection that is lost takes its calls with it."""
    monitor = opened()
    monitor.receive(line("CALL;0;4;0302;0301;SIP0;"), 1.0)
    assert monitor.closed(2.0, "gone") == [SourceLost(2.0, "gone")]
    monitor.opened(3.0)
    assert monitor.receive(line("DISCONNECT;7;0;"), 4.0) == state(4.0)


def test_what_says_nothing_is_dropped_and_counted() -> None:
    """Unknown words, missing fields, bad numbers and endless lines tell no fact."""
    monitor = opened()
    bad = [line(text) for text in ("PING;0;", "CALL;1;", "CONNECT;0;", "CALL;1;x;2;3;", "CONNECT;0;;1;", "RING;abc;1;")]
    bad += [b"\n", b"\x00\xff\n", b"9" * 3000 + b"\n"]
    assert monitor.receive(b"".join(bad), 1.0) == []
    assert monitor.counts.dropped == len(bad)
    assert monitor.receive(line("RING;0;'; DROP;1;SIP0;"), 2.0)[-1] == NumberRead(2.0, "", "", "11-24 09:15", "private")


WORDS = st.sampled_from(["RING", "CALL", "CONNECT", "DISCONNECT", "PING"])
GOOD = st.builds(
    lambda word, number, rest: line(f"{word};{number};{rest}"), WORDS, st.integers(0, 40), st.text("0;9+x")
)


@given(st.lists(st.one_of(GOOD, st.binary(max_size=400))), st.data())
def test_hostile_bytes_in_any_pieces(pieces: list[bytes], data: st.DataObject) -> None:
    """No bytes break it, cuts do not matter, and memory is bounded."""
    whole = b"".join(pieces)
    cut = data.draw(st.integers(0, len(whole)))
    once, twice = opened(), opened()
    assert twice.receive(whole[:cut], 1.0) + twice.receive(whole[cut:], 1.0) == once.receive(whole, 1.0)
    assert len(once._rest) <= MAX_LINE
    assert len(once._ringing | once._talking) <= CONNECTIONS_AT_MOST
