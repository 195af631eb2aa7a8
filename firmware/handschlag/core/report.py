"""The consent report of a month: a pure function of the ledger, so that anybody who has the ledger gets the same one.

Every time that the line was in use (a `call` entry at its beginning, one at its end) must come out as exactly one of:
recorded, refused (also unanswered, unconfirmed, withdrawn), not asked (also emergency calls, fax and the do-not-record
list), private, or failed. What began and has no end, because the box lost its power, counts as failed and is listed; so
does a recording whose call is not in the ledger. A call belongs to the month in which it began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

KINDS_OF_END: Final = ("recorded", "refused", "not-asked", "private", "failed")
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


def report(entries: Iterable[Mapping[str, Any]], month: str) -> Report:
    """The report of `month` (as 2026-11) out of the whole ledger, in order."""
    told = Report(month)
    begun: Mapping[str, Any] | None = None
    calls: set[tuple[str, int]] = set()
    for entry in entries:
        here = str(entry["at"]).startswith(month)
        if entry["kind"] == "call":
            begun = _call(told, entry, begun, calls)
            continue
        if entry["kind"] == "boot" and begun is not None:
            _no_end(told, begun)
            begun = None
        if entry["kind"] == "granted" and here and _seizure(entry) not in calls:
            told.odd.append(f"{entry['seq']}: a yes in a call that is not in the ledger")
        if here:
            _count(told, entry)
    if begun is not None and str(begun["at"]).startswith(month):
        told.odd.append(f"{begun['seq']}: this call has not ended yet")
        told.ends["failed"] += 1
    return told


def _seizure(entry: Mapping[str, Any]) -> tuple[str, int]:
    return str(entry["tap_boot"]), int(entry["seizure"])


def _call(
    told: Report, entry: Mapping[str, Any], begun: Mapping[str, Any] | None, calls: set[tuple[str, int]]
) -> Mapping[str, Any] | None:
    """One end of a call; gives the call that is open afterwards."""
    if not entry["at_end"]:
        if begun is not None:
            _no_end(told, begun)
        calls.add(_seizure(entry))
        if str(entry["at"]).startswith(told.month):
            told.calls += 1
            told.incoming += bool(entry["incoming"])
        return entry
    if begun is None or _seizure(begun) != _seizure(entry):
        if str(entry["at"]).startswith(told.month):
            told.odd.append(f"{entry['seq']}: the end of a call that has no beginning")
    elif str(begun["at"]).startswith(told.month):
        outcome = str(entry["outcome"])
        told.seconds += float(entry["seconds"])
        told.outcomes[outcome] += 1
        told.ends[_END_OF.get(outcome, "failed")] += 1
        if outcome not in _END_OF:
            told.odd.append(f"{entry['seq']}: the outcome {outcome} is not known")
    return None


def _no_end(told: Report, begun: Mapping[str, Any]) -> None:
    if str(begun["at"]).startswith(told.month):
        told.ends["failed"] += 1
        told.odd.append(f"{begun['seq']}: this call has no end; the box stopped, or lost its power")


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
        case "destroyed" | "purged" | "expired":
            told.destroyed[str(entry.get("reason") or entry["kind"])] += 1
        case "staff":
            told.staff[str(entry["action"])] += 1
        case "fault":
            told.faults[str(entry["what"])] += 1
        case _:
            pass
