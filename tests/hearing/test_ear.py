"""The ear as a whole: cuts, bad input, forgetting, legs and levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.errors import HandschlagError
from handschlag.hearing import Calibration, Ear, Event, HearingError, Levels
from handschlag.hearing.legs import separate, to_int16
from handschlag.hearing.resample import Resampler, whole
from handschlag.sim.line import components
from handschlag_bench.hearing.signals import dialled, digits_of, hear, noise, on_line, silence, tones, voice


def _scene() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Speech of both, keys of both and a tone, on one line."""
    far = np.concatenate([voice(1.0, seed=2, rate=48_000), dialled("1", 80, rate=48_000), silence(600, 48_000)])
    near = np.concatenate([silence(1300, 48_000), dialled("59", 60, rate=48_000), tones([425.0], 900, -20, 48_000)])
    length = min(far.size, near.size)
    return on_line(far[:length], near[:length])


SCENE = _scene()
WHOLE = Ear().feed(SCENE)


@given(st.lists(st.integers(0, 5000), max_size=40), st.sampled_from([1, 160, 777, 960, 4801]))
@settings(max_examples=15, deadline=None)
def test_same_events_and_legs_however_it_is_cut(cuts: list[int], step: int) -> None:
    """Random cuts give the same events and, bit by bit, the same legs and positions."""
    ear, at, legs = Ear(), 0, []
    events: list[Event] = []
    sizes = [*cuts, *([step] * (60 if step == 1 else 10_000))]
    position = 0
    for size in sizes:
        if at >= SCENE.shape[0]:
            break
        heard = ear.feed(SCENE[at : at + size])
        at += size
        assert heard.position == position
        position += heard.legs.shape[0]
        events += heard.events
        legs.append(heard.legs)
    heard = ear.feed(SCENE[at:])
    events += heard.events
    joined = np.concatenate([*legs, heard.legs])
    assert tuple(events) == WHOLE.events
    assert np.array_equal(joined, WHOLE.legs)


def test_scene_is_no_empty_one() -> None:
    """What the cutting test compares holds keys of both parties."""
    assert digits_of([*WHOLE.events]) == "159"


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(separation_db=(30.0, 30.0)),
        Calibration(line_z=(1.0, 0.3, -0.1), phone_z=(0.9, 0.2), separation_db=(20.0, 20.0)),
        Calibration(
            line_z=(0.1, 1.0, 0.3, -0.1), phone_z=(0.1, 0.2, 0.9), polarity=-1, delay=2, separation_db=(20, 20)
        ),
    ],
)
def test_legs_are_those_of_the_whole_signal(calibration: Calibration) -> None:
    """The stream's legs equal, sample by sample, the legs of the whole resampled signal."""
    ear = Ear(calibration=calibration)
    legs = np.concatenate([ear.feed(SCENE[at : at + 960]).legs for at in range(0, SCENE.shape[0], 960)])
    wanted = to_int16(separate(whole(SCENE, 48_000), calibration))
    assert legs.shape[0] > wanted.shape[0] - 400
    first = calibration.delay  # the whole signal has nothing before its first sample, the stream has its filter's rise
    assert np.array_equal(legs[first:], wanted[first : legs.shape[0]])


def test_whole_signal_is_what_an_ideal_filter_gives() -> None:
    """The resampler keeps 300-3300 Hz within 0.05 dB, in place, and takes 70 dB off what would alias."""
    n = np.arange(48_000)
    for frequency in (300.0, 1000.0, 2100.0, 3300.0):
        out = whole(np.sin(2 * np.pi * frequency * n / 48_000)[:, None].astype(np.float32), 48_000)[:, 0]
        ideal = np.sin(2 * np.pi * frequency * np.arange(8000) / 8000)
        assert np.abs(out - ideal)[200:-200].max() < 0.006
    for frequency in (4700.0, 7300.0, 12_000.0, 20_000.0):
        out = whole(np.sin(2 * np.pi * frequency * n / 48_000)[:, None].astype(np.float32), 48_000)[:, 0]
        assert np.abs(out)[200:-200].max() < 10 ** (-70 / 20)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_rates(rate: int) -> None:
    """Keys are read at every usual rate, at the right time."""
    frames = dialled("147*0#D", 60, 60, rate=rate)
    assert digits_of(hear(frames, "mix", rate)) == "147*0#D"
    assert digits_of(hear(frames, "mix", rate, hops=100)) == "147*0#D"


