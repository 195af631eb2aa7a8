"""Nobody pressed a key: a slice of the hours of speech and music that `tools/bench hearing --talkoff` hears."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag_bench.hearing import corpora, talkoff
from handschlag_bench.hearing.signals import key

VARIANTS = 4


def test_the_repositorys_own_voices_press_no_key() -> None:
    """The voices of the simulated calls and the prompts, as they are and in variants, give no key."""
    reels = corpora.reels(corpora.repository())
    hours = VARIANTS * sum(reel.length_s for reel in reels) / 3600.0
    heard = list(talkoff.counts(reels, hours, with_oracles=False))
    assert sum(each.seconds for each in heard) > 240.0
    assert [str(hit) for each in heard for hit in each.hits] == []


@pytest.mark.parametrize("package", corpora.PACKAGES)
def test_people_and_music_press_no_key(package: str) -> None:
    """A few minutes of each installed package, each in another variant, give no key."""
    if package in corpora.missing():
        pytest.skip(f"needs recorded speech: apt-get install {package}")
    reels = [reel for reel in corpora.reels(corpora.recordings(own=False)) if reel.source == package]
    chosen = reels[:: max(len(reels) // 6, 1)]
    voices = [reel.load()[0] for reel in chosen[:3]]
    heard = [talkoff.false_keys(reel, corpora.variant(reel, number), voices) for number, reel in enumerate(chosen)]
    hits = [hit for each in heard for hit in each.hits]
    assert [str(hit) for hit in hits] == []


def test_a_key_hidden_in_the_material_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count is no empty one: a key pressed in the middle of a reel is a consent, with file and time."""
    reel = corpora.reels(corpora.repository())[0]
    samples, starts = reel.load()
    at = round((starts[3] + 0.5) * corpora.RATE)
    with_key = samples * 0.05
    with_key[at : at + 800] += key("1", 100.0, -10.0).astype(np.float32)
    monkeypatch.setattr(corpora.Reel, "load", lambda _self: (with_key, starts))
    (hit,) = talkoff.false_keys(reel, corpora.AS_IT_IS).hits
    assert hit.consent
    assert hit.file == reel.pieces[3].name
    assert hit.file_s == pytest.approx(0.5, abs=0.005)


def test_variants_are_what_they_say() -> None:
    """A variant has its level and length, and is the same each time it is made."""
    reel = corpora.reels(corpora.repository())[0]
    samples, _ = reel.load()
    for number in range(1, 8):
        how = corpora.variant(reel, number)
        assert how == corpora.variant(reel, number)
        varied = corpora.vary(samples, how, [samples])
        assert varied.size == pytest.approx(samples.size / how.speed, rel=1e-3)
        assert how.level_dbov is not None
        assert 10.0 * np.log10(np.mean(varied.astype(np.float64) ** 2)) == pytest.approx(how.level_dbov, abs=2.5)
        assert np.array_equal(varied, corpora.vary(samples, how, [samples]))
