"""What every tap keeps, the simulated one and the firmware: one suite, so that neither drifts from the other."""

from __future__ import annotations

from typing import Protocol

import pytest

from handschlag.core.tap_protocol import TAP_WORDS, LineParser, TapLine, encode
from handschlag.sim.tap import SimTap
from tests.hardware.wires import FirmwareTap


class AnyTap(Protocol):
    """What both taps offer."""

    @property
    def bypass(self) -> bool:
        """Whether the bypass relay has fallen."""
        ...

    @property
    def playing(self) -> bool:
        """Whether the play transformer is on the line."""
        ...

    def tick(self, now: float) -> None:
        """It is `now`."""

    def receive(self, data: bytes) -> None:
        """Bytes from the box."""

    def take(self) -> bytes:
        """Bytes for the box."""

    def seize(self) -> None:
        """The handset is lifted."""

    def hang_up(self) -> None:
        """It is put down."""

    def ringing(self, *, on: bool) -> None:
        """Ring voltage sets in or ends."""

    def flash(self, ms: int) -> None:
        """The own telephone flashes."""

    def pulse(self, digit: str) -> None:
        """The own telephone dials a digit by pulses."""

    def interrupt(self, ms: int) -> None:
        """The exchange's side breaks."""

    def reboot(self, boot: str) -> None:
        """Power came back."""


