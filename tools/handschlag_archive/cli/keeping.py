"""How long things are kept: `retention`."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import open_index, open_retention
from handschlag_archive.retention import SOON, Report
from handschlag_archive.settings import read_settings

_MOST_NAMED = 50


def retention(
    config: Config,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="nur sagen, was wäre / only say what would be")] = False,
    clock_is_right: Annotated[
        bool,
        typer.Option("--clock-is-right", help="die Uhr stimmt, was auch dagegen spricht / whatever speaks against"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Vernichten, was abgelaufen ist / destroy what is over: keys at once, clips as soon as no lock keeps them."""
    settings = read_settings(config)
    with closing(open_index(settings)) as index:
        report = open_retention(settings, index).run(datetime.now(UTC), dry_run=dry_run, clock_is_right=clock_is_right)
    say(as_json, _words(report), **msgspec.to_builtins(report))


def _words(report: Report) -> str:
    days = SOON.days
    would = "wären abgelaufen / would expire" if report.dry_run else "abgelaufen und vernichtet / expired, destroyed"
    lines = [
        f"{report.at}",
        f"  {sum(report.expired.values()):>8} {would}{_by(report.expired)}",
        f"  {report.freed:>8} Bytes {'würden frei / would be freed' if report.dry_run else 'frei geworden / freed'}",
        f"  {report.locked:>8} Dateien hält noch eine Sperre / files still locked ({report.locked_bytes} Bytes)",
        f"  {report.unfinished:>8} noch nicht ganz vernichtet / not destroyed entirely yet",
        f"  {sum(report.held.values()):>8} abgelaufen, aber gehalten / over, but held{_by(report.held)}",
        f"  {sum(report.soon.values()):>8} laufen in {days} Tagen ab / end within {days} days{_by(report.soon)}",
        f"  {sum(report.endless.values()):>8} ohne bekanntes Ende / without a known end{_by(report.endless)}",
    ]
    lines += [
        f"  seit dem letzten Lauf / since the last run: {kept_for}{_by(reasons)}"
        for kept_for, reasons in report.ended.items()
    ]
    lines += [f"  {name}" for name in report.recordings[:_MOST_NAMED]]
    if len(report.recordings) > _MOST_NAMED:
        lines.append(f"  ... {len(report.recordings) - _MOST_NAMED} weitere / more; all of them with --json")
    return "\n".join(lines)


def _by(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {number}' for name, number in counts.items())})" if counts else ""
