"""The time budgets of the box, in real time: through a real terminal, PortAudio, PulseAudio, and a disk that syncs.

The box is the program itself, watched (`watched_box`). A budget counts stream time from the decision: what the box adds
to what the devices bring. Stream time here is how far the stream had come when something was decided or done; the whole
is the monotonic clock's, from when the block or the line came in. What is the devices' own stands beside it: the sound
device's buffers (as PortAudio states them), the ledger's fsync, the half second of idle line that the tap waits for.

Cheap things are repeated a hundred times. A yes, a withdrawal and an end of a call need a call each, with a question of
ten seconds: there the 99th percentile is the largest.

24 November 2026, 17:38, two busy cores, p99 in ms: key 72 of 80 (n 121), first sample 0 of 60 (n 12; fsync 5.1), first
sound 67 of 150 (n 15), last sample 6 of 100 (n 6), hook 5 of 50 (n 100), sealed 537 of 700 (n 6, 500 of it the tap's):
all met. The start of a key is the detector's own word, so what it is late in telling the start is not in the first one;
the first sound is when the device takes it, so the device's output buffer is not in that. Of 15 keys 1 at the end of a
question 3 were heard as keys, but did not count as a yes, and the call was tried again; why is not known.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from handschlag.adapters.audio import LATENCY_S
from handschlag.core.button import DEAF_AFTER_TRANSITION_S
from handschlag_bench.known import KEPT_RATE
from handschlag_bench.rig import RATE, Rig, key, rig
from handschlag_bench.row import Row
from handschlag_bench.show import show

KEYS, HOOKS, CALLS = 100, 100, 12
QUICK_KEYS, QUICK_HOOKS, QUICK_CALLS = 20, 20, 2
FILTER_S = 20 / KEPT_RATE
"""By which the resampler's output lags behind what came in."""
KEY_S, PAUSE_S = 0.09, 0.11
HOOK_S = 0.12
TALK_S = 1.0
TAP_IDLE_S = 0.5
"""Of idle line, before the tap says on-hook (call.md)."""

Told = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: a minute and a half")


