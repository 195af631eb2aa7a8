"""Call progress and fax tones: how often each is heard over its tolerances, and how often none is there.

A case is drawn from a seed: frequency, pulse and pause within their tolerances, a level, white noise 10 dB below (or
none). It counts as heard when exactly one tone of the right name comes out, with the right number of cycles.
False tones are counted in the recordings of `corpora`, as they are and in variants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing import Ear, Leg, ToneHeard
from handschlag.hearing.direction import leg_of
from handschlag_bench.hearing import corpora
from handschlag_bench.hearing.signals import hear, noise, on_line, silence, tones, tones_of, voice
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from handschlag_bench.hearing.signals import Wave

RATE: Final = 8_000
LEVELS_DBM0: Final = (-43.0, -3.0)
SNR_DB: Final = 10.0
BUSY_CYCLES: Final = 4


@dataclass(frozen=True)
class Kind:
    """A tone as the network or a machine sends it.

    Attributes:
        pulses: of one round: frequencies and seconds; no frequency is a pause.
        rounds: so many are sent.
        cycles: that must be counted.
        off_hz: tolerance of the frequencies.
        stretch: tolerance of pulses and of pauses, as a part.
    """

    name: str
    pulses: tuple[tuple[tuple[float, ...], float], ...]
    rounds: int
    cycles: int
    off_hz: float = 25.0
    stretch: float = 0.1


def _busy(name: str, on_s: float, off_s: float) -> Kind:
    return Kind(name, (((425.0,), on_s), ((), off_s)), 5, 4)


KINDS: Final[dict[str, Kind]] = {
    "busy 0.48/0.48": _busy("busy", 0.48, 0.48),
    "busy 0.5/0.5": _busy("busy", 0.5, 0.5),
    "busy 0.15/0.475": _busy("busy", 0.15, 0.475),
    "congestion 0.24/0.24": _busy("congestion", 0.24, 0.24),
    "congestion 0.2/0.2": _busy("congestion", 0.2, 0.2),
    "ringback 1/4": Kind("ringback", (((425.0,), 1.0), ((), 4.0)), 2, 2),
    "ringback 1/5": Kind("ringback", (((425.0,), 1.0), ((), 5.0)), 2, 2),
    "ringback 1/9": Kind("ringback", (((425.0,), 1.0), ((), 9.0)), 2, 2),
    "ringback 0.25/4/1/4": Kind("ringback", (((425.0,), 0.25), ((), 4.0), ((425.0,), 1.0), ((), 4.0)), 1, 2),
    "waiting": Kind("waiting", (((425.0,), 0.2), ((), 0.2), ((425.0,), 0.2), ((), 5.0)), 2, 2),
    "dial": Kind("dial", (((425.0,), 2.5), ((), 1.0)), 1, 1),
    "special dial": Kind("dial", (((400.0, 425.0), 2.5), ((), 1.0)), 1, 1, off_hz=4.0),
    "sit": Kind(
        "sit", (((950.0,), 0.33), ((1400.0,), 0.33), ((1800.0,), 0.33), ((), 1.0)), 2, 2, off_hz=50.0, stretch=0.15
    ),
    "fax CNG": Kind("fax", (((1100.0,), 0.5), ((), 3.0)), 2, 2, off_hz=38.0, stretch=0.15),
    "fax CED": Kind("fax", (((2100.0,), 2.6), ((), 1.0)), 1, 1, off_hz=15.0, stretch=0.0),
}


def ansam(seconds: float, level_dbm0: float, *, off_hz: float = 0.0, modulated: bool = True) -> Wave:
    """V.8's answer tone: 2100 Hz, reversed each 450 ms, and with 20 % of 15 Hz on it; without that, V.25's."""
    n = np.arange(round(seconds * RATE))
    envelope = (1.0 + 0.2 * np.sin(2 * np.pi * 15.0 * n / RATE)) if modulated else np.ones(n.size)
    reversals = 1.0 - 2.0 * (np.floor(n / (0.45 * RATE)) % 2)
    wave: Wave = envelope * reversals * tones([2100.0 + off_hz], seconds * 1000, level_dbm0)
    return wave


def drawn(kind: Kind, random: np.random.Generator, snr_db: float | None = SNR_DB) -> Wave:
    """One sending of this kind, within its tolerances, in noise unless `snr_db` is None."""
    level = random.uniform(*LEVELS_DBM0)
    off = random.uniform(-kind.off_hz, kind.off_hz)
    pulse, pause = (1.0 + random.uniform(-kind.stretch, kind.stretch) for _ in range(2))
    parts = [silence(random.uniform(300, 700))]
    for frequencies, seconds in kind.pulses * kind.rounds:
        ms = 1000.0 * seconds * (pulse if frequencies else pause)
        parts.append(tones([each + off for each in frequencies], ms, level) if frequencies else silence(ms))
    wave = np.concatenate([*parts, silence(300)])
    return wave if snr_db is None else wave + noise(wave.size, level - snr_db, int(random.integers(2**31)))


def answer(random: np.random.Generator, snr_db: float | None = SNR_DB) -> Wave:
    """V.25's or V.8's answer tone in its tolerances."""
    level = random.uniform(*LEVELS_DBM0)
    tone = ansam(random.uniform(2.6, 4.0), level, off_hz=random.uniform(-15, 15), modulated=random.random() < 0.5)
    wave = np.concatenate([silence(random.uniform(300, 700)), tone, silence(1000)])
    return wave if snr_db is None else wave + noise(wave.size, level - snr_db, int(random.integers(2**31)))


def told(wave: Wave) -> list[tuple[str, int]]:
    """Names and cycles of the tones that are heard in it."""
    return [(tone.name, tone.cycles) for tone in tones_of(hear(wave, hops=20))]


def missed(name: str, count: int, *, seed: int = 1, snr_db: float | None = SNR_DB) -> int:
    """Of so many drawn cases of this kind, those that are not heard as what they are."""
    random = np.random.default_rng([seed, len(name), count])
    if name == "fax ANSam":
        return sum(told(answer(random, snr_db)) != [("fax", 1)] for _ in range(count))
    kind = KINDS[name]
    return sum(told(drawn(kind, random, snr_db)) != [(kind.name, kind.cycles)] for _ in range(count))


def busy_decided_s(kind: str, off_hz: float = 0.0) -> float:
    """How long after the end of the fourth cycle that cycle is reported, on a line, in blocks of 20 ms."""
    (_, on_s), (_, off_s) = KINDS[kind].pulses
    cycle = [tones([425.0 + off_hz], on_s * 1000, -15, 48_000), silence(off_s * 1000, 48_000)]
    frames = on_line(np.concatenate([silence(300, 48_000), *(cycle * 6)]), None)
    due_s = 0.3 + BUSY_CYCLES * (on_s + off_s)
    for fed, events in _fed(frames):
        if any(isinstance(event, ToneHeard) and event.cycles >= BUSY_CYCLES for event in events):
            return fed / 48_000 - due_s
    return float("inf")


def _fed(frames: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Iterator[tuple[int, tuple[object, ...]]]:
    ear = Ear(48_000, "vi")
    for first in range(0, frames.shape[0], 960):
        yield first + 960, ear.feed(frames[first : first + 960]).events


def busy_under_speech(count: int, near_dbm0: float, *, seed: int = 1) -> float:
    """Of so many busy tones (-15 dBm0, 15 s) under a near party who goes on talking, the part that is decided."""
    decided = 0
    for number in range(count):
        far = np.concatenate([silence(300, 48_000), *[tones([425.0], 480, -15, 48_000), silence(480, 48_000)] * 15])
        near = voice(far.size / 48_000, near_dbm0, seed=seed * 1000 + number, rate=48_000)[: far.size]
        events = hear(on_line(far, near), "vi", 48_000)
        decided += any(
            isinstance(each, ToneHeard)
            and each.name == "busy"
            and each.cycles >= BUSY_CYCLES
            and leg_of(each.cos) is Leg.FAR
            for each in events
        )
    return decided / count


def false_tones(reels: Sequence[corpora.Reel], variants: int, *, first: int = 0) -> tuple[list[str], float]:
    """What is taken for tones in these reels, each in so many variants, and the hours that were heard."""
    found: list[str] = []
    seconds = 0.0
    babble = [reel.load()[0] for reel in reels[:3]]
    for reel in reels:
        samples, _ = reel.load()
        for number in range(first, first + variants):
            how = corpora.variant(reel, number)
            wave = corpora.vary(samples, how, babble)
            seconds += wave.size / RATE
            found += [
                f"{tone.name} ({tone.cycles}) at {tone.start / RATE:.2f} s of {reel.pieces[0].name}, {how}"
                for tone in tones_of(hear(wave, hops=50))
            ]
    return found, seconds / 3600.0


def rows(*, full: bool) -> Iterator[Row]:
    """Detection per tone, decision time of busy, false tones per hour."""
    count = 200 if full else 5
    for name in [*KINDS, "fax ANSam"]:
        share = 100.0 * (1.0 - missed(name, count) / count)
        yield _row(f"{name}, 10 dB S/N", share, "% heard", ">= 99")
        share = 100.0 * (1.0 - missed(name, count, snr_db=None) / count)
        yield _row(f"{name}, no noise", share, "% heard", ">= 99")
    for name in ("busy 0.48/0.48", "busy 0.5/0.5", "busy 0.15/0.475", "congestion 0.24/0.24", "congestion 0.2/0.2"):
        yield _row(f"{name}, after 4 cycles", 1000.0 * busy_decided_s(name), "ms", "<= 200")
    for near_dbm0 in (-30.0, -25.0, -20.0):
        heard = 100.0 * busy_under_speech(10 if full else 2, near_dbm0)
        yield _row(f"busy under near speech, {near_dbm0:.0f} dBm0", heard, "% decided", "")
    reels = corpora.reels(corpora.recordings())
    for kind in ("speech", "music", "synthetic"):
        of_kind = [reel for reel in reels if reel.kind == kind]
        chosen = of_kind if full else of_kind[:: max(len(of_kind) // 3, 1)]
        if chosen:
            found, hours = false_tones(chosen, 5 if full else 1)
            yield _row(f"false tones, {hours:.1f} h of {kind}", float(len(found)), "tones", "== 0")


def _row(row: str, value: float, unit: str, goal: str) -> Row:
    return Row(bench="tones", row=row, value=value, unit=unit, goal=goal, beside={})
