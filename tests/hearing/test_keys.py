"""DTMF after ITU-T Q.24: what must be accepted, what must not, and when it is said."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Ear, KeyHeard, Leg
from handschlag.sim.line import dbm0
from handschlag_bench.hearing.signals import (
    KEYS,
    dialled,
    digits_of,
    hear,
    key,
    keys_of,
    noise,
    silence,
    tones,
    voice,
)


def test_every_key_ten_times_at_50_and_40_ms() -> None:
    """All 16 keys, ten times each, are read in order at 50/50 and at 40/40 ms."""
    for ms in (50.0, 40.0):
        assert digits_of(hear(dialled(KEYS * 10, ms, ms))) == KEYS * 10


@pytest.mark.parametrize("ms", [40.0, 200.0])
def test_bandwidth(ms: float) -> None:
    """Each tone is accepted 1.8 % off its frequency and refused 3.5 % off, short and long."""
    for off, wanted in ((0.018, KEYS), (-0.018, KEYS), (0.035, ""), (-0.035, "")):
        for errors in ((off, 0.0), (0.0, off)):
            line = [silence(100)]
            for name in KEYS:
                line += [key(name, ms, off=errors), silence(60)]
            assert digits_of(hear(np.concatenate(line))) == wanted, (off, errors)


def test_twist() -> None:
    """A column 8 dB below or 4 dB above its row is accepted, 12 below and 8 above is not."""
    for twist, wanted in ((-8.0, KEYS), (4.0, KEYS), (-12.5, ""), (8.5, "")):
        line = [silence(100)]
        for name in KEYS:
            line += [key(name, twist_db=twist), silence(60)]
        heard = keys_of(hear(np.concatenate(line)))
        assert "".join(each.key for each in heard) == wanted, twist
        for each in heard:
            assert each.twist_db == pytest.approx(twist, abs=0.3)


@pytest.mark.parametrize("level", [0.0, -10.0, -30.0, -45.0])
def test_levels(level: float) -> None:
    """From 0 to -45 dBm0 per tone every key is read, and its level is told within half a decibel."""
    heard = keys_of(hear(dialled(KEYS, level_dbm0=level)))
    assert "".join(each.key for each in heard) == KEYS
    for each in heard:
        assert each.level_dbm0 == pytest.approx(
            level, abs=0.5 if level < 0.0 else 1.0
        )  # two tones at 0 dBm0 are limited a little


def test_too_quiet_is_no_key() -> None:
    """At -55 dBm0 nothing is read."""
    assert not keys_of(hear(dialled(KEYS, level_dbm0=-55.0)))


@pytest.mark.parametrize(("ms", "wanted"), [(20.0, ""), (23.0, ""), (24.0, ""), (40.0, KEYS), (41.0, KEYS)])
def test_guard_time(ms: float, wanted: str) -> None:
    """Nothing up to 24 ms is a key, everything from 40 ms is."""
    assert digits_of(hear(dialled(KEYS, ms, 60.0))) == wanted


@pytest.mark.parametrize(("gap_ms", "times"), [(5.0, 1), (10.0, 1), (40.0, 2)])
def test_gaps(gap_ms: float, times: int) -> None:
    """A gap of up to 10 ms within a key is bridged; a pause of 40 ms makes two keys."""
    for name in KEYS:
        wave = np.concatenate([silence(100), key(name, 40), silence(gap_ms), key(name, 40), silence(100)])
        assert digits_of(hear(wave)) == name * times


def test_start_and_end_are_true() -> None:
    """Start and end are told within 2 ms."""
    for ms in (40.0, 60.0, 100.0, 333.0):
        (heard,) = keys_of(hear(np.concatenate([silence(123), key("5", ms), silence(100)])))
        assert heard.start == pytest.approx(123 * 8, abs=16)
        assert heard.duration_ms == pytest.approx(ms, abs=2)


@pytest.mark.parametrize(("snr_db", "share"), [(60.0, 1.0), (12.0, 0.95)])
def test_a_length_is_told_as_it_is(snr_db: float, share: float) -> None:
    """A key of exactly 60 ms, which may be a consent, is told as 60 ms: always in quiet, mostly in noise."""
    wave = dialled(KEYS * 4, 60.0, 60.0)
    heard = keys_of(hear(wave + noise(wave.size, -7.0 - snr_db)))
    assert len(heard) == 64
    lengths = np.array([each.duration_ms for each in heard])
    assert np.mean(lengths >= 60.0) >= share
    assert np.all(np.abs(lengths - 60.0) <= 2.0)


@pytest.mark.parametrize("snr_db", [8.0, 4.0])
def test_noise(snr_db: float) -> None:
    """160 pulses in white noise are read at 8 dB, and at least 158 at 4 dB."""
    wave = dialled(KEYS * 10)
    power_dbm0 = -10.0 + 3.01 - snr_db
    read = digits_of(hear(wave + noise(wave.size, power_dbm0)))
    if snr_db >= 8.0:
        assert read == KEYS * 10
    else:
        assert len(read) >= 158


@pytest.mark.parametrize("level", [-20.0, -30.0])
def test_hum_and_direct_current(level: float) -> None:
    """50 Hz at -20 dBm0 and 5 % of direct current cost no key."""
    wave = dialled(KEYS * 2, level_dbm0=level)
    n = np.arange(wave.size)
    assert digits_of(hear(wave + dbm0(-20.0) * np.sin(2 * np.pi * 50 * n / 8000) + 0.05)) == KEYS * 2


def test_voices_are_no_keys() -> None:
    """A minute of synthetic voices holds no key."""
    assert not keys_of(hear(np.concatenate([voice(10.0, -18.0, seed=seed) for seed in range(6)]), hops=100))


def test_single_tones_are_no_keys() -> None:
    """One tone alone, or two of the same group, are no key."""
    for frequencies in ((697.0,), (1209.0,), (697.0, 852.0), (1209.0, 1477.0), (425.0, 1209.0)):
        assert not keys_of(hear(np.concatenate([silence(50), tones(frequencies, 200), silence(50)])))


@pytest.mark.parametrize("level", [-10.0, -16.0])
@pytest.mark.parametrize("frequency_hz", [520.0, 1060.0, 2000.0])
def test_three_tones_are_no_key(frequency_hz: float, level: float) -> None:
    """A key with a third tone as strong, or 6 dB below each of its tones, is no key: so sound voices and music."""
    wave = key("5", 200) + tones([frequency_hz], 200, level)
    assert not keys_of(hear(np.concatenate([silence(50), wave, silence(50)])))


def test_a_note_that_swells_is_no_key() -> None:
    """Two tones that come up slowly, as notes do, are no key."""
    rise = np.minimum(np.arange(3200) / 800, 1.0)
    assert not keys_of(hear(np.concatenate([silence(50), key("8", 400) * rise, silence(50)])))


@pytest.mark.parametrize("late_ms", [6.0, 10.0, -6.0])
def test_tones_that_begin_apart_are_no_key(late_ms: float) -> None:
    """A column tone that begins 6 ms before or after its row tone is a note of a chord, not a key."""
    first, second = ([770.0], [1336.0]) if late_ms > 0.0 else ([1336.0], [770.0])
    late = silence(abs(late_ms))
    wave = tones(first, 150.0) + np.concatenate([late, tones(second, 150.0 - abs(late_ms))])
    assert not keys_of(hear(np.concatenate([silence(60), wave, silence(60)])))
    together = tones([*first, *second], 150.0)
    assert digits_of(hear(np.concatenate([silence(60), together, silence(60)]))) == "5"


def test_reports_while_held() -> None:
    """A held key is told once when decided, at 60 ms, at 100 ms and each 100 ms, under one start, final once."""
    events = hear(np.concatenate([silence(100), key("1", 350), silence(100)]))
    heard = [event for event in events if isinstance(event, KeyHeard)]
    assert len({each.start for each in heard}) == 1
    assert [each.final for each in heard] == [False] * (len(heard) - 1) + [True]
    lengths = [each.duration_ms for each in heard]
    assert lengths == sorted(lengths)
    for milestone in (60, 100, 200, 300):
        assert any(milestone <= length < milestone + 6 for length in lengths[:-1])


@pytest.mark.parametrize("offset", range(0, 20, 3))
def test_decided_within_80_ms(offset: int) -> None:
    """In blocks of 20 ms, a key is decided when at most 80 ms of it have been fed, wherever it began in the block."""
    wave = np.concatenate([silence(100 + offset, 48_000), key("1", 300, rate=48_000)])
    ear = Ear(mode="mix")
    for first in range(0, wave.size, 960):
        if any(isinstance(event, KeyHeard) for event in ear.feed(wave[first : first + 960, None]).events):
            assert (first + 960) / 48 - (100 + offset) <= 80.0
            return
    pytest.fail("no key was heard")


def test_undecided_covers_every_key_until_it_is_told() -> None:
    """At any time, every sample of a key that is older than 120 ms is either told or not before `undecided_since`."""
    marks: list[tuple[int, int]] = []
    parts = [silence(200)]
    for index, ms in enumerate((40, 45, 60, 100, 250, 700)):
        begin = sum(part.size for part in parts)
        parts += [key(KEYS[index], ms), silence(77 + 3 * index)]
        marks.append((begin, begin + ms * 8))
    wave = np.concatenate([*parts, silence(200)])
    ear = Ear(8000, "mix")
    told: dict[int, int] = {}
    for first in range(0, wave.size, 160):
        heard = ear.feed(wave[first : first + 160, None])
        for event in heard.events:
            if isinstance(event, KeyHeard):
                told[event.start] = event.end
        closed = ear.position - 960
        if heard.undecided_since is not None:
            closed = min(closed, heard.undecided_since)
        for begin, end in marks:
            for sample in range(begin + 16, min(end - 16, closed), 8):
                assert any(start <= sample < until for start, until in told.items())
    assert ear.undecided_since is None


@pytest.mark.parametrize("fed_ms", [30, 60, 150, 400])
def test_a_key_in_progress_is_in_doubt(fed_ms: int) -> None:
    """While a key sounds, the doubt begins before it until it is decided, then at the end that was told last."""
    ear = Ear(8000, "mix")
    wave = np.concatenate([silence(100), key("3", 500)])[: 800 + fed_ms * 8]
    heard = ear.feed(wave[:, None])
    told = [event.end for event in heard.events if isinstance(event, KeyHeard)]
    assert heard.undecided_since is not None
    assert heard.undecided_since <= (told[-1] if told else 800)
    assert heard.undecided_since >= (told[-1] if told else 400)


def test_one_channel_proves_no_direction() -> None:
    """In a mix every key is uncertain."""
    assert {each.leg for each in keys_of(hear(dialled(KEYS)))} == {Leg.UNCERTAIN}


def test_separate_channels_tell_by_ten_decibels() -> None:
    """With a channel per party, the leg is the louder one by 10 dB, else uncertain."""
    wave = dialled("147*")
    for other_db, leg in ((-40.0, Leg.FAR), (-12.0, Leg.FAR), (-6.0, Leg.UNCERTAIN)):
        frames = np.stack([wave, wave * 10 ** (other_db / 20)], axis=1)
        assert {each.leg for each in keys_of(hear(frames, "legs"))} == {leg}
    swapped = np.stack([wave * 0.01, wave], axis=1)
    assert {each.leg for each in keys_of(hear(swapped, "legs"))} == {Leg.NEAR}
