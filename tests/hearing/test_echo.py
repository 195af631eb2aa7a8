"""The box's own sound, taken out: keys over announcements, the way back sought and followed, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from handschlag.hearing import Calibration, Ear, Event, HearingError, KeyHeard, Leg, SpeechHeard
from handschlag.hearing.echo import LAGS, EchoCanceller
from handschlag.hearing.resample import Resampler, whole
from handschlag.prompts import sounds
from handschlag.sim.line import LineModel
from handschlag_bench.hearing.echo import RATE, Found, Scene, announcement, hear, make, score, total
from handschlag_bench.hearing.signals import key, keys_of, noise, silence, tones, voice

F32 = NDArray[np.float32]
STEP = 160

SLICE = (
    Scene(where="mix", delay_ms=17.3, language="de", longest_s=8.0),
    Scene(where="mix", delay_ms=200.0, language="en", key_ms=100.0, longest_s=8.0),
    Scene(where="voltage", km=0.0, delay_ms=0.0, language="en", longest_s=8.0),
    Scene(where="voltage", km=6.0, delay_ms=200.0, language="de", longest_s=8.0),
    Scene(where="far leg", km=3.0, delay_ms=60.0, language="en", longest_s=8.0),
)


def line(far: NDArray[np.float64] | None, played: F32, km: float = 3.0, noise_dbm0: float | None = -70.0) -> F32:
    """What the tap gives at 48 kHz while the box plays."""
    quiet = np.zeros(played.size)
    return LineModel(cable_km=km, noise_dbm0=noise_dbm0).step(quiet if far is None else far, quiet, played)


def at_8k(played: F32) -> F32:
    """As the canceller gets it."""
    return whole(played[:, None], RATE)[:, 0]


def late(signal: F32, samples: int) -> F32:
    """Behind so much silence, as long as before; (channels, n) or (n,)."""
    return np.concatenate([np.zeros_like(signal[..., :samples]), signal], axis=-1)[..., : signal.shape[-1]]


def left_db(canceller: EchoCanceller, heard: F32, played: F32, own: F32) -> NDArray[np.float64]:
    """What is left of `own` in `heard`, per 20 ms, in dB under it (0 where nothing sounds)."""
    left = []
    for first in range(0, heard.shape[1] // STEP * STEP, STEP):
        piece = slice(first, first + STEP)
        estimate = canceller.feed(heard[:, piece], played[piece])
        rest = own[:, piece] - (0.0 if estimate is None else estimate)
        power = float(np.sum(own[:, piece] ** 2))
        left.append(10 * np.log10(float(np.sum(rest**2)) / power) if power > 1e-4 else 0.0)
    return np.array(left)


def test_keys_over_an_announcement_are_found() -> None:
    """-30 dBm0 keys of 60 ms over a leak of -16 dBm0: 99 of 100 with digit and leg, none that nobody pressed."""
    found = total(SLICE)
    assert found.pressed > 110
    assert found.percent >= 99.0
    assert found.false == 0


def test_without_cancelling_they_are_not() -> None:
    """The slice is no easy one: not told what plays, the ear misses a third of the keys."""
    assert total(SLICE, cancelling=False).percent < 67.0


@pytest.mark.parametrize("drift_ppm", [100.0, -100.0])
def test_clocks_that_drift(drift_ppm: float) -> None:
    """Two clocks 100 ppm apart cost no key."""
    found = score(Scene(km=4.0, drift_ppm=drift_ppm, longest_s=7.0))
    assert found.found >= found.pressed - 1 > 15


def test_a_caller_who_speaks_costs_nothing() -> None:
    """While the caller speaks over the announcement, as many keys are found as if the box were silent."""
    scene = Scene(km=4.0, talk_dbm0=-28.0, longest_s=7.0)
    assert score(scene).found >= score(replace(scene, leak_dbm0=-90.0)).found - 1


def test_a_keys_cosine_stays() -> None:
    """Cancelling does not turn a key: cos φ is what it is without any leak, within 0.05, and so is its level."""
    scene = Scene(km=5.0, key_ms=100.0, longest_s=7.0)
    frames, played, _ = make(scene)
    alone, _, _ = make(replace(scene, leak_dbm0=-120.0))
    over = keys_of(hear(frames, played, Ear()))
    bare = keys_of(hear(alone, None, Ear()))
    assert [each.key for each in over] == [each.key for each in bare]
    assert max(abs(one.cos - two.cos) for one, two in zip(over, bare, strict=True)) < 0.05
    assert max(abs(one.level_dbm0 - two.level_dbm0) for one, two in zip(over, bare, strict=True)) < 0.5


def test_own_tones_are_no_keys_and_hide_none() -> None:
    """Start, denied, the 1400 Hz reminder: a key over each is found, and nothing else is."""
    own = [sounds.start(), sounds.denied(), tones([1400.0], 500, -13.0, RATE).astype(np.float32)]
    played = np.concatenate([announcement("de")[: 3 * RATE], *(np.pad(each, (0, RATE // 2)) for each in own)])
    far = np.zeros(played.size)
    begins, at = [], 3 * RATE
    for each in own:
        begins.append(at + 4000)
        far[at + 4000 : at + 4000 + 4800] = key("5", 100, -25.0, rate=RATE)
        at += each.size + RATE // 2
    heard = keys_of(hear(line(far, played), played, Ear()))
    assert [(each.key, each.leg) for each in heard] == [("5", Leg.FAR)] * 3
    assert [each.start for each in heard] == pytest.approx([begin / 6 for begin in begins], abs=60)


def test_own_keys_are_nobodys() -> None:
    """Keys in the box's own sound are taken out with it; before that is learnt, they are not the caller's."""
    dialled = np.concatenate([key(name, 80, -12.0, rate=RATE) for name in "1 9".replace(" ", "")])
    own = np.concatenate([dialled, silence(500, RATE), announcement("en")[: 2 * RATE], silence(100, RATE), dialled])
    played = np.concatenate([own, silence(500, RATE)]).astype(np.float32)
    heard = keys_of(hear(line(None, played), played, Ear()))
    assert all(each.leg is not Leg.FAR and each.end < 0.6 * 8000 for each in heard)


def test_what_does_not_come_back_changes_nothing() -> None:
    """Played, but not connected: events and everything else are as if nothing had been played."""
    played = announcement("de")[: 4 * RATE]
    far = np.zeros(played.size)
    for number, name in enumerate("1590"):
        far[RATE * (number + 1) // 2 : RATE * (number + 1) // 2 + 3840] = key(name, 80, -20.0, rate=RATE)
    far[3 * RATE :] = voice(1.0, -20.0, rate=RATE)
    frames = LineModel().step(far, np.zeros(far.size))
    told, untold = hear(frames, played, Ear()), hear(frames, None, Ear())
    assert [(each.key, each.leg) for each in keys_of(told)] == [(each.key, each.leg) for each in keys_of(untold)]
    assert [type(each) for each in told] == [type(each) for each in untold]


def test_it_never_adds() -> None:
    """Whatever is played and heard, over 100 ms what is left is at most 1 dB above what was there."""
    random = np.random.default_rng(3)
    own = at_8k(announcement("de"))[: 8000 * 5]
    others = (own[::-1].copy(), voice(5.0, seed=8).astype(np.float32), noise(40_000, -20.0).astype(np.float32))
    for other in others:
        canceller = EchoCanceller(1, STEP)
        heard = (other + 0.001 * random.standard_normal(other.size)).astype(np.float32)[None]
        rest = heard.copy()
        for first in range(0, own.size, STEP):
            estimate = canceller.feed(heard[:, first : first + STEP], own[first : first + STEP])
            if estimate is not None:
                rest[:, first : first + STEP] -= estimate
        power = [np.mean(signal.reshape(-1, 800) ** 2, axis=1) + 1e-7 for signal in (rest, heard)]
        assert 10 * np.log10((power[0] / power[1]).max()) < 1.0


@pytest.mark.parametrize("delay", [0, 80, 777, 1600, 1880])
def test_every_delay_is_found(delay: int) -> None:
    """0 to 235 ms: found within 0.4 s of the sound's coming back, and cancelled by 30 dB from then on."""
    played = announcement("en")[: 3 * RATE]
    own = late(whole(line(None, played, noise_dbm0=None), RATE).T, delay)
    left = left_db(canceller := EchoCanceller(2, STEP), own, at_8k(played), own)
    assert canceller.delay == pytest.approx(delay, abs=4)
    assert np.median(left[(delay + 3200) // STEP :]) < -40.0
    late_left = left[(delay + 3200) // STEP :]
    assert np.quantile(late_left[late_left != 0.0], 0.95) < -30.0


@pytest.mark.parametrize(("before", "after"), [(400, 1200), (1200, 100), (300, 340)])
def test_a_delay_that_jumps_is_found_again(before: int, after: int) -> None:
    """A device that was opened again: after 0.6 s of the next sound it is cancelled as before."""
    played = at_8k(announcement("de")[: 4 * RATE])
    own = whole(line(None, announcement("de")[: 4 * RATE], noise_dbm0=None), RATE).T
    canceller = EchoCanceller(2, STEP)
    first = left_db(canceller, late(own, before), played, late(own, before))
    pause = np.zeros((2, 8000), np.float32)
    assert not left_db(canceller, pause, pause[0], pause).any()
    second = left_db(canceller, late(own, after), played, late(own, after))
    assert np.median(first[100:]) < -40.0
    assert np.median(second[(after + 4800) // STEP :]) < -40.0


def test_the_next_sound_is_cancelled_at_once() -> None:
    """What one sound taught serves the next from its first step on, over a pause and over `wipe`."""
    both = whole(line(None, announcement("de")[: 3 * RATE], noise_dbm0=None), RATE).T
    played = at_8k(announcement("de")[: 3 * RATE])
    canceller = EchoCanceller(2, STEP)
    left_db(canceller, both, played, both)
    for forget in (False, True):
        if forget:
            canceller.wipe()
        pause = np.zeros((2, 8000), np.float32)
        left_db(canceller, pause, pause[0], pause)
        left = left_db(canceller, both, played, both)
        assert np.median(left[left < 0.0][:20]) < -35.0


def test_a_line_that_changes_is_followed() -> None:
    """Another telephone is taken up in the middle: half a second later it is cancelled as before."""
    sound = announcement("de")[: 6 * RATE]
    quiet = np.zeros(sound.size)
    parts = [LineModel(phone_z=z, noise_dbm0=None).step(quiet, quiet, sound) for z in ("Z_R", "600")]
    own = whole(np.concatenate([parts[0][: 3 * RATE], parts[1][3 * RATE :]]), RATE).T
    left = left_db(EchoCanceller(2, STEP), own, at_8k(sound), own)
    assert np.median(left[50:150]) < -40.0
    assert np.median(left[175:]) < -35.0


def test_a_caller_teaches_nothing() -> None:
    """Loud keys and speech over the sound move neither the delay nor the response: 50 dB stay."""
    sound = announcement("en")[: 8 * RATE]
    own = whole(line(None, sound, noise_dbm0=None), RATE).T
    far = np.concatenate([silence(1500, RATE), *(key(name, 200, -8.0, rate=RATE) for name in "1590#" * 6)])
    far = np.concatenate([far, voice(10.0, -12.0, rate=RATE)])[: sound.size]
    other = whole(line(far, np.zeros_like(sound)), RATE).T
    canceller = EchoCanceller(2, STEP)
    left = left_db(canceller, own + other, at_8k(sound), own)
    assert canceller.delay == 1
    assert np.median(left[100:]) < -50.0
    assert np.quantile(left[100:][left[100:] != 0.0], 0.95) < -35.0


def test_hum_does_not_blind_it() -> None:
    """50 Hz at -20 dBm0 and an offset leave it 25 dB and more."""
    played = announcement("en")[: 4 * RATE]
    own = whole(line(None, played, noise_dbm0=None), RATE).T
    hum = 0.02 + tones([50.0], 4000, -20.0)[None, : own.shape[1]].astype(np.float32)
    left = left_db(EchoCanceller(2, STEP), own + hum, at_8k(played), own)
    assert np.median(left[40:]) < -25.0


def test_a_tone_alone_tells_no_delay() -> None:
    """A steady tone fits many delays: none is believed."""
    played = tones([1400.0], 3000, -13.0).astype(np.float32)
    canceller = EchoCanceller(1, STEP)
    own = late(played[None] * np.float32(0.5), 333)
    left_db(canceller, own, played, own)
    assert canceller.delay is None


@pytest.mark.parametrize("calibration", [Calibration(), Calibration((1.0, 0.3, -0.1), (0.9, 0.2), -1)])
def test_legs_are_the_line_as_it_is(calibration: Calibration) -> None:
    """What could be recorded is the same to the bit, told what plays or not."""
    frames, played, _ = make(Scene())
    told, untold = Ear(calibration=calibration), Ear(calibration=calibration)
    for first in range(0, 3 * RATE, 960):
        piece = slice(first, first + 960)
        one, two = told.feed(frames[piece], played[piece]), untold.feed(frames[piece])
        assert np.array_equal(one.legs, two.legs)
        assert one.levels == two.levels


@pytest.mark.parametrize("calibration", [Calibration(), Calibration((1.0, 0.3, -0.1), (0.9, 0.2))])
def test_detectors_hear_legs_without_it(calibration: Calibration) -> None:
    """In the detectors' past, own sound is 30 dB lower in all four signals, with impedances as filters, too."""
    frames, played = line(None, announcement("de")[: 4 * RATE]), announcement("de")[: 4 * RATE]
    told, untold = Ear(calibration=calibration), Ear(calibration=calibration)
    powers = []
    for first in range(0, 4 * RATE, 960):
        piece = slice(first, first + 960)
        told.feed(frames[piece], played[piece])
        untold.feed(frames[piece])
        powers.append([np.sum(ear._history.data[:, -STEP:] ** 2, axis=1) for ear in (told, untold)])
    with_it, without = np.sum(powers[50:], axis=0)
    assert np.all(10 * np.log10(with_it / without) < -30.0)


@pytest.mark.parametrize("step", [1, 333, 960, 4801])
def test_same_events_however_it_is_cut(step: int) -> None:
    """Cuts change nothing, whether silence is told as None or as zeros."""
    frames, played, _ = make(Scene(km=4.0))
    frames, played = frames[: 2 * RATE], played[: 2 * RATE]
    played[:4000] = 0.0
    wanted = Ear().feed(frames, played)
    ear = Ear()
    events: list[Event] = []
    legs: list[NDArray[np.int16]] = []
    for first in range(0, frames.shape[0], step):
        piece = slice(first, min(first + step, 6000 + first if step == 1 else frames.shape[0]))
        sound = played[piece]
        heard = ear.feed(frames[piece], sound if sound.any() else None)
        events += heard.events
        legs.append(heard.legs)
        if step == 1 and first == 30_000:
            rest = ear.feed(frames[first + 1 :], played[first + 1 :])
            events += rest.events
            legs.append(rest.legs)
            break
    assert any(isinstance(event, KeyHeard) for event in events)
    assert tuple(events) == wanted.events
    assert np.array_equal(np.concatenate(legs), wanted.legs)


def test_own_voice_is_nobodys_speech() -> None:
    """Once the way back is known, an announcement is not heard as anybody's speech; not told, it is."""
    played = np.concatenate([announcement("de"), np.zeros(RATE, np.float32), announcement("en")])
    frames = line(None, played)
    later = (announcement("de").size + RATE) // 6
    for told, speech in ((True, False), (False, True)):
        events = hear(frames, played if told else None, Ear())
        begun = [each for each in events if isinstance(each, SpeechHeard) and each.start > later]
        assert bool(begun) is speech


def test_silence_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second after the last sound neither resampler nor canceller does anything for it any more."""
    ear = Ear()
    frames, played, _ = make(Scene())
    ear.feed(frames[:RATE], played[:RATE])
    for _ in range(25):
        ear.feed(np.zeros((960, 2), np.float32), None)

    def work(*_: object) -> None:
        raise AssertionError("work")

    assert ear._play_resampler is not None
    monkeypatch.setattr(ear._play_resampler, "_convert", work)
    monkeypatch.setattr(ear._echo, "_push", work)
    ear.feed(np.zeros((9600, 2), np.float32), None)
    with pytest.raises(AssertionError, match="work"):
        ear.feed(frames[:RATE], played[:RATE])


def test_no_audio_older_than_160_ms_is_held() -> None:
    """While it plays on, what the line carried is gone after 160 ms; when it ends or is wiped, so is everything."""
    own = at_8k(announcement("de"))[: 8000 * 3]
    canceller = EchoCanceller(2, STEP)
    heard = np.stack([own, own]) + noise(own.size, -20.0).astype(np.float32)
    for first in range(0, 8000, STEP):
        canceller.feed(heard[:, first : first + STEP], own[first : first + STEP])
    assert canceller._window.all(axis=1).any()
    for first in range(8000, 8000 + 1280 + STEP, STEP):
        canceller.feed(np.zeros((2, STEP), np.float32), own[first : first + STEP])
    assert not canceller._window.any()
    assert not canceller._before.any()
    for first in range(8000, 16_000, STEP):
        canceller.feed(heard[:, first : first + STEP], own[first : first + STEP])
    canceller.wipe()
    assert not any(each.any() for each in (canceller._window, canceller._before, canceller._played, canceller._sharp))
    for first in range(8000, 16_000, STEP):
        canceller.feed(heard[:, first : first + STEP], own[first : first + STEP])
    for first in range(0, LAGS + 1280 + STEP, STEP):
        canceller.feed(heard[:, first : first + STEP], None)
    assert not any(each.any() for each in (canceller._window, canceller._before, canceller._played, canceller._rows))


def test_skipping_is_feeding_silence() -> None:
    """The resampler's short cut gives the same samples at the same places, in any cuts."""
    random = np.random.default_rng(2)
    one, two = Resampler(RATE, 1), Resampler(RATE, 1)
    out: list[list[F32]] = [[], []]
    for count in random.integers(0, 3000, 60).tolist():
        sound = random.standard_normal((count, 1)).astype(np.float32) * (random.random() < 0.3)
        out[0].append(one.feed(sound))
        out[1].append(two.feed(sound) if sound.any() else two.skip(count))
    assert np.array_equal(np.concatenate(out[0], axis=1), np.concatenate(out[1], axis=1))


@pytest.mark.parametrize(
    "played", [np.zeros(9), np.zeros((10, 1)), np.zeros(10, np.int16), [0.0] * 10], ids=["short", "2-d", "int", "list"]
)
def test_wrong_played(played: object) -> None:
    """Another length, shape or type than the frames' is refused with what is allowed."""
    with pytest.raises(HearingError, match="allowed"):
        Ear().feed(np.zeros((10, 2)), played)  # type: ignore[arg-type]


def test_odd_rates_take_no_played() -> None:
    """Files at 44.1 kHz have no own sound, and say so."""
    with pytest.raises(HearingError, match="multiples of 8000"):
        Ear(44_100).feed(np.zeros((10, 2)), np.zeros(10))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_broken_samples_do_not_last(bad: float) -> None:
    """Broken samples among what is played or heard are silence or limited, and what follows is cancelled."""
    frames, played, pressed = make(Scene(key_ms=100.0, longest_s=4.0))
    frames[40_000:40_100] = bad
    played[43_000:43_100] = bad
    heard = keys_of(hear(frames, played, Ear()))
    assert len(heard) >= len(pressed) - 3
    assert Found(1, 1, 0) + Found(2, 1, 1) == Found(3, 2, 1)
