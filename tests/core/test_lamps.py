"""The two lamps over whole stories: what they show, in which order, and that the higher meaning wins."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.box import BoxState
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import TapAudio
from handschlag.core.lamps import lamps
from handschlag.core.policy import Way
from handschlag.core.state import CAPTURING, Button, Call, CallState, Line, People, Phase, Seizure
from tests.core.world import POLICY, World


def ready(**changes: object) -> CallState:
    """A state in which nothing is amiss, with some fields changed."""
    line = Line(known=True, tap_boot="t1", tap_serial="T1", audio=TapAudio.VI)
    state = CallState(POLICY, phase=Phase.IDLE, booted_at=1.0, line=line, audio_ok=True, clock_synced=True)
    state = replace(state, people=People(covered=True))
    return replace(replace(state, free_bytes=1 << 40), **changes)  # type: ignore[arg-type] # fields by name


def shown(state: CallState, *, reachable: bool = True, backlog: bool = False) -> StatusLamp:
    """The status lamp of a state."""
    return lamps(state, archive_reachable=reachable, backlog_warning=backlog).status


def test_priorities_fall_as_in_the_design() -> None:
    """With everything at once the highest shows; taking it away shows the next, down to steady green."""
    call = Call(Seizure("t1", 1), 0.0, incoming=True)
    everything = ready(phase=Phase.PENDING, call=call, private=True, audio_ok=False, button=Button(stuck=True))
    assert shown(everything, reachable=False) is StatusLamp.CANNOT_RECORD
    able = replace(everything, audio_ok=True)
    assert shown(able, reachable=False) is StatusLamp.YOUR_TURN
    asking = replace(able, phase=Phase.ASKING)
    assert shown(asking, reachable=False) is StatusLamp.ASKING
    idle = replace(asking, phase=Phase.IDLE, call=None)
    assert shown(idle, reachable=False) is StatusLamp.PRIVATE
    public = replace(idle, private=False)
    assert shown(public, reachable=False) is StatusLamp.WARNING
    released = replace(public, button=Button())
    assert shown(released, reachable=False, backlog=True) is StatusLamp.WARNING
    assert shown(released, reachable=False) is StatusLamp.READY_ALONE
    assert shown(released) is StatusLamp.READY


@pytest.mark.parametrize("phase", Phase)
def test_rec_is_on_while_capturing_and_never_else(phase: Phase) -> None:
    """REC is a function of the phase alone."""
    call = Call(Seizure("t1", 1), 0.0, incoming=True)
    rec = lamps(ready(phase=phase, call=call), archive_reachable=True, backlog_warning=False).rec
    assert (rec is RecLamp.ON) == (phase in CAPTURING)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clock_synced": False}, StatusLamp.WARNING),
        ({"free_bytes": 1 << 30}, StatusLamp.WARNING),
        ({"set_aside": 1}, StatusLamp.WARNING),
        ({"free_bytes": 0}, StatusLamp.CANNOT_RECORD),
        ({"free_bytes": None}, StatusLamp.CANNOT_RECORD),
        ({"ledger_ok": False}, StatusLamp.CANNOT_RECORD),
        ({"disk_failed_at": 1.0}, StatusLamp.CANNOT_RECORD),
        ({"booted_at": None}, StatusLamp.OFF),
        ({"line": Line()}, StatusLamp.OFF),
        ({"line": Line(missed=True)}, StatusLamp.CANNOT_RECORD),
    ],
)
def test_each_reason_shows(change: dict[str, object], expected: StatusLamp) -> None:
    """What is amiss can be seen."""
    assert shown(ready(**change)) is expected


def test_a_box_that_is_off_shows_nothing() -> None:
    """Before anything happened both lamps are dark."""
    assert BoxState.new(POLICY).lamps == do.Lamps(RecLamp.OFF, StatusLamp.OFF)


@pytest.mark.parametrize("way", Way)
def test_the_story_of_a_call_on_the_lamps(way: Way) -> None:
    """From your turn to steady: no pattern twice in a row, REC exactly while capturing."""
    world = World(way=way).start()
    world.feed(ev.Connected(world.now))
    if way is Way.KEY:
        world.record_by_key()
    else:
        world.record_by_word()
    world.wait(3.0)
    world.hang_up()
    world.wait(1.0)
    story = world.did(do.Lamps)
    assert all(one != other for one, other in pairwise(story))
    turns = [lamp.status for lamp in story]
    expected = {
        Way.KEY: [StatusLamp.YOUR_TURN, StatusLamp.ASKING, StatusLamp.READY],
        Way.ORAL: [StatusLamp.YOUR_TURN, StatusLamp.ASKING, StatusLamp.YOUR_TURN, StatusLamp.READY],
    }[way]
    assert turns[-len(expected) - 1 : -1] == expected
    assert story[-1] == do.Lamps(RecLamp.OFF, StatusLamp.READY)


def test_rec_is_lit_before_the_first_sample_and_dark_after_the_last() -> None:
    """The order of the effects within their steps."""
    world = World().start()
    world.record_by_key()
    world.hang_up()
    flat = world.flat()
    on = next(i for i, x in enumerate(flat) if isinstance(x, do.Lamps) and x.rec is RecLamp.ON)
    start = next(i for i, x in enumerate(flat) if isinstance(x, do.StartCapture))
    stop = next(i for i, x in enumerate(flat) if isinstance(x, do.StopCapture))
    off = next(i for i, x in enumerate(flat) if i > on and isinstance(x, do.Lamps) and x.rec is RecLamp.OFF)
    assert on < start < stop < off
