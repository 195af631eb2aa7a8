"""Consent binds to one seizure of one boot of the tap; and what is never asked and never recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import AskWhen, Way
from tests.core.restart import restart
from tests.core.world import STAFF, World

ENDS: dict[str, Callable[[World], object]] = {
    "hangup": lambda w: w.hang_up(),
    "flash": lambda w: w.feed(ev.Flashed(w.now, 50)),
    "seizure-changed": lambda w: w.lift(),
    "ring": lambda w: w.ring(),
    "dial-tone": lambda w: w.tone("dial"),
    "busy": lambda w: w.tone("busy", 4),
    "congestion": lambda w: w.tone("congestion", 4),
    "fax": lambda w: w.tone("fax"),
    "tap-gone": lambda w: w.feed(ev.TapGone(w.now, "unplugged")),
    "tap-reboot": lambda w: w.hello("t2"),
    "tap swapped": lambda w: w.hello("t1", serial="T2"),
    "audio": lambda w: w.feed(ev.AudioGone(w.now, "unplugged")),
    "disk": lambda w: w.feed(ev.DiskFailed(w.now, "write", "")),
    "ledger": lambda w: w.feed(ev.DiskFailed(w.now, "ledger: full", "")),
    "space": lambda w: w.feed(ev.SpaceTold(w.now, 0)),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_recording_ends_it_in_the_same_step(end: str) -> None:
    """Each end stops capture at once, keeps what was confirmed, and closes it when the line is idle: once."""
    world = World().start()
    taken = world.record_by_key()
    ENDS[end](world)
    assert do.StopCapture(taken) in world.trace[-1].effects
    assert world.lamps().rec is RecLamp.OFF
    world.wait(2.0)
    if end not in {"hangup", "ring"}:
        assert not world.did(do.CloseRecording)
    world.line.ring = False
    world.hang_up()
    world.wait(3.0)
    assert [c.recording for c in world.did(do.CloseRecording)] == [taken]
    assert not world.did(do.DestroyRecording)
    assert len(world.did(do.StartCapture)) == 1


@pytest.mark.parametrize("end", ["hangup", "flash", "seizure-changed", "ring", "dial-tone", "tap-gone", "tap-reboot"])
def test_a_question_does_not_outlive_its_seizure(end: str) -> None:
    """A key 1 after the end of the call that was asked is nothing, and the announcement falls silent."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask()
    world.wait(10.0)
    ENDS[end](world)
    assert any(isinstance(effect, do.StopPlay) for effect in world.trace[-1].effects)
    world.key("1")
    world.wait(12.0)
    world.key("1")
    world.wait(1.0)
    assert not world.records("granted")


def test_a_line_break_ends_nothing() -> None:
    """A short interruption that the tap judged to be no hang-up leaves the recording alone."""
    world = World().start()
    world.record_by_key()
    world.feed(ev.LineBroke(world.now, 30))
    world.wait(5.0)
    assert world.capturing()


def test_three_seconds_without_line_reports() -> None:
    """The line is unknown: capture ends; the same call goes on when the tap is back, and is not asked again."""
    world = World().start()
    world.record_by_key()
    world.adapters.tap_talks = False
    world.wait(2.0)
    assert world.capturing()
    world.wait(1.5)
    assert not world.capturing()
    assert world.lamps().status is StatusLamp.CANNOT_RECORD
    world.adapters.tap_talks = True
    world.wait(5.0)
    assert world.lamps().status is not StatusLamp.CANNOT_RECORD
    world.press()
    world.wait(1.0)
    assert world.sounds().count("announcement") == 1


def test_busy_takes_four_clean_cycles() -> None:
    """Three are not enough."""
    world = World().start()
    world.record_by_key()
    world.tone("busy", 3)
    world.wait(1.0)
    assert world.capturing()


def test_a_minute_of_silence_ends_the_recording() -> None:
    """60 s without speech on both legs; speech that lasts is none, however long."""
    world = World().start()
    world.record_by_key()
    world.wait(30.0)
    world.feed(ev.SpeechBegan(world.now, Leg.FAR))
    world.wait(90.0)
    assert world.capturing()
    world.feed(ev.SpeechEnded(world.now, Leg.FAR))
    world.wait(59.0)
    assert world.capturing()
    world.wait(1.1)
    assert not world.capturing()
    world.hang_up()
    world.wait(1.0)
    assert [c.ended for c in world.did(do.CloseRecording)] == ["silence"]


