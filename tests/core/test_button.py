"""The one button: debounce, short, held, stuck, and the second after a transition."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp
from tests.core.world import World


def test_bounces_are_one_press() -> None:
    """A press that bounces 5 times on both edges asks once."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    for edge in range(11):
        world.edge(down=edge % 2 == 0)
        world.wait(0.003)
    world.wait(0.2)
    for edge in range(11):
        world.edge(down=edge % 2 == 1)
        world.wait(0.003)
    world.wait(3.0)
    assert len(world.records("asked")) == 1
    assert world.sounds() == ["announcement"]


@pytest.mark.parametrize("glitch_s", [0.001, 0.02])
def test_a_glitch_is_no_press(glitch_s: float) -> None:
    """What does not hold for the debounce time never happened."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.press(glitch_s)
    world.wait(1.0)
    assert not world.records("asked")


def test_a_deadline_that_comes_early_or_uncalled_for_is_no_debounced_press() -> None:
    """Whatever the outside does with its timers, a press of 5 ms stays none, and no hold is made of it."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    for down in (True, False):
        world.edge(down=down)
        world.wait(0.005)
        for tag in ("button", "held", "stuck", "question", "grant", "nonsense", "receipt:"):
            world.feed(ev.Woke(world.now, tag))
    world.wait(1.0)
    assert not world.records("asked")
    assert not world.records("refused")


@pytest.mark.parametrize("held_s", [1.6, 1.9])
def test_between_short_and_held_is_nothing(held_s: float) -> None:
    """1.5 s to 2 s: neither asked nor refused."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.press(held_s)
    world.wait(1.0)
    assert not world.records("asked")
    assert not world.records("refused")


def test_presses_within_a_second_after_a_transition_are_ignored() -> None:
    """Who presses then has not seen it yet."""
    world = World().start()
    world.lift()
    world.wait(0.9)
    world.press(0.05)
    world.wait(0.5)
    assert not world.records("asked")
    world.press(0.05)
    world.wait(0.5)
    assert world.records("asked")


def test_a_press_begun_before_a_transition_means_nothing_after_it() -> None:
    """Pressed while ringing, released in the call."""
    world = World().start()
    world.ring()
    world.wait(1.0)
    world.edge(down=True)
    world.wait(0.1)
    world.ring(on=False)
    world.lift()
    world.wait(0.5)
    world.edge(down=False)
    world.wait(1.0)
    assert not world.records("asked")


def test_holding_in_an_idle_line_toggles_private_mode() -> None:
    """On and off, each in the ledger, on the lamp, and binding the next call."""
    world = World().start()
    world.press(2.1)
    assert world.lamps().status is StatusLamp.PRIVATE
    world.lift()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == []
    world.hang_up()
    world.wait(2.0)
    world.press(2.1)
    assert world.lamps().status is StatusLamp.READY_ALONE
    assert [r.fields["on"] for r in world.records("private")] == [True, False]


def test_private_mode_survives_a_reboot() -> None:
    """What the ledger said last holds from the first moment."""
    world = World().start(private=True)
    assert world.lamps().status is StatusLamp.PRIVATE
    world.press(2.1)
    assert [r.fields["on"] for r in world.records("private")] == [False]


def test_holding_in_an_open_call_refuses_it() -> None:
    """Staff may refuse without a reason: no question in this call, a normal next one."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.press(2.1)
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert not world.records("asked")
    assert world.records("refused")[0].fields["why"] == "staff"
    world.hang_up()
    world.wait(2.0)
    world.record_by_key()


def test_a_press_while_recording_marks() -> None:
    """Marks stand in what is closed, at the time of the press."""
    world = World().start()
    world.record_by_key()
    world.wait(2.0)
    at = world.now
    world.press(0.3)
    world.wait(5.0)
    world.hang_up()
    assert world.did(do.CloseRecording)[0].marks == (at,)


def test_two_presses_within_600_ms_stop_and_keep() -> None:
    """Stop tone, kept, no further question in this call."""
    world = World().start()
    taken = world.record_by_key()
    world.press(0.1)
    world.wait(0.4)
    world.press(0.1)
    world.wait(2.0)
    assert not world.capturing()
    assert world.sounds()[-1] == "stop"
    world.press()
    world.wait(1.0)
    assert len(world.records("granted")) == 1
    world.hang_up()
    assert [(c.recording, c.ended) for c in world.did(do.CloseRecording)] == [(taken, "stopped")]


def test_two_slower_presses_are_two_marks() -> None:
    """700 ms apart: capture goes on."""
    world = World().start()
    world.record_by_key()
    world.press(0.1)
    world.wait(0.7)
    world.press(0.1)
    world.wait(1.0)
    assert world.capturing()
    world.hang_up()
    assert len(world.did(do.CloseRecording)[0].marks) == 2


def test_a_stuck_button_warns_until_it_is_free() -> None:
    """10 s: fault in the ledger and on the lamp."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.edge(down=True)
    world.wait(10.1)
    assert world.lamps().status is StatusLamp.WARNING
    world.edge(down=False)
    world.wait(1.0)
    assert world.lamps().status is StatusLamp.READY_ALONE


def test_a_refusal_by_the_staff_outlives_a_flash_whatever_barred_the_call_before() -> None:
    """A busy tone, the held button, a flash, and a press: this call is not asked any more."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.tone("busy", 4, final=True)
    world.press(2.2)
    world.wait(1.0)
    world.feed(ev.Flashed(world.now, 120))
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert [r.fields["why"] for r in world.records("refused")] == ["staff"]
    assert world.did(do.Play) == []
