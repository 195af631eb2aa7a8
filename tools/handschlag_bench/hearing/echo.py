"""Keys that a caller presses while the box's own announcement leaks back: found with cancelling, and without.

A scene is one announcement, as shipped, over the line model or onto a single channel, with keys of random digits every
0.3 s. The leak's level is its active speech level (P.56) where it is measured: on a single channel, on the
tap's voltage, or in the far leg, where a caller's keys stand; the keys' level is that of each tone on the tap's
voltage, or on the single channel. A key counts as found when one key of its digit was heard within 30 ms of it and, on
the line, from the far party; what was heard beyond that is false.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from handschlag.hearing import Ear, KeyHeard, Leg
from handschlag.hearing.legs import separate
from handschlag.hearing.resample import whole
from handschlag.prompts.catalog import load
from handschlag.prompts.check import Language
from handschlag.sim.line import LineModel
from handschlag_bench.hearing import oracles
from handschlag_bench.hearing.levels import measured, to_samples
from handschlag_bench.hearing.signals import KEYS, key, keys_of, voice
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from handschlag.hearing import Event
    from handschlag_bench.hearing.signals import Wave

RATE: Final = 48_000
BLOCK: Final = 960
FIRST_KEY_S: Final = 0.6
EVERY_S: Final = 0.3
NEAR_ENOUGH: Final = 240  # samples at 8 kHz
LOUDEST: Final = 0.95  # of a leak: a converter's full scale

Where = Literal["mix", "voltage", "far leg"]
LANGUAGES: Final[tuple[Language, ...]] = ("de", "en")


@dataclass(frozen=True, slots=True)
class Scene:
    """What is tried: a tap, a leak, the way back, and keys."""

    where: Where = "voltage"
    km: float = 2.0
    delay_ms: float = 30.0
    leak_dbm0: float | None = -16.0  # None: as loud as it is shipped
    key_dbm0: float = -30.0
    key_ms: float = 60.0
    talk_dbm0: float | None = None
    noise_dbm0: float = -70.0
    drift_ppm: float = 0.0
    language: Language = "de"
    first_key_s: float = FIRST_KEY_S
    longest_s: float = 60.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """Of how many keys were found, and how many were heard that nobody pressed."""

    pressed: int
    found: int
    false: int

    def __add__(self, other: Found) -> Found:
        """Both together."""
        return Found(self.pressed + other.pressed, self.found + other.found, self.false + other.false)

    @property
    def percent(self) -> float:
        """Found of 100."""
        return 100.0 * self.found / max(self.pressed, 1)


@cache
def announcement(language: Language) -> NDArray[np.float32]:
    """The announcement as shipped, at 48 kHz."""
    return load(language).announcement.samples


def _through_line(scene: Scene, far: Wave | None, play: Wave | None, noise_dbm0: float | None) -> NDArray[np.float64]:
    model = LineModel(cable_km=scene.km, noise_dbm0=noise_dbm0, seed=scene.seed)
    some = far if far is not None else play
    silence = np.zeros(0 if some is None else some.size)
    return model.step(
        silence if far is None else far,
        silence,
        silence if play is None else play,  # the transformer is connected
    ).astype(np.float64)


def _delayed(wave: Wave, scene: Scene, size: int) -> Wave:
    """As it is captured: late, and by a clock of its own."""
    at = (np.arange(size) - scene.delay_ms * RATE / 1000.0) * (1.0 + scene.drift_ppm * 1e-6)
    if scene.drift_ppm == 0.0:
        shift = round(scene.delay_ms * RATE / 1000.0)
        return np.concatenate([np.zeros(shift), wave])[:size]
    whole_at = np.floor(at).astype(int)
    part = (at - whole_at)[:, None]
    taps = np.arange(-15, 17)
    kernel = np.sinc(taps - part) * np.kaiser(64, 8.0)[np.clip(np.round((taps - part) * 2).astype(int) + 31, 0, 63)]
    padded = np.concatenate([np.zeros(size), wave, np.zeros(size)])
    out = np.empty(size)
    for first in range(0, size, 48_000):
        piece = slice(first, min(first + 48_000, size))
        out[piece] = np.sum(padded[whole_at[piece, None] + taps + size] * kernel[piece], axis=1)
    return out


def make(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[str, float]]]:
    """Frames of the tap, what was played meanwhile (48 kHz), and the keys: digit and begin in seconds."""
    random = np.random.default_rng(scene.seed)
    played = announcement(scene.language)[: round(scene.longest_s * RATE)].astype(np.float64)
    size = -(-(played.size + round(0.5 * RATE)) // BLOCK) * BLOCK
    played = np.concatenate([played, np.zeros(size - played.size)])
    pressed: list[tuple[str, float]] = []
    keys = np.zeros(size)
    begin = scene.first_key_s
    while (begin + scene.key_ms / 1000.0 + 0.7) * RATE < size:
        name = KEYS[int(random.integers(16))]
        at = round((begin + scene.key_ms / 1000.0 * random.uniform(0, 0.5)) * RATE)
        wave = key(name, scene.key_ms, scene.key_dbm0, rate=RATE)
        keys[at : at + wave.size] = wave
        pressed.append((name, at / RATE))
        begin += EVERY_S
    talk = None if scene.talk_dbm0 is None else voice(size / RATE, scene.talk_dbm0, seed=scene.seed, rate=RATE)
    if scene.where == "mix":
        leak = _delayed(played, scene, size)[:, None]
        noise = random.standard_normal((size, 1)) * 10 ** ((scene.noise_dbm0 - 3.14) / 20) / np.sqrt(2) * np.sqrt(6)
        rest = keys[:, None] + noise + (0.0 if talk is None else talk[:, None])
    else:
        leak = _through_line(scene, None, _delayed(played, scene, size), None)
        one = _through_line(scene, np.sin(2 * np.pi * 1000.0 * np.arange(RATE) / RATE), None, None)[RATE // 2 :, 0]
        there = keys / (np.sqrt(2.0) * one.std())  # on the tap's voltage they have the level that is asked for
        rest = _through_line(scene, there if talk is None else there + talk, None, scene.noise_dbm0)
    if scene.leak_dbm0 is not None:
        at_8k = whole(leak.astype(np.float32), RATE)
        heard = separate(at_8k) if scene.where == "far leg" else at_8k
        gain = 10 ** ((scene.leak_dbm0 - measured(to_samples(heard[:, 0].astype(np.float64))).dbm0) / 20)
        leak = leak * min(gain, LOUDEST / float(np.abs(leak).max()))
    return (leak + rest).astype(np.float32), played.astype(np.float32), pressed


def hear(frames: NDArray[np.float32], played: NDArray[np.float32] | None, ear: Ear) -> list[Event]:
    """All events, block by block as on a live line."""
    events: list[Event] = []
    for first in range(0, frames.shape[0], BLOCK):
        piece = slice(first, first + BLOCK)
        events += ear.feed(frames[piece], None if played is None else played[piece]).events
    return [*events, *ear.flush().events]


def match(heard: Sequence[KeyHeard], pressed: Sequence[tuple[str, float]], leg: Leg) -> Found:
    """Hold what was heard against what was pressed."""
    rest = list(heard)
    found = 0
    for name, begin in pressed:
        for each in rest:
            if each.key == name and each.leg is leg and abs(each.start - begin * 8000) < NEAR_ENOUGH:
                rest.remove(each)
                found += 1
                break
    return Found(len(pressed), found, len(rest))


def score(scene: Scene, *, cancelling: bool = True) -> Found:
    """Try one scene on a new ear."""
    frames, played, pressed = make(scene)
    ear = Ear(RATE, "mix" if scene.where == "mix" else "vi")
    heard = keys_of(hear(frames, played if cancelling else None, ear))
    return match(heard, pressed, Leg.UNCERTAIN if scene.where == "mix" else Leg.FAR)


def scenes(where: Where, *, full: bool) -> list[Scene]:
    """Cables of 0-6 km, ways back of 0-200 ms, two announcements, keys of 60 and 100 ms: some of them, or all."""
    kms = (0.0,) if where == "mix" else (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    delays = (0.0, 17.3, 60.0, 120.0, 200.0)
    every = [
        Scene(where=where, km=km, delay_ms=delay_ms, language=language, key_ms=key_ms, seed=round(10 * km + delay_ms))
        for km in kms
        for delay_ms in delays
        for language in LANGUAGES
        for key_ms in (60.0, 100.0)
    ]
    return every if full else every[:: max(len(every) // 4, 1) + 1]


def total(some: Sequence[Scene], *, cancelling: bool = True) -> Found:
    """All scenes together."""
    return sum((score(scene, cancelling=cancelling) for scene in some), Found(0, 0, 0))


def spandsp(some: Sequence[Scene]) -> float | None:
    """Percent of the keys of single-channel scenes that spandsp finds; None where it is absent."""
    pressed = found = 0
    for scene in some:
        frames, _, keys = make(scene)
        hits = oracles.spandsp_hits(whole(frames, RATE)[:, 0])
        if hits is None:
            return None
        for name, begin in keys:
            pressed += 1
            found += any(digit == name and 0.0 <= told - begin <= 0.2 for digit, told in hits)
    return 100.0 * found / max(pressed, 1)


def cost(*, playing: bool, km: float = 3.0) -> float:
    """Percent of a core that an ear takes over an announcement without keys; not told what plays, or told."""
    frames, played, _ = make(Scene(km=km, first_key_s=1e6))
    silence = np.zeros_like(played)
    ear = Ear(RATE, "vi")
    before = time.process_time()
    hear(frames, played if playing else silence, ear)
    return 100.0 * (time.process_time() - before) * RATE / len(frames)


def rows(*, full: bool) -> Iterator[Row]:
    """Keys of -30 dBm0 found over a leak of -16 dBm0, and what else the canceller is asked."""
    wheres: tuple[Where, ...] = ("mix", "voltage", "far leg")
    for where in wheres:
        some = scenes(where, full=full)
        found, without = total(some), total(some, cancelling=False)
        beside = {"without": without.percent}
        if where == "mix":
            beside |= oracles.beside({"spandsp": spandsp(some)})
        yield _row(f"-30 dBm0 keys, leak -16 in {where}", found.percent, "%", ">= 99", beside)
        yield _row(f"false keys, leak -16 in {where}", found.false, f"of {found.pressed}", "<= 0", {})
    some = scenes("voltage", full=full)
    for name, changed in (
        ("as shipped", [replace(scene, leak_dbm0=None) for scene in some]),
        ("leak -10", [replace(scene, leak_dbm0=-10.0) for scene in some]),
        ("noise -50", [replace(scene, noise_dbm0=-50.0) for scene in some]),
        ("drift 100 ppm", [replace(scene, drift_ppm=100.0) for scene in some[:: 4 if full else 1]]),
    ):
        found, without = total(changed), total(changed, cancelling=False)
        yield _row(f"-30 dBm0 keys, {name}", found.percent, "%", ">= 99", {"without": without.percent})
    idle = min(cost(playing=False) for _ in range(3))
    yield _row(
        "cancelling costs while playing", min(cost(playing=True) for _ in range(3)) - idle, "% of a core", "", {}
    )


def _row(row: str, value: float, unit: str, goal: str, beside: dict[str, float]) -> Row:
    return Row(bench="echo", row=row, value=value, unit=unit, goal=goal, beside=beside)
