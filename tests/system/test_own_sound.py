"""The whole box while it speaks: what it plays reaches its ear as known, and is nobody's voice."""

from __future__ import annotations

from pathlib import Path

from handschlag.sim.world import key_tone
from tests.system.house import House


def test_the_box_does_not_hear_itself(tmp_path: Path) -> None:
    """From one second into the announcement on nobody speaks, and a caller's faint early key is found over it."""
    house = House(tmp_path)
    world = house.world
    world.tap.ringing(on=True)
    world.run(2.0)
    world.tap.ringing(on=False)
    world.tap.seize()
    world.run(1.5)
    world.begin(world.short_press())
    while not world.box_speaks():
        world.step()
    world.run(1.0)
    speaking = 0
    for step in range(250):
        if step == 150:
            assert house.app.counters.keys_far == 0
            world.far.say(key_tone("1", 0.1, -30.0))
        world.step()
        assert world.box_speaks()
        speaking += bool(house.app.ear.speaking)
    assert house.app.counters.keys_far == 1
    assert speaking == 0
    house.close()
