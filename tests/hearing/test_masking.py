"""A silenced key cannot be read any more: by us, spandsp or multimon-ng; and nothing but keys is silenced."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.hearing import Capture
from handschlag.hearing.capture import EDGE
from handschlag.hearing.readable import readable
from handschlag_bench.hearing import masking, oracles
from handschlag_bench.hearing.masking import Call, Press
from handschlag_bench.hearing.signals import KEYS, dialled, key, noise, silence, tones, voice

SEEDS = range(1000, 1006)
QUIET = (False, False)


def _call(*presses: Press, first: float = 0.0, last: float = 3.0, speakers: tuple[bool, bool] = QUIET) -> Call:
    return Call(1, 3.0, presses, speakers, -24.0, 2.0, round(first * 8000), round(last * 8000))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_silenced_key_can_be_read(seed: int) -> None:
    """Random keys, legs, levels, lengths, speech, and starts and ends of the capture: nothing readable is left."""
    verdict = masking.judge(masking.make_call(seed))
    assert not any(verdict.after.values()), verdict
    assert verdict.changed_outside == 0


def test_the_keys_could_be_read_before() -> None:
    """The proof is no empty one: without silencing, most of the keys of these calls are read."""
    calls = [masking.make_call(seed) for seed in (1000, 1001, 1002)]
    for call in calls:
        given = masking.record(masking.on_the_line(call), call.first, call.last).given
        assert sum(masking.read(given)["handschlag"].values()) >= 1


def test_two_keys_at_once_are_both_silenced() -> None:
    """Both parties press different keys at the same time: neither can be read on either leg."""
    pair = (Press("5", False, 0.5, 0.4, -10.0, 0.0), Press("9", True, 0.5, 0.4, -10.0, 0.0))
    verdict = masking.judge(_call(*pair))
    assert not any(verdict.after.values())
    assert verdict.silenced_s >= 0.4


@pytest.mark.parametrize("held_s", [0.01, 0.02, 0.03, 0.05, 0.08])
def test_a_key_begun_just_before_the_stop_is_silenced(held_s: float) -> None:
    """However much of a key fits before the stop, and though the ear had no time to decide it."""
    call = _call(Press("7", True, 1.0, 0.5, -8.0, 0.0), last=1.0 + held_s)
    verdict = masking.judge(call)
    assert not any(verdict.after.values())


@pytest.mark.parametrize("held_s", [0.02, 0.04, 0.06, 0.1, 0.3])
def test_a_key_begun_before_the_start_is_silenced(held_s: float) -> None:
    """A key that is no consent and was begun before capture leaves no readable rest."""
    call = _call(Press("7", True, 1.0, held_s + 0.1, -8.0, 0.0), first=1.0 + held_s)
    verdict = masking.judge(call)
    assert not any(verdict.after.values())


@pytest.mark.parametrize("start_s", [0.38, 0.42, 0.46, 0.48, 0.5])
def test_a_key_on_the_border_of_clips_is_silenced(start_s: float) -> None:
    """Clips are half a second here; a key over their border is silenced in both, and none closes too early."""
    verdict = masking.judge(
        _call(Press("4", False, start_s, 0.06, -10.0, 0.0), Press("4", True, 0.97, 0.7, -10.0, 0.0))
    )
    assert not any(verdict.after.values())
    assert max(verdict.before.values()) >= 2


@pytest.mark.parametrize("name", KEYS)
def test_every_key_is_readable(name: str) -> None:
    """35 ms of any key in the middle of silence are found, whole, on any channel, and nothing else is."""
    legs = np.zeros((4000, 2))
    legs[2000:2280, 1] = key(name, 35.0, -30.0)
    spans = readable(oracles.to_pcm(legs))
    assert min(start for start, _ in spans) <= 2000
    assert max(end for _, end in spans) >= 2280
    assert all(start >= 1840 and end <= 2440 for start, end in spans)


@pytest.mark.parametrize("wave", [silence(500.0), silence(10.0), noise(8000, -20.0), noise(8000, -75.0)])
def test_nothing_is_readable_in_silence_and_noise(wave: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Silence, noise, and pieces too short for a key hold none."""
    assert readable(oracles.to_pcm(wave[:, None])) == []


@pytest.mark.parametrize(
    "frequencies_hz", [(425,), (350, 440), (400, 425), (1400,), (1100,), (2100,), (950,), (2130, 2750)]
)
def test_nothing_is_readable_in_the_lines_own_tones(frequencies_hz: tuple[float, ...]) -> None:
    """Dial, busy, reminder, fax and alerting tones, however loud, and their edges, are no keys."""
    wave = np.concatenate([silence(100.0), tones(frequencies_hz, 500.0, -6.0), silence(100.0)])
    assert readable(oracles.to_pcm(wave[:, None])) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_long_key_under_louder_speech_is_readable(seed: int) -> None:
    """300 ms of a key, 4 dB below the speech around it, are found for a good part."""
    wave = voice(1.5, -14.0, seed=seed)
    wave[4000:6400] += key("A", 300.0, -21.0)
    inside = np.zeros(wave.size, np.bool_)
    for start, end in readable(oracles.to_pcm(wave[:, None])):
        inside[start:end] = True
    assert inside[4000:6400].mean() > 1.0 / 3.0


def test_speech_is_hardly_silenced() -> None:
    """Of speech, as far as there is any, at most a half of a percent is taken for what others could read."""
    assert masking.speech_silenced(10) <= 0.005


def test_a_key_that_only_others_can_read_is_silenced() -> None:
    """What the ear was never sure of, here because nobody asked it, is silenced before the clip is closed."""
    capture = Capture(0, 1)
    capture.feed(oracles.to_pcm(dialled("123", 60.0, 60.0, level_dbm0=-12.0))[:, None], 0)
    clips = capture.finish()
    assert oracles.decode_spandsp(clips[0].samples[:, 0] / 32768.0) in ("", None)
    assert len(capture.masked) == 3


def test_the_rest_of_the_consent_key_is_kept() -> None:
    """The consent key began before the capture; its rest stays as it was, and the next key does not."""
    samples = oracles.to_pcm(np.concatenate([key("1", 150.0), silence(300.0), key("1", 150.0), silence(300.0)]))
    capture = Capture(0, 1)
    capture.feed(samples[:, None], 0)
    capture.spare_key(1200)
    kept = capture.finish()[0].samples[:, 0]
    assert np.array_equal(kept[:3000], samples[:3000])
    assert not kept[3600:4800].any()


def test_a_key_is_silenced_with_its_edges() -> None:
    """10 ms around a heard key are silenced as well, and told."""
    capture = Capture(0, 1)
    capture.feed(oracles.to_pcm(voice(0.5))[:, None], 0)
    capture.mask_key(1000, 2000)
    assert capture.masked == [(1000 - EDGE, 2000 + EDGE)]
    assert not capture.finish()[0].samples[1000 - EDGE : 2000 + EDGE].any()
