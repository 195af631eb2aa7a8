"""`handschlag owner`: the owner's signed messages to a box.

They are written to a file: the archive relays it, or it is put into the box's own `owner` folder. The counter is the
time in milliseconds unless it is given, so that it rises without anybody keeping count.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from handschlag.cli.written_time import now_text
from handschlag.errors import HandschlagError
from handschlag.sealing.keys import OwnerSecret
from handschlag.sealing.owner import Name, OwnerMessage, message_id, sign_owner

app = typer.Typer(help="The owner's word to a box. | Das Wort des Inhabers an eine Box.", no_args_is_help=True)

Recording = Annotated[str, typer.Argument(help="The recording's id. | Die Kennung der Aufnahme.")]
Box = Annotated[str, typer.Option("--box", help="The box's name. | Der Name der Box.")]
Key = Annotated[Path, typer.Option("--key", help="The owner's key file. | Die Schlüsseldatei des Inhabers.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="The message, OUT.jws. | Die Nachricht.")]
Counter = Annotated[int | None, typer.Option("--counter", help="Must rise. | Muss steigen.")]


class CannotSay(HandschlagError, OSError):
    """A key file that cannot be read, or a message that cannot be written."""


@app.command()
def erase(recording: Recording, box: Box, key: Key, out: Out, counter: Counter = None) -> None:
    """Erase a recording. | Eine Aufnahme löschen."""
    _write("erase", box, key, out, counter, recording=recording)


@app.command()
def hold(recording: Recording, box: Box, key: Key, out: Out, counter: Counter = None) -> None:
    """Keep a recording whatever is over. | Eine Aufnahme behalten, was auch abläuft."""
    _write("hold", box, key, out, counter, recording=recording)


@app.command()
def release(recording: Recording, box: Box, key: Key, out: Out, counter: Counter = None) -> None:
    """End a hold. | Das Behalten beenden."""
    _write("release", box, key, out, counter, recording=recording)


@app.command("class")
def class_(  # noqa: PLR0917 - options of a command, given by name
    recording: Recording,
    kept_for: Annotated[str, typer.Argument(help="inquiry, order, repair, building")],
    box: Box,
    key: Key,
    out: Out,
    counter: Counter = None,
) -> None:
    """Say what a recording was made for. | Sagen, wofür eine Aufnahme gemacht wurde."""
    _write("class", box, key, out, counter, recording=recording, kept_for=kept_for)


@app.command()
def epoch(
    number: Annotated[int, typer.Argument(help="Higher than the last. | Höher als die letzte.")],
    box: Box,
    key: Key,
    out: Out,
    counter: Counter = None,
) -> None:
    """Let a box whose ledger is doubted record again. | Eine Box mit bezweifeltem Protokoll wieder aufnehmen lassen."""
    _write("epoch", box, key, out, counter, epoch=number)


def _write(
    name: Name,
    box: str,
    key: Path,
    out: Path,
    counter: int | None,
    *,
    recording: str | None = None,
    kept_for: str | None = None,
    epoch: int | None = None,
) -> None:
    try:
        secret = OwnerSecret.from_file(key.read_bytes(), str(key))
    except OSError as error:
        raise CannotSay(f"{key}: cannot be read ({error.strerror}); allowed is an owner's key file") from error
    message = OwnerMessage(
        box=box,
        name=name,
        counter=int(time.time() * 1000) if counter is None else counter,
        at=now_text(),
        recording=recording,
        kept_for=kept_for,
        epoch=epoch,
    )
    token = sign_owner(message, secret.signing())
    try:
        out.write_bytes(token)
    except OSError as error:
        raise CannotSay(f"{out}: cannot be written ({error.strerror})") from error
    print(f"{out}: {name}, {message_id(token)}; for the archive, or the box's folder owner/")
    print(f"{out}: für das Archiv, oder für den Ordner owner/ der Box")
