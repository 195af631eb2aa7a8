"""What the firmware makes of voltages and currents: thresholds, bounce, ring, pulses, flashes, breaks, polarity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag_tap.line import DIALLING_MS, HANG_UP_MS, SEIZURE_MV, Line


class Journal:
    """Writes down what the line tells."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []

    def changed(self) -> None:
        """The state is another."""
        self.said.append(("changed", 0))

    def flash(self, ms: int) -> None:
        """A flash."""
        self.said.append(("flash", ms))

    def pulse(self, digit: int) -> None:
        """A digit."""
        self.said.append(("pulse", digit))

    def broke(self, ms: int) -> None:
        """A break."""
        self.said.append(("broke", ms))


class Bench:
    """A line, fed by the millisecond."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.line = Line(self.journal)
        self.feed(48000, 0, 200)
        self.journal.said.clear()

    def feed(self, mv: int, ua: int, ms: int, *, pulses: int = 0, sensing: bool = True) -> None:
        """The same for a while."""
        for _ in range(ms):
            self.line.step(1, mv, ua, pulses, sensing)

    def loop(self, ms: int) -> None:
        """A telephone draws current."""
        self.feed(10500, 25000, ms)

    def open(self, ms: int) -> None:
        """The loop is open."""
        self.feed(48000, 0, ms)

    def ring(self, hz: float, ms: int, *, volts: float = 60.0, loop: bool = False) -> None:
        """Ring voltage on the battery, with the detector's 20 V; `loop`: a handset is off, the mean falls."""
        flowed = False
        for at in range(ms):
            wave = volts * math.sqrt(2) * 1000 * math.sin(2 * math.pi * hz * at / 1000)
            base = 10000 if loop else 48000
            flows = abs(wave) > 20000
            self.line.step(1, round(base + wave), 0, int(flows and not flowed), True)
            flowed = flows

    def said(self, *kinds: str) -> list[tuple[str, int]]:
        """What was told, of these kinds, and forget it."""
        told = [one for one in self.journal.said if one[0] in kinds]
        self.journal.said.clear()
        return told

    def later(self) -> None:
        """Until no digit is to be expected any more."""
        self.loop(DIALLING_MS + 1000)
        self.journal.said.clear()


@pytest.fixture
def bench() -> Bench:
    """An idle line."""
    return Bench()


@pytest.mark.parametrize(
    ("mv", "ua", "off_hook"),
    [
        (SEIZURE_MV - 1, 25000, True),
        (SEIZURE_MV, 25000, False),
        (3000, 25000, True),
        (2999, 25000, False),
        (10500, 4999, False),
        (10500, 5000, True),
        (-10500, -25000, True),
        (-48000, 0, False),
        (0, 0, False),
    ],
)
def test_thresholds(bench: Bench, mv: int, ua: int, *, off_hook: bool) -> None:
    """Seized is a voltage of 3 to 21 V of either sign with at least 5 mA; a dead line is not seized."""
    bench.feed(mv, ua, 100)
    assert bench.line.off_hook is off_hook


def test_a_bypassed_sense_element_shows_no_current(bench: Bench) -> None:
    """In bypass the voltage alone decides."""
    bench.feed(10500, 0, 100, sensing=False)
    assert bench.line.off_hook


def test_bounce_is_one_seizure(bench: Bench) -> None:
    """Contacts that bounce for 18 ms make one seizure, told once."""
    for length in (1, 2, 3, 2):
        bench.loop(length)
        bench.open(length)
    bench.loop(100)
    assert (bench.line.seizures, bench.line.off_hook) == (1, True)
    assert bench.said("changed", "flash", "pulse", "broke") == [("changed", 0)]


def test_a_loop_that_never_lasts_is_no_seizure(bench: Bench) -> None:
    """Closures of 15 ms do not add up to one of 20."""
    for _ in range(10):
        bench.loop(15)
        bench.open(15)
    assert bench.said("changed") == []


def test_bounces_count_as_part_of_a_flash(bench: Bench) -> None:
    """A loop that closes for 3 ms in the middle of a flash neither ends it nor shortens it."""
    bench.loop(200)
    bench.said()
    bench.open(100)
    bench.loop(3)
    bench.open(100)
    bench.loop(20)
    assert bench.said("flash", "pulse", "broke") == [("flash", 203)]


