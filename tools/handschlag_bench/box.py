"""What the live box costs: CPU share of one core and resident memory, in real time over real sound devices.

The box runs as in the live demonstration: PortAudio, the tap on a terminal, TLS to a real broker and archive. It is
measured while the line is idle and while a call is recorded in which somebody always speaks.

The sound devices here are a PulseAudio's, whose client costs as much as the box does (on a board there is bare ALSA).
So in the same seconds a program is measured that holds the same two streams open and does nothing with them: "empty
streams". While recording, a shell pipeline does the naive same with the same sound: parec takes it (no PortAudio
there), sox resamples, flac encodes, age encrypts.

24 November 2026, a two-core machine: at rest (15:08) idle 2.3 % of a core beside 2.0 % for empty streams, recording
6.0 % beside 1.7 %; busy (15:50), after the work on cost, idle 2.5 % beside 1.5 %, recording 6.4 % beside 1.8 %: missed.
Resident 113 MB before, 108 MB after: met. PortAudio loads 20 MB of it, desktop libraries that a board does not have.
"""

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from handschlag.core.button import DEAF_AFTER_TRANSITION_S
from handschlag.sim.demo.place import DemoFailed, make
from handschlag.sim.demo.running import running
from handschlag.sim.pulse import SINK_TO_BOX, TAP
from handschlag.sim.voices import load_story
from handschlag.sim.world import Script, World
from handschlag_bench.row import Row
from handschlag_bench.show import show

SECONDS = 20.0
RECORDS_WITHIN_S = 60.0
EMPTY = "empty streams"
TICKS = os.sysconf("SC_CLK_TCK")
EMPTY_STREAMS = """
import sys
import sounddevice
from handschlag.adapters.audio import LATENCY_S, choose_device
found = [(d["name"], d["max_input_channels"], d["max_output_channels"]) for d in sounddevice.query_devices()]
device = choose_device(sys.argv[1], found, 2)
how = dict(device=device, samplerate=48000, blocksize=960, dtype="float32", latency=LATENCY_S)
streams = [
    sounddevice.RawInputStream(channels=2, callback=lambda *_: None, **how),
    sounddevice.RawOutputStream(channels=1, callback=lambda *_: None, **how),
]
for stream in streams:
    stream.start()
print("open", flush=True)
sys.stdin.read()
"""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but `--json`."""


def run(chosen: argparse.Namespace) -> None:
    """Measure and print."""
    show(rows(), as_json=chosen.json)


def rows() -> Iterator[Row]:
    """Measure; takes about two minutes."""
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as name:
        folder = Path(name)
        place = make(folder / "demo", audio="portaudio", device=TAP)
        try:
            with running(place, live=True) as cast, _empty_streams() as empty:
                world, box = cast.stage.world, cast.box
                world.run(8.0)
                idle, idle_empty = _shares((box.pid, empty), world)
                world.begin(_talk_for_long(world))
                until = world.now + RECORDS_WITHIN_S
                while box.latest.get("phase") != "recording":
                    if world.now > until:
                        raise DemoFailed(f"the box does not record within {RECORDS_WITHIN_S:.0f} s: {box.latest}")
                    world.step()
                    cast.alive()
                world.run(5.0)
                recording, recording_empty = _shares((box.pid, empty), world)
                memory = _resident_mb(box.pid)
                beside = _pipeline(folder, place.sound / "native", world)
        finally:
            shutil.rmtree(place.sockets, ignore_errors=True)
    shares = (
        ("line idle", idle, 1, {EMPTY: idle_empty}),
        ("recording", recording, 3, {EMPTY: recording_empty, **beside}),
    )
    for state, share, goal, others in shares:
        yield Row(bench="box", row=f"cpu, {state}", value=share, unit="% of a core", goal=f"<= {goal}", beside=others)
    yield Row(bench="box", row="resident memory, recording", value=memory, unit="MB", goal="<= 110", beside={})


def _talk_for_long(world: World) -> Script:
    lines = [line for line in load_story("boiler") if line.part == "after"]
    world.tap.seize()
    yield world.after(DEAF_AFTER_TRANSITION_S + 0.5)  # the serial line and the button jitter against each other
    yield from world.short_press()
    yield world.box_speaks
    yield world.box_silent
    yield world.after(0.8)
    world.far.press("1", 0.18)
    yield world.after(1.0)
    while True:
        for line in lines:
            (world.near if line.speaker == "near" else world.far).say(line.samples)
        yield world.both_quiet


@contextlib.contextmanager
def _empty_streams() -> Iterator[int]:
    command = [sys.executable, "-c", EMPTY_STREAMS, TAP]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        if program.stdout is None or program.stdout.readline() != b"open\n":
            raise DemoFailed("the empty streams did not open")
        try:
            yield program.pid
        finally:
            program.terminate()


def _shares(pids: tuple[int, ...], world: World) -> list[float]:
    before, began = [_ticks(pid) for pid in pids], time.monotonic()
    world.run(SECONDS)
    seconds = time.monotonic() - began
    return [100.0 * (_ticks(pid) - ticks) / TICKS / seconds for pid, ticks in zip(pids, before, strict=True)]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _pipeline(folder: Path, server: Path, world: World) -> dict[str, float]:
    """CPU share of the shell pipeline; nothing where one of its programs is absent."""
    if any(shutil.which(program) is None for program in ("parec", "sox", "flac", "age", "age-keygen")):
        return {}
    key = folder / "age.key"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    recipient = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    script = (
        f"parec --server=unix:{server} -d {SINK_TO_BOX}.monitor --format=s16le --rate=48000 --channels=2"
        " | sox -q -t raw -r 48000 -e signed -b 16 -c 2 - -t wav -r 8000 - 2>/dev/null"
        f" | flac -s - -c 2>/dev/null | age -r {recipient} >{folder / 'out.age'}"
    )
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    pipeline = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    world.run(SECONDS)
    seconds = time.monotonic() - began
    subprocess.run(["pkill", "-s", str(pipeline.pid), "parec"], check=False)
    pipeline.wait(timeout=10)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"parec|sox|flac|age": 100.0 * used / seconds}