def test_after_a_flash_the_call_is_asked_again() -> None:
    """Somebody else may be on the line: a new question, and a new recording on a new yes."""
    world = World().start()
    first = world.record_by_key()
    world.feed(ev.Flashed(world.now, 400))
    world.wait(3.0)
    second = world.record_by_key()
    assert first != second
    assert world.sounds().count("announcement") == 2


def test_closing_waits_for_the_idle_line_and_the_free_button() -> None:
    """Both at once; each alone is not enough, a ring is not idle."""
    world = World().start()
    world.record_by_key()
    world.edge(down=True)
    world.wait(0.2)
    world.hang_up()
    world.wait(0.5)
    assert not world.did(do.CloseRecording)
    world.ring()
    world.edge(down=False)
    world.wait(0.5)
    assert not world.did(do.CloseRecording)
    world.ring(on=False)
    assert len(world.did(do.CloseRecording)) == 1


def test_two_calls_within_a_second() -> None:
    """The second call inherits nothing; both ends are in the ledger."""
    world = World().start()
    taken = world.record_by_key()
    world.hang_up()
    world.wait(0.3)
    world.lift()
    world.wait(0.3)
    world.key("1")
    world.wait(3.0)
    assert [s.recording for s in world.did(do.StartCapture)] == [taken]
    assert [r.fields["seizure"] for r in world.records("call")] == [1, 1, 2]


# --- never asked, never recorded


CANNOT: dict[str, Callable[[], World]] = {
    "unaccepted": lambda: World(accepted=False).start(),
    "staff": lambda: World(line_users=()).start(),
    "private": lambda: World().start(private=True),
}


@pytest.mark.parametrize("why", CANNOT)
def test_what_is_never_recorded(why: str) -> None:
    """No question by itself, none by a press, no oral way either."""
    world = CANNOT[why]()
    world.lift()
    world.wait(2.0)
    for _ in range(3):
        world.press()
        world.wait(2.0)
    assert not world.records("asked")
    assert not world.records("granted")
    expected = StatusLamp.PRIVATE if why == "private" else StatusLamp.CANNOT_RECORD
    assert world.lamps().status is expected


@pytest.mark.parametrize("why", ["audio", "space", "disk", "line"])
def test_what_cannot_be_recorded_now(why: str) -> None:
    """No audio, below the reserve, a failed disk: denied; the lamp says so."""
    world = World(way=Way.ORAL).start()
    world.lift()
    world.wait(2.0)
    if why == "audio":
        world.feed(ev.AudioGone(world.now, "unplugged"))
    elif why == "space":
        world.adapters.free_bytes = 0
        world.wait(1.0)
    elif why == "disk":
        world.feed(ev.DiskFailed(world.now, "write", ""))
    else:
        world.feed(ev.TapGone(world.now, "unplugged"))
        world.adapters.tap_talks = False
    assert world.lamps().status is StatusLamp.CANNOT_RECORD
    world.press()
    world.wait(1.0)
    assert not world.records("granted")


def test_a_failed_disk_is_trusted_again_after_a_minute() -> None:
    """One failed write does not end recording for good."""
    world = World().start()
    world.feed(ev.DiskFailed(world.now, "write", ""))
    world.wait(30.0)
    assert world.lamps().status is StatusLamp.CANNOT_RECORD
    world.wait(32.0)
    assert world.lamps().status is not StatusLamp.CANNOT_RECORD


def test_before_the_start_nothing_is_recorded() -> None:
    """Without `Booted` there is no seed for identities and nothing known of private mode; REC never lights then."""
    world = World(way=Way.ORAL)
    world.feed(ev.AudioCame(world.now))
    world.feed(ev.SpaceTold(world.now, 1 << 40))
    world.hello()
    world.tell_line()
    world.lift()
    world.wait(2.0)
    world.press()
    world.wait(2.0)
    assert not world.records("granted")


