"""What the ledger remembers across restarts: a pure fold over its entries, in order.

With thousands of recordings the same few texts would be held thousands of times, and each id and hash by everybody who
names it: they are interned (`sys.intern`), here and where the disk names them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

from handschlag.core.events import ArchiveWord, LastWord
from handschlag.core.staff import StaffConsent

LEDGER_FAULT = "ledger:doubted"
EPOCH_FAULT = "archive:epoch"
DIRECTION_FAULT = "direction:dial-tone-not-far"
ENDINGS = frozenset({"withdrawn", "destroyed", "purged", "expired"})


@dataclass(frozen=True, slots=True)
class Consent:
    """A yes as the ledger has it. For an oral one `seq` is that of the confirmation."""

    way: str
    at: str
    seq: int
    text_version: str
    text_hash: str
    leg: str
    confirmed: bool


@dataclass(slots=True)
class Folded:
    """The ledger's word on private mode, on disproved bench results and on every recording that it names."""

    private: bool = False
    doubted: set[tuple[str, str]] = field(default_factory=set)
    staff: dict[int, StaffConsent] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    ended: dict[str, tuple[str, int]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    receipted: dict[str, str] = field(default_factory=dict)  # when, by a synced clock, or ""
    held: set[str] = field(default_factory=set)
    kept_for: dict[str, str] = field(default_factory=dict)
    owner: LastWord = field(default_factory=LastWord)
    operator: LastWord = field(default_factory=LastWord)
    epoch: int = 0
    ledger_doubt: str = ""
    archive: ArchiveWord = field(default_factory=ArchiveWord)

    def consented(self, recording: str) -> bool:
        """Whether the ledger has the yes that keeping this recording needs."""
        consent = self.consents.get(recording)
        return consent is not None and consent.confirmed


def fold(entries: Iterable[Mapping[str, Any]]) -> Folded:
    """Read the ledger from its beginning."""
    folded = Folded()
    for entry in entries:
        match entry["kind"]:
            case "private":
                folded.private = bool(entry["on"])
            case "fault" if entry.get("what") == DIRECTION_FAULT:
                folded.doubted.add((str(entry["tap"]), str(entry["bench"])))
            case "fault" if entry.get("what") == LEDGER_FAULT:
                folded.ledger_doubt = str(entry["why"])
            case "fault" if entry.get("what") == EPOCH_FAULT:
                folded.archive = ArchiveWord(str(entry["epoch"]), float(entry["said_at"]))
            case "staff":
                _fold_staff(folded.staff, entry)
            case "command":
                _fold_command(folded, entry)
            case kind if "recording" in entry:
                _fold_recording(folded, str(kind), intern(str(entry["recording"])), entry)
            case _:
                pass
    return folded


def _fold_recording(folded: Folded, kind: str, recording: str, entry: Mapping[str, Any]) -> None:
    seq = int(entry["seq"])
    match kind:
        case "granted":
            folded.consents[recording] = Consent(
                way=intern(str(entry["way"])),
                at=str(entry["at"]),
                seq=seq,
                text_version=intern(str(entry["text_version"])),
                text_hash=intern(str(entry["text_hash"])),
                leg=intern(str(entry["leg"])),
                confirmed=entry["way"] == "key",
            )
        case "confirmed" if recording in folded.consents:
            granted = folded.consents[recording]
            folded.consents[recording] = replace(granted, seq=seq, confirmed=True)
        case _ if kind in ENDINGS and recording:
            folded.ended[recording] = (intern(kind), seq)
        case "closed":
            folded.closed[recording] = intern(str(entry["manifest"]))
        case "receipted":
            folded.receipted[recording] = str(entry["at"]) if entry["clock"] == "synced" else ""
        case _:
            pass


def _fold_command(folded: Folded, entry: Mapping[str, Any]) -> None:
    word = LastWord(int(entry["counter"]), str(entry["id"]), str(entry["outcome"]))
    if entry.get("by") == "operator":
        folded.operator = word
    elif entry.get("by") == "owner":
        folded.owner = word
        if entry["outcome"] == "done":
            _fold_owners(folded, entry)


def _fold_owners(folded: Folded, entry: Mapping[str, Any]) -> None:
    recording = str(entry.get("recording", ""))
    match entry["name"]:
        case "erase":
            folded.ended[recording] = ("erased", int(entry["seq"]))
        case "hold":
            folded.held.add(recording)
        case "release":
            folded.held.discard(recording)
        case "class":
            folded.kept_for[recording] = str(entry["kept_for"])
        case "epoch":
            folded.epoch = int(entry["epoch"])
            folded.ledger_doubt = ""
        case _:
            pass


def _fold_staff(staff: dict[int, StaffConsent], entry: Mapping[str, Any]) -> None:
    person = int(entry["person"])
    if entry["action"] != "added":
        staff.pop(person, None)
        return
    until = entry["valid_until"]
    staff[person] = StaffConsent(
        person,
        str(entry["document"]),
        str(entry["version"]),
        float(entry["valid_from"]),
        None if until is None else float(until),
    )
