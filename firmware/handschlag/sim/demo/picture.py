"""The live picture in the terminal: the line, both lamps, the legs' levels, what is said, where the recordings are."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WHO = {"near": "Werkstatt", "far": "Anrufer", "box": "Box", "line": "Leitung"}
COLOUR = {"near": "cyan", "far": "magenta", "box": "yellow", "line": "dim"}
PHASES = {
    "unknown": "Leitung unbekannt",
    "idle": "aufgelegt",
    "ringing": "es klingelt",
    "open": "Gespräch, nicht aufgezeichnet",
    "asking": "fragt den Anrufer",
    "granting": "Ja gehört, wird festgehalten",
    "pending": "läuft, unbestätigt",
    "confirming": "läuft, wird bestätigt",
    "recording": "NIMMT AUF",
}
STATUS = {
    "off": ("dim", "aus"),
    "cannot-record": ("yellow", "kann nicht aufnehmen"),
    "your-turn": ("blue", "Sie sind dran"),
    "asking": ("blue", "Frage läuft"),
    "private": ("white", "privat"),
    "warning": ("yellow", "Warnung"),
    "ready-alone": ("green", "bereit, Archiv nicht erreichbar"),
    "ready": ("green", "bereit"),
}
LINES_SHOWN = 9
FLOOR_DBM0 = -60.0
METER = 24
REFRESH_S = 0.1


class Picture:
    """What is seen while the calls run. Without a terminal, what is said is printed line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: deque[Text] = deque(maxlen=LINES_SHOWN)
        self._title = ""
        self._live: Live | None = None
        self._status: dict[str, Any] = {}
        self._next_at = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it, where there is a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self._draw(), console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def title(self, text: str) -> None:
        """A new call begins."""
        self._title = text
        self._said.clear()
        if self._live is None:
            self._console.print(f"\n[bold]{text}[/bold]")

    def tell(self, who: str, words: str) -> None:
        """Somebody says or does something."""
        line = Text.assemble((f"{WHO[who]:>9}  ", COLOUR[who]), words)
        self._said.append(line)
        if self._live is None:
            self._console.print(line)

    def update(self, status: dict[str, Any]) -> None:
        """The box says how it is."""
        self._status = status
        now = time.monotonic()
        if self._live is not None and now >= self._next_at:
            self._next_at = now + REFRESH_S
            self._live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        status = self._status
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="dim", width=12)
        table.add_column()
        table.add_row("Leitung", PHASES.get(status.get("phase", ""), ""))
        table.add_row("Lampen", _lamps(status))
        table.add_row("Anrufer", _meter(status.get("far_dbm0", FLOOR_DBM0), "magenta"))
        table.add_row("Werkstatt", _meter(status.get("near_dbm0", FLOOR_DBM0), "cyan"))
        table.add_row("Spool", f"{status.get('clips_sealed', 0)} Clips versiegelt, {status.get('backlog', 0)} warten")
        link = "verbunden" if status.get("connected") else "nicht erreichbar"
        table.add_row("Archiv", f"{link}, {status.get('receipts', 0)} Quittungen")
        table.add_row("Protokoll", f"{status.get('ledger_seq', 0)} Einträge")
        said = Group(*self._said, *[Text("")] * (LINES_SHOWN - len(self._said)))
        return Group(
            Panel(table, title="Handschlag", border_style="green", width=78),
            Panel(said, title=self._title, border_style="dim", width=78),
        )


def _lamps(status: dict[str, Any]) -> Text:
    rec = status.get("rec") == "on"
    colour, words = STATUS.get(status.get("status", "off"), ("dim", ""))
    return Text.assemble(("● REC" if rec else "○ REC", "bold red" if rec else "dim"), "   ", (f"● {words}", colour))


def _meter(level_dbm0: float, colour: str) -> Text:
    share = max(0.0, min(1.0, (level_dbm0 - FLOOR_DBM0) / -FLOOR_DBM0))
    filled = round(share * METER)
    return Text.assemble(("█" * filled, colour), ("░" * (METER - filled), "dim"), f" {level_dbm0:6.1f} dBm0")
