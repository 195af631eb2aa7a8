"""`handschlag report`: the consent report of a month, out of a ledger whose chain was checked first."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from handschlag.cli.evidence import FolderFiles
from handschlag.core.report import KINDS_OF_END, Report
from handschlag.core.report import report as report_of
from handschlag.errors import HandschlagError
from handschlag.sealing.ledger import Value
from handschlag.sealing.trust import read_trust
from handschlag.sealing.verify import proven_entries, verify_ledger
from handschlag.settings import load

ENDS = {
    "recorded": "aufgenommen | recorded",
    "refused": "nicht eingewilligt oder widerrufen | no consent, or withdrawn",
    "not-asked": "nicht gefragt | not asked",
    "private": "privat | private",
    "failed": "fehlgeschlagen | failed",
}


class CannotReport(HandschlagError, ValueError):
    """There is no ledger to report on, or it is not whole."""


def report(
    month: Annotated[str, typer.Option("--month", help="As 2026-11. | Wie 2026-11.")],
    config: Annotated[Path | None, typer.Option("--config", help="The box's settings. | Einstellungen.")] = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="A ledger. | Ein Protokoll.")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="Whose word counts. | Wessen Wort gilt.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object. | Ein JSON-Objekt.")] = False,
) -> None:
    """Tell how a month's calls came out. | Sagen, wie die Anrufe eines Monats ausgingen."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise CannotReport(f"--month {month}: is no month; allowed is as 2026-11")
    if (config is None) == (ledger is None):
        raise CannotReport("give either --config (the box's settings) or --ledger (a ledger's folder)")
    if config is not None:
        loaded = load(config)
        folder = loaded.path(loaded.settings.box.data) / "ledger"
        trust = trust or loaded.path(loaded.settings.box.trust)
    else:
        folder = ledger or Path()
        trust = trust or folder / "trust.json"
    told = report_of(_entries(folder, trust), month)
    if as_json:
        print(msgspec.json.encode(told).decode())
        return
    for line in _words(told):
        print(line)


def _entries(folder: Path, trust: Path) -> list[dict[str, Value]]:
    """All entries of a ledger that holds.

    Raises:
        CannotReport: it cannot be read, or was edited.
    """
    try:
        trusted = read_trust(trust.read_bytes(), str(trust))
        files = FolderFiles(folder)
        verdict = verify_ledger(files, trusted)
        entries = proven_entries(files)
    except OSError as error:
        raise CannotReport(f"{error.filename}: cannot be read ({error.strerror})") from error
    if not verdict.ok:
        raise CannotReport(f"{folder}: {verdict.wrong}; there is no report on a ledger that does not hold")
    return entries


def _words(told: Report) -> list[str]:
    minutes = round(told.seconds / 60)
    lines = [
        f"{told.month}: {told.calls} Gespräche | calls, {told.incoming} ankommend | incoming, {minutes} min",
        *(f"  {told.ends[end]:5}  {ENDS[end]}" for end in KINDS_OF_END),
        f"gefragt | asked: {_counts(told.asked)}",
        f"eingewilligt | agreed: {_counts(told.granted)}",
        f"abgelehnt, weil | refused for: {_counts(told.refused)}",
        f"widerrufen | withdrawn: {told.withdrawn}",
        f"abgeschlossen | closed: {told.closed}, quittiert | receipted: {told.receipted}",
        f"vernichtet, weil | destroyed for: {_counts(told.destroyed)}",
        f"Personal | staff: {_counts(told.staff)}",
        f"Störungen | faults: {_counts(told.faults)}",
    ]
    if told.unsynced:
        lines.append(f"{told.unsynced} Einträge mit ungestellter Uhr | entries with a clock that nobody had set")
    return [*lines, *(f"! {odd}" for odd in told.odd)]


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.most_common()) or "-"
