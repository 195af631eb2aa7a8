"""What hearing costs: the share of one core on a live line, and how fast `handschlag hear` goes through a file.

Live: all detectors on voltage and current at 48 kHz, in blocks of 20 ms. CPU time of this process is counted, not the
clock on the wall, with BLAS held to one thread as on the box.

File: ten minutes of speech and music with dialled keys, at 8 kHz, heard by `handschlag hear --json`, and beside it by
`multimon-ng -a DTMF` (the same samples as raw 22,050 Hz, its own rate, so that it does not convert). CPU time of the
process less that for one second of the file: start-up is a row of its own. multimon-ng looks for keys only; `hear`
for keys, tones and speech.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile
import soxr

from handschlag.hearing import Ear
from handschlag_bench.hearing import corpora, oracles
from handschlag_bench.hearing.signals import dialled, noise, on_line, silence, voice
from handschlag_bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

RATE: Final = 48_000
FILE_S: Final = 600
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def live(seconds: float) -> dict[str, float]:
    """Percent of one core, per kind of line."""
    count = round(seconds * RATE)
    talk = voice(seconds, -18.0, seed=3, rate=RATE)
    keys = np.resize(dialled("0123456789*#", 80, 80, rate=RATE), count)
    lines = {
        "idle": on_line(silence(seconds * 1000, RATE), None),
        "noise": on_line(noise(count, -20.0), None),
        "far speech": on_line(talk, None),
        "both speak": on_line(talk, voice(seconds, -18.0, seed=4, rate=RATE)),
        "dialling without end": on_line(None, keys),
    }
    return {name: min(_share(frames), _share(frames)) for name, frames in lines.items()}


def _share(frames: NDArray[np.float32]) -> float:
    ear = Ear()
    before = time.process_time()
    for first in range(0, frames.shape[0], 960):
        ear.feed(frames[first : first + 960])
    return 100.0 * (time.process_time() - before) * RATE / len(frames)


def ten_minutes() -> NDArray[np.float32]:
    """Recorded speech and music where there is any, else the repository's voices, and a number dialled every 30 s."""
    pieces = corpora.recordings()
    random = np.random.default_rng(1)
    chosen = [pieces[int(index)] for index in random.permutation(len(pieces))[:400]]
    wave = np.resize(np.concatenate([piece.load() for piece in chosen]), FILE_S * corpora.RATE).astype(np.float32)
    number = dialled("0123456789", 80.0, 80.0).astype(np.float32)
    for first in range(0, wave.size, 30 * corpora.RATE):
        wave[first : first + number.size] = number
    return wave


def file_rows() -> Iterator[Row]:
    """`handschlag hear` beside multimon-ng; each the best of three."""
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as name:
        folder = Path(name)
        wave = ten_minutes()
        ours: list[float] = []
        theirs: list[float] = []
        for seconds in (1, FILE_S):
            part = wave[: seconds * corpora.RATE]
            soundfile.write(folder / f"{seconds}.wav", oracles.to_pcm(part), corpora.RATE)
            raw = folder / f"{seconds}.raw"
            raw.write_bytes(oracles.to_pcm(soxr.resample(part, corpora.RATE, oracles.MULTIMON_RATE)).tobytes())
            hear = [sys.executable, "-m", "handschlag", "hear", str(folder / f"{seconds}.wav"), "--json"]
            ours.append(min(_cpu_s(hear) for _ in range(3)))
            if shutil.which("multimon-ng") is not None:
                command = ["multimon-ng", "-q", "-t", "raw", "-a", "DTMF", str(raw)]
                theirs.append(min(_cpu_s(command) for _ in range(3)))
    beside = {"multimon-ng": theirs[1] - theirs[0]} if theirs else {}
    goal = f"<= {beside['multimon-ng']:.2f}" if beside else ""
    yield Row(bench="cost", row="hear, 10 min file", value=ours[1] - ours[0], unit="s CPU", goal=goal, beside=beside)
    start = {"multimon-ng": theirs[0]} if theirs else {}
    yield Row(bench="cost", row="hear, start-up", value=ours[0], unit="s CPU", goal="", beside=start)


def _cpu_s(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows(*, full: bool) -> Iterator[Row]:
    """Twenty seconds of each kind of line (`full`: sixty), and the file."""
    for name, share in live(60.0 if full else 20.0).items():
        yield Row(bench="cost", row=f"live, {name}", value=share, unit="% of a core", goal="<= 1", beside={})
    yield from file_rows()
