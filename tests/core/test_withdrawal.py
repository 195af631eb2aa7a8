"""Taking a consent back: by key 9 or by holding the button, until the line is idle."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp
from handschlag.core.events import Leg, TapAudio
from tests.core.world import World, order_of


def recording() -> tuple[World, str]:
    """A call that is being recorded on a yes by key."""
    world = World().start()
    return world, world.record_by_key()


@pytest.mark.parametrize("leg", [Leg.FAR, Leg.UNCERTAIN])
def test_a_9_of_100_ms_stops_at_once_and_destroys(leg: Leg) -> None:
    """The step that hears the 100 ms stops capture and destroys; the sentence follows the durable rename."""
    world, taken = recording()
    world.key("9", leg, 0.1)
    entry = world.step_of(do.DestroyRecording)
    assert isinstance(entry.event, ev.KeyHeard)
    assert order_of(entry.effects, do.StopCapture, do.DestroyRecording, do.Lamps) == [
        do.StopCapture,
        do.DestroyRecording,
        do.Lamps,
    ]
    assert world.lamps().rec is RecLamp.OFF
    assert "withdrawn" not in world.sounds()
    world.wait(3.0)
    assert world.sounds()[-1] == "withdrawn"
    assert [r.fields["recording"] for r in world.records("withdrawn")] == [taken]


def test_the_order_of_destroying() -> None:
    """Rename, ledger, revocation, removal; each waits for the one before."""
    world, taken = recording()
    world.adapters.ledger_s = world.adapters.disk_s = 0.5
    world.key("9")
    world.wait(0.4)
    assert not world.records("withdrawn")
    world.wait(0.2)
    assert world.records("withdrawn")
    assert not world.did(do.SignRevoke)
    world.wait(0.5)
    seq = world.kinds().index("withdrawn") + 1
    assert world.did(do.SignRevoke) == [do.SignRevoke(taken, "key", seq)]
    kinds = (do.DestroyRecording, ev.RecordingGone, do.SignRevoke, do.RemoveGone)
    assert order_of(world.flat(), *kinds) == list(kinds)


@pytest.mark.parametrize(("key", "leg", "held_s"), [("9", Leg.NEAR, 0.5), ("9", Leg.FAR, 0.099), ("8", Leg.FAR, 0.5)])
def test_other_keys_do_not_withdraw(key: str, leg: Leg, held_s: float) -> None:
    """A near 9, a 9 that was too short, another key: capture goes on."""
    world, _ = recording()
    world.key(key, leg, held_s)
    world.wait(1.0)
    assert not world.did(do.StopCapture)


def test_without_proven_direction_any_9_withdraws() -> None:
    """Where the direction is not proven, a 9 told as near may be the other party's."""
    world = World().start(serial="unproven")
    world.begin_oral()
    world.key("9", Leg.NEAR, 0.2)
    world.wait(1.0)
    assert world.did(do.DestroyRecording)


