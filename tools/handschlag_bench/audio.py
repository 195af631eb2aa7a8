"""Real-time audio beside a busy machine: is every frame there that went in?

The box runs as it does (`rig`) and records one call of so many minutes in which the line carries a known signal
(`known`), while as many processes as there are cores compute beside it. The recording is opened with the owner's key,
and every sample of it is compared with what was sent; what the details call masked or lost is left out of that, and
told.

The drift is the box's own word on the sound device's clock against the monotonic clock (`converter_ppm`). Over a
PulseAudio without a sound card both are the same clock, so what is seen is how exact the box's word is.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handschlag.cli.evidence import FolderFiles
from handschlag.cli.evidence import audio as whole_audio
from handschlag.sealing.keys import WorkshopKey
from handschlag.sealing.open import open_recording
from handschlag.sealing.trust import read_trust
from handschlag_bench.known import KEPT_RATE, Found, Reference, compare, known_signal
from handschlag_bench.rig import Rig, busy, rig
from handschlag_bench.row import Row
from handschlag_bench.show import show

LOOK_S = 0.25
RUNS_OUT_S = 1.0
"""After the call, until all that was sent has passed the line's buffers."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One long call.

    `lost_by_the_box` are frames that the box itself knows to have lost; `missing_s` is how much too early it left the
    recording; `stolen_s` is how long, over all cores, a virtual machine's host let it stand still (proc(5), steal).
    """

    found: Found
    kept_s: float
    masked_s: float
    gaps: int
    lost_by_the_box: int
    sender_late: int
    drift_ppm: float | None
    missing_s: float
    stolen_s: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the call is (60)")
    parser.add_argument("--nice", type=int, default=0, help="niceness of the processes that compute beside it (0)")


def run(chosen: argparse.Namespace) -> None:
    """Measure, and print."""
    show(rows(chosen.minutes, chosen.nice), as_json=chosen.json)


def rows(minutes: float, nice: int) -> Iterator[Row]:
    """Record for `minutes` with processes of this niceness beside, and compare."""
    heard = hear(minutes, nice)
    found = heard.found
    figures: tuple[tuple[str, float, str, str, dict[str, float]], ...] = (
        (
            "frames lost",
            found.frames("lost"),
            "frames",
            "== 0",
            {
                "compared, s": found.compared / KEPT_RATE,
                "kept, s": heard.kept_s,
                "masked, s": heard.masked_s,
                "lost, says the box": heard.lost_by_the_box,
                "gaps": heard.gaps,
            },
        ),
        (
            "frames doubled or out of order",
            found.frames("doubled"),
            "frames",
            "== 0",
            {"silence, the sender was late": found.frames("silent"), "underflows there": heard.sender_late},
        ),
        ("recording ended too early", heard.missing_s, "s", "== 0", {"stolen by the host, s": heard.stolen_s}),
        ("drift of the sound device's clock", math.nan if heard.drift_ppm is None else heard.drift_ppm, "ppm", "", {}),
    )
    for row, value, unit, goal, beside in figures:
        yield Row(bench="audio", row=row, value=float(value), unit=unit, goal=goal, beside=beside)


def hear(minutes: float, nice: int) -> Heard:
    """One call of `minutes`, compared.

    Raises:
        DemoFailed: the box ended before its time.
    """
    signal = known_signal()
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as folder, rig(Path(folder)) as bench:
        with busy(os.cpu_count() or 1, nice):
            bench.record()
            bench.sender.endless = signal
            until, stolen_s = time.monotonic() + 60 * minutes, _stolen_s()
            while time.monotonic() < until:
                bench.box.alive()
                if bench.box.latest["phase"] != "recording":
                    break
                time.sleep(LOOK_S)
            missing_s = max(0.0, until - time.monotonic())
            stolen_s = _stolen_s() - stolen_s
            bench.sender.endless = None
            time.sleep(RUNS_OUT_S)
            lost = int(bench.box.latest["lost_frames"])
        bench.hang_up()
        kept, masked, details = _open(bench)
        sender_late = bench.sender.underflows
    quality, drift_ppm = details["quality"], details.get("converter_ppm")
    return Heard(
        found=compare(kept, Reference(signal), masked),
        kept_s=len(kept) / KEPT_RATE,
        masked_s=float(np.count_nonzero(masked)) / KEPT_RATE,
        gaps=quality["gaps"],
        lost_by_the_box=lost,
        sender_late=sender_late,
        drift_ppm=drift_ppm,
        missing_s=missing_s,
        stolen_s=stolen_s,
    )


def _open(bench: Rig) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_], Mapping[str, Any]]:
    """The voltage's samples, which of them are masked, and the details."""
    (recording,) = bench.recordings()
    key = WorkshopKey.from_file(bench.place.owner_key.read_bytes(), "the owner's key")
    trust = read_trust(bench.place.trust.read_bytes(), "the trust file")
    opened = open_recording(FolderFiles(bench.place.spool / recording), key, trust)
    first = next(opened.clips())[0].first_sample
    details = opened.details[-1]
    kept = whole_audio(opened)[:, 0]
    masked = np.zeros(len(kept), np.bool_)
    for start, end in details["masked"]:
        masked[max(start - first, 0) : max(end - first, 0)] = True
    return kept, masked, details


def _stolen_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")
