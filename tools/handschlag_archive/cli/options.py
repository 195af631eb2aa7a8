"""What several commands share: the options they name alike, and how they say what they did."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Folder = Annotated[Path, typer.Option("--dir", help="Ordner / folder")]
Config = Annotated[Path, typer.Option("--config", help="archive.toml")]
Json = Annotated[bool, typer.Option("--json", help="ein JSON-Objekt je Zeile / one JSON object per line")]


def say(as_json: bool, words: str, /, **facts: Any) -> None:
    """Print `facts` as one line of JSON, or else `words`."""
    print(json.dumps(facts) if as_json else words, flush=True)
