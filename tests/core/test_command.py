"""The operator's commands: written down, carried out when they may be, answered; and what they can never do."""

from __future__ import annotations

from typing import Any

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp
from tests.core.restart import restart
from tests.core.world import STAFF, World


def idle() -> World:
    """A started box on an idle line, its clock set."""
    return World().start()


def order(world: World, name: str, counter: int = 1, *, lasts_s: float = 60.0, **more: Any) -> str:
    """A command comes; gives its id."""
    said = f"{counter:032x}"
    expires = world.adapters.wall_offset + world.now + lasts_s
    world.feed(ev.OperatorSaid(world.now, said, name, counter, expires, **more))
    world.wait(0.5)
    return said


def outcomes(world: World) -> list[str]:
    """What was answered, in order."""
    return [reply.outcome for reply in world.did(do.Reply)]


def test_a_command_is_in_the_ledger_before_it_is_done_and_answered() -> None:
    """And again after a restart as `done`, without being done again."""
    world = idle()
    world.adapters.ledger_s = 2.0
    order(world, "restart")
    assert world.did(do.Restart) == []
    assert outcomes(world) == []
    world.wait(3.0)
    assert (len(world.did(do.Restart)), outcomes(world)) == (1, ["done"])
    (entry,) = world.records("command")
    assert entry.fields == {"by": "operator", "id": f"{1:032x}", "name": "restart", "counter": 1, "outcome": "done"}
    restart(world, crew=STAFF)
    world.wait(3.0)
    order(world, "restart")
    assert (len(world.did(do.Restart)), outcomes(world)) == (1, ["done", "done"])
    assert len(world.records("command")) == 1


def test_identify_blinks_for_a_minute_but_not_over_a_call() -> None:
    """A call's lamps are needed; after it the rest of the minute is shown."""
    world = idle()
    before = world.lamps().status
    order(world, "identify")
    assert world.lamps().status is StatusLamp.IDENTIFY
    world.ring()
    assert world.lamps().status is not StatusLamp.IDENTIFY
    world.wait(1.0)
    world.ring(on=False)
    world.wait(1.0)
    world.lift()
    world.wait(5.0)
    assert world.lamps().status is StatusLamp.YOUR_TURN
    world.hang_up()
    world.wait(1.0)
    assert world.lamps().status is StatusLamp.IDENTIFY
    world.wait(60.0)
    assert world.lamps().status is before


def test_the_log_level_has_an_end() -> None:
    """By the monotonic clock."""
    world = idle()
    order(world, "log-level", level="debug", minutes=10)
    assert world.did(do.SetLogLevel) == [do.SetLogLevel("debug")]
    world.rest(590.0)
    assert len(world.did(do.SetLogLevel)) == 1
    world.rest(20.0)
    assert world.did(do.SetLogLevel)[1:] == [do.SetLogLevel("")]


def test_report_sends_the_status_with_the_answer() -> None:
    """And nothing else does."""
    world = idle()
    said = order(world, "report")
    order(world, "identify", 2)
    assert world.did(do.Reply) == [do.Reply(said, "done", report=True), do.Reply(f"{2:032x}", "done")]


@pytest.mark.parametrize(("name", "outcome"), [("update", "not-supported"), ("selftest", "not-supported")])
def test_what_is_not_there_yet_says_so(name: str, outcome: str) -> None:
    """Refused, written down, answered."""
    world = idle()
    order(world, name)
    assert outcomes(world) == [outcome]
    assert world.records("command")[0].fields["outcome"] == outcome


@pytest.mark.parametrize("name", ["record", "open", "forward", "unlock", "erase"])
def test_an_unknown_name_does_nothing(name: str) -> None:
    """Least of all with a recording; the ledger does not repeat what somebody wrote."""
    world = idle()
    before = len(world.did(do.OpenRecording) + world.did(do.Send))
    order(world, name)
    assert outcomes(world) == ["unknown"]
    assert world.records("command")[0].fields["name"] == "unknown"
    assert len(world.did(do.OpenRecording) + world.did(do.Send)) == before


def test_an_unset_clock_carries_out_nothing() -> None:
    """Nobody could say whether the command is over."""
    world = World()
    world.adapters.synced = False
    world.start()
    order(world, "identify")
    assert outcomes(world) == ["clock"]
    assert world.lamps().status is not StatusLamp.IDENTIFY


def test_an_expired_command_is_refused() -> None:
    """Whoever held it back has held it back."""
    world = idle()
    order(world, "identify", lasts_s=-0.5)
    assert outcomes(world) == ["expired"]


def test_the_counter_must_rise() -> None:
    """Older ones are answered without an entry; the newest, said again, as before."""
    world = idle()
    order(world, "identify", 7)
    for counter in (6, 1, 7):
        order(world, "identify", counter)
    assert outcomes(world) == ["done", "replayed", "replayed", "done"]
    assert len(world.records("command")) == 1
    world.feed(ev.OperatorSaid(world.now, "f" * 32, "identify", 7, 9e9))
    assert outcomes(world)[-1] == "replayed"


@pytest.mark.parametrize("name", ["identify", "log-level", "report", "restart"])
@pytest.mark.parametrize("busy", ["ring", "call", "recording"])
def test_none_acts_during_ring_or_call(name: str, busy: str) -> None:
    """It is refused, not put off."""
    world = idle()
    if busy == "ring":
        world.ring()
    elif busy == "call":
        world.lift()
    else:
        world.record_by_key()
    world.wait(0.2)
    order(world, name, level="debug", minutes=1)
    assert outcomes(world) == ["busy"]
    world.ring(on=False)
    world.hang_up()
    world.wait(20.0)
    assert not world.did(do.Restart)
    assert not world.did(do.SetLogLevel)
    assert world.lamps().status is not StatusLamp.IDENTIFY


@pytest.mark.parametrize("name", ["report", "restart", "log-level"])
def test_a_ring_that_comes_before_the_ledger_has_it_puts_it_off(name: str) -> None:
    """It said `done`, and keeps its word when the call is over."""
    world = idle()
    world.adapters.ledger_s = 1.0
    order(world, name, level="debug", minutes=1)
    world.ring()
    world.wait(2.0)
    acts = (do.Restart, do.SetLogLevel, do.Reply)
    assert not [effect for kind in acts for effect in world.did(kind)]
    world.ring(on=False)
    world.wait(10.0)
    assert outcomes(world) == ["done"]


def test_a_restart_waits_until_the_last_call_is_written_down() -> None:
    """The button is held while the call ends, so its recording is still open: not now."""
    world = idle()
    world.record_by_key()
    world.edge(down=True)
    world.wait(0.1)
    world.hang_up()
    world.wait(0.5)
    order(world, "restart")
    assert outcomes(world) == ["busy"]
