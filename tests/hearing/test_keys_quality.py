"""The receiver test of DTMF in seeded slices; `tools/bench hearing --quality --full` counts the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from handschlag_bench.hearing import keys


@pytest.mark.parametrize("ms", [50.0, 40.0])
def test_every_key_is_read(ms: float) -> None:
    """All 16 keys are read, each time, at 50/50 and at 40/40 ms."""
    assert keys.decode(ms, ms, times=3) == 48


@pytest.mark.parametrize("ms", [40.0, 200.0])
def test_bandwidth(ms: float) -> None:
    """Either tone, or both, may be 1.8 % off; 3.5 % off none is heard, however long."""
    missed, false, sent = keys.bandwidth([ms], step=12, keys=keys.DIAGONAL)
    assert (missed, false) == (0, 0), sent


def test_no_tone_has_a_narrow_or_wide_band() -> None:
    """Between the two, the edges lie where both limits are kept, on each side."""
    narrow, wide = keys.edges(keys="9")
    assert narrow >= 3.6
    assert wide <= 7.0


def test_twist() -> None:
    """Normal twist of 8 dB and reverse twist of 4 dB is heard, of 12 and 8 dB is not; normal: the column is weaker."""
    found = keys.twist(keys=keys.DIAGONAL, step=10)
    assert found["normal"][0] >= 8.0
    assert found["normal"][1] <= 12.0
    assert found["reverse"][0] >= 4.0
    assert found["reverse"][1] <= 8.0


def test_dynamic_range() -> None:
    """Keys are heard from 0 to -50 dBm0 per tone, and not at -55."""
    least, most = keys.dynamic_range(keys="6")
    assert least >= 50
    assert most < 55


def test_guard_time() -> None:
    """Nothing shorter than 24 ms is heard, everything from 40 ms on is."""
    first, whole = keys.guard_time(step=7)
    assert first >= 24.0
    assert whole <= 40.0


@pytest.mark.parametrize(("snr_db", "least"), [(8.0, 160), (4.0, 158)])
def test_noise(snr_db: float, least: int) -> None:
    """Of 160 pulses in white noise all are heard at 8 dB and 99 % at 4 dB, and no wrong key ever."""
    good, wrong = keys.in_noise(snr_db, pulses=160)
    assert good >= least
    assert not wrong


@pytest.mark.parametrize("level_dbm0", [-20.0, -30.0])
def test_hum_and_direct_current(level_dbm0: float) -> None:
    """50 Hz at -20 dBm0 and 5 % of direct current cost no key."""
    assert keys.with_hum(level_dbm0, times=2) == 32


def test_decided_in_time() -> None:
    """On a live line a key is decided at most 80 ms after its start, wherever it begins in a block."""
    assert keys.latency_ms(keys="1", offsets_ms=range(0, 20, 4)) <= 80.0
    assert keys.latency_ms(keys="5", offsets_ms=range(1, 20, 6), on_ms=40.0) <= 80.0


@pytest.mark.parametrize("dial_hz", [keys.US_DIAL_HZ, keys.GERMAN_DIAL_HZ, (400.0, 425.0)])
@pytest.mark.parametrize("ratio_db", [0.0, -12.0])
def test_dial_tone_beside(dial_hz: tuple[float, ...], ratio_db: float) -> None:
    """Beside a dial tone that is as loud as the key's tones, or 12 dB louder, every key is heard."""
    assert keys.beside_dial_tone(ratio_db, dial_hz, times=1) == 16


def test_dial_tone_alone_is_no_key() -> None:
    """A dial tone that comes and goes is no key, nor is what is too weak beside it."""
    assert not any(keys.send([keys.Pulse(key, level_dbm0=-58.0) for key in keys.KEYS], beside=_dial))


def _dial(samples: int, chunk: int) -> NDArray[np.float64]:
    n = np.arange(samples)
    wave: NDArray[np.float64] = 0.2 * np.sin(2.0 * np.pi * 425.0 / 8000.0 * n + chunk) * (n % 8000 < 6000)
    return wave
