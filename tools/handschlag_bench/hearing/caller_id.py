"""Caller id: how often a number is read at which S/N, and how often a wrong one is.

S/N is the power of the signal over that of white noise in 0-4 kHz. A trial of `wrong` draws everything that an
exchange and a line may do: levels, twist, errors of the rate and of both frequencies, stuffed bits, and, in two of
three trials, clicks, dropouts, bursts of noise or a second sender. A wrong number was reported and not sent.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from handschlag.hearing.caller_id import CallerIdDetector
from handschlag.hearing.fir import HIGH_PASS_DELAY, BlockFir, high_pass
from handschlag.hearing.history import History
from handschlag.sim.caller_id import Sender, call, single
from handschlag.sim.line import dbm0
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from handschlag.hearing import CallerIdHeard

    Wave = NDArray[np.float32]
    Random = np.random.Generator

RATE: Final = 8000
NAMES: Final = ("", "", "Schreinerei Meier", "Meier Josef", "DACHDECKER HUBER U. SOHN", "Müller")
SNR_DB: Final = (4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0)
_CHUNK: Final = 2500


class Receiver:
    """The part of the ear that reads caller id: high-pass, history, detector."""

    def __init__(self, hops: int = 100) -> None:
        self._block = hops * 80
        self._history = History(1, self._block)
        self._high_pass = BlockFir(high_pass(), 1, self._block)
        self._detector = CallerIdDetector(self._history)

    def hear(self, wave: Wave) -> list[CallerIdHeard]:
        """What is heard in one signal at 8 kHz, from a fresh start, with half a second of silence behind it."""
        self._history.wipe()
        self._high_pass.wipe()
        self._detector.forget()
        padding = -(wave.size + RATE // 2) % self._block + RATE // 2
        padded = np.concatenate([wave, np.zeros(padding, np.float32)])
        events: list[CallerIdHeard] = []
        for first in range(0, padded.size, self._block):
            self._history.push(self._high_pass.feed(padded[None, first : first + self._block]), first - HIGH_PASS_DELAY)
            events += self._detector.feed()
        return events


@dataclass(frozen=True, slots=True)
class Tally:
    """How many trials went which way."""

    trials: int = 0
    right: int = 0
    wrong: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.trials + other.trials, self.right + other.right, self.wrong + other.wrong)


def _message(random: Random) -> tuple[str, bytes]:
    number = "".join(map(str, random.integers(0, 10, random.integers(4, 15))))
    date = f"{random.integers(1, 13):02}{random.integers(1, 29):02}"
    when = f"{date}{random.integers(0, 24):02}{random.integers(0, 60):02}"
    if random.random() < 0.15:
        return number, single(number, when)
    return number, call(number, str(random.choice(NAMES)), when)


def _with_noise(random: Random, wave: Wave, level_dbm0: float) -> Wave:
    noise = random.standard_normal(wave.size, np.float32)
    noise *= np.float32(dbm0(level_dbm0) / np.sqrt(2.0))
    noise += wave
    return noise


def decoded(snr_db: float, count: int, *, seed: int = 1) -> Tally:
    """Messages as an exchange sends them at -14 dBm0, in white noise."""
    random = np.random.default_rng([seed, round(10 * snr_db)])
    receiver = Receiver()
    tally = Tally()
    for _ in range(count):
        number, message = _message(random)
        signal = Sender(phase=random.uniform(0.0, 6.28)).send(message, RATE)
        quiet = np.zeros(random.integers(700, 900), np.float32)
        wave = _with_noise(random, np.concatenate([quiet, signal, quiet]), -14.0 - snr_db)
        tally += _judge(receiver.hear(wave), number)
    return tally


def wrong(count: int, *, seed: int = 1, snr_db: tuple[float, float] = (0.0, 15.0)) -> Tally:
    """Messages of bad exchanges on bad lines."""
    random = np.random.default_rng([seed, 77])
    receiver = Receiver()
    tally = Tally()
    for _ in range(count):
        number, message = _message(random)
        level = random.uniform(-40.0, -14.0)
        sender = Sender(
            level_dbm0=level,
            seizure_bits=int(random.choice([0, 40, 300], p=[0.3, 0.6, 0.1])),
            mark_bits=int(random.integers(70, 190)),
            stuffed=int(random.choice([0, 1, 2, 8], p=[0.85, 0.05, 0.05, 0.05])),
            twist_db=random.uniform(-6.0, 6.0),
            baud_error=random.uniform(-0.01, 0.01),
            mark_error=random.uniform(-0.01, 0.01),
            space_error=random.uniform(-0.01, 0.01),
            phase=random.uniform(0.0, 6.28),
        )
        signal = sender.send(message, RATE)
        quiet = np.zeros(random.integers(300, 500), np.float32)
        wave = _disturbed(random, np.concatenate([quiet, signal, quiet]), dbm0(level))
        tally += _judge(receiver.hear(_with_noise(random, wave, level - random.uniform(*snr_db))), number)
    return tally


def _judge(events: list[CallerIdHeard], number: str) -> Tally:
    numbers = [event.number for event in events]
    return Tally(1, int(number in numbers), int(any(each != number for each in numbers)))


def _disturbed(random: Random, wave: Wave, amplitude: float) -> Wave:
    """Clicks, dropouts, bursts, or a second sender, in two of three cases."""
    kind = random.integers(0, 6)
    if kind == 0:
        count = random.integers(1, 30)
        at = random.integers(0, wave.size, count)
        wave[at] += amplitude * random.choice([-1.0, 1.0], count) * 10.0 ** random.uniform(-0.5, 1.5, count)
    elif kind == 1:
        for _ in range(random.integers(1, 4)):
            wave[_span(random, wave.size, 800)] *= random.choice([0.0, 0.1, 0.3])
    elif kind == 2:
        for _ in range(random.integers(1, 4)):
            span = _span(random, wave.size, 800)
            size = wave[span].size
            wave[span] += amplitude * 10.0 ** random.uniform(-0.4, 0.5) * random.standard_normal(size)
    elif kind == 3:
        _, other = _message(random)
        signal = Sender(phase=random.uniform(0.0, 6.28), seizure_bits=0, mark_bits=0).send(other, RATE)
        span = _span(random, wave.size, 2000)
        size = min(wave[span].size, signal.size)
        scale = amplitude / dbm0(-14.0) * 10.0 ** random.uniform(-1.0, 0.2)
        wave[span.start : span.start + size] += scale * signal[:size]
    return wave


def _span(random: Random, size: int, longest: int) -> slice:
    first = int(random.integers(0, size - 1))
    return slice(first, min(first + int(random.integers(8, longest)), size))


def _chunk(seed: int) -> Tally:
    return wrong(_CHUNK, seed=seed)


def rows(*, full: bool) -> Iterator[Row]:
    """Share decoded per S/N, then wrong numbers."""
    for snr_db in SNR_DB:
        tally = decoded(snr_db, 1000 if full else 50)
        goal = ">= 99" if snr_db >= 8.0 else ""
        share = 100.0 * tally.right / tally.trials
        yield Row(
            bench="hearing", row=f"caller id read at {snr_db:g} dB S/N", value=share, unit="%", goal=goal, beside={}
        )
    tally = Tally()
    if full:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for part in pool.map(_chunk, range(100_000 // _CHUNK)):
                tally += part
    else:
        tally = wrong(400)
    name = f"caller id, wrong numbers in {tally.trials} bad calls ({100 * tally.right / tally.trials:.0f} % read)"
    yield Row(bench="hearing", row=name, value=tally.wrong, unit="wrong", goal="0", beside={})
