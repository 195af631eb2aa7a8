"""`handschlag verify`, `open` and `export`: a recording checked with public keys, opened with the owner's, given away.

`verify` takes a recording's folder, a ledger's, and an evidence export as folder or zip.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from handschlag.adapters.flac import FlacCodec
from handschlag.cli.quality_words import sentences
from handschlag.cli.written_time import now_text
from handschlag.errors import HandschlagError
from handschlag.evidence import layout, place
from handschlag.evidence.audio import Samples, blocks, write
from handschlag.evidence.check import check_export
from handschlag.sealing.keys import WorkshopKey
from handschlag.sealing.open import Opened, open_recording
from handschlag.sealing.trust import Trust, read_trust
from handschlag.sealing.verify import Verdict, ledger_months, verify_ledger, verify_recording

TRUST = "trust.json"
LOOK_UP = 4
PCM_FULL_SCALE = 32768

Place = Annotated[Path, typer.Argument(help="A recording's folder, or a ledger's. | Ordner einer Aufnahme.")]
TrustFile = Annotated[Path | None, typer.Option("--trust", help="Whose word counts. | Wessen Wort gilt.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line. | Ein JSON-Objekt je Zeile.")]


class CannotRead(HandschlagError, OSError):
    """A file or folder that cannot be read as what it should be."""


class FolderFiles:
    """A folder as the sealing room wants it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Sequence[str]:
        """All names in it, the trust file aside."""
        return sorted(path.name for path in self._folder.iterdir() if path.name != TRUST)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return (self._folder / name).read_bytes()


def verify(
    path: Place,
    trust: TrustFile = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="The box's ledger. | Das Protokoll der Box.")] = None,
    as_json: Json = False,
) -> None:
    """Check a recording, ledger or export (folder, zip). | Aufnahme, Protokoll oder Beweisexport prüfen."""
    if _is_export(path):
        own = None if trust is None else read_trust(_bytes(trust, "a trust file"), str(trust))
        with place.opened(path) as package:
            verdict = check_export(package, own, FlacCodec().decode)
        _tell(verdict, as_json=as_json)
        raise typer.Exit(0 if verdict.ok else 1)
    folder = _folder(path)
    trusted = _trust(trust, folder)
    if _is_ledger(folder):
        verdict = verify_ledger(FolderFiles(folder), trusted)
    else:
        beside = FolderFiles(_folder(ledger)) if ledger is not None else None
        verdict = verify_recording(FolderFiles(folder), trusted, ledger=beside)
    _tell(verdict, as_json=as_json)
    if not verdict.ok:
        raise typer.Exit(1)


