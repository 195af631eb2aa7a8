"""One random world from its beginning to its end, and what the judge says of it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from handschlag.core import events as ev
from handschlag.core.events import TapAudio
from tests.core import acts
from tests.core.archive import Archive
from tests.core.judge import Judge
from tests.core.sourced import SourcedWorld
from tests.core.world import World

ACTS_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Lived:
    """A world that is over, and the acts that it was made of."""

    world: World
    acts: tuple[str, ...]

    def seen(self) -> set[str]:
        """The classes of the events that happened in it."""
        return {type(entry.event).__name__ for entry in self.world.trace}


def begin(r: Random) -> World:
    """A started box of some policy, with an archive that is mostly there."""
    archive = Archive(mute=r.choice((0.0, 0.5)))
    kind = SourcedWorld if r.random() < 0.1 else World
    world = kind(archive=archive)
    if r.random() < 0.4:
        world.policy = acts.policy(world.policy, r)
    world.settle(world.policy)
    world.adapters.gauges_every = 4
    world.start(
        audio=TapAudio.MIX if r.random() < 0.12 else TapAudio.VI,
        serial="T2" if r.random() < 0.12 else "T1",
        excluded=r.choice(((), ("030123",))),
        staff=(),
        crew=acts.CREW,
    )
    if r.random() < 0.5:
        world.feed(ev.Connected(world.now))
    return world


def live(r: Random) -> Lived:
    """A box starts, much happens, and in the end the line is idle and the adapters are honest."""
    world = begin(r)
    chosen = [r.choice(acts.OPENINGS), *(acts.act(r) for _ in range(r.randrange(4))), r.choice(acts.TURNS)]
    chosen += [acts.act(r) for _ in range(r.randrange(ACTS_AT_MOST + 1))]
    for one in chosen:
        one(world, r)
    world.wait(1.0)
    world.calm_down()
    return Lived(world, tuple(one.__name__ for one in chosen))


def judge(lived: Lived) -> Judge:
    """What the judge found; AssertionError when a rule was broken."""
    return Judge(lived.world.policies).hear(lived.world.trace).conclude()