def test_a_9_after_stop_and_keep_withdraws() -> None:
    """What was kept in this call can still be taken back."""
    world, taken = recording()
    world.press(0.1)
    world.wait(0.2)
    world.press(0.1)
    world.wait(2.0)
    assert not world.did(do.DestroyRecording)
    world.key("9")
    world.wait(2.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert world.did(do.SignRevoke)
    world.hang_up()
    world.wait(2.0)
    assert not world.did(do.CloseRecording)


@pytest.mark.parametrize("leg", [Leg.FAR, Leg.UNCERTAIN])
def test_a_9_during_a_second_question_withdraws_what_was_recorded_before(leg: Leg) -> None:
    """After a flash the call is asked again: a 9 then takes back the first part, and ends the question."""
    world, taken = recording()
    world.feed(ev.Flashed(world.now, 200))
    world.wait(2.0)
    world.ask()
    assert world.sounds()[-1] == "announcement"
    world.wait(2.0)
    world.key("9", leg, 0.2)
    world.wait(0.1)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    world.wait(10.0)
    world.key("1")
    world.wait(10.0)
    assert len(world.did(do.StartCapture)) == 1
    assert world.sounds()[-2:] == ["announcement", "withdrawn"]


def test_a_9_while_the_grant_is_on_its_way_to_the_disk() -> None:
    """Nothing was captured yet, and nothing will be; both is in the ledger."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask_to_window()
    world.adapters.ledger_s = 1.0
    world.key("1")
    world.key("9")
    world.wait(5.0)
    assert not world.did(do.StartCapture)
    assert world.records("withdrawn")
    assert world.sounds()[-1] == "withdrawn"


def test_holding_the_button_stops_at_2_s_and_destroys_at_the_release() -> None:
    """Capture ends at 2 s; only the release within 10 s destroys."""
    world, taken = recording()
    began = world.now
    world.edge(down=True)
    world.wait(5.0)
    stopped = world.step_of(do.StopCapture)
    assert began + 1.99 < stopped.event.at < began + 2.01
    assert not world.did(do.DestroyRecording)
    world.edge(down=False)
    world.wait(2.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert world.sounds()[-1] == "withdrawn"


def test_a_stuck_button_keeps_what_was_recorded() -> None:
    """Beyond 10 s the button is broken, not a wish: kept, warned, and closed only once the button is free."""
    world, taken = recording()
    world.edge(down=True)
    world.wait(10.1)
    assert [r.fields["what"] for r in world.records("fault")] == ["button:stuck"]
    world.hang_up()
    world.wait(3.0)
    assert not world.did(do.CloseRecording)
    world.edge(down=False)
    world.wait(1.0)
    assert [c.recording for c in world.did(do.CloseRecording)] == [taken]
    assert not world.did(do.DestroyRecording)


def test_a_hold_begun_in_the_call_still_withdraws_after_hanging_up() -> None:
    """The handset goes down while the button is held: nothing is signed meanwhile, and the release destroys."""
    world, taken = recording()
    world.edge(down=True)
    world.wait(1.0)
    world.hang_up()
    world.wait(2.0)
    assert not world.did(do.CloseRecording)
    world.edge(down=False)
    world.wait(1.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert not world.did(do.CloseRecording)
    assert "withdrawn" not in world.sounds()
    assert not world.records("private")


def test_a_press_shorter_than_2_s_across_the_hang_up_keeps() -> None:
    """Only a hold withdraws; the recording is closed at the release."""
    world, taken = recording()
    world.edge(down=True)
    world.wait(1.0)
    world.hang_up()
    world.wait(0.5)
    world.edge(down=False)
    world.wait(1.0)
    assert [c.recording for c in world.did(do.CloseRecording)] == [taken]


def test_a_hold_from_one_call_into_the_next_leaves_the_next_alone() -> None:
    """Held over the hang-up into a new call that is being asked: the old recording goes, the question goes on."""
    world, taken = recording()
    world.edge(down=True)
    world.wait(0.5)
    world.hang_up()
    world.wait(0.2)
    world.lift()
    world.wait(5.0)
    world.edge(down=False)
    world.wait(3.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert "withdrawn" not in world.sounds()
    assert world.state.call.call is not None
    assert world.state.call.call.bar is None


def test_the_sentence_is_told_only_in_the_call_that_was_withdrawn() -> None:
    """A disk that takes its time: the next call's party hears nothing of it."""
    world, _ = recording()
    world.adapters.disk_s = 5.0
    world.key("9")
    world.wait(0.5)
    world.hang_up()
    world.wait(1.0)
    world.lift()
    world.wait(10.0)
    assert world.records("withdrawn")
    assert "withdrawn" not in world.sounds()


def test_a_disk_that_cannot_rename_is_asked_again_and_the_ledger_knows_first() -> None:
    """Else a restart would find an ordinary interrupted recording, and send it."""
    world, taken = recording()
    world.adapters.destroys = False
    world.key("9")
    world.wait(1.0)
    assert [r.fields["recording"] for r in world.records("withdrawn")] == [taken]
    assert not world.did(do.RemoveGone)
    world.adapters.destroys = True
    world.wait(6.0)
    assert len(world.did(do.SignRevoke)) == len(world.did(do.RemoveGone)) == 1
    assert len(world.records("withdrawn")) == 1


def test_nothing_is_sent_of_a_recording_that_is_being_destroyed() -> None:
    """The broker is there, clips wait, the disk is slow: still nothing more goes out after the withdrawal."""
    world, taken = recording()
    world.feed(ev.Connected(world.now))
    world.adapters.disk_s = 2.0
    world.wait(1.0)
    world.key("9")
    sent = len(world.sent(taken))
    world.feed(ev.FileSent(world.now, taken, "head.json"))
    world.wait(1.5)
    assert len(world.sent(taken)) == sent


def test_withdrawing_bars_the_rest_of_the_call() -> None:
    """No further question, no oral way, not even after a flash."""
    world, _ = recording()
    world.key("9")
    world.wait(3.0)
    world.press()
    world.feed(ev.Flashed(world.now, 200))
    world.wait(2.0)
    world.press()
    world.wait(2.0)
    assert len(world.did(do.StartCapture)) == 1
    assert len(world.records("granted")) == 1


def test_both_parts_of_a_call_are_withdrawn_together() -> None:
    """A call recorded before and after a flash: one 9, two recordings gone, one sentence."""
    world, first = recording()
    world.feed(ev.Flashed(world.now, 200))
    world.wait(2.0)
    second = world.record_by_key()
    assert first != second
    world.key("9")
    world.wait(3.0)
    assert {d.recording for d in world.did(do.DestroyRecording)} == {first, second}
    assert {d.recording for d in world.did(do.SignRevoke)} == {first, second}
    assert world.sounds().count("withdrawn") == 1


def test_after_a_tap_reboot_nothing_of_the_old_seizure_is_at_risk() -> None:
    """The same number under another boot is another seizure: a 9 there does not reach the old recording."""
    world, taken = recording()
    world.feed(ev.TapHello(world.now, "t2", "T1", TapAudio.VI))
    world.wait(2.0)
    world.key("9")
    world.wait(1.0)
    assert not world.did(do.DestroyRecording)
    world.hang_up()
    world.wait(1.0)
    assert [c.recording for c in world.did(do.CloseRecording)] == [taken]
