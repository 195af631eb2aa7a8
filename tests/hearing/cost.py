"""What the ear costs: share of one core for 20 ms blocks of two channels at 48 kHz. Run it; it asserts nothing.

    python -m tests.hearing.cost [seconds]

CPU time of this process is counted, not the clock on the wall; BLAS is held to one thread by the caller
(`OMP_NUM_THREADS=1`), as the box does it.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from handschlag.hearing import Ear
from handschlag_bench.hearing.signals import dialled, noise, on_line, silence, voice


def measure(seconds: float) -> dict[str, float]:
    """Percent of one core per kind of line."""
    rate = 48_000
    count = round(seconds * rate)
    talk = voice(seconds, -18.0, seed=3, rate=rate)
    keys = np.resize(dialled("0123456789*#", 80, 80, rate=rate), count)
    lines = {
        "idle": on_line(silence(seconds * 1000, rate), None),
        "noise": on_line(noise(count, -20.0), None),
        "far speech": on_line(talk, None),
        "both speak": on_line(talk, voice(seconds, -18.0, seed=4, rate=rate)),
        "dialling without end": on_line(None, keys),
    }
    shares = {}
    for name, frames in lines.items():
        ear = Ear()
        before = time.process_time()
        for first in range(0, frames.shape[0], 960):
            ear.feed(frames[first : first + 960])
        shares[name] = 100.0 * (time.process_time() - before) / seconds
    return shares


if __name__ == "__main__":
    for name, share in measure(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0).items():
        sys.stdout.write(f"{name:22} {share:5.2f} % of one core\n")
