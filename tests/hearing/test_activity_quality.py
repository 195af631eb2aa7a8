"""How well speech is heard in dialogues: a seeded slice of the bench, held against its goals."""

from __future__ import annotations

import pytest

from handschlag_bench.hearing.dialogues import Scene, false_speech, scores
from handschlag_bench.hearing.levels import clipping_error, hum_error_db, noise_error_db

CASES = [
    (Scene(), 96.0, 160.0),
    (Scene(noise_dbm0=-40.0), 92.0, 160.0),
    (Scene(noise_dbm0=-30.0), 85.0, 300.0),
    (Scene(far_dbm0=-35.0, near_dbm0=-15.0, noise_dbm0=-55.0), 88.0, 160.0),
    (Scene(km=5.0, line_z="600"), 96.0, 160.0),
    (Scene(hum_dbm0=-15.0), 95.0, 160.0),
    (Scene(kind="made", overlap=0.5), 95.0, 160.0),
]


@pytest.mark.parametrize(("scene", "hit", "onset_ms"), CASES)
def test_speech_of_dialogues(scene: Scene, hit: float, onset_ms: float) -> None:
    """Each party is heard on its own leg, soon, and never while only the other one speaks."""
    for leg in scores(scene, 1):
        assert leg.speech > 300
        assert leg.hit >= hit
        assert leg.onset(80) <= onset_ms
        assert leg.false_beside_other == 0.0
        assert leg.false_in_silence <= 0.5


def test_nothing_is_speech_where_nobody_speaks() -> None:
    """Noise, clicks, hum, tones and keys are heard as speech for no moment; swelling traffic may be, now and then."""
    found = false_speech(10.0)
    assert found.pop("swelling rumble") < 50.0
    assert found.pop("rumbling noise") < 5.0
    assert max(found.values()) == 0.0, found


def test_quality_measures_what_was_put_in() -> None:
    """Hum and noise are found within 0.7 dB beside speech, and every clipped run is counted once."""
    assert hum_error_db(2) <= 0.7
    assert noise_error_db(2) <= 0.7
    assert clipping_error(2) == 0
