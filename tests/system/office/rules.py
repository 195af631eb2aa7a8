"""When a call may have been recorded, and when a yes was taken back, worked out from the truth alone.

These are the judge's own rules, written from the promises and not from the core: a key counts from the far leg of a
proven line after the mark; an oral yes is a short press that began an attempt (its start tone was heard on the line),
near and then far speech after the tone, and a second press 4 s or more after it. Every yes ends with its seizure.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.system.office.truth import Key, Leg, Period

BLOCK_S = 0.02
STOPS_S = 0.2
"""A digit or a key is told this long after it ended, at the latest, and what sounds then has fallen silent."""
COVER_S = 1.6
"""Registers and clock are read each second."""
LINE_SILENT_S = 3.0
IDLE_S = 0.5
"""A tap tells at once that the line is idle; who reads a contact waits for so long, as it might be a flash."""
WINDOW_S = 8.0
MARK_SLACK_S = 0.06
TONE_WITHIN_S = 1.5
CONFIRM_FROM_S, CONFIRM_UNTIL_S = 4.0, 31.5
SHORT_S = 1.5
HELD_S = 2.1, 9.9
RULED_S = 0.5
"""A decision is carried out within this; a power cut that comes earlier may undo it."""
NOT_KNOWN_S = 8.0
"""A tap introduces itself within this after the box has started, or the tap has come back."""
LASTS_S = 4.0


@dataclass(frozen=True, slots=True)
class Consent:
    """One yes: asked from `asked`, audio may have been kept from `since` to `until`; complete at `confirmed`."""

    asked: float
    since: float
    confirmed: float
    until: float


def consents(period: Period, mark_s: float) -> list[Consent]:
    """Every yes of a call that counts."""
    if period.private or period.excluded or period.line == "vox":
        return []
    return [
        replace(each, until=min(_ends(period, each)) + STOPS_S)
        for each in (*_key_yeses(period, mark_s), *_oral_yeses(period))
        if _counts(period, each)
    ]


def _counts(period: Period, yes: Consent) -> bool:
    """Whether everything was as it was asked when the yes was complete."""
    return (
        _covered(period, yes.since)
        and (period.emergency_at is None or period.emergency_at >= yes.confirmed)
        and not any(yes.asked < flash < yes.confirmed for flash in period.flashes)
        and not period.broke("box", "reboot", since=yes.asked + 0.01, until=yes.confirmed)
    )


def _ends(period: Period, yes: Consent) -> Iterator[float]:
    """What ends it, each at its time."""
    told_s = 0.0 if period.proves_keys else IDLE_S
    yield period.on_at + told_s
    yield from (flash + told_s for flash in period.flashes if flash > yes.confirmed)
    for fault in period.faults:
        if fault.begun > yes.since and fault.what in {"box", "reboot"}:
            yield fault.begun
        elif fault.begun > yes.since and fault.what == "line":
            yield fault.begun + LINE_SILENT_S
    if period.emergency_at is not None:
        yield period.emergency_at


def _covered(period: Period, at: float) -> bool:
    """Whether the staff had agreed at that time, or a moment ago, as nobody looks more often."""
    times = [when for when, _ in period.covered]
    now = max(0, bisect_right(times, at) - 1)
    return any(covered for when, covered in period.covered[: now + 1] if when >= times[now] - COVER_S)


def sounded(period: Period, name: str, pause_s: float) -> list[tuple[float, float]]:
    """From when until when this sound of the box was on the line; shorter pauses belong to it."""
    found: list[tuple[float, float]] = []
    for index, sound in enumerate(period.sounds):
        if sound != name:
            continue
        at = period.off_at + index * BLOCK_S
        if found and at - found[-1][1] <= pause_s:
            found[-1] = found[-1][0], at + BLOCK_S
        else:
            found.append((at, at + BLOCK_S))
    return found


def _key_yeses(period: Period, mark_s: float) -> Iterator[Consent]:
    """Far keys 1 after the mark of an announcement on a proven line."""
    if not period.proves_keys:
        return
    starts = [begun for begun, _ in sounded(period, "announcement", 1.5)]
    for key in period.keys:
        if (key.leg, key.key) != ("far", "1") or key.length_s < 0.06:
            continue
        asked = [start for start in starts if start <= key.start]
        if asked and key.start >= asked[-1] + mark_s - MARK_SLACK_S and _window(period, key, asked[-1]):
            yield Consent(asked[-1], key.start + 0.06, key.start + 0.06, 0.0)


def _window(period: Period, key: Key, asked_at: float) -> bool:
    """The window was open: nobody had answered, and it was not over."""
    last = asked_at
    for index, sound in enumerate(period.sounds):
        at = period.off_at + index * BLOCK_S
        if sound in {"announcement", "details", "press_now"} and asked_at <= at <= key.start:
            last = at
    return not _answered(period, asked_at, key.start) and key.start <= last + WINDOW_S + 0.1


def _answered(period: Period, asked_at: float, until: float) -> bool:
    return any(each.leg == "far" and each.key not in "12" and asked_at < each.start < until for each in period.keys)


def _oral_yeses(period: Period) -> Iterator[Consent]:
    """A press that began an attempt, what was said after its tone, and the press that confirms it."""
    tones = sounded(period, "start", 0.3)
    short = [(down, up) for down, up in period.presses if 0.02 < up - down < SHORT_S]
    for _, began in short:
        tone = next((each for each in tones if began <= each[0] <= began + TONE_WITHIN_S), None)
        if tone is None or not _oral_way_open(period, began):
            continue
        for down, up in short:
            if not tone[1] + CONFIRM_FROM_S - BLOCK_S <= up <= tone[1] + CONFIRM_UNTIL_S:
                continue
            spoke = [(at, leg) for at, leg in period.spoke if tone[1] < at < down]
            if _both_spoke(spoke, told_apart=period.proves_keys) and not any(
                True for _ in _takings_back(period, began, down)
            ):
                yield Consent(began, began, up, 0.0)
                break


def _both_spoke(spoke: list[tuple[float, Leg]], *, told_apart: bool) -> bool:
    """Near and then far speech; any speech where one channel carries both."""
    if not told_apart:
        return bool(spoke)
    near = min((at for at, leg in spoke if leg == "near"), default=math.inf)
    return any(at > near for at, leg in spoke if leg == "far")


def _oral_way_open(period: Period, at: float) -> bool:
    """It was settled, or the line proves no keys, or the question was not answered."""
    if period.way == "oral" or not period.proves_keys:
        return True
    asked = [begun for begun, _ in sounded(period, "announcement", 1.5) if begun < at]
    return bool(asked) and not _answered(period, asked[-1], min(at, asked[-1] + 40.0))


def _takings_back(period: Period, since: float, until: float) -> Iterator[tuple[float, float]]:
    for key in period.keys:
        counts = key.leg == "far" or not period.proves_keys
        if key.key == "9" and counts and key.length_s >= 0.1 and since < key.start < until:
            yield key.start, key.end
    for down, up in period.presses:
        if HELD_S[0] < up - down < HELD_S[1] and since < down < until:
            yield down, up


def taken_back(period: Period, mark_s: float) -> list[tuple[float, bool]]:
    """A 9, or a button held, after a yes: when, and whether the box must have noticed it, and could act on it.

    What excuses it: it was off, deaf or blind during the press or in the moment after it; or it had lost what binds
    the recording to this call (the tap's or the wires' seizure) between the yes and the press.
    """
    found = []
    for each in consents(period, mark_s):
        for begun, ended in _takings_back(period, each.confirmed + 0.5, period.on_at):
            lost = ("reboot",) if period.proves_keys else ("reboot", "box", "line")
            bound = not period.broke(*lost, since=each.since, until=begun)
            could = not _blind(period, begun, ended + RULED_S)
            found.append((begun, bound and could))
    return found


def _blind(period: Period, since: float, until: float) -> bool:
    """Whether the box was off, deaf, or not yet sure of the line at some time between."""
    return period.broke("audio", "box", "line", since=since - 1.0, until=until) or period.broke(
        "box", "line", since=since - NOT_KNOWN_S, until=until
    )


def expected(period: Period, mark_s: float) -> bool:
    """Whether some of it must be there: agreed to, not taken back, and 4 s of it before anything broke.

    4 s, because a power cut may cost the clip being filled (2 s), and what is held back until it is decided.
    """
    if any(True for _ in _takings_back(period, 0.0, period.on_at)):
        return False
    for each in consents(period, mark_s):
        ready = each.until - each.confirmed >= LASTS_S
        broken = ("box", "line", "audio", "disk refuses", "disk full", "reboot")
        if (
            ready
            and not period.broke(*broken, since=each.asked - NOT_KNOWN_S, until=each.confirmed + LASTS_S)
            and all(covered for at, covered in period.covered if at <= each.confirmed + 0.5)
        ):
            return True
    return False
