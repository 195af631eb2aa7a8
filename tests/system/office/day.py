"""A day in the office: calls, and what changes and breaks between and during them.

Everything stands at a fraction of the day, so that an hour holds the same story as 24. `noon` is half of it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from handschlag.core.policy import AskWhen, Way
from handschlag.sim.world import Script
from tests.system.office import calls
from tests.system.office.office import Office
from tests.system.office.papers import MIDNIGHT, Book, Employee, Rule

Happening = tuple[float, Callable[[Office], None]]
FAULTS_SHARE = 0.25


class _Log(logging.Handler):
    def __init__(self, said: set[str]) -> None:
        super().__init__(logging.DEBUG)
        self._said = said
        self._whole = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, without its time."""
        self._said.add(self._whole.format(record))


@contextlib.contextmanager
def kept_log(said: set[str]) -> Iterator[None]:
    """Everything that the box logs, however little it matters, goes into `said`."""
    logger, handler = logging.getLogger("handschlag"), _Log(said)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class Day:
    """`hours` of life with so many `calls`, the same for the same `seed`."""

    def __init__(
        self, folder: Path, *, seed: int = 1, hours: float = 24.0, number: int = 200, faults: float = FAULTS_SHARE
    ) -> None:
        self.hours = hours
        self.faults = faults
        self.start_hour = 0.0 if hours >= 24 else 9.0
        self.office = Office(folder, seed, start_hour=self.start_hour)
        self._random = Random(seed * 7 + 1)
        self._number = number

    def live(self, tell: Callable[[str], None] = lambda _line: None) -> Office:
        """Let it happen; gives the office, its box switched off in the end."""
        with kept_log(self.office.truth.said):
            return self._live(tell)

    def _live(self, tell: Callable[[str], None]) -> Office:
        o = self.office
        o.never_record(calls.NEVER, calls.NEVER_INTERNATIONAL)
        o.switch_on()
        o.run(1.0)
        o.idle(8.0)
        deck = self._deck()
        plan: list[tuple[float, str, Callable[[Office], None]]] = [
            (self._at(fraction), "", what) for fraction, what in self._happenings()
        ]
        plan += [
            (self._at(self._moment()), call.__name__, self._caller(call))
            for call in (deck.pop() for _ in range(len(deck)))
        ]
        for at, name, what in sorted(plan, key=lambda each: each[0]):
            o.idle(max(0.0, at - o.clock.mono()))
            if name:
                tell(f"{o.clock.mono() / 3600:6.2f} h  {name:14} {o.wires.kind}")
            what(o)
        self._settle(o)
        return o

    def _at(self, fraction: float) -> float:
        return fraction * self.hours * 3600

    def _moment(self) -> float:
        working = self._random.random() < 0.75
        return self._random.uniform(0.29, 0.75) if working else self._random.uniform(0.01, 0.97)

    def _deck(self) -> list[calls.Call]:
        """Every kind of call by its weight, in any order; the first ones of a short day hold each kind once."""
        deck: list[calls.Call] = [call for call, _ in calls.MIX][: self._number]
        while len(deck) < self._number:
            more = [call for call, weight in calls.MIX for _ in range(weight)]
            self._random.shuffle(more)
            deck += more[: self._number - len(deck)]
        return deck

    def _caller(self, call: calls.Call) -> Callable[[Office], None]:
        def happen(o: Office) -> None:
            if self._random.random() < self.faults:
                o.begin(self._breaks(o))
            o.play_out(call(o))

        return happen

    # --- what breaks during a call

    def _breaks(self, o: Office) -> Script:
        kind = self._random.choice(
            ("line", "audio", "killed", "power", "cut", "cut", "reboot", "refuses", "full", "papers", "clock")
        )
        o.truth.count(f"during a call: {kind}")
        yield o.after(self._random.uniform(1.0, 40.0))
        back = o.after(self._random.uniform(1.0, 12.0))
        match kind:
            case "line":
                o.lose_line()
                yield back
                o.find_line()
            case "audio":
                o.lose_audio()
                yield back
                o.find_audio()
            case "killed" | "power":
                o.kill(power=kind == "power")
                yield back
                o.switch_on()
            case "cut":
                o.disk.cut_in = self._random.randrange(40)
                yield o.after(40.0)
                o.disk.cut_in = None
                yield lambda: o.box is not None
            case "reboot":
                o.reboot_tap(f"{self._random.getrandbits(32):08x}")
            case "refuses":
                o.refuse_writes(on=True)
                yield back
                o.refuse_writes(on=False)
            case "full":
                o.fill_disk(on=True)
                yield back
                o.fill_disk(on=False)
            case "papers":
                o.change_staff(_withdraw(1, o))
                yield o.after(30.0)
                o.change_staff(_agree(1))
            case _:
                o.truth.count("clock")
                o.clock.jumped_s += self._random.choice((-7200.0, 7200.0))
                o.clock.synced = self._random.random() < 0.5
                yield o.after(20.0)
                o.clock.jumped_s, o.clock.synced = 0.0, True

    # --- what happens between calls

    def _happenings(self) -> list[Happening]:
        def hour(fraction: float) -> float:
            return self.start_hour + fraction * self.hours

        noon = MIDNIGHT + hour(0.5) * 3600
        early = (hour(0.25), hour(0.5), (1,), None)
        late = (hour(0.5), hour(0.75), (2,), AskWhen.INCOMING)
        rota = Rule(shifts=(early, late))
        return [
            (0.15, lambda o: self._other_line(o, "gpio+modem")),
            (0.18, lambda o: self._other_line(o, "gpio+fritz")),
            (0.20, lambda o: self._other_line(o, "tap+fritz")),
            (0.28, lambda o: o.change_rule(rota)),
            (0.32, lambda o: o.go_online(online=False)),
            (0.38, lambda o: o.go_online(online=True)),
            (0.40, lambda o: self._other_line(o, "gpio+fritz+vox")),
            (0.43, lambda o: self._other_line(o, "tap")),
            (0.45, lambda o: o.change_staff(_withdraw(1, o))),  # who is on duty: nothing is recorded
            (0.47, lambda o: o.change_staff(_agree(1, until=noon))),
            (0.48, lambda o: o.change_staff(_withdraw(2, o))),  # who is not
            (0.51, lambda o: o.change_staff(_agree(2))),
            (0.52, lambda o: o.change_rule(Rule())),  # number 1 has expired: nothing is recorded
            (0.55, lambda o: o.change_staff(_agree(1))),
            (0.56, lambda o: o.change_rule(Rule(way=Way.ORAL))),
            (0.59, lambda o: o.change_rule(rota)),
            (0.61, lambda o: o.fill_disk(on=True)),
            (0.62, lambda o: o.fill_disk(on=False)),
            (0.64, lambda o: o.change_rule(Rule(ask=AskWhen.ALWAYS))),
            (0.66, lambda o: o.change_staff(_damage(on=True))),
            (0.67, lambda o: o.change_staff(_damage(on=False))),
            (0.68, lambda o: self._private(o, on=True)),
            (0.69, self._restart),
            (0.70, self._cut),
            (0.71, lambda o: self._private(o, on=False)),
            (0.72, lambda o: self._jump(o, 5400.0, synced=False)),
            (0.73, lambda o: self._jump(o, -5400.0, synced=True)),
            (0.75, lambda o: self._other_line(o, "fritz")),
            (0.77, lambda o: self._other_line(o, "vox")),
            (0.80, lambda o: self._other_line(o, "tap+modem")),
            (0.90, lambda o: o.change_rule(Rule())),
        ]

    def _restart(self, o: Office) -> None:
        o.switch_off()
        o.idle(4)
        o.switch_on()

    def _cut(self, o: Office) -> None:
        o.kill(power=True)
        o.idle(20)
        o.switch_on()
        o.idle(2)

    def _other_line(self, o: Office, kind: str) -> None:
        o.truth.count(f"line: {kind}")
        o.switch_off()
        o.idle(3)
        o.switch_on(kind)
        o.idle(8)

    def _private(self, o: Office, *, on: bool) -> None:
        o.idle(10)  # until the line is known
        o.run(1.5)
        o.begin(o.hold_button(2.3))
        while o.busy:
            o.step()
        o.private = on
        o.run(0.5)

    def _jump(self, o: Office, seconds: float, *, synced: bool) -> None:
        o.truth.count("clock")
        o.clock.jumped_s += seconds
        o.clock.synced = synced

    def _settle(self, o: Office) -> None:
        """The day ends with everything mended, and time for what is still to be delivered."""
        o.disk.cut_in = None
        o.idle(60)
        o.go_online(online=True)
        o.idle(max(120.0, self.hours * 3600 - o.clock.mono()))
        o.idle(300)
        o.switch_off()


def _withdraw(number: int, o: Office) -> Callable[[Book], None]:
    wall = o.clock.wall()[0]

    def change(book: Book) -> None:
        book.staff[number] = Employee(withdrawn_at=wall)

    return change


def _agree(number: int, until: float | None = None) -> Callable[[Book], None]:
    def change(book: Book) -> None:
        book.staff[number] = Employee(valid_until=until)

    return change


def _damage(*, on: bool) -> Callable[[Book], None]:
    def change(book: Book) -> None:
        book.damaged = on

    return change
