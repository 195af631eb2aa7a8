"""The simulated tap and the firmware through the same random stories: they must say and do the same, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from handschlag.core.tap_protocol import TAP_WORDS, LineParser, encode
from handschlag.sim.tap import SimTap
from tests.hardware.wires import FirmwareTap

Said = tuple[str, tuple[tuple[str, str], ...]]

MEASURED = ("mv", "ua", "hw", "fw")
"""What a simulation makes up."""


@dataclass
class Twin:
    """One of both, with what it said: LINEs only where they tell something new, lengths to 15 ms."""

    tap: SimTap | FirmwareTap
    parser: LineParser = field(default_factory=lambda: LineParser(TAP_WORDS))
    state: Said | None = None

    def said(self) -> list[Said]:
        """Since the last call."""
        told: list[Said] = []
        for line in self.parser.feed(self.tap.take()):
            one = (line.word, tuple(sorted(_plain(line.fields).items())))
            if line.word == "LINE":
                if one == self.state:
                    continue
                self.state = one
            told.append(one)
        return told


def _plain(fields: Mapping[str, str]) -> dict[str, str]:
    values = {name: value for name, value in fields.items() if name not in MEASURED}
    if "ms" in values:
        values["ms"] = str(round(int(values["ms"]) / 30))
    return values


class Story:
    """Both twins under one clock."""

    def __init__(self) -> None:
        self.firmware = FirmwareTap("a1", "T-7")
        self.sim = SimTap("a1", "T-7")
        self.twins = (Twin(self.sim), Twin(self.firmware))
        self.seq = 0
        self.settle()

    @property
    def now(self) -> float:
        """The firmware's clock is the one that runs by itself."""
        return self.firmware.ms / 1000

    def settle(self) -> None:
        """Let the simulated twin catch up, and compare."""
        self.sim.tick(self.now)
        said = [twin.said() for twin in self.twins]
        assert said[0] == said[1]
        assert (self.sim.bypass, self.sim.playing) == (self.firmware.bypass, self.firmware.playing)

    def both(self, act: Callable[[SimTap | FirmwareTap], None]) -> None:
        """The same happens to both."""
        self.sim.tick(self.now)
        act(self.firmware)
        self.sim.tick(self.now)
        act(self.sim)
        self.settle()

    def box_says(self, word: str, **fields: str | int) -> None:
        """A line from the box."""
        line = encode(self.seq, word, fields)
        self.seq += 1
        self.both(lambda tap: tap.receive(line))

    def wait(self, ms: int) -> None:
        """Time passes, in steps, for a simulated tap notices what runs out only when it is told the time."""
        while ms > 0:
            step = min(ms, 250)
            self.firmware.run(step)
            self.settle()
            ms -= step

    def step(self, action: str, number: int) -> None:
        """One step of a story."""
        match action:
            case "ping":
                self.box_says("PING")
            case "path":
                self.box_says("PATH", to=("line", "bypass")[number % 2])
            case "play":
                self.box_says("PLAY", on=1, ms=number * 7)
            case "hush":
                self.box_says("PLAY", on=0)
            case "wait":
                self.wait(130 + number * 8)
            case "reboot":
                self.both(lambda tap: tap.reboot(f"b{number}"))
            case _:
                self.on_the_line(action, number)

    def on_the_line(self, action: str, number: int) -> None:
        """Something that happens on the line; left out where it cannot happen."""
        off_hook = self.sim.off_hook
        match action:
            case "seize" if not off_hook:
                self.both(lambda tap: tap.seize())
            case "hang up" if off_hook:
                self.both(lambda tap: tap.hang_up())
            case "ring" if not off_hook:
                self.both(lambda tap: tap.ringing(on=number % 2 == 0))
            case "flash" if off_hook:
                self.both(lambda tap: tap.flash(105 + 30 * (number % 11)))
            case "digit" if off_hook:
                self.both(lambda tap: tap.pulse("2345678900"[number % 10]))
            case "break" if off_hook:
                self.both(lambda tap: tap.interrupt(45 + 30 * (number % 13)))
            case _:
                pass


ANY_TIME = ("ping", "ping", "path", "play", "hush", "wait", "wait", "reboot")
ON_THE_LINE = ("seize", "seize", "hang up", "ring", "flash", "digit", "break")


@settings(max_examples=40, phases=(Phase.reuse, Phase.generate))  # shrinking such stories takes minutes
@given(
    steps=st.lists(st.tuples(st.sampled_from((*ANY_TIME, *ON_THE_LINE)), st.integers(0, 700)), min_size=20, max_size=40)
)
def test_twins_say_and_do_the_same(steps: list[tuple[str, int]]) -> None:
    """After each step of any story both have said the same lines and drawn the same relays."""
    story = Story()
    for action, number in steps:
        story.step(action, number)
