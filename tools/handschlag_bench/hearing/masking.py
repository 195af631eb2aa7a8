"""Can a silenced key still be read in the recording?

Calls are made up: keys of either party or of both at once, 40 ms to 1 s long, on real speech or in quiet, on lines of
0-5 km; capture begins and ends anywhere, also within a key. The line goes through the ear and the cutter as in the
box, every key is silenced, and the finished clips are joined. Then our own detector, spandsp and multimon-ng read both
legs and their sum. What they read that was pressed, and that they do not read in the same call without its keys, is a
leak. Outside of the spans that the cutter tells, every sample must be what the ear gave.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

from handschlag.hearing import Capture, Ear, KeyHeard
from handschlag.hearing.masking import merge
from handschlag.hearing.readable import readable
from handschlag_bench.hearing import corpora, oracles
from handschlag_bench.hearing.signals import KEYS, digits_of, hear, key, on_line
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from handschlag_bench.hearing.signals import Wave

RATE: Final = 48_000
BLOCK: Final = 960
PRESSES: Final = (1, 5)
LENGTHS_MS: Final = (40.0, 1000.0)
LEVELS_DBM0: Final = (-27.0, -3.0)
FULL_TRIALS: Final = 300
READERS: Final = ("handschlag", "spandsp", "multimon-ng")


@dataclass(frozen=True)
class Press:
    """One key of one party: seconds, dBm0 of the louder tone."""

    key: str
    near: bool
    start_s: float
    length_s: float
    level_dbm0: float
    twist_db: float


@dataclass(frozen=True)
class Call:
    """What happens on the line, and from when to when it is recorded (8 kHz positions)."""

    seed: int
    seconds: float
    presses: tuple[Press, ...]
    speakers: tuple[bool, bool]  # far, near
    speech_db: float
    km: float
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Recorded:
    """Both legs as recorded, what the ear gave for the same stretch, and the silenced spans (from its first sample)."""

    kept: NDArray[np.int16]
    given: NDArray[np.int16]
    spans: tuple[tuple[int, int], ...]

    @property
    def changed_outside(self) -> int:
        """Samples outside of the spans that are not what the ear gave."""
        inside = np.zeros(len(self.given), np.bool_)
        for start, end in self.spans:
            inside[start:end] = True
        return int(np.count_nonzero((self.kept != self.given).any(axis=1) & ~inside))


def make_call(seed: int) -> Call:
    """A random call."""
    random = np.random.default_rng([seed, 77])
    presses: list[Press] = []
    at = float(random.uniform(0.2, 0.7))
    for _ in range(int(random.integers(*PRESSES))):
        length = (
            float(random.uniform(*LENGTHS_MS)) / 1000.0 if random.random() < 0.5 else float(random.uniform(0.04, 0.15))
        )
        press = _press(random, at, length, near=bool(random.random() < 0.5))
        presses.append(press)
        if random.random() < 0.15:  # the other party presses, too
            late = float(random.uniform(0.0, length))
            presses.append(_press(random, at + late, float(random.uniform(0.04, 0.4)), near=not press.near))
        at = max(each.start_s + each.length_s for each in presses) + float(random.uniform(0.04, 0.6))
    seconds = at + float(random.uniform(0.2, 2.5))
    first, last = 0, round(seconds * corpora.RATE)
    odd = random.random()
    if odd < 0.2:  # capture begins, or ends, within a key
        first = round((presses[0].start_s + presses[0].length_s * float(random.uniform(0.0, 1.0))) * corpora.RATE)
    elif odd < 0.4:
        last = round((presses[-1].start_s + presses[-1].length_s * float(random.uniform(0.0, 1.0))) * corpora.RATE)
    speakers = (bool(random.random() < 0.4), bool(random.random() < 0.4))
    return Call(
        seed,
        seconds,
        tuple(presses),
        speakers,
        float(random.uniform(-35.0, -15.0)),
        float(random.uniform(0.0, 5.0)),
        first,
        last,
    )


def _press(random: np.random.Generator, at: float, length: float, *, near: bool) -> Press:
    name = KEYS[int(random.integers(len(KEYS)))]
    return Press(name, near, at, length, float(random.uniform(*LEVELS_DBM0)), float(random.uniform(-4.0, 4.0)))


@cache
def _speech() -> tuple[NDArray[np.float32], ...]:
    """Reels of talk at the level 1.0 RMS, 48 kHz."""
    reels = corpora.reels([*corpora.recordings(own=False)[::40], *corpora.repository()], length_s=30.0)
    talk = [reel.load()[0] for reel in reels if reel.kind != "music"]
    return tuple(
        np.asarray(soxr.resample(wave / np.sqrt(np.mean(wave**2)), corpora.RATE, RATE), np.float32) for wave in talk
    )


def on_the_line(call: Call, *, with_keys: bool = True) -> NDArray[np.float32]:
    """Voltage and current at 48 kHz."""
    count = round((call.seconds + 0.4) * RATE)
    random = np.random.default_rng([call.seed, 78])
    parties: list[Wave] = []
    for near in (False, True):
        wave: Wave = np.zeros(count)
        voice = _speech()[int(random.integers(len(_speech())))]
        at = int(random.integers(max(voice.size - count, 1)))
        if call.speakers[near]:
            wave += np.resize(voice[at : at + count], count) * 10.0 ** ((call.speech_db - 3.14) / 20.0) / np.sqrt(2.0)
        for press in call.presses if with_keys else ():
            if press.near == near:
                tones = key(press.key, press.length_s * 1000, press.level_dbm0, twist_db=press.twist_db, rate=RATE)
                begin = round(press.start_s * RATE)
                wave[begin : begin + tones.size] += tones[: count - begin]
        parties.append(wave)
    return on_line(parties[0], parties[1], km=call.km)


def record(frames: NDArray[np.float32], first: int, last: int) -> Recorded:
    """Hear and cut as the box does: every key is silenced, clips close as soon as they may, the last at the stop."""
    ear = Ear()
    capture: Capture | None = None
    given: list[NDArray[np.int16]] = []
    kept: list[NDArray[np.int16]] = []
    began = 0
    for at in range(0, len(frames), BLOCK):
        heard = ear.feed(frames[at : at + BLOCK])
        if capture is None:
            if ear.position < first:
                continue
            began = heard.position
            capture = Capture(began, 2, clip_s=0.5)
        capture.feed(heard.legs, heard.position)
        given.append(heard.legs.copy())
        for event in heard.events:
            if isinstance(event, KeyHeard):
                capture.mask_key(event.start, event.end)
        kept += [clip.samples for clip in capture.ready(heard.undecided_since)]
        if ear.position >= last:
            break
    assert capture is not None  # noqa: S101 - a call is longer than its start
    kept += [clip.samples for clip in capture.finish(ear.undecided_since)]
    spans = tuple((max(start - began, 0), end - began) for start, end in capture.masked)
    return Recorded(np.concatenate(kept), np.concatenate(given), spans)


def silenced(legs: NDArray[np.int16], spans: tuple[tuple[int, int], ...]) -> NDArray[np.int16]:
    """The same legs with these spans silenced."""
    copy = legs.copy()
    for start, end in spans:
        copy[start:end] = 0
    return copy


def read(legs: NDArray[np.int16]) -> dict[str, Counter[str]]:
    """What each reader finds in far, near and their sum: per key, the most often that it is found in one of them."""
    found: dict[str, Counter[str]] = {}
    waves = [leg / 32768.0 for leg in (legs[:, 0], legs[:, 1])]
    for wave in (*waves, (waves[0] + waves[1]) / 2.0):
        quiet = np.zeros(800)
        padded = np.concatenate([quiet, wave, quiet])
        said = (digits_of(hear(padded, hops=100)), oracles.decode_spandsp(padded), oracles.decode_multimon(padded))
        for reader, digits in zip(READERS, said, strict=True):
            if digits is not None:
                found[reader] = found.get(reader, Counter()) | Counter(digits)
    return found


@dataclass(frozen=True, eq=False)
class Verdict:
    """What could be read of one call's keys before and after, per reader, and what else happened to it."""

    call: Call
    before: dict[str, int]
    after: dict[str, str]
    changed_outside: int
    silenced_s: float
    pressed_s: float