def test_latency_is_bounded() -> None:
    """After each 20 ms of input, all but the newest 3 ms have come out as legs."""
    ear = Ear()
    fed = 0
    for first in range(0, 48_000, 960):
        ear.feed(SCENE[first : first + 960])
        fed += 960
        assert fed / 6 - ear.position <= 24


def test_forgetting_leaves_nothing() -> None:
    """After `forget` no array of the ear holds anything but zeros, and it hears as if it were new."""
    ear = Ear()
    ear.feed(SCENE[:-333])
    ear.forget()
    left = [array for array in _arrays(ear, set()) if array.dtype == np.float32 and array.size]
    assert left
    constants = [array for array in _arrays(Ear(), set()) if array.dtype == np.float32]
    known = {array.tobytes() for array in constants}
    assert all(not array.any() or array.tobytes() in known for array in left)
    again = ear.feed(SCENE)
    assert again.events == WHOLE.events
    assert np.array_equal(again.legs, WHOLE.legs)


def test_never_more_than_200_ms_are_held() -> None:
    """A click, speech, keys and a dial tone are gone from every array once 200 ms have been fed after them."""
    known = {array.tobytes() for array in _arrays(Ear(), set())}
    click = np.zeros((960, 2), np.float32)
    click[5] = 1.0
    dial = on_line(tones([425.0], 1600, -12, 48_000), None)
    for sound in (click, SCENE[:-7], dial):
        ear = Ear()
        ear.feed(sound)
        assert any(array.any() and array.tobytes() not in known for array in _arrays(ear, set()))
        for _ in range(10):
            ear.feed(np.zeros((960, 2), np.float32))
        assert all(not array.any() or array.tobytes() in known for array in _arrays(ear, set()))