def open_(
    path: Place,
    key: Annotated[Path, typer.Option("--key", help="The owner's or workshop's key file. | Schlüsseldatei.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="OUT.flac or OUT.wav")],
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Open a recording. | Eine Aufnahme öffnen."""
    folder = _folder(path)
    workshop = WorkshopKey.from_file(_bytes(key, "a key file"), str(key))
    opened = open_recording(FolderFiles(folder), workshop, _trust(trust, folder))
    if out.suffix not in {".flac", ".wav"}:
        raise CannotRead(f"{out}: its name must end in .flac or .wav")
    out.parent.mkdir(parents=True, exist_ok=True)
    samples = _write_audio(opened, out)
    seconds = round(samples / opened.head.sample_rate, 2)
    report = {"out": str(out), "seconds": seconds, "channels": opened.head.channels, "details": opened.details}
    opened.wipe()
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{out}: {seconds} s, {opened.head.channels} legs (far, near) | Spuren (Anrufer, Werkstatt)")
        if (said := sentences(opened.details)) is not None:
            print(" | ".join(said))


def export(  # noqa: PLR0917 - typer gives them by name
    path: Place,
    key: Annotated[Path, typer.Option("--key", help="The owner's key file (or a workshop's: unsigned). | Schlüssel.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The new folder; the zip gets its name. | Neuer Ordner.")],
    trust: TrustFile = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="The box's ledger. | Das Protokoll der Box.")] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Text of an announcement of your own. | Ansagetext.")
    ] = None,
    stamp: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--timestamp", help="RFC 3161 response and the authority's certificates. | Zeitstempel."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a recording away as evidence: folder and zip. | Eine Aufnahme als Beweis herausgeben."""
    from handschlag.cli.export import export_recording  # noqa: PLC0415 - `verify` needs neither prompts nor PDF

    folder = _folder(path)
    beside = FolderFiles(_folder(ledger)) if ledger is not None else None
    made = export_recording(
        FolderFiles(folder),
        beside,
        _trust(trust, folder),
        key=(_bytes(key, "a key file"), str(key)),
        texts=[_bytes(each, "an announcement's text") for each in text or ()],
        stamp=None if stamp is None else (_bytes(stamp[0], "a time-stamp"), _bytes(stamp[1], "certificates")),
        created_at=now_text(),
        out=out,
    )
    if as_json:
        print(json.dumps({"out": str(out), **made}))
        return
    print(f"{out}, {made['zip']}: {made['seconds']} s")
    print("signed by the owner | vom Inhaber unterschrieben" if made["signed"] else "NOT signed | NICHT unterschrieben")
    if beside is None:
        print("no ledger extract; name the ledger with --ledger | ohne Protokollauszug; --ledger nennt das Protokoll")
    print("in clear: keep it as safe as the recording | im Klartext: so sicher aufbewahren wie die Aufnahme")


def stamp(
    ledger: Annotated[Path, typer.Argument(help="The box's ledger. | Das Protokoll der Box.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The query, to be sent to an authority. | Die Anfrage.")],
    trust: TrustFile = None,
) -> None:
    """Make a time-stamp query (RFC 3161) for a ledger's head. | Zeitstempel für das Protokoll anfragen."""
    from handschlag.evidence.timestamp import request  # noqa: PLC0415 - an extra

    folder = _folder(ledger)
    verdict = verify_ledger(FolderFiles(folder), _trust(trust, folder))
    lines = [line for name in ledger_months(FolderFiles(folder)) for line in (folder / name).read_bytes().splitlines()]
    if verdict.wrong is not None or not lines:
        raise CannotRead(f"{ledger}: {verdict.wrong or 'has no line'}; only a ledger that holds is worth a stamp")
    out.write_bytes(request(lines[-1]))
    print(f"{out}: ledger entry {len(lines)} | Protokolleintrag {len(lines)}")


def audio(opened: Opened) -> Samples:
    """All samples of a recording as one array, (samples, channels) int16; gaps are silence."""
    parts = list(blocks(opened, FlacCodec().decode))
    return np.concatenate(parts) if parts else np.zeros((0, opened.head.channels), np.int16)


def _write_audio(opened: Opened, out: Path) -> int:
    """The whole recording as a new file, which is gone again if it does not become whole."""
    part = out.with_name(f".{out.name}.part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            samples = write(opened, FlacCodec().decode, file, kind=out.suffix[1:].upper())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return samples


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(verdict).decode())
        return
    for subject, words in verdict.checked.items():
        print(f"  {subject}: {words}")
    print("OK" if verdict.ok else f"WRONG | FALSCH: {verdict.wrong}")


def _is_export(path: Path) -> bool:
    return path.is_file() or (path / layout.SUMS).exists() or (path / layout.VCON).exists()


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise CannotRead(f"{path}: is no folder; allowed is a recording's or a ledger's folder, or an export")
    return path


def _is_ledger(folder: Path) -> bool:
    return not (folder / "head.json").exists() and any(folder.glob("*.jsonl"))


def _trust(given: Path | None, folder: Path) -> Trust:
    """The trust file that was named, or the nearest above the folder."""
    if given is None:
        above = [folder.resolve(), *folder.resolve().parents][:LOOK_UP]
        given = next((place / TRUST for place in above if (place / TRUST).is_file()), None)
    if given is None:
        raise CannotRead(f"{folder}: no {TRUST} in it or above; name one with --trust")
    return read_trust(_bytes(given, "a trust file"), str(given))


def _bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotRead(f"{path}: cannot be read ({error.strerror}); allowed is {what}") from error
