"""`handschlag command`: the operator's signed commands to a box.

They are written to a file; whoever may publish to the box's `down/command` sends it. The counter is the time in
milliseconds unless it is given, so that it rises without anybody keeping count; the id names the answer, on
`up/reply/<id>`.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from handschlag.cli.written_time import utc_text
from handschlag.errors import HandschlagError
from handschlag.sealing.command import LONGEST, Command, Level, sign_command
from handschlag.sealing.keys import SigningKey

NAMES = ("identify", "log-level", "report", "restart", "selftest", "update")

Box = Annotated[str, typer.Option("--box", help="The box's name. | Der Name der Box.")]
Key = Annotated[Path, typer.Option("--key", help="The operator's key file. | Die Schlüsseldatei des Betreibers.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="The command, OUT.jws. | Der Befehl.")]
Counter = Annotated[int | None, typer.Option("--counter", help="Must rise. | Muss steigen.")]
Lasts = Annotated[int, typer.Option("--minutes", min=1, help="Expires after. | Verfällt nach.")]


class CannotCommand(HandschlagError, ValueError):
    """No such command, a key file that cannot be read, or a file that cannot be written."""


def command(  # noqa: PLR0917 - options of a command, given by name
    name: Annotated[str, typer.Argument(help=", ".join(NAMES))],
    box: Box,
    key: Key,
    out: Out,
    counter: Counter = None,
    lasts: Lasts = 15,
    level: Annotated[str | None, typer.Option("--level", help="log-level: debug, info, warning, error")] = None,
    level_minutes: Annotated[int | None, typer.Option("--for", help="log-level: 1 to 1440 minutes | Minuten")] = None,
) -> None:
    """Sign a command to a box. | Einen Befehl an eine Box unterschreiben."""
    if name not in NAMES:
        raise CannotCommand(f"{name!r}: no such command; allowed are {', '.join(NAMES)}")
    if timedelta(minutes=lasts) > LONGEST:
        raise CannotCommand(f"--minutes {lasts}: allowed are at most {int(LONGEST.total_seconds()) // 60}")
    try:
        signer = SigningKey.from_file(key.read_bytes(), str(key))
    except OSError as error:
        raise CannotCommand(f"{key}: cannot be read ({error.strerror}); allowed is the operator's key file") from error
    now = datetime.now(UTC)
    said = Command(
        box=box,
        name=name,
        id=secrets.token_hex(16),
        counter=int(time.time() * 1000) if counter is None else counter,
        at=utc_text(now),
        expires=utc_text(now + timedelta(minutes=lasts)),
        level=_level(level),
        minutes=level_minutes,
    )
    token = sign_command(said, signer)
    try:
        out.write_bytes(token)
    except OSError as error:
        raise CannotCommand(f"{out}: cannot be written ({error.strerror})") from error
    print(f"{out}: {name}; publish it to handschlag/1/{box}/down/command, the answer comes on .../up/reply/{said.id}")
    print(f"{out}: zu senden an handschlag/1/{box}/down/command, die Antwort kommt auf .../up/reply/{said.id}")


def _level(text: str | None) -> Level | None:
    match text:
        case None | "debug" | "info" | "warning" | "error":
            return text
        case _:
            raise CannotCommand(f"--level {text!r}: allowed are debug, info, warning, error")
