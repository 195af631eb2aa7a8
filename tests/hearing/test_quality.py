"""The quality of a recording: what is measured, what it costs, and that nothing depends on cuts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from handschlag.hearing import Leg, Quality, QualityMeter, SpeechHeard
from handschlag.hearing.errors import HearingError
from handschlag.hearing.quality import clipped_runs
from handschlag.hearing.score import LegQuality
from handschlag_bench.hearing.levels import to_samples
from handschlag_bench.hearing.signals import noise, silence, tones, voice

Wave = NDArray[np.float64]
FAR_SPEAKS = [SpeechHeard(Leg.FAR, 8000, 24_000)]
NEAR_SPEAKS = [SpeechHeard(Leg.NEAR, 40_000, 56_000)]


def _legs(far: Wave, near: Wave) -> NDArray[np.int16]:
    return np.stack([to_samples(far), to_samples(near)], axis=1)


def _talk(far_dbm0: float = -18.0, near_dbm0: float = -18.0, noise_dbm0: float = -70.0) -> NDArray[np.int16]:
    """Eight seconds: far speaks in the second and third, near in the sixth and seventh."""
    far, near = noise(64_000, noise_dbm0, 3), noise(64_000, noise_dbm0, 4)
    far[8000:24_000] += voice(2.0, far_dbm0)
    near[40_000:56_000] += voice(2.0, near_dbm0, seed=2)
    return _legs(far, near)


def _verdict(legs: NDArray[np.int16], *, masks: tuple[tuple[int, int], ...] = (), cut: int = 0) -> Quality:
    meter = QualityMeter(legs.shape[1])
    for event in (*FAR_SPEAKS, *NEAR_SPEAKS):
        meter.hear(event)
    for start, end in masks:
        meter.mask(start, end)
    cut = cut or len(legs)
    for first in range(0, len(legs), cut):
        meter.feed(legs[first : first + cut], first)
    return meter.finish()


def _costs(quality: Quality) -> dict[tuple[str, str], int]:
    return {(cause.cause, cause.leg): cause.points for cause in quality.causes}


def test_good_recording_has_100() -> None:
    """Two clear voices cost nothing, and their figures are those that were put in."""
    quality = _verdict(_talk())
    assert quality.score == 100
    assert quality.causes == ()
    for leg in quality.legs:
        assert leg.level_dbm0 == pytest.approx(-18.0, abs=1.0)
        assert leg.activity == pytest.approx(0.26, abs=0.03)
        assert leg.speech_s == 2.0
        assert leg.noise_dbm0 == pytest.approx(-70.0, abs=1.0)
        assert leg.clipped == 0
        assert leg.hum_dbm0 == pytest.approx(-100.0, abs=5.0)
    assert (quality.seconds, quality.longest_silence_s, quality.gaps) == (8.0, 2.0, 0)


@pytest.mark.parametrize("cut", [160, 333, 16_000])
def test_cuts_change_nothing(cut: int) -> None:
    """The same recording in other pieces has the same figures."""
    legs = _talk(noise_dbm0=-45.0)
    assert _verdict(legs, cut=cut) == _verdict(legs)


def test_quiet_party() -> None:
    """Two points for each decibel below -31 dBov, as the table says."""
    quality = _verdict(_talk(far_dbm0=-34.0))
    far = quality.legs[0]
    assert far.level_dbov == pytest.approx(-40.2, abs=1.0)
    assert _costs(quality) == {("quiet", "far"): int(2 * (-31 - (far.level_dbov or 0)) + 0.5)}


def test_noise_counts_against_the_voice() -> None:
    """A voice 15 dB over the noise costs two points per decibel that is missing to 25."""
    quality = _verdict(_talk(near_dbm0=-20.0, noise_dbm0=-35.0))
    assert quality.legs[1].noise_dbm0 == pytest.approx(-35.0, abs=0.6)
    assert _costs(quality)["noisy", "near"] == pytest.approx(2 * (25 - 15), abs=3)


@pytest.mark.parametrize("hum_hz", [50.0, 49.97, 100.0, 150.0])
def test_hum_is_measured_and_is_no_noise(hum_hz: float) -> None:
    """Each line of the mains is found at its level beside speech, and leaves the noise's figure alone."""
    legs = _talk(noise_dbm0=-60.0)
    legs[:, 0] += to_samples(tones([hum_hz], 8000, -35.0))
    quality = _verdict(legs)
    assert quality.legs[0].hum_dbm0 == pytest.approx(-35.0, abs=0.6)
    assert quality.legs[0].noise_dbm0 == pytest.approx(-60.0, abs=0.6)
    assert quality.legs[1].hum_dbm0 == pytest.approx(-86.0, abs=6.0)
    assert _costs(quality) == {("hum", "far"): pytest.approx(15, abs=1)}


