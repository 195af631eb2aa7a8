"""Three calls, told as scripts: a yes, no answer, and a yes that is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from handschlag.sim import caller_id
from handschlag.sim.voices import Line, Story, load_story
from handschlag.sim.world import Script, World

PAUSE_S = 0.35
RINGS = 2

Tell = Callable[[str, str], None]
"""What happens, for whoever watches: who (`near`, `far`, `box`, `line`), and what is said or done."""

Answer = Literal["1", "near-1", "1-then-9"]

ANSWERS: dict[Story, Answer] = {"boiler": "1", "tap": "near-1", "withdrawal": "1-then-9"}

CALLERS: dict[Story, tuple[str, str]] = {"boiler": ("03023125042", "Weber")}
"""Whose number the exchange sends, and the name with it (a number that is nobody's)."""


def call(world: World, story: Story, tell: Tell) -> Script:
    """One incoming call from the first ring to the hang-up."""
    lines = load_story(story)
    answer = ANSWERS[story]
    yield from _ring(world, CALLERS.get(story), tell)
    world.tap.seize()
    tell("near", "(hebt ab)")
    yield world.after(0.5)
    yield from _talk(world, [line for line in lines if line.part == "before"], tell)
    tell("near", "(drückt den Knopf)")
    yield from world.short_press()
    yield world.box_speaks
    tell("box", "(fragt)")
    yield world.box_silent
    yield from _answer(world, answer, tell)
    yield from _talk(world, [line for line in lines if line.part == "after"], tell)
    if answer == "1-then-9":
        tell("far", "(drückt die 9: Widerruf)")
        world.far.press("9", 0.25)
        yield world.box_speaks
        tell("box", "(bestätigt den Widerruf)")
        yield world.box_silent
        yield from _talk(world, [line for line in lines if line.part == "withdrawn"], tell)
    yield world.after(0.6)
    tell("near", "(legt auf)")
    world.tap.hang_up()


def _ring(world: World, caller: tuple[str, str] | None, tell: Tell) -> Script:
    for ring in range(RINGS):
        tell("line", "(es klingelt)")
        world.tap.ringing(on=True)
        yield world.after(1.0)
        world.tap.ringing(on=False)
        if ring == 0 and caller is not None:
            yield world.after(0.6)
            tell("line", f"(die Vermittlung sendet die Rufnummer {caller[0]})")
            world.network.say(caller_id.Sender().send(caller_id.call(*caller)))
            yield world.network_quiet
        yield world.after(1.5)


def _talk(world: World, lines: list[Line], tell: Tell) -> Script:
    for line in lines:
        tell(line.speaker, line.text)
        party = world.near if line.speaker == "near" else world.far
        party.say(line.samples)
        yield world.both_quiet
        yield world.after(PAUSE_S)


def _answer(world: World, answer: Answer, tell: Tell) -> Script:
    if answer == "near-1":
        tell("near", "(drückt die 1 am eigenen Telefon: zählt nicht)")
        world.near.press("1", 0.3)
        yield world.box_speaks  # the window runs out, and the box says so
        tell("box", "(sagt: es wird nicht aufgezeichnet)")
        yield world.box_silent
        return
    yield world.after(0.8)
    tell("far", "(drückt die 1: Ja)")
    world.far.press("1", 0.18)
    yield world.box_speaks
    yield world.box_silent
