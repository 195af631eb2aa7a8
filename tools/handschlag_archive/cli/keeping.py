"""How long things are kept: `retention`, `owner`, `rewrap`, `restored`."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from handschlag.errors import HandschlagError
from handschlag.sealing.encoding import MAX_FILE_BYTES
from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import check_index, open_index, open_owner, open_restore, open_retention, open_rewraps
from handschlag_archive.index import Word
from handschlag_archive.retention import SOON, Report
from handschlag_archive.settings import read_settings

_MOST_NAMED = 50


class CannotTake(HandschlagError, ValueError):
    """A file that cannot be taken."""


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
        check_index(settings, index)
        report = open_retention(settings, index).run(datetime.now(UTC), dry_run=dry_run, clock_is_right=clock_is_right)
    say(as_json, _words(report), **msgspec.to_builtins(report))


def owner(
    config: Config,
    message: Annotated[Path | None, typer.Argument(help="MESSAGE.jws; ohne / without: alle zeigen / show all")] = None,
    as_json: Json = False,
) -> None:
    """Ein Wort des Inhabers annehmen / take the owner's word: a message to a box, or a revocation."""
    settings = read_settings(config)
    with closing(open_index(settings)) as index:
        if message is None:
            with index.transaction() as transaction:
                words = transaction.words()
            for word in words:
                _say_word(word, as_json=as_json)
            return
        check_index(settings, index)
        taken = open_owner(settings, index).take(_read(message))
    words_of = f"{taken.name} {taken.recording or ''} {taken.box}: {taken.outcome}"
    if taken.again:
        words_of += " (schon angenommen / taken before)"
    if taken.waits:
        words_of += f"\nnoch nicht alles vernichtet, es wird wiederholt / not all is destroyed yet: {taken.waits}"
    say(as_json, words_of, **msgspec.to_builtins(taken))


def rewrap(
    config: Config,
    files: Annotated[list[Path], typer.Argument(help="keys.N.jws ...")],
    as_json: Json = False,
) -> None:
    """Neu verpackte Schlüssel annehmen / take keys that the owner has wrapped for other people of the workshop."""
    settings = read_settings(config)
    with closing(open_index(settings)) as index:
        check_index(settings, index)
        rewraps = open_rewraps(settings, index)
        for path in files:
            place = rewraps.take(_read(path))
            say(as_json, f"{place}", box=place.box, recording=place.recording, name=place.name)


def restored(config: Config, as_json: Json = False) -> None:
    """Nach dem Rückspielen einer Sicherung / after restoring a backup: erasures applied again, a new epoch."""
    settings = read_settings(config)
    with closing(open_index(settings)) as index:
        report = open_restore(settings, index).run(datetime.now(UTC))
    lines = [
        f"Epoche / epoch {report.epoch}",
        f"  {report.entries:>8} Einträge der Löschliste angewandt / entries of the erasure list applied",
        f"  {report.back:>8} davon waren zurückgekommen / of them had come back, and were destroyed again",
        f"  {report.words:>8} Nachrichten des Inhabers gelten wieder / messages of the owner count again",
        f"  {report.adopted:>8} Aufnahmen kannte die Datenbank nicht / recordings that the database did not know",
        *(f"  nicht zu prüfen / cannot be checked: {each}" for each in report.unchecked),
    ]
    say(as_json, "\n".join(lines), **msgspec.to_builtins(report))


def _say_word(word: Word, *, as_json: bool) -> None:
    answer = (
        f"{word.reply} ({word.replied_at})" if word.reply else f"{word.sent}x gesandt / sent, {word.sent_at or '-'}"
    )
    say(
        as_json,
        f"{word.box:<32} {word.counter:>14} {word.name:<8} {word.recording or '-':<36} {word.outcome:<8} {answer}",
        box=word.box,
        id=word.id,
        counter=word.counter,
        name=word.name,
        recording=word.recording,
        taken_at=word.taken_at,
        outcome=word.outcome,
        sent=word.sent,
        sent_at=word.sent_at,
        reply=word.reply,
        replied_at=word.replied_at,
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CannotTake(f"{path}: is larger than {MAX_FILE_BYTES} bytes; allowed is a file signed by the owner")
        return path.read_bytes().strip()
    except OSError as error:
        raise CannotTake(f"{path}: cannot be read ({error.strerror}); allowed is a file signed by the owner") from error


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
