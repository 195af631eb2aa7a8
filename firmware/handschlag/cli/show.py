"""`handschlag demo`: the whole way of a call, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handschlag.sim.demo import run


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where it leaves its files. | Wohin es schreibt.")] = Path(
        "demo-out"
    ),
    leave: Annotated[bool, typer.Option("--exit", help="End when all is shown. | Danach enden.")] = False,
    live: Annotated[bool, typer.Option("--live", help="In real time, on sound devices. | In Echtzeit.")] = False,
) -> None:
    """Show three calls, from ring to archive. | Drei Anrufe zeigen, vom Klingeln bis zum Archiv."""
    run(folder.resolve(), stay=not leave, live=live)
