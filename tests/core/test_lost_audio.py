"""Audio is lost for a moment while a number is dialled: what was heard of it may be an emergency number in disguise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.emergency import may_be_dialled
from handschlag.core.events import Leg
from handschlag.core.policy import AskWhen, Way
from tests.core.world import World


def lose(world: World) -> None:
    """Some frames are missing."""
    world.feed(ev.AudioLost(world.now))


def dialling(world: World, digits: str) -> World:
    """A call from here; where a `-` stands, audio is lost."""
    world.lift()
    world.wait(0.5)
    dial(world, digits)
    return world


def dial(world: World, digits: str) -> None:
    """Keys of the own telephone, and losses."""
    for digit in digits:
        if digit == "-":
            lose(world)
        else:
            world.dial(digit)


def answered(world: World) -> None:
    """It rings, somebody answers, both speak."""
    world.wait(2.5)
    world.tone("ringback", 2)
    world.tone("ringback", 2, final=True)
    world.speak(Leg.FAR)
    world.speak(Leg.NEAR)


def tempt(world: World) -> None:
    """Everything that makes the box speak, or record."""
    for held_s in (0.2, 0.2, 2.5, 0.2):
        world.press(held_s)
        world.wait(1.5)
    world.key("1")
    world.key("9")
    world.wait(2.0)


def assert_silent(world: World) -> None:
    """Not a sound, no question, no recording."""
    assert world.did(do.Play) == []
    assert not [c for c in world.did(do.ConnectPlay) if c.on]
    assert not world.records("granted")
    assert not world.records("asked")


@pytest.mark.parametrize("heard", ["1-110", "11-10", "-12", "1-2", "11-", "0-112", "01-12", "-", "1-1-2", "--0"])
@pytest.mark.parametrize("way", Way)
def test_what_may_be_an_emergency_number_hears_no_sound(heard: str, way: Way) -> None:
    """A key heard as two, or not at all, hides no 110 and no 112: nothing is said or asked in the whole call."""
    world = dialling(World(ask_when=AskWhen.ALWAYS, way=way).start(), heard)
    tempt(world)
    answered(world)
    tempt(world)
    world.dial("5")
    world.wait(3.0)
    tempt(world)
    assert_silent(world)
    world.hang_up()
    world.wait(1.0)
    world.lift()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == [{Way.KEY: "announcement", Way.ORAL: "start"}[way]]


@pytest.mark.parametrize("heard", ["030-123", "-030123", "030123-", "0301-", "118-80", "1-3"])
def test_a_number_that_was_not_heard_whole_is_unknown(heard: str) -> None:
    """It can be no emergency number: not asked by itself, but by the button; it is not sealed as dialled."""
    world = dialling(World(ask_when=AskWhen.ALWAYS).start(), heard)
    answered(world)
    assert world.sounds() == []
    world.ask_to_window()
    world.key("1")
    world.wait(1.0)
    assert world.sounds() == ["announcement", "start"]
    assert world.did(do.OpenRecording)[0].dialled == ""


@pytest.mark.parametrize("when", ["settled", "rung"])
def test_a_loss_after_dialling_changes_nothing(when: str) -> None:
    """The number is settled, or the exchange rings already: what was lost was no key of it."""
    world = World(ask_when=AskWhen.ALWAYS).start()
    world.lift()
    world.wait(0.5)
    world.dial("0111")
    if when == "settled":
        world.wait(2.5)
        lose(world)
    world.tone("ringback", 1)
    if when == "rung":
        lose(world)
        world.wait(2.0)
    world.speak(Leg.FAR)
    assert world.sounds() == ["announcement"]


def test_a_loss_before_an_incoming_call_or_in_it_means_no_number() -> None:
    """Who was called dials nothing."""
    world = World(ask_when=AskWhen.ALWAYS).start()
    lose(world)
    world.incoming()
    lose(world)
    world.speak(Leg.NEAR)
    assert world.sounds() == ["announcement"]


def test_after_a_flash_an_incoming_call_may_dial() -> None:
    """A consultation call to 112 with a lost key stays silent."""
    world = World().start()
    world.incoming()
    world.feed(ev.Flashed(world.now, 100))
    dial(world, "-12")
    world.wait(3.0)
    tempt(world)
    assert_silent(world)


def test_a_flash_begins_a_number_anew() -> None:
    """What was lost before the flash belongs to another number."""
    world = dialling(World().start(), "030-123")
    world.feed(ev.Flashed(world.now, 100))
    world.dial("1189")
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["announcement"]


def test_after_a_flash_nothing_lost_before_is_doubted() -> None:
    """The other party comes back: the button asks again."""
    world = dialling(World().start(), "030-123")
    world.feed(ev.Flashed(world.now, 100))
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    assert world.sounds() == ["announcement"]


def test_the_ringing_before_a_flash_ends_no_later_dialling() -> None:
    """A number that rang, then a flash and 112 with a lost key: silent."""
    world = dialling(World().start(), "030123")
    answered(world)
    world.feed(ev.Flashed(world.now, 100))
    dial(world, "-12")
    world.wait(3.0)
    tempt(world)
    assert_silent(world)


def test_keys_of_a_menu_end_no_silence() -> None:
    """What may have been 112 stays so, whatever is pressed later, and is told as not asked."""
    world = dialling(World().start(), "1-2")
    world.wait(3.0)
    world.dial("5")
    world.wait(3.0)
    world.press()
    world.wait(1.0)
    assert_silent(world)
    world.hang_up()
    end = world.records("call")[-1].fields
    assert (end["outcome"], end["bar"]) == ("not-asked", "unseen")


def test_what_was_recorded_before_is_withdrawn_without_a_word() -> None:
    """Recorded, a flash, perhaps 112, a menu: a 9 takes the recording back, and the call stays silent."""
    world = World().start()
    taken = world.record_by_key()
    world.feed(ev.Flashed(world.now, 100))
    dial(world, "1-2")
    world.wait(3.0)
    world.dial("5")
    sounds = len(world.sounds())
    world.key("9")
    world.wait(2.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert len(world.sounds()) == sounds


def test_a_dial_tone_after_a_loss_opens_no_question() -> None:
    """Nothing more was heard after the dial tone: perhaps 112, so that nothing is said, and no silent question put."""
    world = dialling(World().start(), "030-")
    world.tone("dial")
    world.wait(5.0)
    world.press()
    world.wait(1.0)
    assert_silent(world)


def test_the_networks_own_word_settles_the_number() -> None:
    """A whole number told by the network was not heard, so nothing of it was lost."""
    world = dialling(World(ask_when=AskWhen.ALWAYS).start(), "1-")
    world.feed(ev.Dialled(world.now, "030123"))
    answered(world)
    assert world.sounds() == ["announcement"]


def test_a_question_asked_too_early_falls_silent() -> None:
    """The announcement plays while the caller dials on: with the loss it ends, though only a 1 was heard."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask()
    world.dial("1")
    assert world.sounds() == ["announcement"]
    lose(world)
    assert any(isinstance(effect, do.StopPlay) for effect in world.trace[-1].effects)
    world.wait(20.0)
    world.key("1")
    world.wait(2.0)
    assert world.sounds() == ["announcement"]
    assert not world.records("granted")


