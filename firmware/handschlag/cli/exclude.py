"""`handschlag exclude`: numbers that are never asked and never recorded.

The list holds hashes; the command line is told a number on its standard input, so that no shell remembers it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from handschlag.adapters.registers import EXCLUSION_FILE, Excluded, ExclusionList, read_exclusions
from handschlag.cli.register import BadRequest, place, put
from handschlag.cli.written_time import now_text
from handschlag.core.country import COUNTRIES, international
from handschlag.settings import Loaded, load

app = typer.Typer(help="The do-not-record list. | Die Nie-aufnehmen-Liste.", no_args_is_help=True)

Config = Annotated[Path, typer.Option("--config", help="The settings file. | Die Einstellungsdatei.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line. | Ein JSON-Objekt je Zeile.")]


@app.command()
def add(config: Config) -> None:
    """Never record the number typed in. | Die eingetippte Nummer nie aufnehmen."""
    loaded = load(config)
    found = _list(loaded) or ExclusionList.new()
    number = found.hash_of(_number(loaded))
    if found.has(number):
        raise BadRequest("this number is on the list already | diese Nummer steht schon auf der Liste")
    now = now_text()
    entries = (*found.numbers, Excluded(hash=number, added_at=now))
    put(place(loaded, EXCLUSION_FILE), msgspec.structs.replace(found, numbers=entries))
    print(f"{number[:8]}: on the list | auf der Liste ({len(entries)})")


@app.command()
def remove(config: Config) -> None:
    """Take the number typed in off the list. | Die eingetippte Nummer von der Liste nehmen."""
    loaded = load(config)
    found = _list(loaded) or ExclusionList.new()
    number = found.hash_of(_number(loaded))
    if not found.has(number):
        raise BadRequest("this number is not on the list | diese Nummer steht nicht auf der Liste")
    entries = tuple(each for each in found.numbers if each.hash != number)
    put(place(loaded, EXCLUSION_FILE), msgspec.structs.replace(found, numbers=entries))
    print(f"{number[:8]}: off the list | von der Liste genommen ({len(entries)})")


@app.command("list")
def list_(config: Config, as_json: Json = False) -> None:
    """Show the list; it knows no numbers, only their hashes. | Die Liste zeigen; sie kennt nur Prüfsummen."""
    found = _list(load(config))
    for each in found.numbers if found is not None else ():
        if as_json:
            print(json.dumps({"hash": each.hash, "added_at": each.added_at}))
        else:
            print(f"{each.hash[:8]}  {each.added_at}")


def _list(loaded: Loaded) -> ExclusionList | None:
    return read_exclusions(place(loaded, EXCLUSION_FILE))


def _number(loaded: Loaded) -> str:
    """The number in international form."""
    if sys.stdin.isatty():
        print("Number | Nummer: ", end="", file=sys.stderr, flush=True)
    typed = sys.stdin.readline().strip()
    consent = loaded.settings.consent
    number = international(typed, COUNTRIES[consent.country], consent.area_code)
    if not number:
        raise BadRequest(
            "this is no number that could be compared; allowed is a number with area code, as 030 1234567"
            " (a local one only where consent.area_code is set)"
        )
    return number
