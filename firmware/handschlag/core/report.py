"""The consent report of a month: a pure function of the ledger, so that anybody who has the ledger gets the same one.

Every time that the line was in use (a `call` entry at its beginning, one at its end) must come out as exactly one of:
recorded, refused (also unanswered, unconfirmed, withdrawn), not asked (also emergency calls, fax and the do-not-record
list), private, or failed. What began and has no end, because the box lost its power, counts as failed and is listed
(as recorded, if its recording was kept); a recording whose call is not in the ledger is listed, too. A call belongs to
the month in which it began.

A call is a seizure of the line. Where the box lost sight of it (the tap was silent, the box restarted) it has several
beginnings in the ledger, and is one call all the same: a withdrawal in any part of it counts before everything, then
what was recorded, refused, failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

KINDS_OF_END: Final = ("recorded", "refused", "not-asked", "private", "failed")
_STRONGEST_FIRST: Final = ("recorded", "refused", "failed", "private", "not-asked")
_END_OF: Final = {
    "recorded": "recorded",
    "refused": "refused",
    "unanswered": "refused",
    "unconfirmed": "refused",
    "withdrawn": "refused",
    "not-asked": "not-asked",
    "emergency": "not-asked",
    "excluded": "not-asked",
    "private": "private",
    "failed": "failed",
}


@dataclass(slots=True)
class Report:
    """Counts of one month. `odd` names, by the ledger's numbers, what does not come out even."""

    month: str
    calls: int = 0
    incoming: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    granted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    closed: int = 0
    receipted: int = 0
    destroyed: Counter[str] = field(default_factory=Counter)
    staff: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unsynced: int = 0
    odd: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Use:
    """One seizure of the line: one call, however often the box lost sight of it."""

    seq: int
    at: str
    incoming: bool
    outcomes: list[str] = field(default_factory=list)
    seconds: float = 0.0


Uses = dict[tuple[str, int], _Use]


def report(entries: Iterable[Mapping[str, Any]], month: str) -> Report:
    """The report of `month` (as 2026-11) out of the whole ledger, in order."""
    told = Report(month)
    uses: Uses = {}
    yeses: dict[str, tuple[str, int]] = {}  # of recordings that were not taken away again
    kept: set[tuple[str, int]] = set()
    begun: Mapping[str, Any] | None = None
    for entry in entries:
        if entry["kind"] == "call":
            begun = _call(told, entry, begun, uses)
            continue
        if entry["kind"] == "boot" and begun is not None:
            _no_end(told, begun, uses)
            begun = None
        here = str(entry["at"]).startswith(month)
        if entry["kind"] == "granted" and here and _seizure(entry) not in uses:
            told.odd.append(f"{entry['seq']}: a yes in a call that is not in the ledger")
        _keep(entry, yeses, kept)
        if here:
            _count(told, entry)
    if begun is not None:
        uses[_seizure(begun)].outcomes.append("")
        if str(begun["at"]).startswith(month):
            told.odd.append(f"{begun['seq']}: this call has not ended yet")
    for seizure, use in uses.items():
        if use.at.startswith(month):
            _comes_out(told, use, saved=seizure in kept)
    return told


def _keep(entry: Mapping[str, Any], yeses: dict[str, tuple[str, int]], kept: set[tuple[str, int]]) -> None:
    """Follow whose recording was closed, and whose was taken back or destroyed."""
    recording = str(entry.get("recording", ""))
    match entry["kind"]:
        case "granted":
            yeses[recording] = _seizure(entry)
        case "closed" if recording in yeses:
            kept.add(yeses[recording])
        case "withdrawn" | "destroyed" if recording in yeses:
            kept.discard(yeses.pop(recording))
        case _:
            pass


def _seizure(entry: Mapping[str, Any]) -> tuple[str, int]:
    return str(entry["tap_boot"]), int(entry["seizure"])


def _call(
    told: Report, entry: Mapping[str, Any], begun: Mapping[str, Any] | None, uses: Uses
) -> Mapping[str, Any] | None:
    """One end of a call, or of a part of it; gives what is open afterwards."""
    seizure = _seizure(entry)
    if not entry["at_end"]:
        if begun is not None:
            _no_end(told, begun, uses)
        uses.setdefault(seizure, _Use(int(entry["seq"]), str(entry["at"]), bool(entry["incoming"])))
        return entry
    if begun is None or _seizure(begun) != seizure:
        if str(entry["at"]).startswith(told.month):
            told.odd.append(f"{entry['seq']}: the end of a call that has no beginning")
        return None
    uses[seizure].outcomes.append(str(entry["outcome"]))
    uses[seizure].seconds += float(entry["seconds"])
    return None


def _no_end(told: Report, begun: Mapping[str, Any], uses: Uses) -> None:
    uses[_seizure(begun)].outcomes.append("")
    if str(begun["at"]).startswith(told.month):
        told.odd.append(f"{begun['seq']}: this call has no end; the box stopped, or lost its power")


def _comes_out(told: Report, use: _Use, *, saved: bool) -> None:
    """Count a call as the one thing that it was; of its parts, the one that says most."""
    told.calls += 1
    told.incoming += use.incoming
    told.seconds += use.seconds
    for outcome in use.outcomes:
        if outcome and outcome not in _END_OF:
            told.odd.append(f"{use.seq}: the outcome {outcome} is not known")
    outcomes = [outcome or ("recorded" if saved else "failed") for outcome in use.outcomes]
    outcome = min(outcomes, key=_weight, default="failed")
    told.outcomes[outcome] += 1
    told.ends[_END_OF.get(outcome, "failed")] += 1


def _weight(outcome: str) -> int:
    end = _END_OF.get(outcome, "failed")
    return 0 if outcome == "withdrawn" else 1 + _STRONGEST_FIRST.index(end)


def _ended(told: Report, entry: Mapping[str, Any]) -> None:
    """What is not here any more, and by which way it went."""
    kind = str(entry["kind"])
    if kind == "destroyed":
        told.destroyed[str(entry["reason"])] += 1
    elif kind != "command":
        told.destroyed[kind] += 1
    elif (entry.get("name"), entry.get("outcome")) == ("erase", "done"):
        told.destroyed["erased"] += 1


def _count(told: Report, entry: Mapping[str, Any]) -> None:
    told.unsynced += entry["clock"] != "synced"
    match entry["kind"]:
        case "asked":
            told.asked[str(entry["way"])] += 1
        case "granted":
            told.granted[str(entry["way"])] += 1
        case "refused":
            told.refused[str(entry["why"])] += 1
        case "withdrawn":
            told.withdrawn += 1
        case "closed":
            told.closed += 1
        case "receipted":
            told.receipted += 1
        case "destroyed" | "purged" | "expired" | "command":
            _ended(told, entry)
        case "staff":
            told.staff[str(entry["action"])] += 1
        case "fault":
            told.faults[str(entry["what"])] += 1
        case _:
            pass