class Desk:
    """A box's side of the wire to one tap, with a clock."""

    def __init__(self, tap: AnyTap) -> None:
        self.tap = tap
        self.now = 0.2
        self.parser = LineParser(TAP_WORDS)
        self._seq = 100
        tap.tick(self.now)

    def wait(self, seconds: float, *, pinging: bool = False) -> None:
        """Let time pass in steps of 0.5 s."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            self.tap.tick(self.now)
            if pinging:
                self.say("PING")

    def say(self, word: str, **fields: str | int) -> int:
        """Send a line; gives its number."""
        self._seq += 1
        self.tap.receive(encode(self._seq, word, fields))
        return self._seq

    def heard(self, *words: str) -> list[TapLine]:
        """The lines that came since the last call, of these words or all; none of them may be bad."""
        lines = self.parser.feed(self.tap.take())
        counts = self.parser.counts
        assert (counts.bad_crc, counts.too_long, counts.unknown_word, counts.malformed) == (0, 0, 0, 0)
        return [line for line in lines if not words or line.word in words]

    def lines(self) -> list[tuple[str, str, str]]:
        """Hook, ring and seizure of the LINEs since the last call, repetitions left out."""
        told: list[tuple[str, str, str]] = []
        for line in self.heard("LINE"):
            state = (line.fields["hook"], line.fields["ring"], line.fields["seiz"])
            if not told or told[-1] != state:
                told.append(state)
        return told


@pytest.fixture(params=[SimTap, FirmwareTap])
def desk(request: pytest.FixtureRequest) -> Desk:
    """Each kind of tap."""
    return Desk(request.param(boot="a1", serial="T-7"))


def test_the_first_word_is_hello(desk: Desk) -> None:
    """At the start a tap says who it is, and only then what the line does."""
    first, *rest = desk.heard()
    assert (first.word, first.seq) == ("HELLO", 0)
    assert {name: first.fields[name] for name in ("proto", "boot", "serial", "audio")} == {
        "proto": "1",
        "boot": "a1",
        "serial": "T-7",
        "audio": "vi",
    }
    assert [line.word for line in rest] == ["LINE"]
    assert [line.seq for line in rest] == [1]


def test_a_ping_after_silence_is_greeted_and_the_next_is_not(desk: Desk) -> None:
    """HELLO and LINE answer the first PING, and the first after 5 s without one, and no other."""
    desk.heard()
    for silence in (0.5, 5.5):
        desk.wait(silence)
        desk.heard()
        desk.say("PING")
        assert [line.word for line in desk.heard()] == ["HELLO", "LINE"]
        desk.say("PING")
        desk.wait(4.5)
        desk.say("PING")
        assert not desk.heard("HELLO")


def test_the_line_is_told_each_second(desk: Desk) -> None:
    """Ten seconds without a change give ten LINEs."""
    desk.heard()
    desk.wait(10)
    assert 9 <= len(desk.heard("LINE")) <= 11


def test_ring_answer_and_hang_up(desk: Desk) -> None:
    """A ring, its pause, an answer under ring voltage and the hang-up: each changes the line once; one seizure."""
    desk.wait(1, pinging=True)
    desk.lines()
    desk.tap.ringing(on=True)
    assert desk.lines() == [("onhook", "1", "0")]
    desk.tap.ringing(on=False)
    assert desk.lines() == [("onhook", "0", "0")]
    desk.tap.ringing(on=True)
    desk.tap.seize()
    assert desk.lines() == [("onhook", "1", "0"), ("offhook", "0", "1")]
    desk.tap.ringing(on=False)
    desk.tap.hang_up()
    assert desk.lines() == [("onhook", "0", "1")]
    desk.tap.seize()
    assert desk.lines() == [("offhook", "0", "2")]


@pytest.mark.parametrize("to", ["line", "bypass"])
def test_interruptions_are_no_hang_up(desk: Desk, to: str) -> None:
    """Flash, digit and break come as what they are, and the seizure goes on, with the sense element and without."""
    desk.say("PING")
    desk.say("PATH", to=to)
    desk.tap.seize()
    desk.heard()
    desk.tap.pulse("7")
    desk.tap.pulse("0")
    desk.tap.interrupt(90)
    desk.tap.flash(250)
    said = desk.heard("PULSE", "BREAK", "FLASH", "LINE")
    states = {(line.fields["hook"], line.fields["seiz"]) for line in said if line.word == "LINE"}
    assert states <= {("offhook", "1")}
    words = [(line.word, line.fields) for line in said if line.word != "LINE"]
    assert [word for word, _ in words] == ["PULSE", "PULSE", "BREAK", "FLASH"]
    assert [words[0][1]["digit"], words[1][1]["digit"]] == ["7", "0"]
    assert 80 <= int(words[2][1]["ms"]) <= 100
    assert 240 <= int(words[3][1]["ms"]) <= 265


def test_path_is_answered_and_silence_falls_back(desk: Desk) -> None:
    """The sense element comes into the line when asked, and leaves it 5 s after the last PING, with the transformer."""
    assert (desk.tap.bypass, desk.tap.playing) == (True, False)
    desk.say("PING")
    asked = desk.say("PATH", to="line")
    assert [line.fields["re"] for line in desk.heard("OK")] == [str(asked)]
    assert (desk.tap.bypass, desk.tap.playing) == (False, False)
    desk.say("PLAY", on=1, ms=60000)
    assert (desk.tap.bypass, desk.tap.playing) == (False, True)
    desk.wait(4.5)
    assert (desk.tap.bypass, desk.tap.playing) == (False, True)
    desk.wait(1)
    assert (desk.tap.bypass, desk.tap.playing) == (True, False)


def test_path_without_ping_is_granted_5_s(desk: Desk) -> None:
    """A PATH from a box that has not pinged yet holds for 5 s."""
    desk.wait(20)
    desk.say("PATH", to="line")
    bypassed = []
    for seconds in (4, 1.5):
        desk.wait(seconds)
        bypassed.append(desk.tap.bypass)
    assert bypassed == [False, True]


def test_asking_for_bypass_parts_the_transformer(desk: Desk) -> None:
    """`PATH to=bypass` also ends a PLAY, and the line can be taken in again without it."""
    desk.say("PING")
    desk.say("PATH", to="line")
    desk.say("PLAY", on=1, ms=1000)
    desk.say("PATH", to="bypass")
    assert (desk.tap.bypass, desk.tap.playing) == (True, False)
    desk.say("PATH", to="line")
    assert (desk.tap.bypass, desk.tap.playing) == (False, False)


@pytest.mark.parametrize("ms", [0, 60001, 999999])
def test_play_refuses_what_is_out_of_range(desk: Desk, ms: int) -> None:
    """A PLAY that is not within 1 to 60000 ms is refused as `range`, one without `ms` likewise."""
    desk.say("PING")
    desk.say("PATH", to="line")
    desk.heard()
    asked = [desk.say("PLAY", on=1, ms=ms), desk.say("PLAY", on=1)]
    said = desk.heard("ERR", "OK")
    assert [(line.word, line.fields["re"], line.fields["why"]) for line in said] == [
        ("ERR", str(seq), "range") for seq in asked
    ]
    assert not desk.tap.playing


def test_play_in_bypass_is_refused(desk: Desk) -> None:
    """No transformer on a bypassed line."""
    desk.heard()
    desk.say("PING")
    desk.say("PLAY", on=1, ms=100)
    assert [line.fields["why"] for line in desk.heard("ERR")] == ["bypass"]
    assert not desk.tap.playing


def test_play_ends_by_the_taps_clock_and_by_word(desk: Desk) -> None:
    """The transformer is parted after `ms`, a new PLAY sets the time anew, and `on=0` ends it at once."""
    desk.say("PING")
    desk.say("PATH", to="line")
    desk.say("PLAY", on=1, ms=2000)
    desk.wait(1.5)
    desk.say("PLAY", on=1, ms=2000)
    states = []
    for seconds in (1.5, 0.5):
        desk.wait(seconds)
        states.append(desk.tap.playing)
    desk.say("PLAY", on=1, ms=2000)
    desk.say("PLAY", on=0)
    assert [*states, desk.tap.playing] == [True, False, False]


def test_a_reboot_is_another_boot(desk: Desk) -> None:
    """After power came back: another boot, bypassed, and a line still seized counts as seizure 1."""
    desk.say("PING")
    desk.say("PATH", to="line")
    desk.tap.seize()
    desk.tap.hang_up()
    desk.tap.seize()
    desk.heard()
    desk.tap.reboot("b2")
    hello, line = desk.heard()
    assert (hello.word, hello.seq, hello.fields["boot"]) == ("HELLO", 0, "b2")
    assert (line.fields["hook"], line.fields["seiz"]) == ("offhook", "1")
    assert desk.tap.bypass


def test_garbage_is_never_obeyed_and_never_fatal(desk: Desk) -> None:
    """Garbage, a wrong checksum, an unknown word and an overlong line change nothing; the next good line counts."""
    desk.heard()
    good = encode(1, "PATH", {"to": "line"})
    for bad in (
        b"\xff\x00\r\n",
        good.replace(b"line", b"lime"),
        encode(2, "FIRE", {}),
        encode(2, "PATH", {"to": "moon"}),
        b"9" * 4000 + b"\n",
        b"\n\n",
    ):
        desk.tap.receive(bad)
        assert (desk.tap.bypass, desk.heard("OK", "ERR")) == (True, [])
    desk.tap.receive(good[:9])
    desk.tap.receive(good[9:])
    assert (desk.tap.bypass, len(desk.heard("OK"))) == (False, 1)
