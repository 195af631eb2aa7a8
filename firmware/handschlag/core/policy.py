"""What the workshop has settled beforehand; the machine only reads it.

The application makes a `Policy` from the settings, the staff register and the prompts. It does not change while the
box runs: changed settings restart the box, so that the ledger's `settings` entry says what was in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from handschlag.core.hours import Hours


class Way(StrEnum):
    """What a short press asks for during a call."""

    KEY = "key"
    ORAL = "oral"


class AskWhen(StrEnum):
    """When the box asks by itself."""

    BUTTON = "button"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Shift(Hours):
    """Who is on duty in these hours, by number, and how the box asks then."""

    staff: tuple[int, ...]
    ask: AskWhen | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The settled part. Durations in seconds; `sound_s` are the lengths of the sounds in the prompt catalog.

    `accepted`: the box was set up and its acceptance is on file. `line_users`: the numbers of all who answer the line;
    each needs a written consent, or those on duty where `shifts` say who is. `proven_tap`: serial number of the tap
    whose polarity was proven at the bench, or "". `bench` names that bench's result: what a dial tone has disproved
    stays so until there is another result. `by_wire`: something wired can tell the hook; without, nothing is
    ever recorded. `by_sound`: while the line is unknown the box listens, so that it can say how the line sounds.
    `quiet` are the hours in which nothing is sent but revocations and the status; `capped`: the uplink has a
    bandwidth cap, so little is handed to it at a time.
    """

    accepted: bool
    line_users: tuple[int, ...]
    proven_tap: str
    text_version: str
    text_hash: str
    sound_s: Mapping[str, float]
    bench: str = ""
    by_wire: bool = True
    by_sound: bool = False
    way: Way = Way.KEY
    ask_when: AskWhen = AskWhen.BUTTON
    shifts: tuple[Shift, ...] = ()
    emergency: tuple[str, ...] = ("110", "112")
    outside: str = "0"
    quiet: tuple[Hours, ...] = ()
    capped: bool = False
    settings_hash: str = ""
    version: str = ""
    window_s: float = 8.0
    consent_held_s: float = 0.060
    withdraw_held_s: float = 0.100
    confirm_after_s: float = 4.0
    confirm_within_s: float = 30.0
    silence_s: float = 60.0
    line_timeout_s: float = 3.0
