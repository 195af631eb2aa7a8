"""Two parties talking over a line, with the truth about who spoke when; and a score of what was heard of it.

The truth is taken from each party's clean voice, per 10 ms: speech is what lies within 16 dB of the voice's active
level (the margin of P.56), and pauses of up to 200 ms belong to it. Scored are

- hits: the share of the truth's speech that was heard on the right leg;
- false speech: the share of all other time, 300 ms around the truth's speech left out, that was heard as speech of
  that leg: while nobody speaks, and while only the other party speaks;
- onsets: how long after the first sound of a stretch of speech its begin was *told*, in milliseconds of the stream.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import soxr

from handschlag.hearing import Ear, Leg, SpeechHeard
from handschlag.hearing.level import LevelMeter
from handschlag.sim.line import DELAY, LineModel, dbm0
from handschlag.sim.voices import STORIES, load_story
from handschlag_bench.hearing.signals import dialled, noise, tones, voice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.sim.line import Impedance
    from handschlag_bench.hearing.signals import Wave

    Mask = NDArray[np.bool_]

RATE = 48_000
HOP = 480
BRIDGE_HOPS = 20
AROUND_HOPS = 30
WITHIN_DB = 15.9
ALONE_HOPS = 30
"""An onset counts after so long a pause of that party."""


@dataclass(frozen=True)
class Scene:
    """The conditions of one dialogue; levels are active levels at the sources."""

    far_dbm0: float = -20.0
    near_dbm0: float = -20.0
    noise_dbm0: float | None = -70.0
    hum_dbm0: float | None = None
    km: float = 2.0
    line_z: Impedance = "Z_R"
    phone_z: Impedance = "Z_R"
    overlap: float = 0.0
    kind: Literal["spoken", "made"] = "spoken"
    seconds: float = 30.0


@dataclass
class Score:
    """Counts of hops, and onsets; scores add up."""

    speech: int = 0
    heard: int = 0
    quiet: int = 0
    false_quiet: int = 0
    other: int = 0
    false_other: int = 0
    onsets: int = 0
    onset_ms: list[float] = field(default_factory=list)

    def __iadd__(self, more: Score) -> Self:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        return self

    @property
    def hit(self) -> float:
        """Percent of the speech that was heard."""
        return 100.0 * self.heard / max(self.speech, 1)

    @property
    def false_in_silence(self) -> float:
        """Percent of the silence that was heard as speech."""
        return 100.0 * self.false_quiet / max(self.quiet, 1)

    @property
    def false_beside_other(self) -> float:
        """Percent of the time in which only the other party spoke that was heard as speech of this one."""
        return 100.0 * self.false_other / max(self.other, 1)

    def onset(self, percent: float) -> float:
        """So many percent of the onsets were told within this many milliseconds; those never told are infinite."""
        told = sorted(self.onset_ms) + [np.inf] * (self.onsets - len(self.onset_ms))
        return float(told[min(int(percent / 100.0 * len(told)), len(told) - 1)]) if told else 0.0


@functools.cache
def _spoken(speaker: str) -> tuple[NDArray[np.float32], ...]:
    lines = (line for story in STORIES for line in load_story(story) if line.speaker == speaker)
    return tuple(_levelled(line.samples) for line in lines)


def _levelled(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """At an active level of 0 dBm0."""
    narrow = soxr.resample(np.asarray(samples, np.float32), RATE, 8000)
    meter = LevelMeter()
    meter.feed(np.clip(narrow * 8192, -32767, 32767).astype(np.int16))
    return np.asarray(samples * 10.0 ** (-(meter.finish().dbm0 + 20.0 * np.log10(4.0)) / 20.0), np.float32)


def dialogue(scene: Scene, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both parties' clean signals at 48 kHz, taking turns; with `overlap` the next one begins so often too early."""
    random = np.random.default_rng(seed)
    count = round(scene.seconds * RATE)
    parties = np.zeros((2, count), np.float32)
    at, turn = round(random.uniform(0.6, 1.5) * RATE), int(random.integers(2))
    while True:
        said = _line(scene, turn, random)
        if at + said.size > count - RATE // 2:
            return parties[0], parties[1]
        parties[turn, at : at + said.size] += said
        early = random.random() < scene.overlap
        at += said.size + round((-random.uniform(0.3, 1.0) if early else random.uniform(0.3, 1.5)) * RATE)
        turn = 1 - turn


