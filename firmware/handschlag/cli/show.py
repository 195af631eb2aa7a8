"""`handschlag demo`: the whole way of a call, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handschlag.sim.demo import run
from handschlag.sim.voices import STORIES, BadStory


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where it leaves its files. | Wohin es schreibt.")] = Path(
        "demo-out"
    ),
    leave: Annotated[bool, typer.Option("--exit", help="End when all is shown. | Danach enden.")] = False,
    live: Annotated[bool, typer.Option("--live", help="In real time, on sound devices. | In Echtzeit.")] = False,
    stories: Annotated[
        list[str] | None, typer.Option("--story", help="Only this call; may be repeated. | Nur dieser Anruf.")
    ] = None,
) -> None:
    """Show three calls, from ring to archive. | Drei Anrufe zeigen, vom Klingeln bis zum Archiv."""
    unknown = set(stories or ()) - set(STORIES)
    if unknown:
        raise BadStory(f"--story {', '.join(sorted(unknown))}: allowed are {', '.join(STORIES)}")
    run(folder.resolve(), stay=not leave, live=live, stories=[s for s in STORIES if s in (stories or STORIES)])
