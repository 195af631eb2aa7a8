"""The office's own papers: who has agreed, who is never recorded, what is settled; and how they come onto the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from handschlag.adapters.files import RealFiles
from handschlag.adapters.registers import (
    EXCLUSION_FILE,
    STAFF_FILE,
    Excluded,
    ExclusionList,
    Person,
    StaffRegister,
    write_register,
)
from handschlag.cli.written_time import utc_text
from handschlag.core.policy import AskWhen, Way

MIDNIGHT = 1_795_478_400.0
"""2026-11-24, a Tuesday, 0:00 UTC."""


@dataclass(slots=True)
class Employee:
    """A written consent, as the office has it in its folder."""

    valid_until: float | None = None
    withdrawn_at: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is settled: who is on duty from hour to hour (all employees outside of it), and how the box asks."""

    way: Way = Way.KEY
    ask: AskWhen = AskWhen.BUTTON
    shifts: tuple[tuple[float, float, tuple[int, ...], AskWhen | None], ...] = ()


@dataclass(slots=True)
class Book:
    """The office's own papers: who has agreed, who is never recorded, what is settled."""

    staff: dict[int, Employee] = field(default_factory=lambda: {1: Employee(), 2: Employee()})
    users: tuple[int, ...] = (1, 2)
    never: set[str] = field(default_factory=set)
    rule: Rule = field(default_factory=Rule)
    damaged: bool = False

    def covered(self, wall: float, *, synced: bool) -> bool:
        """Whether everybody who has to has agreed."""
        hour = wall % 86_400 / 3600
        on = [staff for begin, end, staff, _ in self.rule.shifts if begin <= hour < end] if synced else []
        needed = {number for staff in on for number in staff} if on else set(self.users)
        return not self.damaged and all(self._agrees(number, wall) for number in needed)

    def _agrees(self, number: int, wall: float) -> bool:
        employee = self.staff.get(number)
        if employee is None or employee.withdrawn_at is not None:
            return False
        return employee.valid_until is None or wall < employee.valid_until


def utc(wall: float) -> str:
    """As registers write it."""
    return utc_text(datetime.fromtimestamp(wall, UTC))


def write_staff(folder: Path, book: Book) -> None:
    """Put the staff register on the disk as the book has it."""
    people = tuple(
        Person(
            number=number,
            document=f"{number:064x}",
            version="1",
            valid_from=utc(MIDNIGHT - 86_400 * 30),
            valid_until=None if employee.valid_until is None else utc(employee.valid_until),
            withdrawn_at=None if employee.withdrawn_at is None else utc(employee.withdrawn_at),
        )
        for number, employee in sorted(book.staff.items())
    )
    path = folder / STAFF_FILE
    if book.damaged:
        path.write_bytes(b"{ torn")
    else:
        write_register(path, StaffRegister(people=people), RealFiles())


def write_list(folder: Path, international: str) -> None:
    """Put a number on the do-not-record list."""
    empty = ExclusionList.new()
    numbers = (Excluded(hash=empty.hash_of(international), added_at=utc(MIDNIGHT)),)
    write_register(folder / EXCLUSION_FILE, ExclusionList(salt=empty.salt, numbers=numbers), RealFiles())
