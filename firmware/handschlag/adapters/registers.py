"""The staff register on disk: one JSON file that `handschlag staff` writes and the running box reads when it changes.

The register names a person by number; what they signed stands there as a hash, their name sealed for the workshop. It
is no journal: the ledger is, and is told of every change by the core. A file that cannot be read is told as such, and
nothing is recorded until somebody has mended it; what it said before is not trusted instead.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from handschlag.core.events import RegisterTold
from handschlag.core.staff import StaffConsent
from handschlag.errors import HandschlagError
from handschlag.ports import Clock, FileOps, Post, Worker
from handschlag.sealing.encoding import Sha256, Time, Token, canonical, decode
from handschlag.sealing.errors import SealingError
from handschlag.sealing.names import SealedName

STAFF_FILE = "staff.json"
MOST_BYTES = 4 * 1024 * 1024


class BadRegister(HandschlagError, ValueError):
    """The register cannot be read, or would become one that cannot."""


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One written consent. Times are UTC; `document` is the SHA-256 of the signed form, `version` its text's."""

    number: Annotated[int, Meta(ge=1, le=9999)]
    document: Sha256
    version: Token
    valid_from: Time
    valid_until: Time | None = None
    withdrawn_at: Time | None = None
    name: tuple[SealedName, ...] = ()


class StaffRegister(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    people: tuple[Person, ...] = ()
    version: Literal[1] = 1

    def person(self, number: int) -> Person:
        """The person of this number.

        Raises:
            BadRegister: there is none.
        """
        for person in self.people:
            if person.number == number:
                return person
        there = ", ".join(str(person.number) for person in self.people) or "nobody"
        raise BadRegister(f"person {number}: is not in the register; there are: {there}")

    def having(self, person: Person) -> StaffRegister:
        """The register with this person in place of whoever had the number."""
        others = [other for other in self.people if other.number != person.number]
        return StaffRegister(people=tuple(sorted([*others, person], key=lambda each: each.number)))


def read_staff(path: Path) -> StaffRegister:
    """The register; an absent file is an empty one.

    Raises:
        BadRegister: it cannot be read, or is not one.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return StaffRegister()
    except OSError as error:
        raise BadRegister(f"{path}: cannot be read ({error.strerror})") from error
    try:
        register = decode(data, StaffRegister, path.name, limit=MOST_BYTES)
    except SealingError as error:
        raise BadRegister(f"{path}: {error}") from error
    numbers = [person.number for person in register.people]
    if len(set(numbers)) != len(numbers):
        raise BadRegister(f"{path}: a number is given twice; allowed is one consent a person")
    return register


def write_staff(path: Path, register: StaffRegister, files: FileOps) -> None:
    """Put the register in place of the old one, whole or not at all; raises OSError when the disk refuses."""
    new = path.with_name(path.name + ".new")
    files.write(str(new), canonical(register) + b"\n")
    files.fsync(str(new))
    files.rename(str(new), str(path))
    files.fsync_dir(str(path.parent))


def consent_of(person: Person) -> StaffConsent:
    """What deciding needs of it."""
    return StaffConsent(
        person.number,
        person.document,
        person.version,
        _seconds(person.valid_from),
        None if person.valid_until is None else _seconds(person.valid_until),
        None if person.withdrawn_at is None else _seconds(person.withdrawn_at),
    )


class FileRegisters:
    """`ports.Registers` in `folder`. The worker belongs to it from here on: `close` ends it."""

    def __init__(self, folder: Path, *, worker: Worker, clock: Clock) -> None:
        self._path = folder / STAFF_FILE
        self._worker = worker
        self._clock = clock
        self._post: Post | None = None
        self._seen: object = ()
        self._waiting = threading.Event()

    def start(self, post: Post) -> None:
        """Read it, and tell."""
        self._post = post
        self.look()

    def look(self) -> None:
        """Read it again if it has changed, and tell; one look at a time."""
        if not self._waiting.is_set():
            self._waiting.set()
            self._worker.submit(self._look)

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _look(self) -> None:
        self._waiting.clear()
        seen = self._stamp()
        if seen == self._seen or self._post is None:
            return
        try:
            told = RegisterTold(
                self._clock.mono(), tuple(consent_of(person) for person in read_staff(self._path).people)
            )
        except BadRegister as error:
            told = RegisterTold(self._clock.mono(), (), str(error))
        self._seen = seen
        self._post(told)

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return found.st_ino, found.st_size, found.st_mtime_ns


def _seconds(time: str) -> float:
    moment = datetime.fromisoformat(time)
    return moment.astimezone(UTC).timestamp()
