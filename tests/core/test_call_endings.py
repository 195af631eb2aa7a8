"""How a call ends, early or late, and what begins right after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.events import Leg
from handschlag.core.policy import AskWhen, Way
from handschlag.core.state import Phase
from tests.core.world import SOUND_S, World, order_of

# --- early


def _before_the_greeting(world: World) -> None:
    world.incoming()


def _during_the_announcement(world: World) -> None:
    world.incoming()
    world.speak(Leg.NEAR)
    world.wait(5.0)
    assert world.sounds() == ["announcement"]


def _in_the_window(world: World) -> None:
    _during_the_announcement(world)
    world.wait(SOUND_S["announcement"] - 3.0)


def _while_granted_is_written(world: World) -> None:
    _in_the_window(world)
    world.adapters.ledger_s = 0.5
    world.key("1")
    assert world.state.call.phase is Phase.GRANTING


EARLY: dict[str, tuple[Callable[[World], None], str]] = {
    "before the greeting": (_before_the_greeting, "not-asked"),
    "during the announcement": (_during_the_announcement, "unanswered"),
    "in the window": (_in_the_window, "unanswered"),
    "while granted is written": (_while_granted_is_written, "failed"),
}


@pytest.mark.parametrize("when", EARLY)
def test_an_early_hang_up_leaves_nothing(when: str) -> None:
    """The step that hears it silences the box, ends the question, and nothing is ever opened or captured."""
    world = World(ask_when=AskWhen.INCOMING).start()
    lead, outcome = EARLY[when]
    lead(world)
    sounds = len(world.did(do.Play))
    world.hang_up()
    assert world.state.call.phase is Phase.IDLE
    assert world.records("call")[-1].fields["outcome"] == outcome
    asked, refused = len(world.records("asked")), [r.fields["why"] for r in world.records("refused")]
    assert refused == ["hangup"] * asked
    world.key("1")
    world.wait(40.0)
    assert len(world.did(do.Play)) == sounds
    assert not world.did(do.OpenRecording)
    assert not world.did(do.StartCapture)
    assert [c.on for c in world.did(do.ConnectPlay)] == [True, False] * sounds
    world.record_by_key()  # the next call is a normal one


# --- late


@pytest.mark.parametrize("over", ["busy", "silence", "stopped", "nothing"])
def test_a_late_hang_up_closes_what_ended_before(over: str) -> None:
    """The handset stays off for an hour after the end: nothing is signed before it goes down, and then once."""
    world = World().start()
    taken = world.record_by_key()
    if over == "busy":
        world.tone("busy", 4)
    elif over == "silence":
        world.wait(61.0)
    elif over == "stopped":
        world.press(0.1)
        world.wait(0.2)
        world.press(0.1)
    else:
        world.feed(ev.SpeechBegan(world.now, Leg.FAR))
    world.wait(3600.0)
    assert world.capturing() is (over == "nothing")
    assert not world.did(do.CloseRecording)
    world.press()
    world.wait(2.0)
    assert len(world.records("granted")) == 1
    world.hang_up()
    world.wait(1.0)
    ended = "hangup" if over == "nothing" else over
    assert [(c.recording, c.ended) for c in world.did(do.CloseRecording)] == [(taken, ended)]


@pytest.mark.parametrize("number", ["none", "pulses", "known", "lost"])
@pytest.mark.parametrize("way", Way)
def test_a_minute_of_silence_is_flagged_whoever_was_called(number: str, way: Way) -> None:
    """60 s without a word end the recording as `silence`, also where the number is unknown, and of an oral yes."""
    world = World(way=way).start()
    world.lift()
    world.wait(1.0)
    if number == "pulses":
        world.feed(ev.Pulsed(world.now, "3"))
    elif number in {"known", "lost"}:
        world.dial("030")
        if number == "lost":
            world.feed(ev.AudioLost(world.now))
        world.dial("123")
    world.wait(2.5)
    taken = world.record_by_key() if way is Way.KEY else world.record_by_word()
    world.wait(57.0)
    assert world.capturing()
    world.wait(4.0)
    assert not world.capturing()
    assert world.line.off_hook
    world.hang_up()
    world.wait(1.0)
    assert [(c.recording, c.ended) for c in world.did(do.CloseRecording)] == [(taken, "silence")]


# --- right after


def _next_call(world: World, between: str) -> None:
    if between != "nothing":
        world.hang_up()
    if between == "a ring":
        world.ring()
    if between != "nothing":
        world.wait(0.3)
    if between == "a ring":
        world.ring(on=False)
    world.lift()


@pytest.mark.parametrize("between", ["nothing", "a report", "a ring"])
@pytest.mark.parametrize("state", ["asking", "granting", "pending", "recording"])
def test_two_calls_within_a_second(state: str, between: str) -> None:
    """Whatever the first was doing, the second inherits no question, no yes and no recording."""
    world = World(way=Way.ORAL if state == "pending" else Way.KEY).start()
    world.lift()
    world.wait(2.0)
    if state == "pending":
        world.begin_oral()
        world.repeat_question()
    else:
        world.ask_to_window()
        if state == "granting":
            world.adapters.ledger_s = 0.4
        if state != "asking":
            world.key("1")
        if state == "recording":
            world.wait(1.5)
    begun = len(world.did(do.StartCapture))
    _next_call(world, between)
    assert not world.capturing()
    world.key("1")
    world.wait(1.1)
    world.key("1")
    if state == "pending":
        assert not world.records("confirmed")
    world.wait(1.5)
    assert len(world.did(do.StartCapture)) == begun
    assert not world.records("confirmed")
    first, second = world.records("call")[0].fields["seizure"], world.records("call")[-1].fields["seizure"]
    assert [r.fields["seizure"] for r in world.records("call")] == [first, first, second]
    assert world.records("call")[-1].fields["incoming"] is (between == "a ring")


def test_a_ring_right_after_the_hang_up_belongs_to_the_next_call() -> None:
    """Closed only once ringing is over, and the ring's call is asked after its own greeting."""
    world = World(ask_when=AskWhen.INCOMING).start()
    taken = world.record_by_key()
    world.line.off_hook = False
    world.ring()  # on-hook and ring in one report
    assert not world.capturing()
    assert not world.did(do.CloseRecording)
    world.wait(1.0)
    world.ring(on=False)
    assert [c.recording for c in world.did(do.CloseRecording)] == [taken]
    world.lift()
    world.speak(Leg.NEAR)
    assert world.sounds()[-1] == "announcement"
    assert len(world.records("asked")) == 2


