"""Ring pulses and a bouncing hook, made steady words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.pulse_train import HookContact, RingTrain
from handschlag.core.sources import DigitPulsed, Fact, FlashRead, HookRead, RingRead


def ring(train: RingTrain, begin: float, seconds: float, hertz: float) -> list[Fact]:
    """A burst: pulses of half a period each."""
    facts: list[Fact] = []
    for number in range(round(seconds * hertz)):
        facts += train.edge(begin + number / hertz, active=True)
        facts += train.edge(begin + (number + 0.5) / hertz, active=False)
    return facts


@pytest.mark.parametrize("hertz", [25, 50])
def test_a_burst_is_one_ring(hertz: float) -> None:
    """Told with the second pulse, over 200 ms after the last."""
    train = RingTrain()
    assert ring(train, 1.0, 1.0, hertz) == [RingRead(1.0 + 1 / hertz, ring=True)]
    last = 2.0 - 1 / hertz
    assert train.tick(last + 0.19) == []
    assert train.tick(last + 0.21) == [RingRead(last + 0.21, ring=False)]


def test_a_spike_is_no_ring() -> None:
    """One pulse alone, as when the hook is moved, rings nobody."""
    train = RingTrain()
    assert train.edge(1.0, active=True) + train.edge(1.01, active=False) + train.edge(1.3, active=True) == []


def moved(contact: HookContact, *edges: tuple[float, bool]) -> list[Fact]:
    """Edges, time passing in steps of 10 ms between them."""
    facts: list[Fact] = []
    at = edges[0][0]
    for edge_at, off_hook in edges:
        while at + 0.01 < edge_at:
            at += 0.01
            facts += contact.tick(at)
        at = edge_at
        facts += contact.edge(at, off_hook=off_hook)
    return facts


def lifted() -> HookContact:
    """A contact that is off-hook since 0.1."""
    contact = HookContact()
    moved(contact, (-1.0, False), (0.0, True), (0.1, True))
    assert contact.off_hook
    return contact


def test_bounces_are_one_lift() -> None:
    """The hook counts 50 ms after its last bounce."""
    contact = HookContact()
    edges = [(0.0, False), (1.0, True), (1.004, False), (1.009, True), (1.2, True)]
    facts = moved(contact, *edges)
    assert [type(fact) for fact in facts] == [HookRead, HookRead]
    assert facts[1].at == pytest.approx(1.06, abs=0.011)
    assert contact.off_hook


def test_a_hang_up_takes_half_a_second() -> None:
    """On-hook counts after 500 ms, which no flash reaches."""
    contact = lifted()
    assert moved(contact, (1.0, False), (1.49, False)) == []
    (told,) = moved(contact, (1.49, False), (1.6, False))
    assert told == HookRead(told.at, off_hook=False)


def test_a_flash_and_a_longer_break_end_no_call() -> None:
    """Up to 500 ms the hook stays, and a flash is told with its length."""
    contact = lifted()
    assert moved(contact, (1.0, False), (1.12, True)) == [FlashRead(1.12, 120)]
    assert moved(contact, (2.0, False), (2.45, True)) == [FlashRead(2.45, 450)]
    assert moved(contact, (3.0, False), (3.02, True), (3.5, True)) == []


@pytest.mark.parametrize(("pulses", "digit"), [(1, "1"), (2, "2"), (10, "0")])
def test_pulses_are_a_digit(pulses: int, digit: str) -> None:
    """60 ms breaks at 100 ms are counted; the digit is told when they pause."""
    contact = lifted()
    edges = [(1 + number / 10 + part, part > 0) for number in range(pulses) for part in (0.0, 0.06)]
    facts = moved(contact, *edges, (1 + pulses / 10 + 0.3, True))
    assert [fact for fact in facts if isinstance(fact, DigitPulsed)] == [DigitPulsed(facts[-1].at, digit)]
    assert contact.off_hook


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())))
def test_no_edges_break_it(edges: list[tuple[float, bool]]) -> None:
    """Whatever comes, hook words alternate, and digits are digits."""
    contact = HookContact()
    at = 0.0
    hooks: list[bool | None] = []
    for wait, off_hook in edges:
        at += wait
        for fact in contact.edge(at, off_hook=off_hook):
            if isinstance(fact, HookRead):
                hooks.append(fact.off_hook)
            elif isinstance(fact, DigitPulsed):
                assert fact.digit in "0123456789"
    assert all(first != second for first, second in pairwise(hooks))
