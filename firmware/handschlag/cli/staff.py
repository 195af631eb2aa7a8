"""`handschlag staff`: who of the staff has agreed in writing that calls on the line may be recorded.

The register is a file of the box; the running box sees a change within a second and writes it to its ledger. Names are
sealed with the workshop's public key, so that reading them takes the owner's key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from handschlag.adapters.registers import STAFF_FILE, Person, StaffRegister, consent_of, read_staff
from handschlag.cli.register import BadRequest, place, put
from handschlag.cli.written_time import utc_text
from handschlag.sealing.keys import WorkshopKey
from handschlag.sealing.names import open_name, seal_name
from handschlag.sealing.trust import read_trust
from handschlag.settings import Loaded, load

app = typer.Typer(help="Written consents of the staff. | Schriftliche Einwilligungen.", no_args_is_help=True)

MOST_NUMBER = 9999

Config = Annotated[Path, typer.Option("--config", help="The settings file. | Die Einstellungsdatei.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line. | Ein JSON-Objekt je Zeile.")]
Number = Annotated[int, typer.Argument(help="The person's number. | Die Nummer der Person.")]


@dataclass(slots=True)
class _Open:
    """The register of a box, to be changed."""

    loaded: Loaded
    register: StaffRegister


@app.command()
def add(  # noqa: PLR0917 - options of a command, given by name
    config: Config,
    document: Annotated[Path, typer.Option("--document", help="The signed form. | Das unterschriebene Formular.")],
    version: Annotated[str, typer.Option("--version", help="The form's version. | Die Fassung des Formulars.")],
    name: Annotated[str, typer.Option("--name", prompt="Name", help="Sealed at once. | Wird sofort versiegelt.")],
    number: Annotated[int | None, typer.Option("--number", help="Replaces who has it. | Ersetzt, wer sie hat.")] = None,
    valid_from: Annotated[str, typer.Option("--from", help="YYYY-MM-DD; today. | Ab; sonst heute.")] = "",
    valid_until: Annotated[str, typer.Option("--until", help="Last day. | Letzter Tag.")] = "",
) -> None:
    """Take in a written consent. | Eine schriftliche Einwilligung aufnehmen."""
    with _changing(config) as found:
        loaded = found.loaded
        taken = [person.number for person in found.register.people]
        given = number if number is not None else max(taken, default=0) + 1
        begins = _day(valid_from, "--from") if valid_from else datetime.now(UTC)
        ends = _day(valid_until, "--until") + timedelta(days=1) if valid_until else None
        if ends is not None and ends <= begins:
            raise BadRequest(f"--until {valid_until}: lies before --from {valid_from or 'today'}")
        trust = read_trust(loaded.path(loaded.settings.box.trust).read_bytes(), loaded.settings.box.trust)
        if not trust.recipients():
            raise BadRequest(f"{loaded.settings.box.trust}: names no workshop key to seal names for")
        box = loaded.settings.box.name
        person = Person(
            number=given,
            document=_hash(document),
            version=version,
            valid_from=utc_text(begins),
            valid_until=None if ends is None else utc_text(ends),
            name=seal_name(name, trust.recipients(), box=box, number=given),
        )
        found.register = found.register.having(_checked(person))
    print(f"{given}: taken in | aufgenommen")
    if given not in loaded.settings.consent.line_users:
        print(
            f"{config}: consent.line_users does not name {given} yet | consent.line_users nennt die {given} noch nicht"
        )


@app.command()
def withdraw(config: Config, number: Number) -> None:
    """Take a consent back: the next call is not recorded. | Einwilligung zurücknehmen: ab dem nächsten Anruf."""
    with _changing(config) as found:
        person = found.register.person(number)
        if person.withdrawn_at is not None:
            raise BadRequest(f"person {number}: the consent was withdrawn already, at {person.withdrawn_at}")
        taken_back = msgspec.structs.replace(person, withdrawn_at=utc_text(datetime.now(UTC)))
        found.register = found.register.having(taken_back)
    print(f"{number}: withdrawn | zurückgenommen")


@app.command("list")
def list_(
    config: Config,
    key: Annotated[Path | None, typer.Option("--key", help="The owner's, for names. | Für die Namen.")] = None,
    as_json: Json = False,
) -> None:
    """Show the register; names with the owner's key. | Das Verzeichnis zeigen, Namen mit dem Schlüssel."""
    loaded = load(config)
    opener = None
    if key is not None:
        try:
            opener = WorkshopKey.from_file(key.read_bytes(), str(key))
        except OSError as error:
            raise BadRequest(f"{key}: cannot be read ({error.strerror}); allowed is a key file") from error
    for person in read_staff(place(loaded, STAFF_FILE)).people:
        name = (
            "" if opener is None else open_name(person.name, opener, box=loaded.settings.box.name, number=person.number)
        )
        line = {
            "number": person.number,
            "name": name,
            "holds": consent_of(person).holds(datetime.now(UTC).timestamp()),
            "on_line": person.number in loaded.settings.consent.line_users,
            "version": person.version,
            "document": person.document,
            "valid_from": person.valid_from,
            "valid_until": person.valid_until,
            "withdrawn_at": person.withdrawn_at,
        }
        print(json.dumps(line) if as_json else _words(line))


def _words(line: dict[str, object]) -> str:
    state = "agreed | willigt ein" if line["holds"] else "does not count | gilt nicht"
    if line["withdrawn_at"]:
        state = f"withdrawn | zurückgenommen {line['withdrawn_at']}"
    until = f" - {line['valid_until']}" if line["valid_until"] else ""
    return (
        f"{line['number']:>4}  {line['name'] or '(sealed | versiegelt)':24} {line['version']:12} "
        f"{line['valid_from']}{until}  {state}"
    )


@contextmanager
def _changing(config: Path) -> Iterator[_Open]:
    """Read the register, let it be changed, and put it back."""
    loaded = load(config)
    path = place(loaded, STAFF_FILE)
    found = _Open(loaded, read_staff(path))
    yield found
    put(path, found.register)


def _hash(document: Path) -> str:
    try:
        return hashlib.sha256(document.read_bytes()).hexdigest()
    except OSError as error:
        raise BadRequest(f"--document {document}: cannot be read ({error.strerror})") from error


def _day(text: str, option: str) -> datetime:
    """The beginning of a day in the box's time zone."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{option} {text}: is no day; allowed is YYYY-MM-DD") from None
    return datetime.combine(day, time()).astimezone()


def _checked(person: Person) -> Person:
    """What the register would refuse to read is refused now, by name."""
    if not 1 <= person.number <= MOST_NUMBER:
        raise BadRequest(f"--number {person.number}: allowed are 1 to {MOST_NUMBER}")
    try:
        return msgspec.json.decode(msgspec.json.encode(person), type=Person)
    except msgspec.ValidationError as error:
        raise BadRequest(
            f"--version {person.version!r}: {error}; allowed are up to 64 of 0-9 A-Z a-z . _ : + -"
        ) from None