def test_an_answered_ring_is_used_up() -> None:
    """Called, hung up at once, and lifted again to call out: the second call is no incoming one."""
    world = World(ask_when=AskWhen.INCOMING).start()
    world.ring()
    world.wait(0.5)
    world.ring(on=False)
    world.lift()
    world.wait(0.5)
    world.hang_up()
    world.wait(0.5)
    world.lift()
    world.speak(Leg.NEAR)
    assert [r.fields["incoming"] for r in world.records("call") if not r.fields["at_end"]] == [True, False]
    assert world.sounds() == []


@pytest.mark.parametrize("state", ["asking", "granting", "recording"])
def test_a_tap_reboot_with_the_same_seizure_number_is_another_seizure(state: str) -> None:
    """Consent belongs to (tap boot, seizure): the same number under a new boot has no yes, and is not asked."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask_to_window()
    if state == "granting":
        world.adapters.ledger_s = 0.5
    if state != "asking":
        world.key("1")
    if state == "recording":
        world.wait(1.5)
    world.hello("t2")
    assert not world.capturing()
    world.tell_line()
    world.key("1")
    world.wait(1.5)
    world.press()
    world.wait(2.0)
    assert len(world.records("granted")) == (0 if state == "asking" else 1)
    assert len(world.did(do.StartCapture)) == (1 if state == "recording" else 0)
    assert [r.fields["tap_boot"] for r in world.records("call")] == ["t1", "t1", "t2"]


# --- tones and flashes within it


@pytest.mark.parametrize("state", ["granting", "pending", "confirming", "recording"])
def test_a_fax_tone_ends_what_is_recorded(state: str) -> None:
    """In the very step, whatever state the yes is in; nothing more is captured in this call."""
    world = World(way=Way.KEY if state in {"granting", "recording"} else Way.ORAL).start()
    if state == "recording":
        world.record_by_key()
    elif state == "granting":
        world.lift()
        world.wait(2.0)
        world.ask_to_window()
        world.adapters.ledger_s = 0.5
        world.key("1")
    else:
        world.begin_oral()
        world.repeat_question()
        if state == "confirming":
            world.adapters.ledger_s = 0.5
            world.press()
    assert world.state.call.phase.value == state
    begun = len(world.did(do.StartCapture))
    world.tone("fax")
    assert not world.capturing()
    world.wait(1.5)
    world.press()
    world.key("1")
    world.wait(2.0)
    assert len(world.did(do.StartCapture)) == begun
    assert not world.did(do.WriteKeys) or state == "recording"
    world.hang_up()
    world.wait(1.0)
    assert [c.ended for c in world.did(do.CloseRecording)] == (["fax"] if state == "recording" else [])


def test_a_flash_to_the_waiting_caller_asks_for_a_new_yes() -> None:
    """The tone alone ends nothing; the flash pauses, and only the new party's own 1 begins another recording."""
    world = World(ask_when=AskWhen.INCOMING).start()
    world.incoming()
    world.speak(Leg.NEAR)
    world.wait(13.0)
    world.key("1")
    world.wait(1.5)
    (first,) = (s.recording for s in world.did(do.StartCapture))
    world.tone("waiting", 2)
    world.feed(ev.CallerIdHeard(world.now, "030999", "", "11-24 10:00", "voice"))
    world.wait(1.0)
    assert world.capturing()
    world.feed(ev.Flashed(world.now, 90))
    assert not world.capturing()
    world.key("1")
    world.wait(2.0)
    assert not world.capturing()
    world.speak(Leg.NEAR)  # the greeting of the second caller
    assert world.sounds().count("announcement") == 2
    world.wait(13.0)
    assert not world.capturing()
    world.key("1")
    world.wait(1.5)
    second = world.did(do.StartCapture)[-1].recording
    assert world.capturing()
    assert first != second
    world.hang_up()
    world.wait(1.0)
    assert [(c.recording, c.ended) for c in world.did(do.CloseRecording)] == [(first, "flash"), (second, "hangup")]
    assert order_of(world.flat(), do.StartCapture, do.StopCapture) == [do.StartCapture, do.StopCapture] * 2


def test_a_new_party_must_greet_anew_before_it_is_asked_by_itself() -> None:
    """Who was greeted before the flash is not there any more: far speech alone asks nothing."""
    world = World(ask_when=AskWhen.INCOMING).start()
    world.incoming()
    world.speak(Leg.NEAR)
    world.key("3")
    world.wait(3.0)
    world.feed(ev.Flashed(world.now, 90))
    world.wait(2.0)
    world.speak(Leg.FAR)
    assert len(world.records("asked")) == 1
    world.speak(Leg.NEAR)
    assert len(world.records("asked")) == 2  # the first party's no is not the second one's


def test_a_number_dialled_after_a_flash_of_an_incoming_call_is_on_the_list() -> None:
    """Whoever began the call, a consultation call to a number of the do-not-record list is not asked."""
    world = World().start(excluded=("030123",))
    world.incoming()
    world.feed(ev.Flashed(world.now, 90))
    world.dial("030123")
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    assert not world.records("asked")
    world.feed(ev.Flashed(world.now, 90))
    world.wait(1.0)
    world.hang_up()
    assert world.records("call")[-1].fields["bar"] == "excluded"