def _line(scene: Scene, turn: int, random: np.random.Generator) -> NDArray[np.float32]:
    level = dbm0((scene.far_dbm0, scene.near_dbm0)[turn]) / dbm0(0.0)
    if scene.kind == "made":
        made = voice(random.uniform(1.0, 3.0), -20.0, seed=int(random.integers(1 << 30)), rate=RATE)
        return np.asarray(_levelled(made) * level, np.float32)
    lines = _spoken(("far", "near")[turn])
    return np.asarray(lines[int(random.integers(len(lines)))] * level, np.float32)


def truth(clean: NDArray[np.float32], level_dbm0: float) -> tuple[Mask, Mask]:
    """Per hop: speech within 16 dB of the active level, and the same with short pauses bridged."""
    hops = clean[: clean.size // HOP * HOP].reshape(-1, HOP).astype(np.float64)
    least = dbm0(level_dbm0 - WITHIN_DB) ** 2 / 2.0
    loud = np.asarray((hops**2).mean(axis=1) > least)
    bridged = loud.copy()
    places = np.flatnonzero(loud)
    for first, second in pairwise(places.tolist()):
        if second - first <= BRIDGE_HOPS:
            bridged[first:second] = True
    return loud, bridged


def heard(frames: NDArray[np.float32]) -> tuple[Mask, list[tuple[Leg, int, int]]]:
    """Per leg and hop whether speech was heard; and begins as (leg, start, told), in samples at 48 kHz."""
    ear = Ear(RATE)
    hops = frames.shape[0] // HOP
    speech = np.zeros((2, hops + 200), np.bool_)
    begins = []
    for first in range(0, frames.shape[0] + RATE, 2 * HOP):
        block = frames[first : first + 2 * HOP] if first < frames.shape[0] else np.zeros((2 * HOP, 2), np.float32)
        for event in ear.feed(block).events:
            if not isinstance(event, SpeechHeard):
                continue
            row = 0 if event.leg is Leg.FAR else 1
            if event.end is None:
                begins.append((event.leg, event.start * 6, first + 2 * HOP))
            else:
                speech[row, max(event.start // 80, 0) : -(-event.end // 80)] = True
    for leg, start in ear.speaking.items():
        speech[0 if leg is Leg.FAR else 1, start // 80 :] = True
    return speech[:, :hops], begins


def score(scene: Scene, seed: int) -> tuple[Score, Score]:
    """How well each leg, far and near, of one dialogue was heard."""
    parties = dialogue(scene, seed)
    model = LineModel(
        cable_km=scene.km, line_z=scene.line_z, phone_z=scene.phone_z, noise_dbm0=scene.noise_dbm0, seed=seed
    )
    frames = model.step(*parties)
    if scene.hum_dbm0 is not None:
        frames += tones([50.0, 100.0, 150.0], scene.seconds * 1000, scene.hum_dbm0, RATE)[:, None].astype(np.float32)
    speech, begins = heard(frames)
    truths = [
        truth(np.roll(clean, DELAY), level)
        for clean, level in zip(parties, (scene.far_dbm0, scene.near_dbm0), strict=True)
    ]
    both = [_score(speech[row], truths[row], truths[1 - row]) for row in (0, 1)]
    for row, leg in enumerate((Leg.FAR, Leg.NEAR)):
        told = [(start, at) for each, start, at in begins if each is leg]
        _score_onsets(both[row], truths[row][1], told)
    return both[0], both[1]


def _widened(mask: Mask, hops: int) -> Mask:
    places = np.convolve(mask, np.ones(2 * hops + 1), "same")
    return np.asarray(places > 0.5)


def _score(heard_hops: Mask, own: tuple[Mask, Mask], other: tuple[Mask, Mask]) -> Score:
    loud, bridged = own
    count = min(heard_hops.size, loud.size)
    heard_hops, loud, bridged = heard_hops[:count], loud[:count], bridged[:count]
    elsewhere = ~_widened(bridged, AROUND_HOPS)
    others = other[1][:count]
    beside = elsewhere & others
    quiet = elsewhere & ~_widened(others, AROUND_HOPS)
    return Score(
        speech=int(loud.sum()),
        heard=int((loud & heard_hops).sum()),
        quiet=int(quiet.sum()),
        false_quiet=int((quiet & heard_hops).sum()),
        other=int(beside.sum()),
        false_other=int((beside & heard_hops).sum()),
    )


def _score_onsets(kept: Score, bridged: Mask, told: list[tuple[int, int]]) -> None:
    edges = np.flatnonzero(np.diff(bridged.astype(np.int8), prepend=0))
    starts, ends = edges[::2], np.append(edges[1::2], bridged.size)[: edges[::2].size]
    past = -ALONE_HOPS
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if start - past >= ALONE_HOPS and end - start >= 10:
            kept.onsets += 1
            first = start * HOP
            here = [at for begun, at in told if first - AROUND_HOPS * HOP < at and begun < end * HOP]
            if here:
                kept.onset_ms.append(max(min(here) - first, 0) / RATE * 1000)
        past = end


def scores(scene: Scene, seeds: int, first_seed: int = 1) -> tuple[Score, Score]:
    """The same over several dialogues."""
    far, near = Score(), Score()
    for seed in range(first_seed, first_seed + seeds):
        more_far, more_near = score(scene, seed)
        far += more_far
        near += more_near
    return far, near


def nobody(seconds: float = 20.0, seed: int = 1) -> dict[str, tuple[Wave, Wave]]:
    """Far and near signals at 48 kHz in which nobody speaks, by name."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    none = np.zeros(count)
    white = noise(count, 0.0, seed) * np.sqrt(6.0)  # the level counts in 0-4 kHz
    steps = np.repeat(10.0 ** (random.uniform(-65, -25, -(-count // (2 * RATE))) / 20.0), 2 * RATE)[:count]
    swell = 10.0 ** ((-45.0 + 15.0 * np.sin(2 * np.pi * 0.1 * time)) / 20.0)
    clicks = np.zeros(count)
    clicks[random.integers(0, count, round(3 * seconds))] = random.uniform(0.1, 0.9, round(3 * seconds))
    sines = {hz: tones([hz], seconds * 1000, -12.0, RATE) for hz in (425.0, 1100.0, 2100.0)}
    gates = {
        "busy": np.asarray(time % 0.96 < 0.48),
        "congestion": np.asarray(time % 0.48 < 0.24),
        "ringback": np.asarray(time % 5.0 < 1.0),
    }
    dialled_keys = np.resize(dialled("0123456789*#", 80, 80, rate=RATE), count)
    return {
        "comfort noise": (white * dbm0(-55.0), white[::-1] * dbm0(-60.0)),
        "noise in steps": (white * steps * dbm0(0.0), none),
        "swelling noise": (none, white * swell * dbm0(0.0)),
        "rumbling noise": (_rumble(count, seed) * dbm0(-30.0), _rumble(count, seed + 1) * dbm0(-45.0)),
        "swelling rumble": (_rumble(count, seed + 2) * swell * dbm0(5.0), none),
        "clicks": (clicks, none),
        "hum in steps": (none, tones([50.0, 150.0], seconds * 1000, -15.0, RATE) * (time % 4.0 < 2.0)),
        "dial tone": (sines[425.0] * (time % 6.0 > 1.0), none),
        **{name: (sines[425.0] * gate, none) for name, gate in gates.items()},
        "busy in noise": (sines[425.0] * gates["busy"] + white * dbm0(-35.0), none),
        "fax": (sines[1100.0] * (time % 3.5 < 0.5), sines[2100.0] * (time % 7.0 > 4.0)),
        "keys of far": (dialled_keys, none),
        "keys of near": (none, dialled_keys),
    }


def _rumble(count: int, seed: int) -> Wave:
    """Noise that falls by 6 dB per octave above 150 Hz, at the power of a full-scale sine."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1.0 / RATE)
    wave = np.fft.irfft(spectrum / (1.0 + 1j * frequency / 150.0), count)
    rumble: Wave = wave / np.sqrt(np.mean(wave**2) * 2.0)
    return rumble


def false_speech(seconds: float = 20.0, seed: int = 1) -> dict[str, float]:
    """Percent of the time that is heard as speech where nobody speaks, the worse leg, by name."""
    found = {}
    for name, (far, near) in nobody(seconds, seed).items():
        frames = LineModel(cable_km=2.0, noise_dbm0=-70.0, seed=seed).step(far, near)
        found[name] = float(100.0 * heard(frames)[0].mean(axis=1).max())
    return found
