"""The do-not-record list in a call: settled numbers, answers that come late or not at all, and what is sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.events import Leg
from handschlag.core.policy import AskWhen, Way
from tests.core.world import World

FRIEND = "030123"


def outgoing(world: World, number: str = FRIEND) -> World:
    """The own telephone dials."""
    world.lift()
    world.wait(0.5)
    world.dial(number)
    return world


def test_a_number_on_the_list_is_never_asked() -> None:
    """Dialled, settled, matched: the press is answered by nothing, and the ledger has the outcome."""
    world = outgoing(World().start(excluded=(FRIEND,)))
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    world.hang_up()
    assert not [r for r in world.did(do.Record) if r.kind == "asked"]
    (end,) = [r for r in world.did(do.Record) if r.kind == "call" and r.fields["at_end"]]
    assert (end.fields["outcome"], end.fields["bar"]) == ("excluded", "excluded")


def test_another_number_is_asked() -> None:
    """The list bars whom it names and nobody else; one question to it for one number."""
    world = outgoing(World().start(excluded=("030999",)))
    world.wait(3.0)
    world.ask_to_window()
    world.key("1")
    world.wait(1.0)
    assert world.did(do.StartCapture)
    assert len(world.did(do.MatchNumber)) == 1


def test_nothing_is_asked_while_the_answer_is_on_its_way() -> None:
    """A list that does not answer bars the call: what is not known to be allowed is not done."""
    world = World().start(excluded=(FRIEND,))
    world.adapters.match_s = None
    outgoing(world)
    world.wait(5.0)
    world.press()
    world.wait(1.0)
    assert not [r for r in world.did(do.Record) if r.kind in {"asked", "granted"}]


def test_nothing_is_asked_while_dialling() -> None:
    """A press before the number is settled does not ask."""
    world = outgoing(World().start())
    world.press()
    world.wait(0.5)
    assert not [r for r in world.did(do.Record) if r.kind == "asked"]


def test_a_caller_on_the_list_is_never_asked() -> None:
    """The number that the exchange told between the rings counts as well."""
    world = World(ask_when=AskWhen.INCOMING).start(excluded=(FRIEND,))
    world.ring()
    world.wait(1.0)
    world.ring(on=False)
    world.wait(0.5)
    world.feed(ev.CallerIdHeard(world.now, FRIEND, "", "", "voice"))
    world.wait(1.0)
    world.lift()
    world.wait(1.0)
    world.speak(Leg.NEAR, 1.0)
    world.wait(1.0)
    world.press()
    world.wait(1.0)
    assert not [r for r in world.did(do.Record) if r.kind == "asked"]


@pytest.mark.parametrize("way", Way)
def test_what_was_begun_before_it_was_known_is_destroyed(way: Way) -> None:
    """Recording began before anything was dialled: with the answer it stops at once and nothing of it stays."""
    world = World(way=way).start(excluded=(FRIEND,))
    world.lift()
    world.wait(1.5)
    if way is Way.KEY:
        world.ask_to_window()
        world.key("1")
    else:
        world.press()
    world.wait(1.0)
    assert world.did(do.StartCapture)
    world.dial(FRIEND)
    world.wait(3.0)
    assert world.did(do.StopCapture)
    assert world.did(do.DestroyRecording)
    world.hang_up()
    world.wait(1.0)
    assert not world.did(do.CloseRecording)


def test_keys_of_a_menu_are_no_part_of_the_number() -> None:
    """What is pressed after the number has settled (a menu, a PIN) is not sealed as dialled and not matched anew."""
    world = outgoing(World().start(excluded=("x",)))
    world.wait(3.0)
    world.dial("4711")
    world.wait(3.0)
    world.ask_to_window()
    world.key("1")
    world.wait(1.0)
    (opened,) = world.did(do.OpenRecording)
    assert opened.dialled == FRIEND
    assert [m.number for m in world.did(do.MatchNumber)] == [FRIEND]


def test_after_a_flash_it_is_another_number() -> None:
    """A transfer may lead to somebody who is on the list; an answer about the first number does not count for it."""
    world = World().start(excluded=(FRIEND,))
    outgoing(world, "030999")
    world.wait(3.0)
    world.feed(ev.Flashed(world.now, 200))
    world.dial(FRIEND)
    world.feed(replace(ev.NumberMatched(0.0, 1, excluded=False), at=world.now))
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    assert not [r for r in world.did(do.Record) if r.kind == "asked"]


def test_numbers_are_in_no_repr_and_in_no_ledger_entry() -> None:
    """A number shows neither in the ledger nor in what a traceback would print of state and effects (P9)."""
    world = outgoing(World().start(excluded=(FRIEND,)))
    world.wait(3.0)
    assert FRIEND not in repr(world.state)
    assert all(FRIEND not in repr(entry.effects) for entry in world.trace)
    assert all(FRIEND not in repr(dict(record.fields)) for record in world.did(do.Record))
