"""Whole calls through the real application: what is recorded is exactly what came after the yes, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from handschlag.cli.evidence import FolderFiles, audio
from handschlag.cli.quality_words import sentences
from handschlag.core.effects import RecLamp
from handschlag.core.staff import StaffConsent
from handschlag.core.state import Bar, Phase
from handschlag.hearing import Ear
from handschlag.hearing.level import LevelMeter
from handschlag.sealing.manifest import peek_manifest
from handschlag.sealing.open import open_recording
from handschlag.sealing.verify import verify_recording
from handschlag.sim.stories import call
from handschlag.sim.voices import Story
from handschlag.sim.world import BLOCK, Script, World, key_tone
from handschlag_bench.hearing.signals import voice
from tests.system.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A box that is ready."""
    house = House(tmp_path)
    yield house
    house.close()


def _play(house: House, story: Story) -> NDArray[np.float32]:
    """Let a story happen; what the tap measured during it."""
    world = house.world
    world.memory = []
    world.begin(call(world, story, lambda _who, _words: None))
    while world.busy:
        world.step()
    world.run(2.0)
    heard = np.concatenate(world.memory)
    world.memory = None
    return heard


def _a_call_with_a_press(world: World) -> Script:
    """Lifted, pressed: nobody waits for an answer of the box."""
    world.tap.seize()
    yield world.after(1.5)
    yield from world.short_press()
    yield world.after(2.0)
    world.tap.hang_up()
    yield world.after(1.0)


def _legs_from(heard: NDArray[np.float32], start: int) -> NDArray[np.int16]:
    """What the ear makes of a stretch of the line, fed in one piece."""
    ear = Ear(48000)
    return ear.feed(heard[start * BLOCK :]).legs


def test_agreed_call_is_recorded_sample_for_sample(house: House) -> None:
    """After key 1 the opened audio equals the legs of the line's own signal, computed in one go."""
    world = house.world
    world.memory = []
    world.begin(call(world, "boiler", lambda _who, _words: None))
    off_hook_at = None
    while world.busy:
        world.step()
        if world.tap.off_hook and off_hook_at is None:
            off_hook_at = len(world.memory) - 1
    assert off_hook_at is not None
    heard = np.concatenate(world.memory)
    world.run(2.0)
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    samples = audio(opened)
    first = next(iter(opened.clips()))[0].first_sample
    masked = opened.details[1]["masked"]
    whole = _legs_from(heard, off_hook_at)
    expected = whole[first : first + len(samples)].copy()
    for start, end in masked:
        expected[max(0, start - first) : max(0, end - first)] = 0
    assert len(samples) > 8000 * 5
    np.testing.assert_array_equal(samples, expected)


def test_agreed_call_is_receipted_and_verifies(house: House) -> None:
    """The archive's receipt stands beside the recording, and everything about it verifies with public keys."""
    _play(house, "boiler")
    (folder,) = house.recordings()
    assert (folder / "receipt.jws").is_file()
    verdict = verify_recording(FolderFiles(folder), house.trust, ledger=FolderFiles(house.folder / "ledger"))
    assert verdict.ok, verdict.wrong
    assert [entry["recording"] for entry in house.entries("receipted")] == [folder.name]
    (consent,) = peek_manifest((folder / "manifest.jws").read_bytes()).consent
    assert consent.clock == "synced"


def test_unanswered_call_leaves_nothing(house: House) -> None:
    """Without a yes no clip is encoded and no file is written, and the employee's own key 1 does not count."""
    _play(house, "tap")
    assert house.recordings() == []
    assert house.codec.encoded == 0
    assert not house.entries("granted")
    assert [entry["why"] for entry in house.entries("refused")] == ["unanswered"]


def test_withdrawn_call_is_gone_everywhere(house: House) -> None:
    """Key 9 destroys the recording here and at the archive, and its wrapped key was never sent."""
    _play(house, "withdrawal")
    assert house.recordings() == []
    assert house.codec.encoded > 0
    (granted,) = house.entries("granted")
    assert [entry["recording"] for entry in house.entries("withdrawn")] == [granted["recording"]]
    assert not list((house.folder / "revoke").iterdir())


