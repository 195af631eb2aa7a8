"""How well keys are heard: the receiver test that Mitel's tape made customary, scored on our ear.

Every test sends pulses, each in a slot of its own, and asks of each slot: was exactly this key heard, and no other?
The figures are those of facts/line.md ("Keys"). Frequencies go in steps of 0.1 %, twist in steps of 0.1 dB, levels
in steps of 1 dB, lengths in steps of 0.1 ms; phases and the place on the detector's grid are drawn from a seed.

Twist is column tone over row tone, as Q.24 counts it (+4/-8 dB): *normal* twist is negative, the column tone being
the weaker one, as cable makes it; *reverse* twist is positive. S/N is the power of both tones over that of the
noise in 0-4 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing import Ear, KeyHeard
from handschlag.hearing.keys import LAYOUT
from handschlag.hearing.pair import COLUMNS_HZ, ROWS_HZ
from handschlag.sim.line import dbm0
from handschlag_bench.hearing.signals import hear, keys_of, noise, on_line
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

KEYS: Final = "".join(LAYOUT)
DIAGONAL: Final = "159D"
US_DIAL_HZ: Final = (350.0, 440.0)
GERMAN_DIAL_HZ: Final = (425.0,)

_LEAD: Final = 2000
_CHUNK: Final = 400  # pulses heard by one ear


@dataclass(frozen=True, slots=True)
class Pulse:
    """One key as sent: `level_dbm0` per tone before the twist weakens one, `off` the relative frequency errors."""

    key: str
    on_ms: float = 50.0
    off_ms: float = 50.0
    level_dbm0: float = -10.0
    twist_db: float = 0.0
    off: tuple[float, float] = (0.0, 0.0)


def _wave(pulse: Pulse, random: np.random.Generator, rate: int = 8000) -> Wave:
    row = next(i for i, line in enumerate(LAYOUT) if pulse.key in line)
    frequencies = ROWS_HZ[row] * (1.0 + pulse.off[0]), COLUMNS_HZ[LAYOUT[row].index(pulse.key)] * (1.0 + pulse.off[1])
    levels = pulse.level_dbm0 - max(pulse.twist_db, 0.0), pulse.level_dbm0 + min(pulse.twist_db, 0.0)
    n = np.arange(round(pulse.on_ms * rate / 1000.0))
    wave = np.zeros(n.size)
    for frequency, level in zip(frequencies, levels, strict=True):
        wave += dbm0(level) * np.sin(2.0 * np.pi * frequency / rate * n + random.uniform(0.0, 2.0 * np.pi))
    return wave


def send(pulses: Sequence[Pulse], *, beside: Callable[[int, int], Wave] | None = None, seed: int = 1) -> list[str]:
    """What was heard in each pulse's slot; `beside(samples, chunk)` is added to the line."""
    heard: list[str] = []
    random = np.random.default_rng(seed)
    for first in range(0, len(pulses), _CHUNK):
        parts: list[Wave] = [np.zeros(_LEAD)]
        slots: list[int] = []
        at = _LEAD
        for pulse in pulses[first : first + _CHUNK]:
            slots.append(at - round(pulse.off_ms * 4))
            parts += [_wave(pulse, random), np.zeros(round(pulse.off_ms * 8) + int(random.integers(40)))]
            at += parts[-2].size + parts[-1].size
        wave = np.concatenate([*parts, np.zeros(_LEAD)])
        if beside is not None:
            wave = wave + beside(wave.size, first // _CHUNK)
        row = [""] * len(slots)
        for event in keys_of(hear(np.clip(wave, -1.0, 1.0), hops=100)):
            slot = int(np.searchsorted(slots, event.start, side="right")) - 1
            row[max(slot, 0)] += event.key
        heard += row
    return heard


def right(pulses: Sequence[Pulse], *, beside: Callable[[int, int], Wave] | None = None, seed: int = 1) -> int:
    """Number of slots in which the key that was sent was heard, once, and nothing else."""
    heard = send(pulses, beside=beside, seed=seed)
    return sum(pulse.key == was for pulse, was in zip(pulses, heard, strict=True))


def decode(on_ms: float = 50.0, off_ms: float = 50.0, *, times: int = 10) -> int:
    """Keys read right, of 16 x `times`."""
    return right([Pulse(key, on_ms, off_ms) for key in KEYS for _ in range(times)])


def errors(offsets: Iterable[float], *, keys: str = KEYS) -> list[tuple[str, tuple[float, float]]]:
    """Each offset on the row tone, on the column tone, on both, and on both in opposite directions."""
    return [(key, each) for e in offsets for key in keys for each in ((e, 0.0), (0.0, e), (e, e), (e, -e))]


def bandwidth(lengths_ms: Sequence[float], *, step: int = 1, keys: str = KEYS, seed: int = 1) -> tuple[int, int, int]:
    """Pulses missed within ±1.8 %, pulses heard from ±3.5 % to ±6 %, pulses sent; every `step` x 0.1 %."""
    inner = [i / 1000.0 for i in range(-18, 19, step)] + [0.018]
    outer = [sign * i / 1000.0 for i in (*range(35, 61, step), 60) for sign in (-1, 1)]
    missed = false = 0
    sent = 0
    for ms in lengths_ms:
        near = [Pulse(key, ms, 60.0, -17.0, off=off) for key, off in errors(inner, keys=keys)]
        far = [Pulse(key, ms, 60.0, -17.0, off=off) for key, off in errors(outer, keys=keys)]
        missed += len(near) - right(near, seed=seed)
        false += sum(map(len, send(far, seed=seed)))
        sent += len(near) + len(far)
    return missed, false, sent


def edges(*, keys: str = DIAGONAL) -> tuple[float, float]:
    """The narrowest and the widest recognition bandwidth of a tone, in %, as Mitel counts it: steps of 0.1 % heard."""
    widths: list[float] = []
    for key in keys:
        for tone in (0, 1):
            offsets = [i / 1000.0 for i in range(-60, 61) if i]
            pulses = [Pulse(key, off=(o, 0.0) if tone == 0 else (0.0, o), level_dbm0=-17.0) for o in offsets]
            widths.append(right(pulses) / 10.0)
    return min(widths), max(widths)


def twist(*, keys: str = KEYS, step: int = 1, ms: float = 50.0) -> dict[str, tuple[float, float]]:
    """For `normal` and `reverse`: up to which dB every key is heard, and up to which dB any is."""
    found: dict[str, tuple[float, float]] = {}
    for name, sign in (("normal", -1.0), ("reverse", 1.0)):
        steps = [i / 10.0 for i in range(0, 161, step)]
        pulses = [Pulse(key, ms, level_dbm0=-3.0, twist_db=sign * s) for s in steps for key in keys]
        heard = send(pulses)
        rows = [heard[i * len(keys) : (i + 1) * len(keys)] for i in range(len(steps))]
        failed = [s for s, row in zip(steps, rows, strict=True) if row != list(keys)]
        any_heard = [s for s, row in zip(steps, rows, strict=True) if any(row)]
        found[name] = ((min(failed) - step / 10.0) if failed else steps[-1], max(any_heard, default=0.0))
    return found


def dynamic_range(*, keys: str = KEYS) -> tuple[int, int]:
    """Decibels below 0 dBm0 per tone down to which every key is heard at every step, and at which any still is."""
    least = most = 0
    whole = True
    for db in range(66):
        heard = send([Pulse(key, level_dbm0=-float(db)) for key in keys])
        whole = whole and heard == list(keys)
        least = db if whole else least
        most = db if any(heard) else most
    return least, most


def guard_time(*, keys: str = "1", step: int = 1, seed: int = 1) -> tuple[float, float]:
    """The shortest length in ms of which any pulse was heard, and the shortest from which all were."""
    lengths = [i / 10.0 for i in range(490, 99, -step)]
    pulses = [Pulse(key, ms, 60.0, -3.0) for ms in lengths for key in keys]
    heard = send(pulses, seed=seed)
    any_from = min((p.on_ms for p, was in zip(pulses, heard, strict=True) if was), default=49.0)
    all_from = max((p.on_ms for p, was in zip(pulses, heard, strict=True) if was != p.key), default=9.9) + step / 10.0
    return any_from, all_from


def in_noise(snr_db: float, *, pulses: int = 1000, keys: str = KEYS, seed: int = 1) -> tuple[int, int]:
    """Pulses of 50/50 ms read right, and wrong keys heard beside them."""
    sent = [Pulse(keys[i % len(keys)]) for i in range(pulses)]
    power_dbm0 = -10.0 + 10.0 * np.log10(2.0) - snr_db

    def white(samples: int, chunk: int) -> Wave:
        return noise(samples, power_dbm0, seed=1000 * seed + chunk)

    heard = send(sent, beside=white, seed=seed)
    good = sum(p.key == was for p, was in zip(sent, heard, strict=True))
    wrong = sum(len(was) - (p.key in was) for p, was in zip(sent, heard, strict=True))
    return good, wrong


def with_hum(level_dbm0: float, *, times: int = 10, hum_dbm0: float = -20.0, dc: float = 0.05) -> int:
    """Keys read right, of 16 x `times`, under 50 Hz hum and direct current."""

    def hum(samples: int, chunk: int) -> Wave:
        wave: Wave = dbm0(hum_dbm0) * np.sin(2.0 * np.pi * 50.0 / 8000.0 * np.arange(samples) + chunk) + dc
        return wave

    return right([Pulse(key, level_dbm0=level_dbm0) for key in KEYS for _ in range(times)], beside=hum)


def beside_dial_tone(
    ratio_db: float, dial_hz: Sequence[float] = US_DIAL_HZ, *, times: int = 10, level_dbm0: float = -15.0
) -> int:
    """Keys read right, of 16 x `times`; `ratio_db`: one key tone over one dial tone."""

    def tone(samples: int, chunk: int) -> Wave:
        n = np.arange(samples)
        level = dbm0(level_dbm0 - ratio_db)
        wave: Wave = level * np.sum([np.sin(2.0 * np.pi * f / 8000.0 * n + chunk) for f in dial_hz], axis=0)
        return wave

    return right([Pulse(key, level_dbm0=level_dbm0) for _ in range(times) for key in KEYS], beside=tone)


def dial_tone_ratio(dial_hz: Sequence[float] = US_DIAL_HZ, *, times: int = 10, least: int = -20) -> int:
    """The lowest ratio in dB of one key tone to one dial tone at which all of 16 x `times` keys are read."""
    good = 30
    for ratio in range(10, least - 1, -1):
        if beside_dial_tone(float(ratio), dial_hz, times=times) < 16 * times:
            break
        good = ratio
    return good


def latency_ms(
    *, keys: str = KEYS, offsets_ms: Sequence[float] = tuple(range(20)), on_ms: float = 300.0, snr_db: float = 60.0
) -> float:
    """The longest time from a far key's first sample to the end of the block that brought its first report.

    As on a live line: voltage and current at 48 kHz, in blocks of 20 ms.
    """
    worst = 0.0
    for key in keys:
        for offset in offsets_ms:
            begin = round((100.0 + offset) * 48)
            pulse = _wave(Pulse(key, on_ms), np.random.default_rng(round(offset * 10)), rate=48_000)
            far = np.concatenate([np.zeros(begin), pulse, np.zeros(9600)])
            far = far + noise(far.size, -7.0 - snr_db + 10.0 * np.log10(6.0), seed=round(10 * offset))
            worst = max(worst, _first_report(on_line(far, None)) - begin / 48.0)
    return worst


def _first_report(frames: NDArray[np.float32]) -> float:
    """When the first key was reported, in ms."""
    ear = Ear()
    for first in range(0, frames.shape[0], 960):
        if any(isinstance(event, KeyHeard) for event in ear.feed(frames[first : first + 960]).events):
            return (first + 960) / 48.0
    return float("inf")


def rows(*, full: bool) -> Iterator[Row]:
    """Every figure of the receiver test; slices of it where not `full`."""

    def row(name: str, value: float, unit: str, goal: str, **beside: float) -> Row:
        return Row(bench="keys", row=name, value=value, unit=unit, goal=goal, beside=beside)

    times, step = (10, 1) if full else (2, 6)
    for on in (50.0, 40.0):
        sent = 16 * times
        yield row(f"read at {on:.0f}/{on:.0f} ms, of {sent}", decode(on, on, times=times), "keys", f"= {sent}")
    missed, false, sent = bandwidth((40.0, 50.0, 60.0, 100.0, 300.0) if full else (40.0, 200.0), step=step)
    yield row("missed within 1.8 %", missed, f"of {sent}", "= 0")
    yield row("heard from 3.5 % on", false, f"of {sent}", "= 0")
    narrow, wide = edges(keys=DIAGONAL if full else "1")
    yield row("narrowest bandwidth", narrow, "%", ">= 3.6", spandsp=3.3, multimon_ng=3.5)
    yield row("widest bandwidth", wide, "%", "<= 7.0", spandsp=6.5, multimon_ng=8.0)
    ratios = twist(step=1 if full else 10, keys=KEYS if full else DIAGONAL)
    for name, least, most, theirs in (("normal", 8.0, 12.0, 7.7), ("reverse", 4.0, 8.0, 4.0)):
        yield row(f"{name} twist, all heard", ratios[name][0], "dB", f">= {least:g}", spandsp=theirs)
        yield row(f"{name} twist, any heard", ratios[name][1], "dB", f"<= {most:g}")
    least, most = dynamic_range(keys=KEYS if full else "1")
    yield row("dynamic range below 0 dBm0", least, "dB", ">= 50", spandsp=45.0, multimon_ng=54.0)
    yield row("quietest key heard", -most, "dBm0", "> -55")
    first, whole = guard_time(keys=KEYS if full else "1", step=1 if full else 5)
    yield row("shortest key heard", first, "ms", ">= 24", spandsp=28.7, multimon_ng=16.9)
    yield row("all heard from", whole, "ms", "<= 40")
    pulses = 1000 if full else 100
    for snr, least in ((8.0, pulses), (4.0, pulses * 99 // 100)):
        good, wrong = in_noise(snr, pulses=pulses)
        yield row(f"S/N {snr:g} dB, of {pulses}", good, "keys", f">= {least}", wrong=wrong)
    for level in (-20.0, -30.0):
        sent = 16 * times
        yield row(f"hum and DC, {level:g} dBm0, of {sent}", with_hum(level, times=times), "keys", f"= {sent}")
    times = 10 if full else 1
    yield row("key over dial tone 350+440", dial_tone_ratio(times=times), "dB", "<= 0", spandsp_goal=10.0)
    yield row("key over dial tone 425", dial_tone_ratio(GERMAN_DIAL_HZ, times=times), "dB", "<= 0")
    yield row("decided after, at most", latency_ms(keys=KEYS if full else "1"), "ms", "<= 80")
