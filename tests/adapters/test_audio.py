"""PortAudio over a private PulseAudio: the real path in real time, with two null sinks for wires."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from handschlag.adapters import audio as audio_module
from handschlag.adapters.audio import BadDevice, PortAudio, choose_device
from handschlag.core.events import AudioCame, AudioGone, MarkPassed, Played, PlayFailed
from handschlag.ports import AudioBlock, Sound
from handschlag.sim.pulse import LINE, TAP, Pulse
from handschlag.usb_sound import BadCard
from tests.support.inbox import Inbox
from tests.support.pulse import running_pulse
from tests.test_usb_sound import plug

RATE = 48000
F32 = npt.NDArray[np.float32]


def chirp(seconds: float) -> F32:
    """A sound that resembles itself at one delay only."""
    at = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (300 + 1200 * at / seconds) * at)).astype(np.float32)


SOUNDS = {
    "chirp": Sound("chirp", chirp(1.0), mark_s=0.6),
    "long": Sound("long", np.tile(chirp(1.0), 30)),
}


class Ear:
    """An application that handles each block at once, and keeps a copy of what it heard (tests may)."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.audio = PortAudio(TAP, SOUNDS)
        self.heard: list[F32] = []
        self.played: list[F32] = []

    def start(self) -> None:
        """Begin."""
        self.audio.start(self._post)

    def _post(self, event: object) -> None:
        if isinstance(event, AudioBlock):
            self.heard.append(event.frames.copy())
            self.played.append(np.zeros(960, np.float32) if event.played is None else event.played.copy())
            self.audio.done(event)
        self.inbox.post(event)  # type: ignore[arg-type]  # whatever is posted is an Event

    def came(self) -> None:
        """Wait for the device."""
        self.inbox.until(lambda: bool(self.inbox.of(AudioCame)))