def test_a_flash_amid_pulses_ends_the_digit(bench: Bench) -> None:
    """Pulses before a flash are no digit."""
    bench.loop(200)
    for ms in (60, 60, 200):
        bench.open(ms)
        bench.loop(40)
    bench.loop(400)
    assert bench.said("flash", "pulse", "broke") == [("flash", 200)]


def test_hang_up_takes_half_a_second(bench: Bench) -> None:
    """At 499 ms of an open loop the line is still seized, at 500 it is not; likewise when it is dead."""
    for mv in (48000, 0):
        bench.loop(100)
        states = []
        for ms in (HANG_UP_MS - 1, 1):
            bench.feed(mv, 0, ms)
            states.append(bench.line.off_hook)
        assert states == [True, False]
    assert bench.line.seizures == 2


@pytest.mark.parametrize("hz", [20.0, 25.0, 33.0, 50.0, 60.0])
@pytest.mark.parametrize("volts", [30.0, 60.0, 90.0])
def test_ring(bench: Bench, hz: float, volts: float) -> None:
    """20 to 60 Hz at 30 to 90 V is a ring, told once at its beginning and once at its end, and no seizure."""
    bench.ring(hz, 1000, volts=volts)
    assert (bench.line.ring, bench.said("changed")) == (True, [("changed", 0)])
    bench.open(100)
    assert (bench.line.ring, bench.said("changed")) == (False, [("changed", 0)])
    assert (bench.line.seizures, bench.line.positive) == (0, True)


@pytest.mark.parametrize("hz", [5.0, 10.0, 16.0, 120.0])
def test_other_frequencies_do_not_ring(bench: Bench, hz: float) -> None:
    """Dialling pulses of a parallel telephone are no ring, nor is what is faster than one."""
    bench.ring(hz, 1000)
    assert not bench.line.ring


def test_answered_under_ring_voltage(bench: Bench) -> None:
    """A handset lifted while it rings is a seizure once the exchange has tripped the ring, within 110 ms."""
    bench.ring(25, 500)
    bench.ring(25, 150, loop=True)
    assert (bench.line.off_hook, bench.line.seizures) == (False, 0)
    bench.loop(110)
    assert (bench.line.off_hook, bench.line.ring, bench.line.seizures) == (True, False, 1)


def test_ring_on_a_seized_line_ends_the_seizure(bench: Bench) -> None:
    """What rings is not seized, whatever was seen before."""
    bench.loop(100)
    bench.ring(25, 300)
    assert (bench.line.off_hook, bench.line.ring) == (False, True)


@given(
    digit=st.integers(0, 9),
    opened=st.integers(40, 80),
    closed=st.integers(20, 80),
    bounces=st.integers(0, 3),
)
def test_pulse_dialling(digit: int, opened: int, closed: int, bounces: int) -> None:
    """Digits within the tolerances of old dials arrive once and right, contacts bouncing or not."""
    bench = Bench()
    bench.loop(500)
    for _ in range(digit or 10):
        bench.open(opened)
        for _ in range(bounces):
            bench.loop(1)
            bench.open(1)
        bench.loop(closed)
    bench.loop(300)
    assert bench.said("pulse", "flash", "broke") == [("pulse", digit)]
    assert bench.line.seizures == 1


@given(ms=st.integers(91, 499))
def test_a_flash_is_a_flash(ms: int) -> None:
    """An open loop of more than 90 and less than 500 ms is a flash, at any time."""
    bench = Bench()
    bench.loop(200)
    bench.open(ms)
    bench.loop(5)
    assert bench.said("pulse", "flash", "broke") == [("flash", ms)]


def test_a_short_flash_may_be_a_one(bench: Bench) -> None:
    """60 ms are the digit 1 while dialling is to be expected, and later a flash *and* the digit 1, in this order."""
    bench.loop(200)
    bench.open(60)
    bench.loop(300)
    assert bench.said("pulse", "flash") == [("pulse", 1)]
    bench.later()
    bench.open(60)
    bench.loop(300)
    assert bench.said("pulse", "flash") == [("flash", 60), ("pulse", 1)]


