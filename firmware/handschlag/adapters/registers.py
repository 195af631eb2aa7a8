"""The registers on disk: JSON files that `handschlag staff` and `exclude` write and the running box reads on a change.

The staff register names a person by number; what they signed stands there as a hash, their name sealed for the
workshop. It is no journal: the ledger is, and is told of every change by the core. A file that cannot be read is told
as such, and nothing is recorded until somebody has mended it; what it said before is not trusted instead.

The do-not-record list holds scrypt hashes (RFC 7914) of numbers in international form, all under one salt, so that a
number is looked up with one hash. There are few telephone numbers: who has the box can still guess whether one is on
the list, at some tenths of a second a guess.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from handschlag.core.country import COUNTRIES, Country, international
from handschlag.core.events import NumberMatched, RegisterTold
from handschlag.core.staff import StaffConsent
from handschlag.errors import HandschlagError
from handschlag.ports import Clock, FileOps, Post, Worker
from handschlag.sealing.encoding import Sha256, Time, Token, canonical, decode
from handschlag.sealing.errors import SealingError
from handschlag.sealing.names import SealedName

STAFF_FILE = "staff.json"
EXCLUSION_FILE = "excluded.json"
SCRYPT_N = 2**15
F = TypeVar("F", bound=msgspec.Struct)

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
    data = _read(path)
    if data is None:
        return StaffRegister()
    register = _decoded(data, StaffRegister, path)
    numbers = [person.number for person in register.people]
    if len(set(numbers)) != len(numbers):
        raise BadRegister(f"{path}: a number is given twice; allowed is one consent a person")
    return register


def write_register(path: Path, register: StaffRegister | ExclusionList, files: FileOps) -> None:
    """Put a register in place of the old one, whole or not at all; raises OSError when the disk refuses."""
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


class Excluded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One number of the do-not-record list, as its hash."""

    hash: Sha256
    added_at: Time


class ExclusionList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file; `salt` is hexadecimal."""

    salt: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    numbers: tuple[Excluded, ...] = ()
    version: Literal[1] = 1

    @classmethod
    def new(cls) -> ExclusionList:
        """An empty list with a salt of its own."""
        return cls(salt=secrets.token_hex(16))

    def hash_of(self, number: str) -> str:
        """The hash of a number in international form; takes some tenths of a second."""
        salt = bytes.fromhex(self.salt)
        return hashlib.scrypt(number.encode(), salt=salt, n=SCRYPT_N, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32).hex()

    def has(self, number_hash: str) -> bool:
        """Whether it is on the list."""
        return any(each.hash == number_hash for each in self.numbers)


def read_exclusions(path: Path) -> ExclusionList | None:
    """The do-not-record list; None where there is none.

    Raises:
        BadRegister: it cannot be read, or is not one.
    """
    data = _read(path)
    return None if data is None else _decoded(data, ExclusionList, path)


class FileRegisters:
    """`ports.Registers` in `folder`, for a line in `country` with `area_code`.

    The worker belongs to it from here on: `close` ends it.
    """

    def __init__(
        self, folder: Path, *, worker: Worker, clock: Clock, country: Country = COUNTRIES["DE"], area_code: str = ""
    ) -> None:
        self._staff = folder / STAFF_FILE
        self._list = folder / EXCLUSION_FILE
        self._worker = worker
        self._clock = clock
        self._country = country
        self._area_code = area_code
        self._post: Post | None = None
        self._seen: object = ()
        self._waiting = threading.Event()
        self._exclusions: ExclusionList | None = None

    def start(self, post: Post) -> None:
        """Read them, and tell."""
        self._post = post
        self.look()

    def look(self) -> None:
        """Read them again if they have changed, and tell; one look at a time."""
        if not self._waiting.is_set():
            self._waiting.set()
            self._worker.submit(self._look)

    def match(self, number: str, ticket: int) -> None:
        """Ask the do-not-record list, after every look asked for before."""
        self._worker.submit(lambda: self._match(number, ticket))

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _look(self) -> None:
        self._waiting.clear()
        seen = _stamp(self._staff), _stamp(self._list)
        if seen == self._seen or self._post is None:
            return
        try:
            people = read_staff(self._staff).people
            self._exclusions = read_exclusions(self._list)
            exclusions = len(self._exclusions.numbers) if self._exclusions is not None else 0
            told = RegisterTold(self._clock.mono(), tuple(consent_of(person) for person in people), "", exclusions)
        except BadRegister as error:
            told = RegisterTold(self._clock.mono(), (), str(error))
        self._seen = seen
        self._post(told)

    def _match(self, number: str, ticket: int) -> None:
        exclusions = self._exclusions
        form = international(number, self._country, self._area_code)
        excluded = exclusions is not None and form != "" and exclusions.has(exclusions.hash_of(form))
        if self._post is not None:
            self._post(NumberMatched(self._clock.mono(), ticket, excluded))


def _stamp(path: Path) -> object:
    """What changes when the file does."""
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadRegister(f"{path}: cannot be read ({error.strerror})") from error


def _decoded(data: bytes, form: type[F], path: Path) -> F:
    try:
        return decode(data, form, path.name, limit=MOST_BYTES)
    except SealingError as error:
        raise BadRegister(f"{path}: {error}") from error


def _seconds(time: str) -> float:
    moment = datetime.fromisoformat(time)
    return moment.astimezone(UTC).timestamp()
