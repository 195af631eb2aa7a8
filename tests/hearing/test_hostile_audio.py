"""Whatever comes in: no detector fails on it, what it reports makes sense, and a key afterwards is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.hearing import Capture, Ear
from handschlag_bench.hearing.signals import digits_of, key, silence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing import Event
    from handschlag.hearing.ear import Mode

RATES = (8000, 16_000, 22_050, 44_100, 48_000)
HOSTILE = (0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40, 3.4e38)


def _stretch(random: np.random.Generator, kind: str, count: int, channels: int) -> NDArray[np.float64]:
    match kind:
        case "constant":
            return np.full((count, channels), float(random.choice(HOSTILE)))
        case "mixed":
            mixed: NDArray[np.float64] = random.choice(np.array(HOSTILE), (count, channels))
            return mixed
        case "noise":
            loudness: float = 10.0 ** float(random.uniform(-6, 2))
            return random.standard_normal((count, channels)) * loudness
        case "square":
            period = int(random.integers(2, 200))
            wave = np.where(np.arange(count) % period < period // 2, 1.0, -1.0)
            return np.repeat(wave[:, None], channels, axis=1)
        case "clicks":
            return np.where(random.random((count, channels)) < 0.001, 1.0, 0.0)
        case _:
            hz = random.uniform(100, 3900, (int(random.integers(1, 6)), 1))
            wave = np.sin(2 * np.pi * hz * np.arange(count) / 8000).sum(axis=0) * random.uniform(0.01, 2.0)
            return np.repeat(wave[:, None], channels, axis=1)


KINDS = st.lists(
    st.tuples(st.sampled_from(["constant", "mixed", "noise", "square", "clicks", "sines"]), st.integers(0, 6000)),
    max_size=6,
)


@given(KINDS, st.sampled_from(["vi", "legs", "mix"]), st.sampled_from(RATES), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_ear_survives_and_still_hears(kinds: list[tuple[str, int]], mode: Mode, rate: int, seed: int) -> None:
    """Hostile stretches in hostile cuts; spans lie within what was fed; the key behind them is heard."""
    random = np.random.default_rng(seed)
    ear = Ear(rate, mode)
    clean = np.concatenate([silence(400.0, rate), key("7", 120.0, -10.0, rate=rate), silence(200.0, rate)])
    parts = [_stretch(random, kind, count, ear.channels) for kind, count in kinds]
    frames = np.concatenate([*parts, np.repeat(clean[:, None], ear.channels, axis=1)])
    hostile = sum(len(part) for part in parts) * 8000 // rate
    capture = Capture(0, ear.leg_count)
    events: list[Event] = []
    at = 0
    while at < len(frames):
        step = int(random.integers(1, 3000))
        heard = ear.feed(frames[at : at + step])
        at += step
        events += heard.events
        capture.feed(heard.legs, heard.position)
        capture.ready(heard.undecided_since)
        assert heard.legs.dtype == np.int16
        assert np.isfinite([heard.levels.far_dbm0, heard.levels.near_dbm0]).all()
    events += ear.flush().events
    capture.finish(ear.undecided_since)
    for event in events:
        assert event.start >= 0
        assert event.end is None or event.start <= event.end <= ear.position
        assert all(np.isfinite(value) for value in _figures(event))
    assert digits_of([event for event in events if event.start > hostile + 1600]) == "7"


def _figures(event: Any) -> list[float]:
    return [getattr(event, name) for name in ("level_dbm0", "twist_db", "cos") if hasattr(event, name)]
