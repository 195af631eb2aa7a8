"""Caller id through the whole box: in the sealed details of a consented call, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag.cli.evidence import FolderFiles
from handschlag.sealing.open import open_recording
from handschlag.sim import caller_id
from handschlag.sim.caller_id import Sender
from handschlag.sim.stories import CALLERS, call
from handschlag.sim.voices import Story
from handschlag.status import status
from tests.system.house import House

NUMBER, NAME = CALLERS["boiler"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A box that is ready."""
    house = House(tmp_path)
    yield house
    house.close()


def _play(house: House, story: Story) -> None:
    world = house.world
    world.begin(call(world, story, lambda _who, _words: None))
    while world.busy:
        world.step()
    world.run(2.0)


def _in_clear(house: House, *words: str) -> list[str]:
    """The files and messages in which one of these words can be read."""
    wanted = [word.encode() for word in words]
    places = {str(path): path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}
    places["names"] = "\n".join(map(str, house.folder.rglob("*"))).encode()
    places["status"] = repr(status(house.app)).encode()
    places["state"] = repr(house.app.state).encode()
    return [place for place, data in places.items() if any(word in data for word in wanted)]


def test_number_is_sealed_with_a_consent_and_nowhere_else(house: House) -> None:
    """The opened details name the caller; no file, file name or printed state does (P9)."""
    _play(house, "boiler")
    (recording,) = house.recordings()
    opened = open_recording(FolderFiles(recording), house.owner.workshop())
    assert opened.details[0]["numbers"] == {
        "caller": {"number": NUMBER, "name": NAME, "time": "11-24 09:15", "type": "voice"}
    }
    assert opened.details[0]["direction"] == "incoming"
    assert _in_clear(house, NUMBER, NUMBER[3:], NAME) == []


def test_without_a_consent_the_number_is_nowhere(house: House) -> None:
    """A call in which nobody was asked leaves no trace of who called."""
    world = house.world
    world.tap.ringing(on=True)
    world.run(1.0)
    world.tap.ringing(on=False)
    world.run(0.6)
    world.network.say(Sender().send(caller_id.call(NUMBER, NAME)))
    world.run(2.0)
    heard = house.app.state.call.caller
    assert heard is not None
    assert heard.number == NUMBER
    world.tap.seize()
    world.run(3.0)
    world.tap.hang_up()
    world.run(1.5)
    assert house.recordings() == []
    assert house.app.state.call.caller is None
    assert _in_clear(house, NUMBER, NAME) == []
    assert house.codec.encoded == 0