class Wire:
    """The other end of both wires: records what the box plays, and plays `carry` into the box."""

    def __init__(self) -> None:
        import sounddevice  # noqa: PLC0415 - after the fixture has told PortAudio where to look

        self._lock = threading.Condition()
        self._recorded: list[F32] = []
        self._to_carry: list[F32] = []
        self.loops = False
        options: dict[str, Any] = {
            "device": LINE,
            "samplerate": RATE,
            "blocksize": 960,
            "dtype": "float32",
            "latency": 0.06,
        }
        self._streams = [
            sounddevice.InputStream(channels=1, callback=self._record, **options),
            sounddevice.OutputStream(channels=2, callback=self._play, **options),
        ]
        for stream in self._streams:
            stream.start()

    def carry(self, frames: F32) -> None:
        """Play (frames, 2) into the box, once."""
        with self._lock:
            whole = np.zeros((-(-len(frames) // 960) * 960, 2), np.float32)
            whole[: len(frames)] = frames
            self._to_carry += list(whole.reshape(-1, 960, 2))

    def recorded(self) -> F32:
        """Everything recorded so far."""
        with self._lock:
            return np.concatenate([np.zeros(0, np.float32), *self._recorded])

    def recorded_s(self, seconds: float) -> F32:
        """The next so many seconds; slow looks at them happen where they do not hold up the recording."""
        wanted = round(seconds * RATE / 960)
        with self._lock:
            first = len(self._recorded)
            assert self._lock.wait_for(lambda: len(self._recorded) >= first + wanted, timeout=30)
            return np.concatenate(self._recorded[first : first + wanted])

    def close(self) -> None:
        """Cut both wires."""
        for stream in self._streams:
            stream.abort()
            stream.close()

    def _record(self, indata: F32, *_: object) -> None:
        with self._lock:
            self._recorded.append(indata[:, 0].copy())
            if self.loops:
                self._to_carry.append(np.stack([indata[:, 0] * np.float32(0.25)] * 2, axis=1))
            self._lock.notify_all()

    def _play(self, outdata: F32, *_: object) -> None:
        with self._lock:
            outdata[:] = self._to_carry.pop(0) if self._to_carry else 0


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulse]:
    """The private sound server."""
    with running_pulse(tmp_path_factory.mktemp("pulse")) as pulse:
        yield pulse


@pytest.fixture
def wire(pulse: Pulse) -> Iterator[Wire]:
    """The far ends of the wires."""
    assert pulse
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def ear(pulse: Pulse) -> Iterator[Ear]:
    """A box's audio that was not started yet."""
    assert pulse
    ear = Ear()
    yield ear
    ear.audio.close()


def best_match(heard: F32, wanted: F32) -> tuple[int, float]:
    """Where `wanted` lies in `heard` (samples), and how alike they are there (1 is the same)."""
    size = 1 << (len(heard) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)[: len(heard)]
    start = int(np.argmax(product))
    piece = heard[start : start + len(wanted)]
    if len(piece) < len(wanted):
        return start, 0.0  # it has only begun
    alike = float(np.dot(piece, wanted) / (np.linalg.norm(piece) * np.linalg.norm(wanted) + 1e-12))
    return start, alike


ATTEMPTS = 4
"""A busy machine makes the sound server skip; what is asked here is that an undisturbed sound comes through whole."""


def test_a_sound_reaches_the_line_with_its_mark(wire: Wire, ear: Ear) -> None:
    """What is played is what the line hears, unaltered; the mark is told after it was heard, not before."""
    ear.start()
    ear.came()
    chirp = SOUNDS["chirp"].samples
    for _ in range(ATTEMPTS):
        ear.inbox.forget()
        before = len(wire.recorded())
        ear.audio.play("chirp")
        ear.inbox.until(lambda: bool(ear.inbox.of(MarkPassed)))
        at_mark = len(wire.recorded()) - before
        ear.inbox.until(lambda: bool(ear.inbox.of(Played)))
        wire.recorded_s(0.5)
        start, alike = best_match(wire.recorded()[before:], chirp)
        told = [type(event) for event in ear.inbox.events if isinstance(event, MarkPassed | Played)]
        assert told == [MarkPassed, Played]
        if alike > 0.99:
            break
    assert alike > 0.99
    assert start < at_mark
    (mark,), (end,) = ear.inbox.of(MarkPassed), ear.inbox.of(Played)
    assert end.at - mark.at == pytest.approx(0.4, abs=0.2)
    assert ear.audio.faults == 0


def test_a_key_tone_comes_through(wire: Wire, ear: Ear) -> None:
    """Key 1 on one channel arrives on that channel, at its two frequencies and its level."""
    ear.start()
    ear.came()
    at = np.arange(RATE // 2) / RATE
    key = (0.2 * np.sin(2 * np.pi * 697 * at) + 0.2 * np.sin(2 * np.pi * 1209 * at)).astype(np.float32)
    for _ in range(ATTEMPTS):
        before, enough = len(ear.heard), len(ear.heard) + 60
        wire.carry(np.stack([key, np.zeros_like(key)], axis=1))
        ear.inbox.until(lambda enough=enough: len(ear.heard) > enough)  # type: ignore[misc]  # the default binds it
        heard = np.concatenate(ear.heard[before:])
        start, alike = best_match(heard[:, 0], key)
        if alike > 0.99:
            break
    assert alike > 0.99
    tone = heard[start : start + RATE // 4]
    spectrum = np.abs(np.fft.rfft(tone[:, 0] * np.hanning(len(tone)))) / len(tone) * 4
    found = np.fft.rfftfreq(len(tone), 1 / RATE)
    strongest = sorted(float(found[each]) for each in np.argsort(spectrum)[-2:])
    assert strongest == pytest.approx([697, 1209], abs=5)
    assert spectrum.max() == pytest.approx(0.2, rel=0.15)
    assert float(np.abs(tone[:, 1]).max()) < 0.01


def test_what_was_played_comes_back_later(wire: Wire, ear: Ear) -> None:
    """On a line that leaks, each block says what was played at most 240 ms before it comes back."""
    ear.start()
    ear.came()
    wire.loops = True
    for _ in range(ATTEMPTS):
        before = len(ear.heard)
        ear.inbox.forget()
        ear.audio.play("chirp")
        ear.inbox.until(lambda: bool(ear.inbox.of(Played)))
        wire.recorded_s(0.5)
        heard, played = (np.concatenate(blocks[before:]) for blocks in (ear.heard, ear.played))
        (back, alike), (given, same) = (best_match(each, SOUNDS["chirp"].samples) for each in (heard[:, 0], played))
        if min(alike, same) > 0.9:
            break
    assert min(alike, same) > 0.9
    assert 0 <= back - given <= 0.24 * RATE


def test_stop_silences_the_line(wire: Wire, ear: Ear) -> None:
    """After stop_play the line falls silent, and neither mark nor end is told."""
    ear.start()
    ear.came()
    ear.audio.play("long")
    while np.abs(wire.recorded_s(0.1)).max() < 0.1:
        pass
    ear.audio.stop_play()
    wire.recorded_s(0.6)  # what the device and the sound server had taken already
    assert np.abs(wire.recorded_s(0.2)).max() < 0.001
    assert not ear.inbox.of(Played)


def test_a_caller_that_lags_loses_audio_and_is_told(ear: Ear) -> None:
    """With nothing given back, at most 140 ms are out; later blocks say how much was lost (P1)."""
    inbox = Inbox()
    ear.audio.start(inbox.post)
    inbox.until(lambda: len(inbox.of(AudioBlock)) == 7)
    inbox.until(lambda: ear.audio._lost >= 3 * 960)
    assert len(inbox.of(AudioBlock)) == 7
    for block in inbox.of(AudioBlock):
        ear.audio.done(block)
        assert not block.frames.any()
    inbox.until(lambda: len(inbox.of(AudioBlock)) > 7)
    assert inbox.of(AudioBlock)[7].lost >= 3 * 960


def test_nobody_listens(ear: Ear) -> None:
    """While no blocks are wanted none come, nothing counts as lost, and the device counts as there (P1)."""
    ear.start()
    ear.came()
    ear.audio.want(blocks=False)
    taken = ear.audio._last_block
    ear.inbox.until(lambda: (ear.audio._last_block or 0.0) > (taken or 0.0) + 0.1)
    before = len(ear.inbox.of(AudioBlock))
    ear.inbox.until(lambda: (ear.audio._last_block or 0.0) > (taken or 0.0) + 0.4)
    assert len(ear.inbox.of(AudioBlock)) == before
    ear.audio.want(blocks=True)
    ear.inbox.until(lambda: len(ear.inbox.of(AudioBlock)) > before)
    assert ear.inbox.of(AudioBlock)[before].lost == 0
    assert not ear.inbox.of(AudioGone)


def test_a_device_that_goes_and_comes_back(pulse: Pulse, ear: Ear) -> None:
    """Gone is told once, the sound with it; the device is found again without help."""
    ear.start()
    ear.came()
    ear.audio.play("chirp")
    ear.inbox.until(lambda: bool(ear.inbox.of(MarkPassed)))
    ear.audio.play("long")
    pulse.stop()
    ear.inbox.until(lambda: bool(ear.inbox.of(AudioGone)))
    assert [failed.sound for failed in ear.inbox.of(PlayFailed)] == ["long"]
    ear.audio.play("chirp")
    assert ear.inbox.of(PlayFailed)[-1].why == "no sound device"
    ear.inbox.forget()
    pulse.start()
    ear.came()
    assert not ear.inbox.of(AudioGone)
    ear.inbox.until(lambda: bool(ear.inbox.of(AudioBlock)))


def test_a_short_loss_is_a_gap(pulse: Pulse, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is back within the grace is told as lost frames only: as many as time went by without it."""
    monkeypatch.setattr(audio_module, "GRACE_S", 20.0)  # a busy machine takes its time to start a sound server
    ear.start()
    ear.came()
    ear.inbox.until(lambda: len(ear.inbox.of(AudioBlock)) > 10)
    ear.audio.play("long")
    ear.inbox.until(lambda: any(played.any() for played in ear.played))
    pulse.stop()
    ear.inbox.until(lambda: bool(ear.inbox.of(PlayFailed)))
    ear.audio.play("chirp")
    assert ear.inbox.of(PlayFailed)[-1].why == "no sound device"
    before = ear.inbox.of(AudioBlock)[-1]
    ear.inbox.forget()
    pulse.start()
    ear.inbox.until(lambda: bool(ear.inbox.of(AudioBlock)))
    first = ear.inbox.of(AudioBlock)[0]
    assert (first.lost + 960) / RATE == pytest.approx(first.at - before.at, abs=0.005)
    assert not ear.inbox.of(AudioGone)
    assert not ear.inbox.of(AudioCame)
    ear.audio.play("chirp")
    ear.inbox.until(lambda: bool(ear.inbox.of(Played)))


def test_a_driver_that_hangs_is_left_behind(pulse: Pulse, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that never returns is told as a device that is gone, and the next attempt does without it.

    PortAudio does this when a device goes between opening and starting.
    """
    import sounddevice  # noqa: PLC0415 - after the fixture has told PortAudio where to look

    assert pulse
    release = threading.Event()
    calls: list[object] = []
    start = sounddevice.OutputStream.start

    def hang_once(stream: Any) -> None:
        calls.append(stream)
        if len(calls) == 1:
            release.wait(60)
            raise RuntimeError("released at last")
        start(stream)

    monkeypatch.setattr(sounddevice.OutputStream, "start", hang_once)
    monkeypatch.setattr(audio_module, "HANG_S", 3.0)
    ear.start()
    ear.inbox.until(lambda: bool(ear.inbox.of(AudioGone)))
    assert "hangs" in ear.inbox.of(AudioGone)[0].why
    assert not ear.inbox.of(AudioCame)
    monkeypatch.setattr(audio_module, "HANG_S", 20.0)
    ear.came()
    ear.audio.play("chirp")
    ear.inbox.until(lambda: bool(ear.inbox.of(Played)))
    ear.audio.close()
    release.set()
    for thread in threading.enumerate():
        if thread.name == "audio-driver":
            thread.join(20)


def test_a_missing_device_is_named_with_what_there_is(pulse: Pulse) -> None:
    """A wrong name posts AudioGone that lists the devices, once, and goes on looking."""
    assert pulse
    inbox = Inbox()
    audio = PortAudio("the good microphone", SOUNDS)
    audio.start(inbox.post)
    inbox.until(lambda: bool(inbox.of(AudioGone)))
    audio.close()
    (gone,) = inbox.of(AudioGone)
    assert "'the good microphone'" in gone.why
    assert TAP in gone.why
    assert LINE in gone.why


DEVICES = [("USB Audio: tap (hw:1,0)", 2, 2), ("USB Audio: head (hw:2,0)", 1, 2), ("USB Audio: tap two (hw:3,0)", 2, 2)]


def test_devices_are_chosen_by_name_only() -> None:
    """An exact name wins over parts; a part counts when it is unique among devices with enough channels."""
    assert choose_device("USB Audio: tap (hw:1,0)", DEVICES, 2) == 0
    assert choose_device("tap two", DEVICES, 2) == 2
    assert choose_device("tap", [*DEVICES, ("tap", 2, 1)], 2) == 3


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tap", "2 sound devices named 'tap'"),
        ("head", "no sound device named 'head'"),
        ("1", "no sound device named '1'"),
        ("", "no sound device named ''"),
    ],
)
def test_doubtful_names_are_refused(name: str, says: str) -> None:
    """Ambiguous, too narrow, index-like and empty names are refused, listing what exists."""
    with pytest.raises(BadDevice, match=says) as refused:
        choose_device(name, [("mic", 2, 2)] if name == "1" else DEVICES, 2)
    assert "there are: " in str(refused.value)


def test_a_card_by_its_identity(tmp_path: Path) -> None:
    """A USB identity means the first device of that card with what is needed; one that is taken is said to be."""
    plug(tmp_path, 3, "1-1.2")
    sound = tmp_path / "class/sound"
    assert choose_device("usb:0d8c:0014", DEVICES, 2, sound) == 2
    with pytest.raises(BadDevice, match=r"is card 3.*another program may have it.*hw:3,0"):
        choose_device("usb:0d8c:0014", DEVICES, 4, sound)
    with pytest.raises(BadCard, match=r"no USB sound card.*usb:0d8c:0014@1-1\.2"):
        choose_device("usb:0d8c:0015", DEVICES, 2, sound)


@pytest.mark.parametrize(
    ("code", "said"), [(-9997, "refuses 48000 frames a second"), (-9985, "is busy: another program has it")]
)
def test_a_refusal_is_told_in_words_and_tried_again(
    pulse: Pulse, ear: Ear, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    """A device that is busy or cannot do the rate when the box starts is named, once, and opened when it can."""
    import sounddevice  # noqa: PLC0415 - after the fixture has told PortAudio where to look

    assert pulse
    start = sounddevice.InputStream.start
    refusals = [code, code]

    def refuse(stream: Any) -> None:
        if refusals:
            raise sounddevice.PortAudioError("Error starting stream", refusals.pop())
        start(stream)

    monkeypatch.setattr(sounddevice.InputStream, "start", refuse)
    monkeypatch.setattr(audio_module, "REOPEN_S", 0.01)
    ear.start()
    ear.came()
    (gone,) = ear.inbox.of(AudioGone)
    assert TAP in gone.why
    assert said in gone.why
