"""A spoken yes: pending until it was repeated on the recording and confirmed; no key is written before that."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import Way
from tests.core.archive import Archive
from tests.core.world import World


def oral(archive: Archive | None = None) -> World:
    """A box that takes the oral way."""
    return World(way=Way.ORAL, archive=archive).start()


def test_the_first_press_begins_a_pending_recording() -> None:
    """Capture with the key in memory only; lamps: REC, and "your turn"."""
    world = oral()
    world.begin_oral()
    assert world.sounds() == ["start"]
    assert len(world.did(do.StartCapture)) == 1
    assert not world.did(do.WriteKeys)
    assert (world.lamps().rec, world.lamps().status) == (RecLamp.ON, StatusLamp.YOUR_TURN)


def test_the_second_press_confirms() -> None:
    """After near and then far speech and 4 s: `confirmed` in the ledger, then the keys; closed with both times."""
    world = oral()
    recording = world.record_by_word()
    assert [k.recording for k in world.did(do.WriteKeys)] == [recording]
    world.hang_up()
    world.wait(1.0)
    closed = world.did(do.CloseRecording)[0]
    assert (closed.recording, closed.evidence.way) == (recording, "oral")
    assert closed.evidence.confirmed_at is not None
    assert not world.did(do.DestroyRecording)


def test_keys_are_written_only_after_confirmed_is_durable() -> None:
    """A ledger that takes a second holds the keys back for that second."""
    world = oral()
    world.begin_oral()
    world.repeat_question()
    world.adapters.ledger_s = 1.0
    world.press()
    world.wait(0.9)
    assert world.records("confirmed")
    assert not world.did(do.WriteKeys)
    world.wait(0.2)
    entry = world.step_of(do.WriteKeys)
    assert isinstance(entry.event, ev.EntryDurable)
    assert entry.event.ticket == world.records("confirmed")[0].ticket


def test_a_confirmation_that_the_ledger_does_not_take_destroys() -> None:
    """Without a durable `confirmed` the pending recording goes."""
    world = oral()
    world.begin_oral()
    world.repeat_question()
    world.adapters.ledger_s = None
    world.press()
    world.wait(4.0)
    assert not world.did(do.WriteKeys)
    assert len(world.did(do.DestroyRecording)) == 1


def test_a_second_press_within_4_s_is_denied() -> None:
    """Near and far have spoken, but too soon after the start tone: beeps; later the press counts."""
    world = oral()
    world.begin_oral()
    world.speak(Leg.NEAR, 0.8)
    world.speak(Leg.FAR, 0.8)
    world.press()
    world.wait(0.5)
    assert world.sounds() == ["start", "denied"]
    assert not world.records("confirmed")
    world.wait(1.0)
    world.press()
    world.wait(0.5)
    assert world.did(do.WriteKeys)


@pytest.mark.parametrize("spoken", [(), (Leg.NEAR,), (Leg.FAR,), (Leg.FAR, Leg.NEAR)])
def test_a_second_press_without_near_then_far_speech_is_denied(spoken: tuple[Leg, ...]) -> None:
    """Nobody, only one of them, or in the wrong order: no confirmation."""
    world = oral()
    world.begin_oral()
    for leg in spoken:
        world.speak(leg, 1.0)
    world.wait(5.0)
    world.press()
    world.wait(0.5)
    assert world.sounds() == ["start", "denied"]
    assert not world.records("confirmed")


def test_speech_before_the_start_tone_has_ended_does_not_count() -> None:
    """What was said before both heard the tone is not the repeated question."""
    world = oral()
    world.lift()
    world.wait(2.0)
    world.press()
    world.feed(ev.SpeechBegan(world.now, Leg.NEAR))
    world.feed(ev.SpeechBegan(world.now, Leg.FAR))
    world.wait(6.0)
    world.press()
    world.wait(0.5)
    assert not world.records("confirmed")


def test_on_one_channel_any_speech_confirms() -> None:
    """Where legs cannot be told apart, any speech after the tone is enough."""
    world = World().start(audio=TapAudio.MIX)
    world.begin_oral()
    world.speak(Leg.UNCERTAIN, 3.0)
    world.wait(1.0)
    world.press()
    world.wait(0.5)
    assert world.did(do.WriteKeys)


def test_unconfirmed_after_30_s_is_destroyed_without_revocation() -> None:
    """No wrapped key was ever written, so nothing has to be revoked; the attempt stays in the ledger."""
    world = oral()
    recording = world.begin_oral()
    world.wait(28.0)
    assert not world.did(do.DestroyRecording)
    world.wait(2.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [recording]
    assert not world.did(do.SignRevoke)
    assert not world.did(do.WriteKeys)
    assert world.kinds()[-3:] == ["granted", "opened", "destroyed"]
    assert world.lamps().rec is RecLamp.OFF


@pytest.mark.parametrize("end", ["hangup", "flash", "ring", "dial", "tap", "held", "audio", "space"])
def test_whatever_ends_a_pending_recording_destroys_it(end: str) -> None:
    """Unconfirmed is gone, in the very step that ends it."""
    world = oral()
    recording = world.begin_oral()
    world.wait(3.0)
    match end:
        case "hangup":
            world.hang_up()
        case "flash":
            world.feed(ev.Flashed(world.now, 100))
        case "ring":
            world.ring()
        case "dial":
            world.tone("dial")
        case "tap":
            world.feed(ev.TapGone(world.now, "unplugged"))
        case "held":
            world.press(2.1)
        case "audio":
            world.feed(ev.AudioGone(world.now, "unplugged"))
        case _:
            world.feed(ev.SpaceTold(world.now, 0))
    entry = world.step_of(do.DestroyRecording)
    assert do.StopCapture(recording) in entry.effects
    world.wait(2.0)
    assert not world.did(do.WriteKeys)
    assert not world.did(do.SignRevoke)
    assert not world.did(do.CloseRecording)


def test_nothing_of_a_pending_recording_is_sent() -> None:
    """Head and clips wait on the disk until the confirmation, then they go."""
    world = oral(Archive())
    world.feed(ev.Connected(world.now))
    recording = world.begin_oral()
    world.wait(6.0)
    assert world.sent(recording) == []
    world.repeat_question()
    world.press()
    world.wait(1.0)
    assert world.sent(recording)[:3] == ["head.json", "details.0", "000000.clip"]


def test_a_withdrawal_while_pending_is_destroyed_without_revocation() -> None:
    """Key 9 from the far leg: stop, destroy, said; the archive never had anything."""
    world = oral()
    world.begin_oral()
    world.key("9", held_s=0.2)
    world.wait(3.0)
    assert len(world.did(do.DestroyRecording)) == 1
    assert not world.did(do.SignRevoke)
    assert world.sounds() == ["start", "withdrawn"]
