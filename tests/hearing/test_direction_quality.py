"""Who pressed, counted: slices of what `tools/bench hearing --quality --full` counts in ten thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from handschlag.hearing import Leg
from handschlag.hearing.direction import judge
from handschlag_bench.hearing.direction import far_scenes, far_score, near_scenes, near_score
from handschlag_bench.hearing.signals import hear, key, keys_of, noise, on_line, silence, tones

if TYPE_CHECKING:
    from handschlag_bench.hearing.direction import Beside


@pytest.mark.parametrize("beside", ["nothing", "speech", "key"])
def test_no_near_key_is_taken_as_far(beside: Beside) -> None:
    """Over all lines, mismatches, levels and lengths, whatever the far party does meanwhile."""
    score = near_score(near_scenes(120, beside, 1), alone=beside != "key")
    assert score.far == 0
    assert score.heard >= 90
    assert score.near >= 0.85 * score.heard


@pytest.mark.parametrize("above_db", [None, 12.0])
def test_far_keys_are_far(above_db: float | None) -> None:
    """Also where the near party's voice is only 12 dB below in the tones' bands."""
    score = far_score(far_scenes(120, above_db, 1))
    assert score.heard >= 117
    assert score.far >= 0.99 * score.heard


def test_the_other_party_carries_a_near_key_on() -> None:
    """The far party's sound takes the tones over at the release: the key stays near to its last report."""
    near = np.concatenate([silence(200, 48_000), key("7", 70, -21, rate=48_000), silence(400, 48_000)])
    tail = tones([852.0, 1209.0], 150, -6, 48_000)
    far = np.concatenate([silence(270, 48_000), tail, silence(250, 48_000)])
    heard = [each for each in hear(on_line(far, near), "vi", 48_000) if getattr(each, "key", "") == "7"]
    assert len(heard) >= 3
    assert {each.leg for each in heard} <= {Leg.NEAR, Leg.UNCERTAIN}  # type: ignore[union-attr]


def test_the_near_party_talks_on_after_a_far_key() -> None:
    """A far key whose track the near party's sound carries on keeps the leg that 60 ms have proven."""
    far = np.concatenate([silence(200, 48_000), key("7", 70, -15, rate=48_000), silence(400, 48_000)])
    near = np.concatenate([silence(270, 48_000), tones([852.0, 1209.0], 150, -4, 48_000), silence(250, 48_000)])
    heard = keys_of(hear(on_line(far, near), "vi", 48_000))
    assert [each.leg for each in heard if each.key == "7"][:1] == [Leg.FAR]


def test_a_part_that_flows_the_other_way_contradicts() -> None:
    """Strong far tones in the first half and weaker near ones in the second prove nothing, although the sum is far."""
    n = np.arange(480)
    wave = np.sin(2 * np.pi * 697 / 8000 * n) + np.sin(2 * np.pi * 1209 / 8000 * n)
    turned = np.where(n < 300, 1.0, -0.7)
    whole = np.stack([wave * np.abs(turned), wave * turned]).astype(np.float32)
    assert judge(np.stack([wave, wave]).astype(np.float32), (697.0, 1209.0))[0] is Leg.FAR
    leg, cosine = judge(whole, (697.0, 1209.0))
    assert leg is Leg.UNCERTAIN
    assert cosine > 0.3


def test_a_dead_channel_proves_nothing() -> None:
    """Keys beside a current channel, or a voltage channel, that carries nothing but noise: all uncertain."""
    frames = on_line(np.tile(np.concatenate([silence(100, 48_000), key("1", 80, rate=48_000)]), 60), None)
    for channel in (0, 1):
        dead = frames.copy()
        dead[:, channel] = noise(len(frames), -50.0, seed=channel)
        heard = keys_of(hear(dead, "vi", 48_000))
        assert len(heard) >= 40
        assert {each.leg for each in heard} == {Leg.UNCERTAIN}