def test_110_by_pulses_is_understood_at_any_time(bench: Bench) -> None:
    """The last flash comes before the first digit of an emergency number, for a flash clears what was dialled."""
    bench.loop(200)
    bench.later()
    for pulses in (1, 1, 10):
        for _ in range(pulses):
            bench.open(60)
            bench.loop(40)
        bench.loop(600)
    assert bench.said("pulse", "flash") == [("flash", 60), ("pulse", 1), ("pulse", 1), ("pulse", 0)]


def test_after_a_ring_nobody_dials(bench: Bench) -> None:
    """A short flash right after an answer is a flash."""
    bench.ring(25, 1000)
    bench.open(4000)
    bench.loop(500)
    bench.open(60)
    bench.loop(300)
    assert bench.said("pulse", "flash") == [("flash", 60), ("pulse", 1)]


@given(ms=st.integers(10, 499))
def test_a_dead_line_is_a_break(ms: int) -> None:
    """Neither voltage nor current for less than 500 ms is a break of that length."""
    bench = Bench()
    bench.loop(200)
    bench.feed(0, 0, ms)
    bench.loop(300)
    assert bench.said("pulse", "flash", "broke") == [("broke", ms)]


def test_polarity_reversal(bench: Bench) -> None:
    """A reversal in the call is told once, and is neither break nor flash."""
    bench.loop(200)
    bench.said()
    for mv in (6000, 0, -6000):
        bench.feed(mv, 25000 * (mv > 0) - 25000 * (mv < 0), 2)
    bench.feed(-10500, -25000, 200)
    assert bench.said("changed", "flash", "broke") == [("changed", 0)]
    assert not bench.line.positive
    assert bench.line.off_hook


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("hz", [20.0, 25.0, 50.0, 60.0])
def test_a_busy_controller_samples_less_often(every: int, hz: float) -> None:
    """At a sample each 2 or 3 ms ring, answer, digits, flash and hang-up are still what they are."""
    journal = Journal()
    line = Line(journal)

    def feed(until_ms: int, mv: Callable[[int], int], pulses: Callable[[int], int] = lambda _: 0) -> None:
        for at in range(0, until_ms, every):
            count = sum(pulses(at + ms) for ms in range(every))
            line.step(every, mv(at), 25000 if 0 < mv(at) < 20000 else 0, count, True)

    feed(200, lambda _: 48000)
    wave = [round(84000 * math.sin(2 * math.pi * hz * at / 1000)) for at in range(1010)]
    flows = [abs(one) > 20000 for one in wave]
    feed(1000, lambda at: 48000 + wave[at], lambda at: int(flows[at] and not flows[at - 1]))
    assert (line.ring, line.seizures) == (True, 0)
    feed(200, lambda _: 10500)
    journal.said.clear()
    for pulses in (2, 5):
        feed(pulses * 100, lambda at: 48000 if at % 100 < 60 else 10500)
        feed(300, lambda _: 10500)
    feed(250, lambda _: 48000)
    feed(300, lambda _: 10500)
    feed(510, lambda _: 48000)
    assert [kind for kind, _ in journal.said] == ["pulse", "pulse", "flash", "changed"]
    assert [value for kind, value in journal.said if kind == "pulse"] == [2, 5]
    assert (line.off_hook, line.seizures) == (False, 1)


def _samples() -> st.SearchStrategy[list[tuple[int, int, int, int]]]:
    return st.lists(
        st.tuples(st.integers(1, 600), st.integers(-165000, 165000), st.integers(-65000, 65000), st.integers(0, 3)),
        max_size=60,
    )


@given(samples=_samples())
def test_any_waveform(samples: Iterable[tuple[int, int, int, int]]) -> None:
    """Whatever is fed: nothing raises, numbers stay small, digits and lengths are what the wire can say."""
    bench = Bench()
    seizures = 0
    for ms, mv, ua, pulses in samples:
        bench.feed(mv, ua, ms, pulses=pulses)
        assert seizures <= bench.line.seizures <= seizures + 1
        seizures = bench.line.seizures
    for kind, value in bench.journal.said:
        assert kind != "pulse" or 0 <= value <= 9
        assert kind not in {"flash", "broke"} or 10 <= value <= 499
    numbers = [value for value in vars(bench.line).values() if isinstance(value, int)]
    assert max(map(abs, numbers)) < 1 << 30
