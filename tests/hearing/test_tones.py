"""Call progress and fax tones."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import SpeechHeard, ToneHeard
from handschlag_bench.hearing.signals import dialled, hear, noise, on_line, silence, speech_of, tones, tones_of, voice


def _cadence(
    on_s: float, off_s: float, times: int, rate: int = 8000, frequency_hz: float = 425.0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    cycle = [tones([frequency_hz], on_s * 1000, -15, rate), silence(off_s * 1000, rate)]
    return np.concatenate([silence(300, rate), *(cycle * times), silence(1500, rate)])


@pytest.mark.parametrize(
    ("name", "on_s", "off_s", "times", "cycles"),
    [
        ("busy", 0.48, 0.48, 6, 5),
        ("busy", 0.5, 0.5, 6, 5),
        ("busy", 0.43, 0.53, 6, 5),
        ("busy", 0.15, 0.475, 6, 5),
        ("congestion", 0.24, 0.24, 6, 5),
        ("congestion", 0.2, 0.2, 6, 5),
        ("ringback", 1.0, 4.0, 3, 3),
        ("ringback", 0.9, 3.6, 3, 3),
        ("ringback", 1.0, 5.0, 3, 3),
    ],
)
def test_cadences(name: str, on_s: float, off_s: float, times: int, cycles: int) -> None:
    """Each German cadence, within its tolerance, is one tone with its cycles counted; it is no speech."""
    wave = np.concatenate([_cadence(on_s, off_s, times), silence(6000)])
    events = hear(wave + noise(wave.size, -55))
    (heard,) = tones_of(events)
    assert (heard.name, heard.cycles) == (name, cycles)
    assert heard.start == pytest.approx(2400, abs=240)
    assert not speech_of(events)
    assert not [event for event in events if isinstance(event, SpeechHeard)]


@pytest.mark.parametrize("frequency_hz", [402.0, 425.0, 448.0])
def test_busy_is_counted_in_time(frequency_hz: float) -> None:
    """Four cycles of busy are reported at the begin of the fifth pulse's end at the latest, over the line, as far."""
    frames = on_line(_cadence(0.48, 0.48, 6, 48_000, frequency_hz), None)
    fourth = next(e for e in hear(frames, "vi", 48_000) if isinstance(e, ToneHeard) and e.cycles == 4)
    assert fourth.name == "busy"
    assert fourth.end / 8000 == pytest.approx(0.3 + 4 * 0.96, abs=0.06)
    assert fourth.cos > 0.3


@pytest.mark.parametrize("frequencies", [(425.0,), (400.0, 425.0), (440.0,)])
def test_dial_tone(frequencies: tuple[float, ...]) -> None:
    """A lasting tone is dial, told before it ends, far, and over when the first key comes."""
    far = np.concatenate([tones(frequencies, 2500, -15, 48_000), silence(2000, 48_000)])
    near = np.concatenate([silence(2600, 48_000), dialled("110", rate=48_000)])
    length = max(far.size, near.size)
    frames = on_line(np.pad(far, (0, length - far.size)), np.pad(near, (0, length - near.size)))
    heard = [e for e in hear(frames, "vi", 48_000) if isinstance(e, ToneHeard)]
    assert [(e.name, e.final) for e in heard] == [("dial", False), ("dial", True)]
    assert all(e.cos > 0.5 for e in heard)
    assert heard[0].end / 8000 < 1.5
    assert heard[1].end / 8000 == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize(("frequency_hz", "on_s"), [(1100.0, 0.5), (1070.0, 0.5), (2100.0, 2.6)])
def test_fax(frequency_hz: float, on_s: float) -> None:
    """Calling and called tones are fax."""
    heard = tones_of(hear(_cadence(on_s, 1.0, 1, frequency_hz=frequency_hz)))
    assert [each.name for each in heard] == ["fax"]


def test_voices_are_no_tones() -> None:
    """A minute of synthetic voices holds no tone."""
    assert not tones_of(hear(np.concatenate([voice(10.0, seed=seed) for seed in range(6)]), hops=100))


def test_busy_with_the_near_party_sighing() -> None:
    """Near speech over a far busy tone does not make more cycles than there are."""
    far = _cadence(0.48, 0.48, 8, 48_000)
    near = np.zeros(far.size)
    near[48_000 : 4 * 48_000] = voice(3.0, -25.0, rate=48_000)
    assert all(each.cycles <= 8 for each in tones_of(hear(on_line(far, near), "vi", 48_000)))
