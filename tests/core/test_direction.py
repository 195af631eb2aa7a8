"""A bench result that the dial tone has disproved: every key uncertain, an alarm, and a memory across restarts."""

from __future__ import annotations

import pytest

from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp
from handschlag.core.events import Leg, TapAudio
from handschlag.core.fold import fold
from handschlag.core.readiness import key_way_possible, proven_leg, warnings
from tests.core.world import World


def _disproved(leg: Leg = Leg.NEAR) -> World:
    """A call whose dial tone was not far, and is over."""
    world = World(bench="2026-01").start()
    world.lift()
    world.wait(1.0)
    world.exchange(leg)
    world.hang_up()
    world.wait(1.0)
    return world


def _remembered(world: World) -> frozenset[tuple[str, str]]:
    """What the ledger of this world gives to the next start of the box."""
    lines = [{"seq": seq, "kind": r.kind, **r.fields} for seq, r in enumerate(world.records("fault"))]
    return frozenset(fold(lines).doubted)


@pytest.mark.parametrize("leg", [Leg.NEAR, Leg.UNCERTAIN])
def test_it_survives_a_restart(leg: Leg) -> None:
    """The ledger remembers tap and bench result: after the restart every key is uncertain, and the lamp warns."""
    doubted = _remembered(_disproved(leg))
    assert doubted == {("T1", "2026-01")}
    world = World(bench="2026-01").start(doubted=doubted)
    assert not key_way_possible(world.state.call)
    assert {proven_leg(world.state.call, each) for each in Leg} == {Leg.UNCERTAIN}
    assert "direction" in warnings(world.state.call)
    assert world.lamps().status is StatusLamp.WARNING
    world.incoming()
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["start"]


def test_a_new_bench_result_ends_it() -> None:
    """After the bench was done again the question is asked again, and another doubt of that result counts anew."""
    world = World(bench="2026-02").start(doubted=_remembered(_disproved()))
    assert warnings(world.state.call) == ()
    world.incoming()
    world.ask()
    assert world.sounds() == ["announcement"]
    world.exchange(Leg.NEAR)
    assert _remembered(world) == {("T1", "2026-02")}
    assert not key_way_possible(world.state.call)


def test_the_doubt_is_written_down_once() -> None:
    """Each further dial tone says the same again; the ledger has it once, and a far one takes nothing back."""
    world = _disproved()
    for leg in (Leg.NEAR, Leg.FAR, Leg.UNCERTAIN):
        world.lift()
        world.wait(1.0)
        world.exchange(leg)
        world.hang_up()
        world.wait(1.0)
    assert len(world.records("fault")) == 1
    assert not key_way_possible(world.state.call)


def test_only_a_clear_dial_tone_is_believed() -> None:
    """A tone that sounds like one for a moment, from whatever side, ends no trust; without a pair nothing is asked."""
    world = World().start()
    world.lift()
    world.wait(1.0)
    for name in ("dial", "busy", "ringback"):
        world.tone(name, leg=Leg.NEAR)
    world.exchange(Leg.FAR)
    assert not world.records("fault")
    assert key_way_possible(world.state.call)
    mix = World().start(audio=TapAudio.MIX)
    mix.lift()
    mix.wait(1.0)
    mix.exchange(Leg.UNCERTAIN)
    assert not mix.records("fault")


def test_a_doubted_key_1_is_no_consent() -> None:
    """The doubt comes while the question is asked: the far key 1 in the window is uncertain from then on."""
    world = World().start()
    world.incoming()
    world.ask_to_window()
    world.feed(ev.ExchangeHeard(world.now, Leg.NEAR))
    world.key("1")
    world.wait(1.0)
    assert "granted" not in world.kinds()
