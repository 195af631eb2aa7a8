"""What a process that heard a call still holds of it, freed memory included: nothing, once it was told to forget."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from handschlag.prompts.catalog import load as load_prompts
from handschlag.sim.line import LineModel, dbm0
from handschlag.sim.search import Searcher
from handschlag.sim.voices import load_story
from handschlag.sim.world import BLOCK

AROUND = 7 * BLOCK
"""Frames around the box's own sound that are not searched for: the box may have its sounds in memory in any form."""

HEARS = """
import sys
import numpy as np
from handschlag.hearing import Ear

count, how = int(sys.argv[1]), sys.argv[2]
ear = Ear(48000)
block, frames, played = (np.zeros(shape, np.float32) for shape in ((960, 3), (960, 2), 960))
raw = open(0, "rb", buffering=0)
for _ in range(count):
    view = memoryview(block).cast("B")
    while len(view):
        view = view[raw.readinto(view) :]
    frames[:], played[:] = block[:, :2], block[:, 2]
    ear.feed(frames, played if played.any() else None)
for held in (block, frames, played):
    held.fill(0.0)
if how == "forget":
    ear.forget()
print("heard", flush=True)
raw.read(1)
"""


def _a_call(prompt_at_s: float) -> NDArray[np.float32]:
    """(n, 3): voltage, current, and what the box plays; speech to the last sample, and 5 s of a prompt beside it."""
    lines = [line.samples for line in load_story("withdrawal")]
    talk = np.concatenate(lines[:6])[: 48_000 * 14]
    prompt = load_prompts("de").announcement.samples[: 48_000 * 5]
    count = len(talk) // BLOCK * BLOCK
    played = np.zeros(count, np.float32)
    begin = round(48_000 * prompt_at_s)
    played[begin : begin + len(prompt)] = prompt[: count - begin]
    far, near = talk[:count], np.roll(talk[:count], 48_000 * 7) * dbm0(-6)
    line = LineModel(cable_km=2.5, seed=1)
    pieces = []
    for first in range(0, count, BLOCK):
        part = slice(first, first + BLOCK)
        plays = played[part].any()
        pieces.append(line.step(far[part], near[part], played[part] if plays else None))
    return np.ascontiguousarray(np.column_stack([np.concatenate(pieces), played]), np.float32)


def _left_of(call: NDArray[np.float32], how: str) -> int:
    """How many pieces of the call a process still holds that has heard it block by block."""
    command = [sys.executable, "-c", HEARS, str(len(call) // BLOCK), how]
    silent = call[:, :2] * ~np.convolve(call[:, 2] != 0.0, np.ones(AROUND), mode="same").astype(bool)[:, None]
    searcher = Searcher([np.ascontiguousarray(silent[:, channel]) for channel in (0, 1)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(call.tobytes())
        process.stdin.flush()
        assert process.stdout.readline() == b"heard\n"
        return len(searcher.search_process(process.pid))


@pytest.mark.parametrize("ends_in_prompt", [False, True])
def test_nothing_is_left_after_forgetting(*, ends_in_prompt: bool) -> None:
    """Speech to the last sample, also while the box speaks: after `forget` not even freed memory holds a piece of it.

    Without forgetting the same search finds the past that the ear rightly holds: it would find what was left.
    """
    call = _a_call(prompt_at_s=9.5 if ends_in_prompt else 3.0)
    assert _left_of(call, "forget") == 0
    if not ends_in_prompt:
        assert _left_of(call, "keep") > 0
