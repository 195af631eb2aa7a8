"""Every German tone and every fax tone over its tolerances, and none in speech and music; slices of the bench."""

from __future__ import annotations

import pytest

from handschlag_bench.hearing import corpora, tones


@pytest.mark.parametrize("snr_db", [None, tones.SNR_DB])
@pytest.mark.parametrize("name", [*tones.KINDS, "fax ANSam"])
def test_each_tone_is_heard_over_its_tolerances(name: str, snr_db: float | None) -> None:
    """Drawn frequencies, cadences and levels, without noise and at 10 dB S/N: the right tone with the right count."""
    assert tones.missed(name, 3, snr_db=snr_db) == 0


@pytest.mark.parametrize("off_hz", [-25.0, 25.0])
@pytest.mark.parametrize("name", [name for name, kind in tones.KINDS.items() if kind.name in {"busy", "congestion"}])
def test_four_cycles_are_told_when_they_are_over(name: str, off_hz: float) -> None:
    """The fourth cycle is reported within 0.15 s of its end, which is what ends a call."""
    assert 0.0 <= tones.busy_decided_s(name, off_hz) <= 0.15


def test_busy_is_decided_while_the_near_party_goes_on_talking() -> None:
    """Speech 10 dB below the tone on the wires does not keep four cycles from being counted."""
    assert tones.busy_under_speech(1, -25.0) == 1.0


def test_the_repositorys_own_voices_hold_no_tone() -> None:
    """The voices of the simulated calls and the prompts, as they are and in variants, give no tone."""
    found, hours = tones.false_tones(corpora.reels(corpora.repository()), 2)
    assert hours > 0.03
    assert found == []


@pytest.mark.parametrize("package", corpora.PACKAGES)
def test_people_and_music_hold_no_tone(package: str) -> None:
    """Some minutes of each installed package, each in another variant, give no tone."""
    if package in corpora.missing():
        pytest.skip(f"needs recorded speech: apt-get install {package}")
    reels = [reel for reel in corpora.reels(corpora.recordings(own=False)) if reel.source == package]
    chosen = reels[:: max(len(reels) // 4, 1)]
    found = [hit for number, reel in enumerate(chosen) for hit in tones.false_tones([reel], 1, first=number)[0]]
    assert found == []
