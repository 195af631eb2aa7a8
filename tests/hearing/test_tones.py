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


def _names(wave: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[tuple[str, int]]:
    return [(tone.name, tone.cycles) for tone in tones_of(hear(wave))]


def test_a_lasting_note_of_an_instrument_is_no_tone() -> None:
    """What decays, trembles or glides at 440 Hz, alone in silence, is no dial tone, no ring and no busy."""
    n = np.arange(8000) / 8000
    decaying = tones([440.0], 1000, -10) * np.exp(-3.0 * n)
    trembling = tones([440.0], 1000, -10) * (1.0 + 0.4 * np.sin(2 * np.pi * 5.0 * n))
    vibrato = 0.4 * np.sin(2 * np.pi * 440.0 * n + 0.8 * np.sin(2 * np.pi * 5.5 * n))
    gliding = 0.4 * np.sin(2 * np.pi * (415.0 * n + 15.0 * n * n))
    for note in (decaying, trembling, vibrato, gliding):
        once = np.concatenate([silence(500), note, silence(1000)])
        half = np.concatenate([silence(500), *([note[:3840], silence(480)] * 6)])
        assert _names(once) == []
        assert _names(np.concatenate([silence(500), note, note, silence(500)])) == []
        assert _names(half) == []


def test_busy_that_varies_is_no_busy() -> None:
    """Pulses that keep no time, no level or no frequency make no four cycles."""
    random = np.random.default_rng(4)
    for what in ("time", "level", "frequency"):
        parts = [silence(500)]
        for number in range(12):
            odd = 1 if number % 2 else -1
            frequency = 425.0 + (8.0 * odd if what == "frequency" else 0.0)
            level = -15.0 + (3.0 * odd if what == "level" else 0.0)
            pause_ms = random.choice([430.0, 540.0]) if what == "time" else 480.0
            pulse_ms = (535.0 if odd > 0 else 440.0) if what == "time" else 480.0
            parts += [tones([frequency], pulse_ms, level), silence(pause_ms)]
        assert all(cycles < 4 for _, cycles in _names(np.concatenate(parts))), what


def test_tones_in_a_row_are_told_apart() -> None:
    """Dial, ring, ring, busy and special information come out as such, each once."""
    busy = [tones([425.0], 480, -15), silence(480)] * 5
    ring = [tones([425.0], 1000, -15), silence(4000)] * 2
    sit = [tones([950.0], 330, -15), tones([1400.0], 330, -15), tones([1800.0], 330, -15), silence(1000)] * 2
    wave = np.concatenate([silence(300), tones([425.0], 2000, -15), silence(3000), *ring, *busy, silence(1500), *sit])
    assert sorted(_names(wave)) == [("busy", 4), ("dial", 1), ("ringback", 2), ("sit", 2)]


def test_dropouts_are_bridged() -> None:
    """Twenty milliseconds that are lost do not break a dial tone or a pulse of busy."""
    dial = tones([425.0], 2500, -15)
    dial[8000:8160] = 0.0
    assert _names(np.concatenate([silence(300), dial, silence(500)])) == [("dial", 1)]
    busy = _cadence(0.48, 0.48, 6)
    busy[2400 + 1600 : 2400 + 1760] = 0.0
    assert _names(busy) == [("busy", 5)]


@pytest.mark.parametrize("cut", [1, 97, 960, 4801])
def test_the_cut_of_the_frames_does_not_matter(cut: int) -> None:
    """The same audio in any pieces gives the same events, bit for bit."""
    far = _cadence(0.24, 0.24, 5, 48_000)[: 48_000 * 2]
    frames = on_line(far, voice(far.size / 48_000, -30.0, rate=48_000)[: far.size])
    frames = frames if cut > 1 else frames[: 48_000 // 4]
    assert hear(frames, "vi", 48_000, cut=cut) == hear(frames, "vi", 48_000)


def test_network_tones_are_far() -> None:
    """What the own telephone sends as busy, ring or call waiting is none; a fax is one on either side."""
    for on_s, off_s, times in ((0.48, 0.48, 5), (1.0, 4.0, 1), (0.2, 0.2, 2)):
        assert not tones_of(hear(on_line(None, _cadence(on_s, off_s, times, 48_000)), "vi", 48_000))
    near = hear(on_line(None, _cadence(0.5, 1.0, 1, 48_000, 1100.0)), "vi", 48_000)
    assert [tone.name for tone in tones_of(near)] == ["fax"]


def test_a_file_may_end_in_a_tone() -> None:
    """What is still open at the end of a file is told."""
    assert [tone.name for tone in tones_of(hear(_cadence(0.48, 0.48, 5)[:-12_000]))] == ["busy"]
    assert [tone.name for tone in tones_of(hear(_cadence(1.0, 4.0, 2)[:-36_000]))] == ["ringback"]
    assert [tone.name for tone in tones_of(hear(np.concatenate([silence(300), tones([425.0], 2000, -15)])))] == ["dial"]
