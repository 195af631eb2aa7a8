"""Who is calling: when the box listens for it, how long it remembers, and where it may go."""

from __future__ import annotations

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.state import Bar
from tests.core.world import World

NUMBER = "03023125042"


def _say(world: World, number: str = NUMBER, absence: str = "") -> None:
    world.feed(ev.CallerIdHeard(world.now, number, "Weber", "11-24 09:15", "voice", absence))


def _listens(world: World) -> list[bool]:
    return [effect.on for effect in world.did(do.Listen)]


def _caller(world: World) -> do.Caller | None:
    """Who was heard while nobody has answered yet."""
    return world.state.call.caller


def _ring_once(world: World, pause_s: float = 2.0) -> None:
    world.ring()
    world.wait(1.0)
    world.ring(on=False)
    world.wait(pause_s)


def _answered(world: World) -> World:
    _ring_once(world, 1.5)
    _say(world)
    world.lift()
    world.wait(2.0)
    return world


def test_listens_between_rings_and_not_during_them() -> None:
    """Hearing is on in each pause of ringing, off during the rings, and off 8 s after the last one."""
    world = World().start()
    world.ring()
    world.wait(1.0)
    assert _listens(world) == []
    world.ring(on=False)
    assert _listens(world) == [True]
    world.wait(4.0)
    world.ring()
    assert _listens(world) == [True, False]
    world.wait(1.0)
    world.ring(on=False)
    world.wait(7.9)
    assert _listens(world) == [True, False, True]
    world.wait(0.2)
    assert _listens(world) == [True, False, True, False]


def test_nothing_is_done_to_a_ringing_line() -> None:
    """Caller id on an idle line causes no effect: no sound, no ledger entry, no lamp, no capture (P1, P3)."""
    world = World().start()
    _ring_once(world)
    before = len(world.trace)
    _say(world)
    assert [entry.effects for entry in world.trace[before:]] == [()]


def test_reversal_of_the_idle_line() -> None:
    """Exchanges that reverse the line before they send are listened to for three seconds."""
    world = World().start()
    world.feed(ev.LineTold(world.now, off_hook=False, ring=False, seizure=0, reversed=True))
    assert _listens(world) == [True]
    _say(world)
    assert _caller(world) is not None
    for _ in range(4):
        world.feed(ev.LineTold(world.now, off_hook=False, ring=False, seizure=0, reversed=True))
        world.now += 0.1
    assert _listens(world) == [True]


def test_number_goes_into_the_details_of_a_consented_call() -> None:
    """The recording that key 1 opens carries the caller of this call."""
    world = _answered(World().start())
    assert _listens(world)[-1] is True
    world.record_by_key()
    (opened,) = world.did(do.OpenRecording)
    assert opened.caller is not None
    assert (opened.caller.number, opened.caller.name) == (NUMBER, "Weber")


def test_number_ends_with_the_call() -> None:
    """After the call nothing of the state holds the number, and the next call has none."""
    world = _answered(World().start())
    assert world.state.call.call is not None
    assert world.state.call.call.caller is not None
    world.hang_up()
    world.wait(1.0)
    assert _caller(world) is None
    assert world.state.call.last_call is not None
    assert world.state.call.last_call.caller is None
    world.record_by_key()
    assert world.did(do.OpenRecording)[-1].caller is None


def test_nobody_answers() -> None:
    """Who called in vain is forgotten before somebody dials out."""
    world = World().start()
    _ring_once(world)
    _say(world)
    assert _caller(world) is not None
    world.wait(8.0)
    assert _caller(world) is None
    world.record_by_key()
    assert world.did(do.OpenRecording)[-1].caller is None


def test_flash_forgets_the_caller() -> None:
    """After hold or transfer it is not known who is there: a wrong number is worse than none."""
    world = _answered(World().start())
    world.feed(ev.Flashed(world.now, 120))
    world.wait(1.0)
    world.record_by_key()
    assert world.did(do.OpenRecording)[-1].caller is None


def test_private_mode_does_not_listen() -> None:
    """In private mode nobody's number is heard; switched on between rings it forgets."""
    world = World().start(private=True)
    _ring_once(world)
    assert True not in _listens(world)
    _say(world)
    assert _caller(world) is None
    shy = World().start()
    _ring_once(shy, 1.5)
    _say(shy)
    shy.edge(down=True)
    shy.wait(2.2)
    shy.edge(down=False)
    shy.wait(0.1)
    assert shy.state.call.private
    assert _caller(shy) is None
    assert _listens(shy) == [True, False]
    shy.lift()
    assert _listens(shy) == [True, False]


def test_not_accepted_does_not_listen() -> None:
    """A box that was not accepted hears nothing."""
    world = World(accepted=False).start()
    _ring_once(world)
    assert _listens(world) == []


def test_lost_tap_forgets() -> None:
    """Whose ring it was is not known when the tap is gone."""
    world = World().start()
    _ring_once(world, 1.0)
    _say(world)
    world.feed(ev.TapGone(world.now, "unplugged"))
    assert _caller(world) is None
    assert _listens(world) == [True, False]


def test_who_waits_changes_nothing_and_stands_in_the_details() -> None:
    """Call waiting during a recording: no effect at once, and a word in what is sealed at the end."""
    world = World().start()
    world.record_by_key()
    before = len(world.trace)
    _say(world, "030111")
    assert [entry.effects for entry in world.trace[before:]] == [()]
    assert world.capturing()
    world.hang_up()
    world.wait(1.0)
    (closed,) = world.did(do.CloseRecording)
    assert [caller.number for caller in closed.waiting] == ["030111"]


def test_who_waits_without_a_recording_is_not_kept() -> None:
    """Outside of a recording the waiting caller is forgotten at once."""
    world = _answered(World().start())
    state = world.state
    _say(world, "030111")
    assert world.state == state


def test_number_stays_out_of_ledger_and_representations() -> None:
    """No ledger entry holds it, and what is printed of events, effects and state does not (P9)."""
    world = _answered(World().start())
    world.record_by_key()
    _say(world, "030111222")
    world.hang_up()
    world.wait(1.0)
    said = repr(world.trace) + repr(world.state) + repr(world.did(do.Record))
    for secret in (NUMBER, "Weber", "030111222"):
        assert secret not in said


def test_a_number_told_while_it_rings_counts() -> None:
    """A part that reads caller id itself tells it during the ring; in private mode it is not kept."""
    shy = World().start(private=True)
    shy.ring()
    _say(shy)
    assert _caller(shy) is None
    world = World().start()
    world.ring()
    _say(world)
    assert _caller(world) is not None
    world.ring(on=False)
    world.lift()
    call = world.state.call.call
    assert call is not None
    assert call.caller is not None
    assert call.caller.number == NUMBER


def test_a_number_told_just_after_the_answer_is_the_callers() -> None:
    """Late word of the ring answered is who is there; what comes later is somebody who waits."""
    world = World().start()
    world.ring()
    world.lift()
    world.wait(1.0)
    _say(world)
    world.wait(5.0)
    _say(world, "0302")
    call = world.state.call.call
    assert call is not None
    assert call.caller is not None
    assert call.caller.number == NUMBER


def test_an_emergency_number_told_by_the_network_bars_the_call() -> None:
    """Whatever was heard of it before, a whole number 110 is an emergency call."""
    world = World().start()
    world.lift()
    world.feed(ev.Pulsed(world.now, "1"))
    world.feed(ev.Dialled(world.now, "110"))
    call = world.state.call.call
    assert call is not None
    assert call.bar is Bar.EMERGENCY
