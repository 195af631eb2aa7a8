"""What must be true after each of the three calls; each check says in words what it found, or raises `DemoFailed`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handschlag.sim.demo.place import DemoFailed, Place, archive_program, box_program
from handschlag.sim.demo.place import call as run_program
from handschlag.sim.demo.witness import Witness
from handschlag.sim.search import Searcher


class CallResult(msgspec.Struct, kw_only=True):
    """One line of summary.json. Paths are relative to the demonstration's folder; None where there is nothing."""

    story: str
    outcome: str
    recording: str | None = None
    spool: str | None = None
    archive: str | None = None
    opened: str | None = None
    evidence: str | None = None
    verified: bool | None = None


@dataclass(slots=True)
class Findings:
    """What was found, in words."""

    words: list[str] = field(default_factory=list)

    def ok(self, words: str) -> None:
        """A check that held."""
        self.words.append(words)

    def need(self, holds: bool, words: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Note a check, or fail."""
        if not holds:
            raise DemoFailed(f"nicht erfüllt: {words}")
        self.ok(words)


def entries_since(place: Place, seq: int) -> list[dict[str, Any]]:
    """The ledger's entries of this call."""
    return [dict(entry) for entry in place.ledger_entries() if int(str(entry["seq"])) > seq]


def of_kind(entries: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of one kind."""
    return [entry for entry in entries if entry["kind"] == kind]


def kept(place: Place, entries: Sequence[dict[str, Any]], found: Findings) -> CallResult:
    """The call that was agreed to: sealed, receipted, verified on both ends, opened."""
    granted = of_kind(entries, "granted")
    found.need(len(granted) == 1 and granted[0]["way"] == "key", "die Einwilligung steht im Protokoll (Taste 1)")
    recording = str(granted[0]["recording"])
    folder = place.spool / recording
    found.need((folder / "receipt.jws").is_file(), "das Archiv hat die Aufnahme quittiert")
    copy = place.folder / "archive-copy" / recording
    config = str(place.archive / "archive.toml")
    run_program(archive_program("export", "--config", config, "--recording", recording, "--out", str(copy)))
    for where, path in (("auf der Box", folder), ("im Archiv", copy)):
        command = box_program("verify", str(path), "--trust", str(place.trust), "--json", "--ledger", str(place.ledger))
        verdict = json.loads(run_program(command))
        found.need(bool(verdict["ok"]), f"die Aufnahme {where} ist echt und vollständig")
    scrubbed = json.loads(run_program(archive_program("scrub", "--config", config, "--all", "--json")).splitlines()[-1])
    found.need(
        bool(scrubbed["ok"]) and scrubbed["read"] >= 1,
        f"das Archiv hat alles neu gelesen und geprüft: {scrubbed['bytes'] / 1e6:.1f} MB, nichts fehlt",
    )
    opened = place.opened / f"{recording}.flac"
    command = box_program("open", str(copy), "--key", str(place.owner_key), "-o", str(opened))
    report = json.loads(run_program([*command, "--trust", str(place.trust), "--json"]))
    found.need(
        report["seconds"] > 1, f"mit dem Schlüssel des Inhabers geöffnet: {report['seconds']:.1f} s, zwei Spuren"
    )
    evidence = _given_away(place, copy, found)
    return CallResult(
        story="boiler",
        outcome="recorded",
        recording=recording,
        spool=str(folder.relative_to(place.folder)),
        archive=str(copy.relative_to(place.folder)),
        opened=str(opened.relative_to(place.folder)),
        evidence=str(evidence.relative_to(place.folder)),
        verified=True,
    )


def _given_away(place: Place, recording: Path, found: Findings) -> Path:
    """The owner gives the recording away as evidence; the zip is checked as its receiver would."""
    evidence = place.folder / "evidence"
    ours = ["--trust", str(place.trust)]
    command = box_program("export", str(recording), "--key", str(place.owner_key), "-o", str(evidence))
    run_program([*command, *ours, "--ledger", str(place.ledger)])
    verdict = json.loads(run_program(box_program("verify", f"{evidence}.zip", *ours, "--json")))
    found.need(bool(verdict["ok"]), "als Beweis exportiert, vom Inhaber unterschrieben, geprüft")
    return evidence


@dataclass(frozen=True, slots=True)
class Unconsented:
    """A call that nobody agreed to.

    `encoded` counts the clips that were encoded during it; `reference` are its signals at 48 kHz; `known` are the
    box's own announcements, which it may have in memory.
    """

    encoded: int
    box_pid: int | None
    reference: Sequence[NDArray[np.float32]]
    known: Sequence[NDArray[np.float32]]


def not_recorded(place: Place, entries: Sequence[dict[str, Any]], call: Unconsented, found: Findings) -> CallResult:
    """Nothing of the call that nobody agreed to is anywhere."""
    refused = of_kind(entries, "refused")
    found.need(bool(refused) and refused[0]["why"] == "unanswered", "niemand hat Ja gesagt, das steht im Protokoll")
    found.need(not of_kind(entries, "granted"), "die 1 am eigenen Telefon hat nicht gezählt")
    found.need(call.encoded == 0, "kein einziger Clip, kein Aufruf des Audio-Kodierers")
    searcher = Searcher(list(call.reference), known=call.known)
    found.need(searcher.usable_s > 1, f"gesucht wird nach {searcher.usable_s:.0f} s Gespräch")
    for path in sorted(place.folder.rglob("*")):
        if path.is_file() and searcher.search_file(path):
            raise DemoFailed(f"{path}: enthält Ton aus dem Gespräch ohne Einwilligung")
    found.ok("in keiner Datei ist etwas davon zu finden")
    if call.box_pid is None:
        found.ok("der Arbeitsspeicher wird hier nicht durchsucht: PulseAudio hält selbst Ton (auf der Box läuft ALSA)")
        return CallResult(story="tap", outcome="refused")
    matches = searcher.search_process(call.box_pid)
    if matches:
        worst = max(matches, key=lambda match: match.length)
        raise DemoFailed(f"im Speicher der Box ist Ton aus dem Gespräch ohne Einwilligung: {worst}")
    found.ok("auch nicht im Arbeitsspeicher der Box")
    return CallResult(story="tap", outcome="refused")


def withdrawn(place: Place, entries: Sequence[dict[str, Any]], witness: Witness, found: Findings) -> CallResult:
    """The call whose consent was taken back: gone on both ends."""
    granted, back = of_kind(entries, "granted"), of_kind(entries, "withdrawn")
    found.need(len(granted) == 1 and len(back) == 1, "Einwilligung und Widerruf (Taste 9) stehen im Protokoll")
    recording = str(granted[0]["recording"])
    left = [path.name for path in place.spool.glob(f"{recording}*")]
    found.need(not left, "auf der Box ist die Aufnahme gelöscht")
    names = witness.names(recording)
    found.need("000000.clip" in names, f"während des Gesprächs gesendet: {len(names)} versiegelte Dateien")
    found.need("keys.json" not in names, "der Schlüssel hat die Box nie verlassen")
    found.need("revoke.jws" in names, "der Widerruf ging ans Archiv")
    remains = [path for path in _archived_files(place.archive) if recording in str(path)]
    found.need(not remains, "im Archiv ist alles davon gelöscht")
    listed = list((place.archive / "erasures").rglob(f"*{recording}*"))
    found.need(bool(listed), "in der Löschliste des Archivs, damit kein Backup sie zurückbringt")
    return CallResult(story="withdrawal", outcome="withdrawn", recording=recording)


def _archived_files(archive: Path) -> list[Path]:
    return [path for path in (archive / "data").rglob("*") if path.is_file()]