def test_a_withdrawn_staff_consent_stops_the_next_call(house: House) -> None:
    """After the employee has taken the written consent back, a caller's yes records nothing; then again it does."""
    consent = StaffConsent(1, "d" * 64, "1", valid_from=1.6e9)
    house.registers.put(replace(consent, withdrawn_at=1.7e9))
    world = house.world
    world.run(1.5)
    world.begin(_a_call_with_a_press(world))
    while world.busy:
        world.step()
    assert house.recordings() == []
    assert house.codec.encoded == 0
    assert not house.entries("asked")
    assert [entry["action"] for entry in house.entries("staff")] == ["added", "withdrawn"]
    house.registers.put(replace(consent, version="2"))
    _play(house, "boiler")
    assert len(house.recordings()) == 1


def test_lamp_is_red_exactly_while_audio_is_kept(house: House) -> None:
    """The red lamp comes on once and goes off once in a recorded call, and never in another."""
    _play(house, "tap")
    assert all(rec is RecLamp.OFF for _, rec, _ in house.panel.shown)
    _play(house, "boiler")
    changes = [rec for _, rec, _ in house.panel.shown]
    edges = [new for old, new in pairwise(changes) if old is not new]
    assert edges == [RecLamp.ON, RecLamp.OFF]


def test_dialled_keys_are_masked(house: House) -> None:
    """A key that somebody presses during the recording is silence in it, on both legs, and stands in the details."""
    world = house.world
    world.begin(call(world, "boiler", lambda _who, _words: None))
    pressed = False
    while world.busy:
        world.step()
        if not pressed and house.panel.rec is RecLamp.ON and house.codec.encoded >= 2:
            world.near.press("5", 0.2)
            pressed = True
    world.run(2.0)
    assert pressed
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    samples = audio(opened)
    first = next(iter(opened.clips()))[0].first_sample
    spans = [(start - first, end - first) for start, end in opened.details[1]["masked"] if end - start > 1200]
    assert len(spans) == 1
    start, end = spans[0]
    assert not samples[start:end].any()


def test_opened_file_plays(house: House) -> None:
    """The opened recording is an ordinary FLAC file with two legs."""
    _play(house, "boiler")
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    out = io.BytesIO()
    soundfile.write(out, audio(opened), opened.head.sample_rate, format="FLAC", subtype="PCM_16")
    out.seek(0)
    again, rate = soundfile.read(out, dtype="int16")
    assert rate == 8000
    assert again.shape[1] == 2


def test_quality_is_sealed_with_the_recording(house: House) -> None:
    """Opened details say how good the recording is, and the figures are those of the audio that was opened."""
    _play(house, "boiler")
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    quality, levels = opened.details[1]["quality"], opened.details[1]["levels"]
    samples = audio(opened)
    assert quality["seconds"] + quality["masked_s"] == pytest.approx(len(samples) / 8000, abs=0.01)
    assert (quality["gaps"], quality["lost_s"]) == (0, 0.0)
    assert quality["score"] > 75  # the mix on both legs: the pauses of one are the other's words
    for column, leg in enumerate(("far", "near")):
        assert levels[leg]["speech_s"] > 1.0
        meter = LevelMeter()
        meter.feed(np.ascontiguousarray(samples[:, column]))
        assert levels[leg]["level_dbov"] == pytest.approx(meter.finish().dbov, abs=5.0)  # which holds the leak, too
    said = sentences(opened.details)
    assert said is not None
    assert said[1].startswith(f"Qualität {quality['score']}/100")


def test_nothing_of_the_quality_remains_of_a_withdrawn_call(house: House) -> None:
    """After key 9 the application holds neither the meter nor its figures."""
    _play(house, "withdrawal")
    assert not house.app.recorder.recordings


def _agreeing(house: House, seconds: float) -> Script:
    """The far party agrees, and the call goes on for a while."""
    world = house.world
    world.tap.seize()
    yield world.after(1.5)
    yield from world.short_press()
    yield world.box_speaks
    yield world.box_silent
    yield world.after(0.5)
    world.far.press("1")
    yield world.after(seconds)
    world.tap.hang_up()
    yield world.after(1.0)


def _deaf_meanwhile(house: House, seconds: float) -> Script:
    """The sound device is lost for so long, once, when the recording is under way."""
    yield lambda: house.app.state.call.phase is Phase.RECORDING
    yield house.world.after(2.0)
    house.deaf = True
    yield house.world.after(seconds)
    house.deaf = False