def test_a_spoken_yes_before_dialling_is_given_up() -> None:
    """Pending, then dialled with a loss: it goes, and not a sound follows the start tone."""
    world = World(way=Way.ORAL).start()
    taken = world.begin_oral()
    dial(world, "11-")
    assert not world.capturing()
    world.wait(3.0)
    tempt(world)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [taken]
    assert world.sounds() == ["start"]


def test_a_spoken_yes_is_not_carried_out_after_a_loss() -> None:
    """Lost while `granted` is being written: nothing is captured, for the start tone could not be heard."""
    world = World(way=Way.ORAL).start()
    world.lift()
    world.wait(2.0)
    world.adapters.ledger_s = 0.5
    world.press()
    lose(world)
    world.wait(3.0)
    assert not world.did(do.StartCapture)
    assert world.sounds() == []


@pytest.mark.parametrize("when", ["granting", "recording", "kept"])
def test_a_loss_after_the_yes_is_no_dialling(when: str) -> None:
    """Who has agreed is there, though no number was heard: the recording goes on, and what ends it is still said."""
    world = World().start()
    world.lift()
    world.wait(2.0)
    world.ask_to_window()
    if when == "granting":
        world.adapters.ledger_s = 0.5
    world.key("1")
    if when == "granting":
        lose(world)
    world.wait(1.5)
    if when == "recording":
        lose(world)
    world.wait(5.0)
    assert world.capturing()
    if when == "kept":
        world.feed(ev.AudioGone(world.now, "unplugged"))
        world.wait(1.0)
        world.feed(ev.AudioCame(world.now))
        world.wait(5.0)
    world.key("9")
    world.wait(1.0)
    assert world.sounds() == ["announcement", "start", "withdrawn"]


@pytest.mark.parametrize("before", ["", "1", "11"])
@pytest.mark.parametrize(
    "deaf",
    [
        lambda w: w.feed(ev.AudioGone(w.now, "unplugged")),
        lambda w: (w.hang_up(), w.feed(ev.AudioGone(w.now, "unplugged")), w.lift()),
    ],
    ids=["in the call", "before the call"],
)
def test_what_is_dialled_while_no_audio_comes_is_not_known(before: str, deaf: Callable[[World], object]) -> None:
    """The device goes and comes back: 112 may have been dialled meanwhile, after a flash as well."""
    world = dialling(World().start(), before)
    deaf(world)
    world.wait(5.0)
    world.feed(ev.Flashed(world.now, 100))
    world.wait(5.0)
    world.feed(ev.AudioCame(world.now))
    tempt(world)
    assert_silent(world)


def test_every_single_fault_of_an_emergency_number_is_doubtful() -> None:
    """Each digit of 110, 112, 0110 and 0112 missing, or doubled, may be that number; longer ones may not."""
    numbers = ("110", "112")
    for number in ("110", "112", "0110", "0112"):
        for at in range(len(number)):
            assert may_be_dialled(number[:at] + number[at + 1 :], numbers, "0")
            assert may_be_dialled(number[: at + 1] + number[at:], numbers, "0")
    assert may_be_dialled("030123,1", numbers, "0")
    assert not any(may_be_dialled(digits, numbers, "0") for digits in ("1102", "0301", "1120", "13", "21", "1189"))
    assert not may_be_dialled("012", numbers, "9")