def test_deep_voice_is_no_hum() -> None:
    """A voice whose pitch crosses 100 and 150 Hz is not taken for the mains."""
    quality = _verdict(_talk(far_dbm0=-10.0))
    assert all(leg.hum_dbm0 is not None and leg.hum_dbm0 < -70.0 for leg in quality.legs)


def test_clipping_counts_runs_of_three() -> None:
    """Two samples at full scale are none, three and fifty are one each; where blocks meet it is the same."""
    legs = _talk()
    for first, length in ((1000, 2), (2000, 3), (2399, 50), (31_999, 3)):
        legs[first : first + length, 0] = 32_767
    legs[5000:5003, 1] = -32_767
    for cut in (0, 800, 160):
        assert [leg.clipped for leg in _verdict(legs, cut=cut).legs] == [3, 1]
    assert _costs(_verdict(legs))["clipped", "far"] == 23


def test_silent_party_costs_half() -> None:
    """A leg on which nobody was heard is named, has no level, and is neither quiet nor noisy."""
    meter = QualityMeter(2)
    meter.hear(NEAR_SPEAKS[0])
    meter.feed(_talk(far_dbm0=-90.0), 0)
    quality = meter.finish()
    assert _costs(quality) == {("silent", "far"): 50}
    assert quality.score == 50
    assert quality.legs[0].level_dbov is None


def test_leak_is_no_speech_of_the_other() -> None:
    """The other's voice in a leg is a leak of its own figure, and does not move that leg's level."""
    legs = _talk(far_dbm0=-30.0, near_dbm0=-12.0)
    leaky = legs.copy()
    leaky[:, 0] += legs[:, 1] // 2
    clean, leaked = _verdict(legs), _verdict(leaky)
    assert leaked.legs[0].leak_db == pytest.approx(-6.0, abs=0.2)
    assert leaked.legs[0].level_dbov == pytest.approx(clean.legs[0].level_dbov, abs=0.1)
    assert (clean.legs[0].leak_db or 0.0) < -40.0


def test_mix_on_both_legs_has_no_leak() -> None:
    """Where the legs were never separated, nobody is blamed for crosstalk, and each party has its own level."""
    legs = _talk(far_dbm0=-22.0, near_dbm0=-18.0)
    mixed = np.repeat(legs.sum(axis=1, dtype=np.int16)[:, None], 2, axis=1)
    meter = QualityMeter(2, separated=False)
    for event in (*FAR_SPEAKS, *NEAR_SPEAKS):
        meter.hear(event)
    meter.feed(mixed, 0)
    quality = meter.finish()
    assert quality.causes == ()
    assert [leg.leak_db for leg in quality.legs] == [None, None]
    assert [leg.level_dbm0 for leg in quality.legs] == [pytest.approx(level, abs=1.0) for level in (-22.0, -18.0)]


def test_lost_audio_counts() -> None:
    """Ten points for each percent that is missing, and the gap counts as one."""
    legs = _talk()
    meter = QualityMeter(2)
    for event in (*FAR_SPEAKS, *NEAR_SPEAKS):
        meter.hear(event)
    meter.feed(legs[:30_000], 0)
    meter.feed(legs[30_640:], 30_640)
    quality = meter.finish()
    assert (quality.gaps, quality.lost_s) == (1, 0.08)
    assert _costs(quality) == {("lost", "all"): 10}


