"""Who pressed: keys of either party over all lines, with the other party's voice or key beside them.

Each key is a scene of its own (`telephone`): 0-6 km of cable, every pair of ends, any key of 60-150 ms from -30 (far:
-25) to 0 dBm0 at its source, frequencies off by up to 1.2 %, twist up to 3 dB, the tap's two channels apart by up to
±3 dB and, one third each, ±20°, a delay that makes up to 20° at 1633 Hz, or nothing; noise of -75...-50 dBm0 on each.

A near key is *taken as far* when any of its reports says far, or when any key at all is reported as far within its
scene while nobody but the near party presses. A far key is *far* when a report of at least 60 ms, or its last one, says
so: then the core may take it for a consent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from handschlag.hearing import Leg
from handschlag_bench.hearing.telephone import ENDS, Mismatch, Scene, key_alone, listen, some_speech
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from handschlag.hearing import Ear, KeyHeard

KEYS: Final = "123456789*0#ABCD"
LENGTHS_MS: Final = (60.0, 60.0, 70.0, 100.0, 150.0)
LATEST_S: Final = np.radians(20.0) / (2.0 * np.pi * 1633.0)
PROVES_MS: Final = 60.0

Beside = Literal["nothing", "speech", "key"]


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the keys; `far`, `near` and `uncertain` are what the reports that count said."""

    pressed: int = 0
    heard: int = 0
    far: int = 0
    near: int = 0
    uncertain: int = 0

    def far_of_heard(self) -> float:
        """Share of the keys heard that were far, in percent."""
        return 100.0 * self.far / max(self.heard, 1)


def some_scene(random: np.random.Generator, *, near: bool) -> Scene:
    """A key on some line, nobody else on it."""
    kind = int(random.integers(3))
    mismatch = Mismatch(
        gain_db=random.uniform(-3.0, 3.0),
        phase_deg=random.uniform(-20.0, 20.0) if kind == 0 else 0.0,
        delay_s=random.uniform(-LATEST_S, LATEST_S) if kind == 1 else 0.0,
    )
    return Scene(
        near=near,
        key=KEYS[random.integers(len(KEYS))],
        key_ms=LENGTHS_MS[random.integers(len(LENGTHS_MS))],
        level_dbm0=random.uniform(-30.0, 0.0) if near else random.uniform(-25.0, 0.0),
        twist_db=random.uniform(-3.0, 3.0),
        off=(random.uniform(-0.012, 0.012), random.uniform(-0.012, 0.012)),
        km=random.uniform(0.0, 6.0),
        line_z=ENDS[random.integers(len(ENDS))],
        phone_z=ENDS[random.integers(len(ENDS))],
        noise_dbm0=random.uniform(-75.0, -50.0),
        mismatch=mismatch,
        seed=int(random.integers(2**31)),
    )


def near_scenes(count: int, beside: Beside, seed: int) -> list[Scene]:
    """Near keys; the far party is silent, speaks up to 25 dB above the key, or presses another key meanwhile."""
    random = np.random.default_rng([seed, 1])
    return [_beside(random, some_scene(random, near=True), beside) for _ in range(count)]


def _beside(random: np.random.Generator, scene: Scene, beside: Beside) -> Scene:
    match beside:
        case "nothing":
            return scene
        case "speech":
            return replace(scene, other=some_speech(random, scene.level_dbm0 + random.uniform(-20.0, 25.0)))
        case "key":
            other = KEYS.replace(scene.key, "")[random.integers(len(KEYS) - 1)]
            level = scene.level_dbm0 + random.uniform(-15.0, 15.0)
            at = int(random.integers(-400, 400))
            wave = np.roll(key_alone(other, float(random.choice(LENGTHS_MS)), level, random.uniform(-3, 3)), at)
            return replace(scene, other=wave)


def far_scenes(count: int, above_db: float | None, seed: int) -> list[Scene]:
    """Far keys; the near party is silent, or speaks at -35...-10 dBm0, `above_db` or more below in the tones' bands."""
    random = np.random.default_rng([seed, 2])
    scenes = [some_scene(random, near=False) for _ in range(count)]
    if above_db is None:
        return scenes
    return [
        replace(scene, other=some_speech(random, random.uniform(-35.0, -10.0)), other_below_db=above_db)
        for scene in scenes
    ]


def near_score(scenes: Sequence[Scene], ear: Callable[[Scene], Ear] | None = None, *, alone: bool = True) -> Score:
    """Near keys: `far` counts scenes with any far report (`alone`: of whatever key; otherwise of the key pressed)."""
    counts = dict.fromkeys(Leg, 0)
    heard = 0
    for scene, reports in zip(scenes, listen(scenes, ear), strict=True):
        mine = [each for each in reports if each.key == scene.key]
        heard += bool(mine)
        wrong = any(each.leg is Leg.FAR for each in (reports if alone else mine))
        if wrong:
            counts[Leg.FAR] += 1
        elif mine:
            counts[mine[-1].leg] += 1
    return Score(len(scenes), heard, counts[Leg.FAR], counts[Leg.NEAR], counts[Leg.UNCERTAIN])


def far_score(scenes: Sequence[Scene], ear: Callable[[Scene], Ear] | None = None) -> Score:
    """Far keys: `far` counts those that may be taken for a consent."""
    counts = dict.fromkeys(Leg, 0)
    heard = 0
    for scene, reports in zip(scenes, listen(scenes, ear), strict=True):
        mine = [each for each in reports if each.key == scene.key]
        if mine:
            heard += 1
            counts[_told(mine)] += 1
    return Score(len(scenes), heard, counts[Leg.FAR], counts[Leg.NEAR], counts[Leg.UNCERTAIN])


def _told(mine: Sequence[KeyHeard]) -> Leg:
    counting = [each.leg for each in mine if each.duration_ms >= PROVES_MS or each.final]
    if Leg.FAR in counting:
        return Leg.FAR
    return mine[-1].leg


def rows(*, full: bool) -> Iterator[Row]:
    """All figures; 10,000 keys each when full, 400 otherwise."""
    count = 10_000 if full else 400
    for beside in ("nothing", "speech", "key"):
        score = near_score(near_scenes(count, beside, 7), alone=beside != "key")
        yield _row(f"near keys taken as far, beside: {beside}", score.far, f"of {count}", "0", score)
    score = far_score(far_scenes(count, None, 7))
    yield _row("far keys far, alone", score.far_of_heard(), "% of heard", ">= 99", score)
    for above_db in (12.0, 20.0):
        score = far_score(far_scenes(count, above_db, 7))
        name = f"far keys far, {above_db:g} dB over near speech"
        yield _row(name, score.far_of_heard(), "% of heard", ">= 99", score)


def _row(name: str, value: float, unit: str, goal: str, score: Score) -> Row:
    beside = {name: float(getattr(score, name)) for name in ("pressed", "heard", "far", "near", "uncertain")}
    return Row(bench="hearing", row=name, value=value, unit=unit, goal=goal, beside=beside)
