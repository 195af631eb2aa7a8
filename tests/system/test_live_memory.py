"""P1 on the live process: up to the yes no audio older than 200 ms is anywhere, and none of it after the call.

The box is the program itself, with a real broker and a real archive; its audio comes through a pipe, for PulseAudio's
own client keeps seconds of it. The call has a signature that is like nothing else. Nothing moves while it is searched
for: the world stands still between two blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from handschlag.prompts.catalog import load as load_prompts
from handschlag.sim.demo.place import Place, make
from handschlag.sim.demo.running import Running, running
from handschlag.sim.demo.witness import Witness
from handschlag.sim.search import Match, Searcher
from handschlag.sim.signature import signature
from handschlag.sim.world import BLOCK, Script
from tests.support.needs import need_mosquitto

MAY_HOLD_S = 0.2
BLOCK_S = BLOCK / 48_000
CALL_S = 40.0


@dataclass(slots=True)
class Scene:
    """A box that hears a call."""

    place: Place
    cast: Running
    witness: Witness
    heard: list[NDArray[np.float32]]

    @property
    def heard_s(self) -> float:
        """How much of the line there was."""
        return len(self.heard) * BLOCK_S

    def searcher(self) -> Searcher:
        """Looks for everything that the line has carried, but for the box's own sounds."""
        line = np.concatenate(self.heard)
        known = [prompt.samples for prompt in load_prompts("de").every()]
        return Searcher([np.ascontiguousarray(line[:, channel]) for channel in (0, 1)], known=known)

    def in_memory(self) -> list[Match]:
        """What of the call the box's whole memory holds, freed blocks included."""
        return self.searcher().search_process(self.cast.box.pid)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A call in which both speak all the time."""
    need_mosquitto()
    place = make(tmp_path / "place", audio="pipe")
    with running(place, live=False) as cast:
        witness = Witness(place)
        try:
            world = cast.stage.world
            world.run(2.0)
            world.memory = []
            yield Scene(place, cast, witness, world.memory)
        finally:
            witness.close()


def _lifted_and_asked(scene: Scene) -> Script:
    world = scene.cast.stage.world
    world.tap.seize()
    for party, seed in ((world.far, 1), (world.near, 2)):
        party.say(signature(CALL_S, seed=seed))
    yield world.after(4.0)
    yield from world.short_press()
    yield world.box_speaks


@pytest.mark.timeout(300)
def test_no_more_than_a_moment_is_held_and_nothing_stays(scene: Scene) -> None:
    """Before the question, within the announcement, and just before key 1 could come; then hung up without a yes."""
    world = scene.cast.stage.world
    world.begin(_lifted_and_asked(scene))
    found = []
    for moment_s in (3.0, 7.0, 20.0):
        world.run(moment_s - scene.heard_s)
        assert scene.cast.box.latest["phase"] in {"open", "asking"}
        held = scene.in_memory()
        found += held
        oldest = scene.heard_s - min((match.reference_s for match in held), default=scene.heard_s)
        assert oldest <= MAY_HOLD_S + BLOCK_S, f"{oldest:.3f} s old at {moment_s} s: {held[:3]}"
    assert found, "not even the moment that the box may hold was found: the search is blind"
    world.tap.hang_up()
    world.far.hush()
    world.near.hush()
    world.run(2.0)
    assert scene.in_memory() == []
    searcher = scene.searcher()
    assert searcher.usable_s > 20.0
    for path in sorted(scene.place.folder.rglob("*")):
        if path.is_file():
            assert searcher.search_file(path) == [], path
    assert all(searcher.search(payload) == [] for payload in scene.witness.payloads())
