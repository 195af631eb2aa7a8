"""`handschlag verify` and `handschlag open`: a recording checked with public keys, and opened with the owner's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import soundfile
import typer

from handschlag.adapters.flac import FlacCodec
from handschlag.cli.quality_words import sentences
from handschlag.errors import HandschlagError
from handschlag.sealing.keys import WorkshopKey
from handschlag.sealing.open import Opened, open_recording
from handschlag.sealing.trust import Trust, read_trust
from handschlag.sealing.verify import Verdict, verify_ledger, verify_recording

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
    """Check a recording or a ledger with public keys. | Eine Aufnahme oder ein Protokoll prüfen."""
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
    samples = audio(opened)
    out.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(out, samples, opened.head.sample_rate, subtype="PCM_16")
    seconds = round(len(samples) / opened.head.sample_rate, 2)
    report = {"out": str(out), "seconds": seconds, "channels": samples.shape[1], "details": opened.details}
    opened.wipe()
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{out}: {seconds} s, {samples.shape[1]} legs (far, near) | Spuren (Anrufer, Werkstatt)")
        if (said := sentences(opened.details)) is not None:
            print(" | ".join(said))


def audio(opened: Opened) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """All samples of a recording, (samples, channels) int16; gaps are silence."""
    codec = FlacCodec()
    parts: list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]] = []
    expected: int | None = None
    for entry, flac in opened.clips():
        samples, _rate = codec.decode(flac)
        if expected is not None and entry.first_sample > expected:
            parts.append(np.zeros((entry.first_sample - expected, samples.shape[1]), np.int16))
        parts.append(samples)
        expected = entry.first_sample + len(samples)
    return np.concatenate(parts) if parts else np.zeros((0, opened.head.channels), np.int16)


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(verdict).decode())
        return
    for subject, words in verdict.checked.items():
        print(f"  {subject}: {words}")
    print("OK" if verdict.ok else f"WRONG | FALSCH: {verdict.wrong}")


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise CannotRead(f"{path}: is no folder; allowed is a recording's or a ledger's folder")
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
