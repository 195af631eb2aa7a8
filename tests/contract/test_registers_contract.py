"""What every `ports.Registers` keeps, the file's and the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct

from handschlag.adapters.files import RealFiles
from handschlag.adapters.registers import (
    EXCLUSION_FILE,
    STAFF_FILE,
    Excluded,
    ExclusionList,
    FileRegisters,
    Person,
    StaffRegister,
    write_register,
)
from handschlag.core.country import COUNTRIES, international
from handschlag.core.events import NumberMatched, RegisterTold
from handschlag.core.staff import StaffConsent
from handschlag.ports import Registers
from handschlag.sim.memory_registers import MemoryRegisters
from handschlag.sim.worker import InlineWorker
from tests.support.clock import HandClock
from tests.support.inbox import Inbox

ANNA = StaffConsent(1, "a" * 64, "2026-1", valid_from=1_780_000_000.0, valid_until=1_900_000_000.0)
BEN = StaffConsent(2, "b" * 64, "2026-1", valid_from=1_780_000_000.0)
TIMES = {None: None, 1_780_000_000.0: "2026-05-28T20:26:40Z", 1_900_000_000.0: "2030-03-17T17:46:40Z"}


@dataclass
class Bench:
    """A register, what it told, and how to change it."""

    registers: Registers
    inbox: Inbox
    put: Callable[..., None]
    exclude: Callable[..., None]

    def told(self) -> list[tuple[StaffConsent, ...]]:
        """The registers told so far."""
        return [event.consents for event in self.inbox.of(RegisterTold)]


def person_of(consent: StaffConsent) -> Person:
    """As it stands in the file."""
    return Person(
        number=consent.number,
        document=consent.document,
        version=consent.version,
        valid_from=str(TIMES[consent.valid_from]),
        valid_until=TIMES[consent.valid_until],
        withdrawn_at=TIMES[consent.withdrawn_at],
    )


@pytest.fixture(params=["memory", "file"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each implementation, with Anna in it."""
    inbox = Inbox()
    made: Registers
    if request.param == "memory":
        memory = MemoryRegisters(lambda: 5.0)
        made, put, exclude = memory, memory.put, memory.exclude
    else:

        def exclude(*numbers: str) -> None:
            entries = ExclusionList.new()
            hashes = [entries.hash_of(international(number, COUNTRIES["DE"])) for number in numbers]
            added = tuple(Excluded(hash=each, added_at="2026-05-28T20:26:40Z") for each in hashes)
            write_register(tmp_path / EXCLUSION_FILE, replace_struct(entries, numbers=added), RealFiles())

        def put(*consents: StaffConsent) -> None:
            people = tuple(person_of(consent) for consent in consents)
            write_register(tmp_path / STAFF_FILE, StaffRegister(people=people), RealFiles())

        made = FileRegisters(tmp_path, worker=InlineWorker(on_error=lambda e: pytest.fail(str(e))), clock=HandClock())
    put(ANNA)
    made.start(inbox.post)
    yield Bench(made, inbox, put, exclude)
    made.close()


def test_it_is_told_at_the_start(bench: Bench) -> None:
    """Who has agreed is known without asking."""
    assert bench.told() == [(ANNA,)]


def test_a_look_tells_only_what_has_changed(bench: Bench) -> None:
    """Each second somebody looks; only a change is told, and whole."""
    bench.registers.look()
    bench.put(ANNA, BEN)
    bench.registers.look()
    bench.registers.look()
    assert bench.told() == [(ANNA,), (ANNA, BEN)]


def test_a_withdrawal_is_told(bench: Bench) -> None:
    """The withdrawn consent is still there, with the time at which it was taken back."""
    bench.put(replace(ANNA, withdrawn_at=1_900_000_000.0))
    bench.registers.look()
    assert bench.told()[-1] == (replace(ANNA, withdrawn_at=1_900_000_000.0),)


def test_the_do_not_record_list_is_asked_number_by_number(bench: Bench) -> None:
    """A number that stands on it, and one that does not, each answered under its own ticket."""
    bench.exclude("03023125042")
    bench.registers.look()
    assert bench.inbox.of(RegisterTold)[-1].exclusions == 1
    bench.registers.match("03023125042", 1)
    bench.registers.match("03023125043", 2)
    assert [(m.ticket, m.excluded) for m in bench.inbox.of(NumberMatched)] == [(1, True), (2, False)]


def test_without_a_list_nobody_stands_on_it(bench: Bench) -> None:
    """A box without a list answers all the same."""
    bench.registers.match("03023125042", 1)
    assert [(m.ticket, m.excluded) for m in bench.inbox.of(NumberMatched)] == [(1, False)]