def _arrays(thing: object, seen: set[int]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """All float32 arrays that hang on an object."""
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return [thing] if thing.dtype == np.float32 else []
    children: list[object] = []
    if isinstance(thing, dict):
        children = list(thing.values())
    elif isinstance(thing, list | tuple):
        children = list(thing)
    elif type(thing).__module__.startswith("handschlag"):
        children = list(getattr(thing, "__dict__", {}).values())
        children += [getattr(thing, slot, None) for slot in getattr(type(thing), "__slots__", ())]
    return [array for child in children for array in _arrays(child, seen)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_broken_samples_are_silence(bad: float) -> None:
    """NaN and infinities are taken for silence and counted, huge values are limited; what follows is heard."""
    ear = Ear(8000, "mix")
    frames = np.full((800, 1), bad)
    ear.feed(frames)
    assert ear.bad_samples == (0 if np.isfinite(bad) else 800)
    assert digits_of(ear.feed(dialled("42")[:, None]).events) == "42"


def test_frames_of_any_length() -> None:
    """No frame at all, or a single one, is heard without a word."""
    for mode, channels in (("vi", 2), ("legs", 2), ("mix", 1)):
        ear = Ear(48_000, mode)  # type: ignore[arg-type]
        for count in (0, 1, 0, 1):
            heard = ear.feed(np.zeros((count, channels), np.float32))
            assert heard.events == ()
            assert heard.legs.shape == (0, channels)
            assert heard.legs.dtype == np.int16
        ear.flush()


@pytest.mark.parametrize(
    "frames",
    [np.zeros(10), np.zeros((10, 3)), np.zeros((10, 1)), np.zeros((10, 2), np.int16), np.zeros((2, 2, 2))],
)
def test_wrong_frames(frames: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Frames of another shape or type are refused with what is allowed."""
    with pytest.raises(HearingError, match=r"\(n, 2\)|floats") as caught:
        Ear().feed(frames)
    assert isinstance(caught.value, HandschlagError)
    assert isinstance(caught.value, ValueError)


def test_wrong_settings() -> None:
    """Mode, rate, grid and calibration are checked, each with what is allowed."""
    with pytest.raises(HearingError, match="'vi', 'legs' and 'mix'"):
        Ear(mode="stereo")  # type: ignore[arg-type]
    for rate in (0, -8000, 7999, 400_000):
        with pytest.raises(HearingError, match="8000 to 192000"):
            Ear(rate)
    with pytest.raises(HearingError, match="1 to 1000"):
        Ear(hops=0)
    with pytest.raises(HearingError, match="line_z"):
        Calibration(line_z=())
    with pytest.raises(HearingError, match="polarity"):
        Calibration(polarity=0)
    with pytest.raises(HearingError, match="8000 to 192000"):
        Resampler(4000, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([8000, 44_100, 48_000]), st.sampled_from(["vi", "legs", "mix"]))
@settings(max_examples=20, deadline=None)
def test_hostile_audio(seed: int, rate: int, mode: str) -> None:
    """Noise, steps, full scale and broken floats in any order crash nothing, and legs stay within 16 bits."""
    random = np.random.default_rng(seed)
    ear = Ear(rate, mode)  # type: ignore[arg-type]
    for _ in range(6):
        count = int(random.integers(0, rate // 10))
        frames = random.standard_normal((count, ear.channels)) * 10.0 ** random.integers(-9, 40)
        if random.random() < 0.5 and count:
            frames[random.integers(0, count)] = random.choice([np.nan, np.inf, -np.inf])
        if random.random() < 0.3:
            frames = np.sign(frames)
        heard = ear.feed(frames)
        assert heard.legs.shape[1] == ear.leg_count
        assert -100.0 <= heard.levels.far_dbm0 <= 9.2
    ear.flush()


def test_levels() -> None:
    """A full-scale sine is +3.14 dBm0, silence -100, and each leg has its own level."""
    ear = Ear(8000, "legs")
    assert ear.feed(np.zeros((800, 2))).levels == Levels(-100.0, -100.0)
    frames = np.stack([tones([1000.0], 1000, 3.14), tones([1000.0], 1000, -20.0)], axis=1)
    levels = ear.feed(frames).levels
    assert levels.far_dbm0 == pytest.approx(3.14, abs=0.1)
    assert levels.near_dbm0 == pytest.approx(-20.0, abs=0.1)


@pytest.mark.parametrize("km", [0.0, 2.0, 5.0])
def test_legs_are_apart(km: float) -> None:
    """Uncalibrated, each party is 7 dB and more louder in the own leg than in the other one, at its level."""
    far, near = components(voice(2.0, seed=4, rate=48_000), voice(2.0, seed=5, rate=48_000), cable_km=km)
    for pair, own in ((far, 0), (near, 1)):
        legs = separate(whole(pair, 48_000))
        power = (legs.astype(np.float64) ** 2).mean(axis=0)
        assert 10 * np.log10(power[own] / power[1 - own]) >= 7.0
        on_wires = (whole(pair, 48_000)[:, 0].astype(np.float64) ** 2).mean()
        assert 10 * np.log10(power[own] / on_wires) == pytest.approx(0.0, abs=3.0)


def test_file_grid_hears_the_same_keys() -> None:
    """The coarse grid for files gives the same keys at the same places as the live one."""
    frames = dialled("0123456789", 45, 45)
    frames = frames + noise(frames.size, -30)
    live, file = hear(frames), hear(frames, hops=100)
    assert digits_of(live) == digits_of(file) == "0123456789"