def judge(call: Call) -> Verdict:
    """Record one call and let all readers try."""
    recorded = record(on_the_line(call), call.first, call.last)
    spans = recorded.spans
    without = record(on_the_line(call, with_keys=False), call.first, call.last).given
    pressed = {press.key for press in call.presses}
    chance = read(silenced(without, spans)) if any(call.speakers) else {}
    before = {
        name: sum(count for digit, count in found.items() if digit in pressed)
        for name, found in read(recorded.given).items()
    }
    after = {
        name: "".join(digit for digit in (found - chance.get(name, Counter())).elements() if digit in pressed)
        for name, found in read(recorded.kept).items()
    }
    start, end = call.first / corpora.RATE, call.last / corpora.RATE
    pressed_s = sum(
        max(min(press.start_s + press.length_s, end) - max(press.start_s, start), 0.0) for press in call.presses
    )
    silenced_s = sum(stop - begin for begin, stop in spans) / corpora.RATE
    return Verdict(call, before, after, recorded.changed_outside, silenced_s, pressed_s)


def rows(*, full: bool) -> Iterator[Row]:
    """Forty calls; `full`: three hundred."""
    trials = FULL_TRIALS if full else 40
    calls = [make_call(seed) for seed in range(trials)]
    if full:
        with ProcessPoolExecutor() as pool:
            verdicts = list(pool.map(judge, calls, chunksize=10))
    else:
        verdicts = [judge(call) for call in calls]
    for reader in READERS:
        if reader in verdicts[0].before:
            before = float(sum(verdict.before[reader] for verdict in verdicts))
            after = float(sum(len(verdict.after[reader]) for verdict in verdicts))
            yield _row(
                f"keys read by {reader}, silenced", after, f"in {trials} calls", "== 0", {"not silenced": before}
            )
    changed = float(sum(verdict.changed_outside for verdict in verdicts))
    yield _row("samples changed outside of the spans", changed, "", "== 0")
    share = sum(verdict.silenced_s for verdict in verdicts) / max(sum(verdict.pressed_s for verdict in verdicts), 1e-9)
    yield _row("silence over length of the keys", share, "", "")
    yield _row("speech silenced without a key", 100.0 * speech_silenced(None if full else 10), "%", "<= 0.5")


def speech_silenced(reels: int | None = None) -> float:
    """Share of recorded speech (so many minutes; all) that is silenced because it could be read as a key.

    Where no recorded speech is installed, the repository's synthetic voices serve.
    """
    recorded = [piece for piece in corpora.recordings(own=False) if piece.kind == "speech"]
    material = corpora.reels(recorded or corpora.repository())
    silenced_samples = total = 0
    for reel in material[:: max(len(material) // reels, 1) if reels else 1]:
        samples = oracles.to_pcm(reel.load()[0])[:, None]
        silenced_samples += sum(end - start for start, end in merge(readable(samples)))
        total += len(samples)
    return silenced_samples / max(total, 1)


def _row(name: str, value: float, unit: str, goal: str, beside: dict[str, float] | None = None) -> Row:
    return Row(bench="masking", row=name, value=value, unit=unit, goal=goal, beside=beside or {})
