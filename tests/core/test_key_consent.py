"""A yes by key 1: only from the far leg, only after the mark, only within the window, only for this call."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import AskWhen
from tests.core.world import MARK_S, SOUND_S, World, order_of


def in_call(**changes: object) -> World:
    """A box in an outgoing call of two seconds."""
    world = World(**changes).start()  # type: ignore[arg-type] # tests name the policy's own fields
    world.lift()
    world.wait(2.0)
    return world


def asked(**changes: object) -> World:
    """A box whose announcement has just begun to play."""
    world = in_call(**changes)
    world.ask()
    assert world.sounds() == ["announcement"]
    return world


def window(**changes: object) -> World:
    """A box whose announcement is over: the key is awaited."""
    world = in_call(**changes)
    world.ask_to_window()
    return world


def wait_until_window_ends(world: World, after_s: float) -> None:
    """Let time pass until so long after the end of the window, or before it."""
    began_at = world.step_of(do.Play).event.at
    world.wait(began_at + SOUND_S["announcement"] + 8.0 + after_s - world.now)


def test_key_1_in_the_window_records() -> None:
    """The whole way: asked, granted, durable, opened with its key, captured, start tone."""
    world = window()
    world.key("1")
    world.wait(1.0)
    assert len(world.did(do.StartCapture)) == 1
    assert world.sounds() == ["announcement", "start"]
    assert world.kinds()[-4:] == ["call", "asked", "granted", "opened"]
    evidence = world.did(do.OpenRecording)[0].evidence
    assert (evidence.way, evidence.leg, evidence.text_version) == ("key", "far", "de-1")
    assert evidence.held_s == 0.06
    assert evidence.cos_phi == 0.9
    assert evidence.ledger_seq == world.kinds().index("granted") + 1


def test_key_1_between_mark_and_end_of_the_announcement_records_at_once() -> None:
    """From the mark on the key counts; the announcement falls silent."""
    world = asked()
    world.wait(MARK_S + 0.1)
    world.key("1")
    world.wait(1.0)
    assert len(world.did(do.StartCapture)) == 1
    assert world.did(do.StopPlay)


def test_the_first_sample_waits_for_the_durable_ledger_entry() -> None:
    """With a ledger that takes 2 s nothing is opened or captured before its fsync returned, and everything after."""
    world = window()
    world.adapters.ledger_s = 2.0
    world.key("1")
    world.wait(1.7)
    assert not world.did(do.OpenRecording)
    assert world.lamps().rec is RecLamp.OFF
    world.wait(0.3)
    entry = world.step_of(do.StartCapture)
    granted = world.records("granted")[0]
    assert isinstance(entry.event, ev.EntryDurable)
    assert entry.event.ticket == granted.ticket


def test_the_order_of_effects_when_capture_begins() -> None:
    """REC lamp, then the recording, then its wrapped key, then the first sample."""
    world = window()
    world.key("1")
    world.wait(0.1)
    effects = world.step_of(do.StartCapture).effects
    assert order_of(effects, do.Lamps, do.OpenRecording, do.WriteKeys, do.StartCapture) == [
        do.Lamps,
        do.OpenRecording,
        do.WriteKeys,
        do.StartCapture,
    ]


def test_a_ledger_that_stays_silent_records_nothing() -> None:
    """No EntryDurable within 3 s: given up, and an entry that becomes durable later starts nothing."""
    world = window()
    world.adapters.ledger_s = None
    world.key("1")
    world.wait(4.0)
    assert world.lamps().status is StatusLamp.CANNOT_RECORD
    ticket = world.records("granted")[0].ticket
    world.feed(ev.EntryDurable(world.now, ticket, 99, "late"))
    world.wait(1.0)
    assert not world.did(do.StartCapture)


def test_only_the_entry_of_this_very_yes_starts_capture() -> None:
    """Other entries that become durable meanwhile (the question's, a clock's) permit nothing."""
    world = window()
    world.adapters.ledger_s = 2.0
    world.key("1")
    for ticket in (0, 1, world.records("asked")[0].ticket, world.records("granted")[0].ticket + 2):
        world.feed(ev.EntryDurable(world.now, ticket, 3, "h"))
    world.wait(0.5)
    assert not world.did(do.OpenRecording)
    assert not world.did(do.StartCapture)


def test_a_ledger_that_fails_records_nothing() -> None:
    """A failing ledger: not recorded, said on the lamp."""
    world = window()
    world.adapters.ledger_ok = False
    world.key("1")
    world.wait(1.0)
    assert not world.did(do.StartCapture)
    assert world.lamps().status is StatusLamp.CANNOT_RECORD


@pytest.mark.parametrize("what", ["hangup", "flash", "audio", "disk", "space", "tap", "reboot"])
def test_what_happens_while_the_ledger_writes_is_not_captured(what: str) -> None:
    """Between the yes and its durable entry the ground falls away: nothing is captured when the entry comes."""
    world = window()
    world.adapters.ledger_s = 0.5
    world.key("1")
    if what == "hangup":
        world.hang_up()
    elif what == "space":
        world.adapters.free_bytes = -1
    something: dict[str, ev.Event] = {
        "flash": ev.Flashed(world.now, 200),
        "audio": ev.AudioGone(world.now, "unplugged"),
        "disk": ev.DiskFailed(world.now, "write", "another recording"),
        "space": ev.SpaceTold(world.now, -1),
        "tap": ev.TapGone(world.now, "unplugged"),
        "reboot": ev.TapHello(world.now, "t2", "T1", TapAudio.VI),
    }
    if what in something:
        world.feed(something[what])
    world.wait(2.0)
    assert not world.did(do.StartCapture)
    assert not world.did(do.OpenRecording)


@pytest.mark.parametrize("leg", [Leg.NEAR, Leg.UNCERTAIN])
@pytest.mark.parametrize("key", ["1", "2", "3", "#"])
def test_near_and_uncertain_keys_are_ignored(leg: Leg, key: str) -> None:
    """The employee's own keys neither consent nor refuse."""
    world = window()
    world.key(key, leg, 0.3)
    world.wait(0.5)
    assert not world.records("granted")
    assert not world.records("refused")
    world.key("1")
    world.wait(0.5)
    assert len(world.did(do.StartCapture)) == 1