def test_a_call_whose_beginning_was_not_seen_is_not_recorded() -> None:
    """The box starts in the middle of a call: what was dialled is unknown, it might be 112; the next call is normal."""
    world = World()
    world.line.off_hook = True
    world.line.seizure = 7
    world.start()
    world.press()
    world.wait(2.0)
    assert world.sounds() == []
    assert not world.records("granted")
    world.hang_up()
    world.wait(1.0)
    world.record_by_key()


def test_a_tap_that_counts_backwards_proves_no_new_call() -> None:
    """Seizure 1, 0, 1 again: neither is asked; consent is bound to a number that must be fresh."""
    world = World().start()
    world.record_by_key()
    world.feed(ev.LineTold(world.now, off_hook=True, ring=False, seizure=0))
    for _ in range(2):
        world.wait(3.0)
        world.press()
        world.key("1")
    assert len(world.records("asked")) == 1
    assert len(world.did(do.StartCapture)) == 1


# --- emergency


def _pulses(world: World, digits: str) -> None:
    for digit in digits:
        world.feed(ev.Pulsed(world.now, digit))
        world.wait(0.5)


@pytest.mark.parametrize("number", ["110", "112", "0110", "0112"])
@pytest.mark.parametrize("how", ["keys", "pulses", "unproven", "after a ring", "after a flash", "after a dial tone"])
def test_an_emergency_call_hears_no_sound(number: str, how: str) -> None:
    """No announcement, no beep, no question, no recording, whatever the button does."""
    world = World(ask_when=AskWhen.ALWAYS).start(serial="T9" if how == "unproven" else "T1")
    if how == "after a ring":
        world.ring()
        world.wait(1.0)
        world.ring(on=False)
        world.wait(1.0)
    world.lift()
    world.wait(1.0)
    if how == "after a flash":
        world.dial("030123")
        world.feed(ev.Flashed(world.now, 100))
    elif how == "after a dial tone":
        world.dial("030123")
        world.tone("dial")
    if how == "pulses":
        _pulses(world, number)
    elif how == "unproven":
        for digit in number:
            world.key(digit, Leg.FAR, 0.1)
    else:
        world.dial(number)
    world.tone("ringback", 1)
    world.speak(Leg.FAR)
    world.speak(Leg.NEAR)
    for held_s in (0.2, 0.2, 2.5, 0.2):
        world.press(held_s)
        world.wait(1.5)
    world.key("1")
    world.wait(2.0)
    assert world.did(do.Play) == []
    assert not [c for c in world.did(do.ConnectPlay) if c.on]
    assert not world.records("granted")
    world.hang_up()
    assert world.records("call")[-1].fields["outcome"] == "emergency"


def test_dialling_112_silences_a_question_that_was_asked_too_early() -> None:
    """The button was pressed before dialling: the announcement stops with the last digit, and nothing follows."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask()
    assert world.sounds() == ["announcement"]
    world.dial("112")
    count = len(world.did(do.Play))
    assert any(isinstance(effect, do.StopPlay) for entry in world.trace[-4:] for effect in entry.effects)
    world.wait(30.0)
    world.key("1")
    world.wait(1.0)
    assert len(world.did(do.Play)) == count
    assert not world.records("granted")


def test_an_emergency_call_stays_silent_when_what_was_recorded_before_is_withdrawn() -> None:
    """A 9 takes the recording back without a word."""
    world = World(way=Way.ORAL).start()
    taken = world.record_by_word()
    world.dial("112")
    sounds = len(world.sounds())
    world.key("9")
    world.wait(3.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert len(world.sounds()) == sounds


@pytest.mark.parametrize("number", ["11", "1120", "030112", "1111", "0049112", "211"])
def test_other_numbers_are_no_emergency(number: str) -> None:
    """Only the whole number counts, so that a customer's number may contain 112 (but for one that begins with it)."""
    world = World().start()
    world.lift()
    world.wait(1.0)
    world.dial(number)
    barred = world.state.call.call is not None and world.state.call.call.bar is not None
    assert barred == number.startswith("112")


