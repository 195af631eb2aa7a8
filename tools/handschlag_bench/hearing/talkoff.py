"""Talk-off: keys heard where nobody pressed one.

Every key is counted, and apart from that every *consent*: a key 1 that lasts 60 ms, after the box's rule. The material
is one channel, so that no key's leg is proven and none would count in a call; here it counts anyway. The same reels
go through spandsp and multimon-ng.

Goals: no consent at all; not more false keys an hour than the 6 in 46 hours that NTT found (ITU-T Q.24).

    tools/bench hearing --talkoff [--hours 10] [--keep FOLDER]

prints each hit (file, second, variant) and the rows; `--keep` leaves half a second around each hit as WAV, as the ear
heard it.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile

from handschlag.hearing import Ear, KeyHeard
from handschlag_bench.hearing import corpora, oracles
from handschlag_bench.hearing.corpora import Reel, Variant
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

CONSENT_MS: Final = 60.0
FALSE_KEYS_PER_HOUR: Final = 6.0 / 46.0
SYNTHETIC_HOURS: Final = 2.0

_AROUND_S: Final = 0.5
_BLOCK: Final = 8_000


@dataclass(frozen=True)
class Hit:
    """One false key: where it is in the recording, and in what variant."""

    key: str
    duration_ms: float
    level_dbm0: float
    twist_db: float
    source: str
    file: str
    file_s: float
    reel_s: float
    variant: Variant

    @property
    def consent(self) -> bool:
        """Would this be a yes, were it proven to be the caller's?"""
        return self.key == "1" and self.duration_ms >= CONSENT_MS

    def __str__(self) -> str:
        """For the eye."""
        what = "CONSENT" if self.consent else "key"
        tone = f"{self.duration_ms:.0f} ms, {self.level_dbm0:.1f} dBm0, twist {self.twist_db:.1f} dB"
        return f"{what} {self.key} ({tone}) in {self.file} at {self.file_s:.3f} s ({self.variant})"


@dataclass(frozen=True)
class Count:
    """What came of one reel in one variant."""

    source: str
    seconds: float
    hits: tuple[Hit, ...]
    spandsp: int | None
    multimon: int | None


def false_keys(
    reel: Reel,
    how: Variant,
    babble: Sequence[NDArray[np.float32]] = (),
    *,
    keep: Path | None = None,
    with_oracles: bool = False,
) -> Count:
    """Hear one reel in one variant."""
    samples, starts = reel.load()
    samples = corpora.vary(samples, how, babble)
    hits = tuple(_hit(reel, how, starts, key) for key in _keys(samples))
    if keep is not None:
        for hit in hits:
            first = max(round((hit.reel_s - _AROUND_S) * corpora.RATE), 0)
            part = samples[first : first + round(2 * _AROUND_S * corpora.RATE)]
            name = f"{hit.key}-{hit.duration_ms:.0f}ms-{Path(hit.file).stem}-{hit.file_s:.2f}s-{how.seed}.wav"
            soundfile.write(keep / name, oracles.to_pcm(part), corpora.RATE)
    spandsp = oracles.decode_spandsp(samples) if with_oracles else None
    multimon = oracles.decode_multimon(samples) if with_oracles else None
    return Count(
        reel.source,
        samples.size / corpora.RATE,
        hits,
        None if spandsp is None else len(spandsp),
        None if multimon is None else len(multimon),
    )


def _keys(samples: NDArray[np.float32]) -> list[KeyHeard]:
    ear = Ear(corpora.RATE, "mix", hops=100)
    events = [
        event
        for first in range(0, samples.size, _BLOCK)
        for event in ear.feed(samples[first : first + _BLOCK, None]).events
    ]
    return [event for event in [*events, *ear.flush().events] if isinstance(event, KeyHeard) and event.final]


def _hit(reel: Reel, how: Variant, starts: Sequence[float], key: KeyHeard) -> Hit:
    reel_s = key.start / corpora.RATE
    at = reel_s * how.speed
    index = max((i for i, start in enumerate(starts) if start <= at), default=0)
    piece = reel.pieces[index]
    return Hit(
        key.key,
        key.duration_ms,
        key.level_dbm0,
        key.twist_db,
        reel.source,
        piece.name,
        at - starts[index] + piece.first_s,
        reel_s,
        how,
    )