def test_59_ms_are_no_key_60_ms_are() -> None:
    """Consent takes a key of 60 ms."""
    world = window()
    world.key("1", held_s=0.059)
    world.wait(0.5)
    assert not world.records("granted")
    world.key("1", held_s=0.060)
    world.wait(0.5)
    assert len(world.records("granted")) == 1


def test_a_key_begun_within_the_window_counts_though_decided_after_it() -> None:
    """The start of the key decides, not the moment at which hearing is sure."""
    world = asked()
    wait_until_window_ends(world, -0.01)
    world.key("1")
    world.wait(0.5)
    assert len(world.records("granted")) == 1


def test_a_key_begun_after_the_window_is_too_late() -> None:
    """One hundredth after the window's end a 1 is nothing any more, and the question ends as unanswered."""
    world = asked()
    wait_until_window_ends(world, 0.01)
    world.key("1")
    world.wait(3.0)
    assert not world.records("granted")
    assert [r.fields["why"] for r in world.records("refused")] == ["unanswered"]
    assert world.sounds() == ["announcement", "refused"]


def test_a_1_before_the_mark_earns_one_prompt_only() -> None:
    """Two early 1s: one "press now" after the announcement; a 1 in the window then counts."""
    world = asked()
    world.wait(2.0)
    world.key("1")
    world.wait(1.0)
    world.key("1")
    world.wait(SOUND_S["announcement"])
    assert not world.records("granted")
    assert world.sounds() == ["announcement", "press_now"]
    world.wait(3.0)
    world.key("1")
    world.wait(0.5)
    assert len(world.did(do.StartCapture)) == 1


def test_a_1_that_began_before_the_mark_and_is_held_over_it_is_early() -> None:
    """Only a key that begins after it was named is an answer."""
    world = asked()
    world.wait(MARK_S - 0.1)
    world.key("1", held_s=1.0)
    world.wait(0.5)
    assert not world.records("granted")


def test_without_a_mark_there_is_no_consent() -> None:
    """An announcement whose mark never passed was not heard whole: fault, not recorded."""
    world = in_call()
    world.adapters.marks = False
    world.ask()
    world.wait(5.0)
    world.key("1")
    world.wait(10.0)
    assert not world.records("granted")
    assert [r.fields["what"] for r in world.records("fault")] == ["question:no-mark"]


def test_key_2_plays_the_details_and_opens_a_new_window() -> None:
    """After the details another 8 s: a 1 there counts."""
    world = window()
    world.wait(5.0)
    world.key("2")
    world.wait(SOUND_S["details"] + 7.0)
    assert world.sounds() == ["announcement", "details"]
    world.key("1")
    world.wait(0.5)
    assert len(world.did(do.StartCapture)) == 1