def test_digits_do_not_outlive_the_call() -> None:
    """They stay in memory until the line is idle, and never reach an effect."""
    world = World().start()
    world.lift()
    world.wait(1.0)
    world.dial("0307654321")
    world.hang_up()
    world.wait(1.0)
    assert "7654321" not in repr(world.state)
    assert "7654321" not in repr([entry.effects for entry in world.trace])


def test_a_tap_that_was_silent_while_dialling_does_not_hide_an_emergency() -> None:
    """The first digits before, the last after a gap in the reports of the same call."""
    world = World().start()
    world.lift()
    world.wait(1.0)
    world.dial("11")
    world.adapters.tap_talks = False
    world.wait(4.0)
    world.adapters.tap_talks = True
    world.wait(1.5)
    world.dial("2")
    world.press()
    world.wait(2.0)
    assert world.did(do.Play) == []


def test_sounds_only_within_calls() -> None:
    """Presses on an idle or a ringing line connect nothing."""
    world = World().start()
    world.press()
    world.ring()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert not world.did(do.ConnectPlay)


def test_listening_begins_with_the_call_and_ends_with_it() -> None:
    """And never in private mode."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.hang_up()
    assert [x.on for x in world.did(do.Listen)] == [True, False]
    shy = World().start(private=True)
    shy.lift()
    assert not shy.did(do.Listen)


def test_the_sense_element_is_bypassed_until_the_box_is_accepted() -> None:
    """An unaccepted box stays out of the line."""
    assert World(accepted=False).start().did(do.SetPath) == [do.SetPath(bypass=True)]
    assert World().start(audio=TapAudio.MIX).did(do.SetPath) == [do.SetPath(bypass=False)]


def test_what_was_dialled_while_the_tap_was_silent_is_not_known() -> None:
    """The same seizure after a gap is the same call, but it is not asked any more: who knows what was dialled?"""
    world = World().start()
    world.lift()
    world.wait(1.0)
    world.adapters.tap_talks = False
    world.wait(4.0)
    world.adapters.tap_talks = True
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert world.state.call.call is not None
    assert not [r for r in world.did(do.Record) if r.kind in {"asked", "granted"}]


@pytest.mark.parametrize("late_s", [1.9, 2.1, 60.0])
def test_a_box_that_hung_keeps_nothing_of_what_came_after(late_s: float) -> None:
    """A second of its own that comes more than 2 s late ends capture before anything else is done; less is a gap."""
    world = World().start()
    recording = world.record_by_key()
    world.now = world.state.call.deadlines["second"] + late_s
    effects = world.feed(ev.Woke(world.now, "second"))
    hung = late_s > 2.0
    assert (do.StopCapture(recording) in effects) == hung
    assert (do.Ping() in effects) is True
    assert [entry.fields["what"] for entry in world.records("fault")] == (["line:hung"] if hung else [])
    if hung:
        world.hang_up()
        world.wait(1.0)
        assert world.record_by_key() != recording


@pytest.mark.parametrize("before", ["refused", "busy"])
def test_a_flash_after_a_silence_of_the_tap_opens_no_question(before: str) -> None:
    """A flash lifts a no, but not that what was dialled while the tap was silent is unknown: it might be 112."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    if before == "refused":
        world.ask_to_window()
        world.key("5")
        world.wait(3.0)
    else:
        world.tone("busy", 4)
    world.adapters.tap_talks = False
    world.wait(4.5)
    world.adapters.tap_talks = True
    world.wait(1.5)
    asked = len(world.records("asked"))
    world.feed(ev.Flashed(world.now, 200))
    world.wait(1.5)
    world.press()
    world.wait(1.0)
    assert len(world.records("asked")) == asked
    assert world.records("granted") == []


def test_after_a_restart_an_emergency_call_stays_silent() -> None:
    """What was dialled before the restart is not known any more: a withdrawal works, but it is not said."""
    world = World().start()
    recording = world.record_by_key()
    world.feed(ev.Flashed(world.now, 200))
    world.dial("112")
    restart(world, crew=STAFF)
    world.wait(1.5)
    world.key("9", Leg.FAR, 0.2)
    world.wait(2.0)
    assert do.DestroyRecording(recording) in world.did(do.DestroyRecording)
    assert "withdrawn" not in world.sounds()