def test_a_short_loss_of_the_device_is_a_gap_and_the_recording_goes_on(house: House) -> None:
    """Two seconds without audio are a gap in one and the same recording, as long as they took; the rest is there."""
    world = house.world
    world.begin(_agreeing(house, 8.0))
    world.begin(_deaf_meanwhile(house, 2.0))
    while world.busy:
        world.step()
    world.run(2.0)
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    (before, (_first, lost)) = opened.manifest.gaps
    assert before[0] == 0  # what was heard before the yes
    assert lost / 8000 == pytest.approx(2.0, abs=0.03)
    assert opened.manifest.ended == "hangup"
    assert len(audio(opened)) / 8000 > 5.0
    verdict = verify_recording(FolderFiles(folder), house.trust, ledger=FolderFiles(house.folder / "ledger"))
    assert verdict.ok, verdict.wrong


def _cut_short(house: House, key: str, seconds: float) -> Script:
    """The own telephone dials; the device is lost while its last key is held, and comes back after it."""
    world = house.world
    world.tap.seize()
    yield world.after(1.5)
    for digit in key[:-1]:
        world.near.press(digit)
        world.near.say(np.zeros(4800, np.float32))
    yield world.both_quiet
    world.near.press(key[-1])
    yield world.after(0.1)
    house.deaf = True
    yield world.after(seconds)
    house.deaf = False
    yield world.after(1.0)


def test_a_key_that_ends_while_the_device_is_lost_was_dialled(house: House) -> None:
    """110 counts as an emergency call though the end of its 0 was lost: the ear tells no end twice."""
    world = house.world
    world.begin(_cut_short(house, "110", 0.4))
    while world.busy:
        world.step()
    call = house.app.state.call.call
    assert call is not None
    assert call.bar is Bar.EMERGENCY


def test_a_key_heard_as_two_around_a_loss_hides_no_emergency(house: House) -> None:
    """The second 1 of 110 is split by a loss: the application says so, and the call hears not a sound."""
    world = house.world
    world.tap.seize()
    world.run(1.5)
    world.near.press("1")
    world.near.say(np.zeros(4800, np.float32))
    while not world.both_quiet():
        world.step()
    world.near.say(key_tone("1", 0.5, -10.0))
    for deaf, seconds in ((False, 0.15), (True, 0.1), (False, 0.6)):
        house.deaf = deaf
        world.run(seconds)
    world.near.press("0")
    world.run(3.0)
    call = house.app.state.call.call
    assert call is not None
    assert (call.digits, call.bar, call.unseen) == ("1110", Bar.UNSEEN, True)


def test_who_spoke_when_the_device_was_lost_speaks_no_more(house: House) -> None:
    """Speech that ended in a loss has ended for the core, so that a minute of silence can end the recording."""
    world = house.world
    world.begin(_agreeing(house, 20.0))
    while house.app.state.call.phase is not Phase.RECORDING:
        world.step()
    world.run(1.0)
    world.far.say(voice(2.0, -15.0, seed=2, rate=48000).astype(np.float32))
    world.run(1.0)
    take = house.app.state.call.take
    assert take is not None
    assert take.speaking
    house.deaf = True
    world.run(1.5)
    house.deaf = False
    world.run(1.5)
    take = house.app.state.call.take
    assert take is not None
    assert not take.speaking
    assert "silence" in house.app.state.call.deadlines


def test_a_longer_loss_ends_the_recording(house: House) -> None:
    """A device that is gone ends what was recorded, as a 9 could not be heard; what there is stays."""
    world = house.world
    world.begin(_agreeing(house, 8.0))
    world.begin(_deaf_meanwhile(house, 0.1))
    while world.busy:
        world.step()
        if house.deaf:
            house.audio.fail("unplugged")
            break
    while world.busy:
        world.step()
    world.run(2.0)
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    assert opened.manifest.ended == "audio"
    assert [entry["ended"] for entry in house.entries("call") if entry["at_end"]] == ["hangup"]


def test_the_converters_drift_is_written_down(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealed details say how fast the converter runs, once it has been heard for long enough."""
    mono = house.clock.mono
    monkeypatch.setattr(house.clock, "mono", lambda: mono() / (1 + 80e-6))
    world = house.world
    world.begin(_agreeing(house, 40.0))
    while world.busy:
        world.step()
    world.run(2.0)
    (folder,) = house.recordings()
    opened = open_recording(FolderFiles(folder), house.owner.workshop(), house.trust)
    assert opened.details[1]["converter_ppm"] == pytest.approx(80.0, abs=1.0)
    assert house.app.drift.ppm is None  # nobody listens any more
