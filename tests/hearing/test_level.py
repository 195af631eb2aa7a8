"""The active speech level after ITU-T P.56."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from handschlag.hearing.errors import HearingError
from handschlag.hearing.level import LevelMeter
from handschlag_bench.hearing.levels import by_definition, gated, measured, to_samples
from handschlag_bench.hearing.signals import noise, silence, tones, voice

VECTORS = os.environ.get("HANDSCHLAG_STL", "")
ITU_DBOV = {"voice.src": -25.329, "voice.nrm": -29.992, "voice.ltl": -29.845}


def test_full_scale_sine() -> None:
    """A sine of amplitude 1 is -3.01 dBov and +3.14 dBm0, and always active."""
    level = measured(to_samples(tones([1000.0], 2000, 3.14)))
    assert level.dbov == pytest.approx(-3.01, abs=0.06)
    assert level.dbm0 == pytest.approx(3.14, abs=0.06)
    assert level.activity == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["voice", "bursts"])
def test_level_is_that_of_the_definition(kind: str, seed: int) -> None:
    """The shortcut over whole batches counts exactly the samples that the recommendation's own steps count."""
    wave = voice(3.03, -25, seed=seed) if kind == "voice" else gated(3.03, -30, 0.4, 0.7, seed=seed)
    samples = to_samples(wave)
    meter = LevelMeter()
    meter.feed(samples)
    level = meter.finish()
    assert meter.active.tolist() == by_definition(samples).active
    assert level.dbov == pytest.approx(by_definition(samples).dbov, abs=1e-9)


def test_pauses_lower_the_activity_and_not_the_level() -> None:
    """Speech between long pauses is as loud as speech without, and active for its share of the time."""
    spoken = voice(4.0, -20)
    alone = measured(to_samples(spoken))
    paused = measured(to_samples(np.concatenate([silence(6000), spoken, silence(6000)])))
    assert paused.dbov == pytest.approx(alone.dbov, abs=0.3)  # the hangover counts, too
    assert paused.long_term_dbov == pytest.approx(alone.long_term_dbov - 6.02, abs=0.01)
    assert paused.activity == pytest.approx(alone.activity / 4, rel=0.1)


def test_gain_moves_the_level_by_itself() -> None:
    """10 dB less are 10 dB less, also between two thresholds."""
    spoken = voice(4.0, -20)
    loud = measured(to_samples(spoken))
    for gain_db in (-1.0, -3.0, -10.0, -25.0):
        quiet = measured(to_samples(spoken * 10 ** (gain_db / 20)))
        assert quiet.dbov == pytest.approx(loud.dbov + gain_db, abs=0.25)


@pytest.mark.parametrize("cut", [1, 79, 160, 801, 100_000])
def test_level_does_not_depend_on_cuts(cut: int) -> None:
    """The same signal in other pieces has the same level, bit for bit."""
    samples = to_samples(gated(1.234, -20, 0.2, 0.3))
    meter = LevelMeter()
    for first in range(0, samples.size, cut):
        meter.feed(samples[first : first + cut])
    assert meter.finish() == measured(samples)


def test_silence_has_no_level() -> None:
    """Nothing at all, and nothing but zeros, are -100 dB and never active."""
    for samples in (np.zeros(0, np.int16), np.zeros(8000, np.int16)):
        level = measured(samples)
        assert (level.dbov, level.dbm0, level.activity) == (-100.0, -100.0, 0.0)


def test_meter_holds_no_audio_after_the_end() -> None:
    """What did not fill a batch is overwritten."""
    meter = LevelMeter()
    meter.feed(to_samples(noise(777, -10)))
    meter.finish()
    assert not meter._rest.any()


def test_meter_refuses_other_shapes_and_rates() -> None:
    """Two channels, floats and odd rates are clear errors."""
    with pytest.raises(HearingError, match="int16"):
        LevelMeter().feed(np.zeros((80, 2), np.int16))
    with pytest.raises(HearingError, match="100 Hz"):
        LevelMeter(11_025)


@pytest.mark.skipif(
    not VECTORS, reason="set HANDSCHLAG_STL to the folder src/sv56/test_data of the ITU's STL (git: openitu/STL)"
)
@pytest.mark.parametrize(("name", "dbov"), ITU_DBOV.items())
def test_vectors_of_the_itu(name: str, dbov: float) -> None:
    """The ITU's own vectors have the levels that its own tool gives them (at 16 kHz, the tool's default)."""
    samples = np.fromfile(Path(VECTORS) / name, "<i2")
    assert measured(samples, 16_000).dbov == pytest.approx(dbov, abs=0.1)