def run(chosen: argparse.Namespace) -> None:
    """Measure, and print."""
    show(rows(quick=chosen.quick), as_json=chosen.json)


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure; about five minutes, or one with `quick`."""
    keys, hooks, calls = (QUICK_KEYS, QUICK_HOOKS, QUICK_CALLS) if quick else (KEYS, HOOKS, CALLS)
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as name:
        trace = Path(name) / "trace"
        os.environ["HANDSCHLAG_TRACE"] = str(trace)
        try:
            with rig(Path(name), "handschlag_bench.watched_box") as bench:
                hooked = _hooks(bench, hooks)
                _keys(bench, keys)
                for number in range(calls):
                    _call(bench, withdrawn=number % 2 == 1)
        finally:
            del os.environ["HANDSCHLAG_TRACE"]
        told = [msgspec.json.decode(line) for line in trace.read_bytes().splitlines()]
    yield from _rows(told, hooked)


def _hooks(bench: Rig, count: int) -> list[tuple[float, bool]]:
    """Lift and hang up, so often; when the tap said so, and what."""
    said = []
    bench.wait("the box is ready", lambda status: status.get("phase") == "idle" and not status["cannot"])
    for number in range(count):
        off_hook = number % 2 == 0
        said.append((time.monotonic(), off_hook))
        if off_hook:
            bench.tap.seize()
        else:
            bench.tap.hang_up()
        time.sleep(HOOK_S)
    return said


def _keys(bench: Rig, count: int) -> None:
    """A call in which nothing is asked and many keys are pressed, each elsewhere within a block."""
    bench.seize()
    random = np.random.default_rng(1)
    pieces = []
    for number in range(count):
        pause = np.zeros(round(PAUSE_S * RATE) + int(random.integers(960)), np.int16)
        pieces += [pause, key("0123456789"[number % 10], KEY_S)]
    time.sleep(TALK_S)
    bench.sender.say(np.concatenate(pieces))
    time.sleep(count * (KEY_S + PAUSE_S + 0.01) + 2.0)
    bench.tap.hang_up()


def _call(bench: Rig, *, withdrawn: bool) -> None:
    bench.record()
    time.sleep(DEAF_AFTER_TRANSITION_S + TALK_S)
    if withdrawn:
        bench.sender.say(key("9"))
        bench.wait("the box has destroyed it", lambda said: said["phase"] == "open" and not said["playing"])
        time.sleep(TALK_S)
        bench.tap.hang_up()
    else:
        bench.hang_up()


def _rows(told: Sequence[Told], hooked: Sequence[tuple[float, bool]]) -> Iterator[Row]:
    device = {"sound device, asked": LATENCY_S * 1000}
    yield _row("key start - key decided", _key_decided(told), 80, device)
    yield _row("consent decided - first sample, less fsync", _first_sample(told, fsync=False), 60, {})
    yield _row("  with the ledger's fsync", _first_sample(told, fsync=True), None, {})
    yield _row("  the ledger's fsync", _fsync(told), None, {})
    yield _row("short press released - first sound", _first_sound(told), 150, device)
    yield _row("withdrawal decided - last sample", _last_sample(told), 100, {})
    yield _row("tap reports the hook - event in the core", _hook(told, hooked), 50, {})
    tap = {"of which the tap waits": TAP_IDLE_S * 1000}
    yield _row("line idle - recording sealed", _sealed(told), 700, tap)


def _row(name: str, seconds: Sequence[float], goal_ms: float | None, beside: dict[str, float]) -> Row:
    ms = np.asarray(seconds) * 1000
    p50, p99 = (float(np.percentile(ms, each)) for each in (50, 99)) if len(ms) else (float("nan"),) * 2
    goal = "" if goal_ms is None else f"<= {goal_ms}"
    beside = {"p50": p50, "n": len(ms), **beside}
    return Row(bench="latency", row=name, value=p99, unit="ms, p99", goal=goal, beside=beside)


def _key_decided(told: Sequence[Told]) -> list[float]:
    spans, known = [], False
    for each in told:
        if each["event"] == "KeyHeard":
            if not known:
                spans.append(each["stream"] + FILTER_S - each["fields"]["start"])
            known = not each["fields"]["final"]
    return spans


def _first_sample(told: Sequence[Told], *, fsync: bool) -> list[float]:
    spans = []
    for decided, began in _pairs(told, _does("Record:granted"), _does("StartCapture:")):
        span = (began["position"] - decided["position"]) / KEPT_RATE
        spans.append(span if fsync else max(0.0, span - (began["at"] - decided["t"])))
    return spans


def _fsync(told: Sequence[Told]) -> list[float]:
    return [
        began["at"] - decided["t"] for decided, began in _pairs(told, _does("Record:granted"), _does("StartCapture:"))
    ]


def _first_sound(told: Sequence[Told]) -> list[float]:
    def asks(each: Told) -> bool:
        return bool(each["event"] == "ButtonMoved" and not each["fields"]["down"])

    def sounds(each: Told) -> bool:
        return bool(each["event"] == "Pulled")

    return [heard["t"] + heard["silence_s"] - up["at"] for up, heard in _pairs(told, asks, sounds)]


def _last_sample(told: Sequence[Told]) -> list[float]:
    return [each["done"] - each["at"] for each in told if _does("StopCapture:")(each) and each["event"] == "KeyHeard"]


def _hook(told: Sequence[Told], hooked: Sequence[tuple[float, bool]]) -> list[float]:
    lines = [each for each in told if each["event"] == "LineTold"]
    spans = []
    for at, off_hook in hooked:
        first = next((each for each in lines if each["t"] > at and each["fields"]["off_hook"] == off_hook), None)
        if first is not None:
            spans.append(first["t"] - at)
    return spans


def _sealed(told: Sequence[Told]) -> list[float]:
    def idle(each: Told) -> bool:
        return bool(each["event"] == "LineTold") and _does("CloseRecording:")(each)

    def closed(each: Told) -> bool:
        return bool(each["event"] == "RecordingClosed")

    return [TAP_IDLE_S + done["t"] - hook["at"] for hook, done in _pairs(told, idle, closed)]


def _does(effect: str) -> Callable[[Told], bool]:
    return lambda each: effect in each.get("effects", ())


def _pairs(
    told: Sequence[Told], first: Callable[[Told], bool], second: Callable[[Told], bool]
) -> Iterator[tuple[Told, Told]]:
    """Each one that is `first`, with the next `second`."""
    waiting: Told | None = None
    for each in sorted(told, key=lambda one: one["t"]):
        if waiting is not None and second(each):
            yield waiting, each
            waiting = None
        elif first(each):
            waiting = each