def test_loss_at_both_ends_counts() -> None:
    """A first clip that never reached the disk, and a last one, are missing as much as one between."""
    meter = QualityMeter(2, 1000)
    meter.feed(_talk(), 1800)
    quality = meter.finish(1800 + 64_000 + 400)
    assert (quality.gaps, quality.lost_s) == (2, 0.15)


def test_masked_spans_do_not_count() -> None:
    """What is masked is neither clipping, nor level, nor silence, nor time."""
    legs = _talk()
    plain = _verdict(legs)
    legs[30_000:34_000] = 32_767
    masked = _verdict(legs, masks=((30_000, 34_000),))
    assert [leg.clipped for leg in masked.legs] == [0, 0]
    assert masked.masked_s == 0.5
    assert masked.legs[0].level_dbov == pytest.approx(plain.legs[0].level_dbov, abs=0.3)
    assert masked.longest_silence_s == plain.longest_silence_s - 0.5


def test_long_silence_counts_from_30_s() -> None:
    """50 s in which nobody speaks cost two points."""
    legs = np.concatenate([_talk(), _legs(noise(48 * 8000, -70.0), noise(48 * 8000, -70.0))])
    quality = _verdict(legs)
    assert quality.longest_silence_s == 49.0
    assert _costs(quality) == {("pause", "all"): 2}


def test_who_speaks_already_is_known_at_the_start() -> None:
    """Speech that began before the recording counts from its first sample on."""
    legs = _talk()[8000:24_000]
    meter = QualityMeter(2, 8000, {Leg.FAR: 100})
    meter.feed(legs, 8000)
    assert meter.finish().legs[0].speech_s == 2.0


def test_score_never_falls_below_0() -> None:
    """Points add up to 100 at the most."""
    bad = LegQuality("far", -70.0, -64.0, 1.0, 5.0, -64.0, -10.0, 999, 3.0)
    quality = Quality((bad, bad), 60.0, 0.0, 30.0, 3, 300.0, 99)
    assert quality.score == 0
    assert quality.causes[0].points == max(cause.points for cause in quality.causes)


def test_empty_recording_has_no_causes() -> None:
    """A recording of no sample is 100: there is nothing that could be bad."""
    assert QualityMeter(2).finish().score == 100


def test_mix_is_one_leg() -> None:
    """One channel with both parties has one leg, and no crosstalk."""
    meter = QualityMeter(1)
    meter.hear(SpeechHeard(Leg.UNCERTAIN, 8000, 24_000))
    meter.feed(_talk()[:, :1], 0)
    quality = meter.finish()
    assert [leg.leg for leg in quality.legs] == ["uncertain"]
    assert quality.legs[0].leak_db is None
    assert quality.score == 100


def test_nothing_is_held_after_the_end() -> None:
    """Neither `finish` nor `wipe` leaves a sample."""
    for end in ("finish", "wipe"):
        meter = QualityMeter(2)
        meter.feed(_talk()[:16_123], 0)
        getattr(meter, end)()
        assert not meter._rest.any()
        assert not meter._pending


def test_other_shapes_and_the_past_are_refused() -> None:
    """Floats, a wrong number of legs, and samples from before are clear errors."""
    meter = QualityMeter(2)
    wrong: list[Any] = [np.zeros((10, 1), np.int16), np.zeros((10, 2), np.float32)]
    for frames in wrong:
        with pytest.raises(HearingError, match="int16"):
            meter.feed(frames, 0)
    meter.feed(np.zeros((100, 2), np.int16), 50)
    with pytest.raises(HearingError, match="150"):
        meter.feed(np.zeros((10, 2), np.int16), 100)
    with pytest.raises(HearingError, match="1 and 2"):
        QualityMeter(3)


def test_overdriven_converter() -> None:
    """Runs of three are counted per channel of the converter, and a loud sine is none."""
    frames = np.stack([tones([400.0], 100, 3.0, 48_000), tones([400.0], 100, 9.0, 48_000)], axis=1)
    assert clipped_runs(frames[:, :1]) == 0
    assert clipped_runs(np.clip(frames, -1.0, 1.0)) == 80
    assert clipped_runs(silence(0)[:, None]) == 0