def _babble(reels: Sequence[Reel]) -> list[NDArray[np.float32]]:
    """A few voices of several sources, for the background."""
    speech = [reel for reel in reels if reel.kind != "music"]
    return [reel.load()[0] for reel in islice(speech, 0, None, max(len(speech) // 6, 1))]


_voices: list[NDArray[np.float32]] = []  # a worker's own, filled when it begins


def _begin(reels: Sequence[Reel]) -> None:
    _voices[:] = _babble(reels)


def _work(job: tuple[Reel, int], *, keep: Path | None, with_oracles: bool) -> Count:
    reel, number = job
    return false_keys(reel, corpora.variant(reel, number), _voices, keep=keep, with_oracles=with_oracles)


def counts(
    reels: Sequence[Reel], hours: float, *, workers: int = 1, keep: Path | None = None, with_oracles: bool = True
) -> Iterator[Count]:
    """Hear all reels, in as many variants as fill the hours; the first time as they are."""
    jobs = list(_jobs(reels, hours))
    work = partial(_work, keep=keep, with_oracles=with_oracles)
    if workers == 1:
        _begin(reels)
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(reels,)) as pool:
        yield from pool.map(work, jobs, chunksize=4)


def _jobs(reels: Sequence[Reel], hours: float) -> Iterator[tuple[Reel, int]]:
    seconds = 0.0
    for number in count():
        for reel in reels:
            if seconds >= hours * 3600.0:
                return
            seconds += reel.length_s / corpora.variant(reel, number).speed
            yield reel, number


def summed(heard: Iterable[Count], unique_hours: float, *, whole: bool = True) -> list[Row]:
    """The counts as rows: all together, and by source; only a `whole` search has goals for its length."""
    total = list(heard)
    hours = sum(each.seconds for each in total) / 3600.0
    hits = [hit for each in total for hit in each.hits]
    rows = [
        _row("unique recordings", unique_hours, "h", ">= 1" if whole else ""),
        _row("heard, all variants", hours, "h", ">= 10" if whole else ""),
        _row("consents (key 1, 60 ms)", sum(hit.consent for hit in hits), "", "== 0"),
        _row(
            "false keys",
            len(hits),
            f"in {hours:.1f} h",
            f"<= {FALSE_KEYS_PER_HOUR * hours:.1f}",
            oracles.beside(
                {
                    "spandsp": _sum([each.spandsp for each in total]),
                    "multimon-ng": _sum([each.multimon for each in total]),
                }
            ),
        ),
    ]
    seconds: Counter[str] = Counter()
    by_source: Counter[str] = Counter()
    for each in total:
        seconds[each.source] += round(each.seconds)
        by_source[each.source] += len(each.hits)
    rows += [_row(f"  {name}", by_source[name], f"in {seconds[name] / 3600.0:.1f} h", "") for name in seconds]
    return rows


def _sum(figures: Sequence[int | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return float(sum(known)) if known else None


def _row(name: str, value: float, unit: str, goal: str, others: dict[str, float] | None = None) -> Row:
    return Row(bench="talk-off", row=name, value=value, unit=unit, goal=goal, beside=others or {})


def rows(*, full: bool) -> Iterator[Row]:
    """A slice of a quarter of an hour of what is there; `full`: ten hours."""
    pieces = corpora.recordings()
    reels = corpora.reels(pieces)
    if not full:
        reels = reels[:: max(len(reels) // 8, 1)]
    unique = sum(reel.length_s for reel in reels) / 3600.0
    yield from summed(
        counts(reels, 10.0 if full else 0.25, workers=(os.cpu_count() or 1) if full else 1), unique, whole=full
    )


def search(hours: float, keep: Path | None, workers: int = 2) -> Iterator[Hit | Row]:
    """The long search: everything installed and two hours of spoken German; each hit when found, then the rows."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as folder:
        recorded = corpora.recordings()
        spoken = corpora.speak_german(Path(folder), SYNTHETIC_HOURS)
        reels = corpora.reels([*recorded, *spoken])
        human = sum(piece.length_s for piece in recorded if piece.kind != "synthetic") / 3600.0
        heard: list[Count] = []
        for each in counts(reels, hours, workers=workers, keep=keep):
            heard.append(each)
            yield from each.hits
        yield from summed(heard, human)
        made = sum(piece.length_s for piece in [*recorded, *spoken] if piece.kind == "synthetic") / 3600.0
        yield _row("unique synthetic speech", made, "h", "")