def test_key_2_during_the_announcement_waits_for_its_end() -> None:
    """The announcement is heard whole before the details."""
    world = asked()
    world.wait(3.0)
    world.key("2")
    world.wait(0.2)
    assert world.sounds() == ["announcement"]
    world.wait(SOUND_S["announcement"])
    assert world.sounds() == ["announcement", "details"]
    world.wait(SOUND_S["details"] + 8.5)
    assert [r.fields["why"] for r in world.records("refused")] == ["unanswered"]


def test_the_details_are_not_played_without_end() -> None:
    """Key 2 again and again keeps nobody on the line."""
    world = window()
    for _ in range(5):
        world.key("2")
        world.wait(SOUND_S["details"] + 1.0)
    assert world.sounds().count("details") == 2


@pytest.mark.parametrize("key", ["3", "0", "#", "9", "A"])
def test_another_far_key_refuses_at_once(key: str) -> None:
    """Any other far key is a no, said in one sentence, and the button asks no more."""
    world = window()
    world.key(key)
    world.wait(3.0)
    assert world.sounds() == ["announcement", "refused"]
    world.press()
    world.wait(3.0)
    assert not world.records("granted")
    assert world.sounds() == ["announcement", "refused"]


def test_one_question_for_each_seizure_but_the_oral_way_stays_open() -> None:
    """Unanswered: a further press does not ask again, it starts the oral way."""
    world = window()
    world.wait(12.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["announcement", "refused", "start"]
    assert world.records("granted")[0].fields["way"] == "oral"
    assert not world.did(do.WriteKeys)


def test_the_next_call_is_asked_anew() -> None:
    """Nothing of a refusal outlives its call, and nothing of a yes."""
    world = window()
    world.key("3")
    world.wait(3.0)
    world.hang_up()
    world.wait(2.0)
    world.record_by_key()
    world.hang_up()
    world.wait(1.0)
    world.lift()
    world.wait(5.0)
    assert world.recording is None
    assert len(world.did(do.StartCapture)) == 1


@pytest.mark.parametrize("fault", ["refused", "silent", "broken"])
def test_a_tone_fault_is_not_recorded(fault: str) -> None:
    """The tap refuses PLAY, or does not answer, or the device fails: no window, no consent."""
    world = in_call()
    world.adapters.connect_ok = fault != "refused"
    world.adapters.connect_s = None if fault == "silent" else 0.01
    world.adapters.plays = fault != "broken"
    world.ask()
    world.wait(1.0)
    world.key("1")
    world.wait(20.0)
    world.key("1")
    world.wait(1.0)
    assert not world.records("granted")
    assert world.records("fault")


def test_an_announcement_that_the_tap_cuts_off_is_no_question() -> None:
    """The tap parts the transformer while the announcement plays: the question fails."""
    world = asked()
    world.wait(5.0)
    world.feed(ev.PlayConnected(world.now, ok=False, why="timeout"))
    world.wait(6.0)
    world.key("1")
    world.wait(1.0)
    assert not world.records("granted")


@pytest.mark.parametrize("fault", ["refused", "silent", "broken"])
def test_a_start_tone_that_nobody_heard_destroys(fault: str) -> None:
    """Capture without an audible start is no capture: destroyed, and revoked since its key was written."""
    world = window()
    world.adapters.connect_ok = fault != "refused"
    world.adapters.connect_s = None if fault == "silent" else 0.01
    world.adapters.plays = fault != "broken"
    world.key("1")
    world.wait(2.0)
    assert len(world.did(do.StartCapture)) == len(world.did(do.DestroyRecording)) == 1
    assert world.did(do.SignRevoke)
    assert world.lamps().rec is RecLamp.OFF


def test_a_press_cancels_the_question() -> None:
    """The employee takes the question back with a short press; no sentence."""
    world = asked()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    world.key("1")
    world.wait(20.0)
    assert world.sounds() == ["announcement"]
    assert not world.records("granted")


def test_holding_the_button_during_the_question_refuses_the_call() -> None:
    """Staff may refuse any call: the question ends and no press asks again."""
    world = asked()
    world.wait(2.0)
    world.press(2.1)
    world.wait(2.0)
    world.press()
    world.wait(2.0)
    assert not world.records("granted")
    assert [r.fields["why"] for r in world.records("refused")] == ["staff"]


@pytest.mark.parametrize(("audio", "serial"), [(TapAudio.MIX, "T1"), (TapAudio.VI, "another tap"), (TapAudio.VI, "")])
def test_without_proven_direction_the_button_takes_the_oral_way(audio: TapAudio, serial: str) -> None:
    """A mixed channel or an unproven tap cannot tell who pressed: no announcement, the oral way remains."""
    world = World().start(audio=audio, serial=serial)
    world.lift()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["start"]
    assert not world.did(do.WriteKeys)


@pytest.mark.parametrize("leg", [Leg.NEAR, Leg.UNCERTAIN])
def test_a_dial_tone_that_is_not_far_switches_the_key_way_off_for_good(leg: Leg) -> None:
    """A contradicted direction is a fault, and holds for later calls, whose dial tone may never be heard."""
    world = World().start()
    world.lift()
    world.wait(1.0)
    world.exchange(leg)
    assert [r.fields["what"] for r in world.records("fault")] == ["direction:dial-tone-not-far"]
    world.hang_up()
    world.wait(1.0)
    world.feed(ev.TapHello(world.now, "t2", "T1", TapAudio.VI))
    world.wait(2.0)
    assert world.lamps().status is StatusLamp.WARNING
    world.incoming()
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["start"]


@pytest.mark.parametrize("when", [AskWhen.INCOMING, AskWhen.ALWAYS])
def test_incoming_calls_are_asked_after_the_greeting(when: AskWhen) -> None:
    """The first pause of near speech, once."""
    world = World(ask_when=when).start()
    world.incoming()
    world.speak(Leg.FAR)
    assert world.sounds() == []
    world.feed(ev.SpeechBegan(world.now, Leg.NEAR))
    world.wait(2.0)
    assert world.sounds() == []
    world.feed(ev.SpeechEnded(world.now, Leg.NEAR))
    world.wait(0.1)
    assert world.sounds() == ["announcement"]
    world.wait(25.0)
    world.speak(Leg.NEAR)
    world.wait(1.0)
    assert world.sounds() == ["announcement", "refused"]


@pytest.mark.parametrize("when", [AskWhen.OUTGOING, AskWhen.ALWAYS])
def test_outgoing_calls_are_asked_after_ringback_and_far_speech(when: AskWhen) -> None:
    """The number must be known and somebody must have spoken after the last ring."""
    world = World(ask_when=when).start()
    world.lift()
    world.wait(1.0)
    world.dial("030123")
    world.speak(Leg.FAR)  # an announcement of the network
    world.tone("ringback", 1)
    world.speak(Leg.NEAR)
    world.tone("ringback", 2)
    assert world.sounds() == []
    world.speak(Leg.FAR)
    assert world.sounds() == ["announcement"]


@pytest.mark.parametrize("lacks", ["number", "ringback", "speech"])
def test_outgoing_calls_of_which_too_little_is_known_are_not_asked(lacks: str) -> None:
    """Number unknown, no ringback, or nobody there: no automatic question."""
    world = World(ask_when=AskWhen.ALWAYS).start()
    world.lift()
    world.wait(1.0)
    if lacks != "number":
        world.dial("030123")
    if lacks != "ringback":
        world.tone("ringback", 2)
    if lacks != "speech":
        world.speak(Leg.FAR)
    world.speak(Leg.NEAR)
    assert world.sounds() == []


@pytest.mark.parametrize("incoming", [True, False])
def test_a_fax_is_never_asked(*, incoming: bool) -> None:
    """After a fax tone no question is put, by itself or by the button, whoever called whom; a running one ends."""
    world = World(ask_when=AskWhen.ALWAYS).start()
    if incoming:
        world.incoming()
    else:
        world.lift()
        world.dial("030123")
        world.tone("ringback", 2)
    world.tone("fax")
    world.speak(Leg.NEAR)
    world.speak(Leg.FAR)
    world.press()
    world.wait(2.0)
    assert world.sounds() == []
    world.hang_up()
    world.wait(2.0)
    world.incoming()
    world.press()
    world.wait(2.0)
    assert world.sounds() == ["announcement"]
    world.tone("fax")
    world.wait(10.0)
    assert not world.capturing()
    world.press()
    world.wait(2.0)
    assert world.sounds() == ["announcement"]


@pytest.mark.parametrize("name", ["waiting", "sit", "ringback"])
def test_other_tones_end_nothing(name: str) -> None:
    """Call waiting, special information and ringing on another line leave a recording alone."""
    world = World().start()
    world.record_by_key()
    world.tone(name, 4)
    world.wait(1.0)
    assert world.capturing()


@pytest.mark.parametrize("when", [AskWhen.BUTTON, AskWhen.OUTGOING])
def test_the_box_asks_by_itself_only_when_told(when: AskWhen) -> None:
    """`button` never asks by itself; `outgoing` does not ask incoming calls."""
    world = World(ask_when=when).start()
    world.incoming()
    world.speak(Leg.NEAR)
    world.speak(Leg.FAR)
    world.wait(1.0)
    assert world.sounds() == []
