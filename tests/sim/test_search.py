"""The search finds what was planted, in every form in which audio lies in memory, and nothing elsewhere."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from handschlag.sim.search import Searcher
from handschlag.sim.signature import signature

RATE = 48_000
SECONDS = 3.0
LEAK_S = 0.25
"""What may not be there: a little more than the 200 ms that the box may hold."""

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def call() -> Floats:
    """A call that is like no other."""
    return signature(SECONDS, seed=1)


@pytest.fixture(scope="module")
def searcher(call: Floats) -> Searcher:
    """Who looks for it."""
    return Searcher(call)


def _leak(call: Floats, rate: int) -> Floats:
    begin = round(1.1 * RATE)
    part = call[begin : begin + round(LEAK_S * RATE)]
    return part if rate == RATE else np.asarray(soxr.resample(part, RATE, rate), np.float32)


FORMS: dict[str, Callable[[Floats], bytes]] = {
    "float32": lambda leak: leak.tobytes(),
    "int16": lambda leak: np.rint(leak * 32767).astype(np.int16).tobytes(),
    "int16, quiet": lambda leak: np.rint(leak * 1200).astype(np.int16).tobytes(),
    "float64, upside down": lambda leak: (-leak.astype(np.float64)).tobytes(),
    "float32, one of two channels": lambda leak: np.stack([leak, np.zeros_like(leak)], axis=1).tobytes(),
    "int16, one of two channels": lambda leak: (
        (np.stack([leak, leak[::-1]], axis=1) * 32767).astype(np.int16).tobytes()
    ),
}


@pytest.mark.parametrize("rate", [48_000, 8_000])
@pytest.mark.parametrize("form", FORMS)
def test_planted_leak_is_found(call: Floats, searcher: Searcher, form: str, rate: int) -> None:
    """A quarter of a second among other bytes, at an odd place."""
    noise = np.random.default_rng(2).bytes(300_000)
    data = noise[:100_001] + bytes(7) + FORMS[form](_leak(call, rate)) + noise[100_001:]
    found = searcher.search(data)
    assert found
    assert max(match.length_s for match in found) > 0.5 * LEAK_S
    assert all(1.0 < match.reference_s < 1.1 + LEAK_S for match in found)


def test_nothing_is_found_where_nothing_is(searcher: Searcher) -> None:
    """Another call, and noise, are not this one."""
    other = signature(SECONDS, seed=2)
    assert searcher.search(other.tobytes() + np.random.default_rng(3).bytes(200_000)) == []


def test_leak_inside_a_flac_stream_is_found(call: Floats, searcher: Searcher, tmp_path: Path) -> None:
    """A clip that was never sealed."""
    file = io.BytesIO()
    soundfile.write(file, _leak(call, 8_000), 8_000, format="FLAC", subtype="PCM_16")
    path = tmp_path / "some.tmp"
    path.write_bytes(bytes(1000) + file.getvalue())
    assert any(match.inside == "flac" for match in searcher.search_file(path))


HOLDS = """
import sys
import numpy as np
leak = np.frombuffer(sys.stdin.buffer.read(int(sys.argv[1])), np.float32)
kept = [leak.copy() for _ in range(3)]
if sys.argv[2] == "freed":
    kept = leak = None
print("has it", flush=True)
sys.stdin.buffer.read(1)
"""


@pytest.mark.parametrize("how", ["held", "freed"])
def test_leak_in_another_process_is_found(call: Floats, searcher: Searcher, how: str) -> None:
    """What a process holds, and what it has freed without overwriting it."""
    leak = _leak(call, 8_000)  # small enough for the heap, where what is freed stays mapped
    command = [sys.executable, "-c", HOLDS, str(leak.nbytes), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(leak.tobytes())
        process.stdin.flush()
        assert process.stdout.readline() == b"has it\n"
        assert searcher.search_process(process.pid)
