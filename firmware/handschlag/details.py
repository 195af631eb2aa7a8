"""What is written down of a recording: head and first details at its opening, manifest and last details at its end.

Times are told by the wall clock as far as it is trusted (P11); `Wall` makes them of monotonic ones. What is personal
(numbers, evidence, marks) stands in `personal` and is sealed; the rest is public (P9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from handschlag.core.effects import Caller, CloseRecording, Evidence, OpenRecording
from handschlag.hearing.events import RATE
from handschlag.ports import Clock, Closing, ConsentRecord, Opening
from handschlag.recorder import Kept

Wall = Callable[[float], tuple[str, str]]
"""A monotonic time as wall time, and how far that is trusted."""


def wall_of(clock: Clock) -> Wall:
    """The clock's own `Wall`."""

    def wall(at: float) -> tuple[str, str]:
        now, synced = clock.wall()
        moment = datetime.fromtimestamp(now - (clock.mono() - at), UTC)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return text, "synced" if synced else "unsynced"

    return wall


def opening(effect: OpenRecording, at: float, wall: Wall, *, legs: int) -> Opening:
    """What a recording of so many legs begins with."""
    opened_at, clock = wall(at)
    return Opening(
        recording=effect.recording,
        boot=effect.boot,
        seizure=effect.seizure,
        opened_at=opened_at,
        clock=clock,
        sample_rate=RATE,
        channels=legs,
        personal={
            "direction": effect.direction,
            "numbers": _numbers(effect),
            "evidence": _evidence(effect.evidence, wall),
        },
    )


def closing(
    effect: CloseRecording, at: float, wall: Wall, kept: Kept, *, ledger: tuple[int, str], separated: bool
) -> Closing:
    """What a recording ends with; `ledger` is number and hash of its newest durable entry."""
    closed_at, clock = wall(at)
    evidence = effect.evidence
    seq, line_hash = ledger
    agreed_at, agreed_clock = wall(evidence.at)
    return Closing(
        recording=effect.recording,
        ended=effect.ended,
        closed_at=closed_at,
        clock=clock,
        consent=ConsentRecord(
            way=evidence.way,
            at=agreed_at,
            clock=agreed_clock,
            text_version=evidence.text_version,
            text_hash=evidence.text_hash,
            mark_s=None if evidence.mark_at is None else round(evidence.at - evidence.mark_at, 3),
            leg=evidence.leg,
            ledger_seq=evidence.ledger_seq,
        ),
        ledger_seq=seq,
        ledger_hash=line_hash,
        gaps=kept.gaps,
        personal={
            "evidence": _evidence(evidence, wall),
            "waiting": [{"at_s": round(each.heard_at - kept.first_at, 2), **_said_of(each)} for each in effect.waiting],
            "marks_s": [round(mark - kept.first_at, 2) for mark in effect.marks],
            "masked": [[start, end] for start, end in kept.masked],
            "legs": "separated" if separated else "mix",
            **({} if kept.drift_ppm is None else {"converter_ppm": round(kept.drift_ppm, 1)}),
            **(kept.quality.details() if kept.quality is not None else {}),
        },
    )


def _evidence(evidence: Evidence, wall: Wall) -> Mapping[str, Any]:
    text = {
        "way": evidence.way,
        "at": wall(evidence.at)[0],
        "text_version": evidence.text_version,
        "text_hash": evidence.text_hash,
    }
    if evidence.way == "oral":
        confirmed_at = None if evidence.confirmed_at is None else wall(evidence.confirmed_at)[0]
        return {**text, "confirmed_at": confirmed_at}
    return {
        **text,
        "leg": evidence.leg,
        "held_ms": round(evidence.held_s * 1000),
        "level_dbm0": round(evidence.level_dbm0, 1),
        "twist_db": round(evidence.twist_db, 1),
        "cos_phi": round(evidence.cos_phi, 3),
    }


def _numbers(opened: OpenRecording) -> dict[str, Any]:
    """Who was called, or who is calling, as far as that is known."""
    numbers: dict[str, Any] = {} if opened.caller is None else {"caller": _said_of(opened.caller)}
    return numbers | ({"dialled": opened.dialled} if opened.dialled else {})


def _said_of(caller: Caller) -> dict[str, str]:
    """What the exchange said of a caller, empty fields left out."""
    said = {
        "number": caller.number,
        "name": caller.name,
        "time": caller.time,
        "type": caller.type,
        "absence": caller.absence,
    }
    return {name: value for name, value in said.items() if value}
