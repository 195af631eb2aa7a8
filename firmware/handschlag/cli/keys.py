"""`handschlag keys`: the owner's secret, its paper copy, and the public halves that a box pins."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from handschlag.errors import HandschlagError
from handschlag.sealing.keys import OwnerSecret, VerifyKey, fingerprint
from handschlag.sealing.paper import from_paper, to_paper
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust

app = typer.Typer(help="The owner's keys. | Die Schlüssel des Inhabers.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The owner's key file. | Die Schlüsseldatei des Inhabers.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line. | Ein JSON-Objekt je Zeile.")]


class CannotKeep(HandschlagError, OSError):
    """A key file that cannot be written or read as asked."""


@app.command()
def new(file: KeyFile) -> None:
    """Make a new owner secret. | Ein neues Inhabergeheimnis erzeugen."""
    secret = OwnerSecret.new()
    _write_secret(file, secret.to_file())
    print(f"{file}: keep it, and a paper copy of it | aufbewahren, auch auf Papier")
    _tell(secret)


@app.command()
def paper(file: KeyFile) -> None:
    """Print the secret for copying onto paper. | Das Geheimnis zum Abschreiben zeigen."""
    for line in to_paper(_read(file).raw):
        print(line)


@app.command()
def recover(file: KeyFile) -> None:
    """Type the paper copy (on standard input) into a new key file. | Die Papierkopie wieder eingeben."""
    secret = OwnerSecret.from_bytes(from_paper(sys.stdin.read()))
    _write_secret(file, secret.to_file())
    _tell(secret)


@app.command("fingerprint")
def fingerprint_(file: KeyFile, as_json: Json = False) -> None:
    """Show what is to be compared with the box's display. | Zeigen, was zu vergleichen ist."""
    secret = _read(file)
    if as_json:
        facts = {"workshop": fingerprint(secret.workshop().public), "signing": fingerprint(secret.signing().public)}
        print(json.dumps(facts))
    else:
        _tell(secret)


@app.command("public")
def public_(
    file: KeyFile, out: Annotated[Path, typer.Option("-o", help="The trust file to write. | Die Vertrauensdatei.")]
) -> None:
    """Write the public halves as a trust file, for the box. | Die öffentlichen Hälften für die Box schreiben."""
    secret = _read(file)
    out.write_bytes(write_trust(owner_trust(secret)))
    print(out)


def owner_trust(secret: OwnerSecret) -> Trust:
    """A trust file that knows the owner, and nobody else yet."""
    return Trust(
        owner=(TrustedKey.of(VerifyKey(secret.signing().public)),),
        workshop=(TrustedRecipient.of(secret.workshop().public),),
    )


def _tell(secret: OwnerSecret) -> None:
    print(f"workshop key | Werkstattschlüssel  {fingerprint(secret.workshop().public)}")
    print(f"signing key  | Unterschrift        {fingerprint(secret.signing().public)}")


def _read(file: Path) -> OwnerSecret:
    try:
        return OwnerSecret.from_file(file.read_bytes(), str(file))
    except OSError as error:
        raise CannotKeep(f"{file}: cannot be read ({error.strerror}); allowed is an owner's key file") from error


def _write_secret(file: Path, data: bytes) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CannotKeep(f"{file}: exists already; a key is never overwritten") from error
    except OSError as error:
        raise CannotKeep(f"{file}: cannot be written ({error.strerror})") from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
