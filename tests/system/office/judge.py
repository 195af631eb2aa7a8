"""Holds what the box left behind against what really happened.

The judge reads the ledger's lines, opens every recording there is with the owner's key, and looks at what sounded on
the line. Of the box's code he uses what an owner uses: opening, verifying, the report. What may have been recorded he
works out from the truth alone, by rules of his own.

How off-hook periods are accounted for, as far as a ledger can know of them:

- A period that a running box could see has exactly one `call` beginning and one end. Where the tap was silent or the
  box restarted in it, it has several parts of the same seizure, which are one call of the report. Another boot of the
  tap (or a source that was lost) is another seizure and counts anew: nobody can know that it is the same conversation.
- A call whose end the box did not live to write counts as failed, or as recorded when its recording was kept.
- A call that was going on when the box started, or that began while the line was not known, is in the ledger from then
  on, as not asked, barred as `unseen`.
- A period that no box saw (off, without its tap, or within the seconds in which a tap has not introduced itself yet)
  cannot be in the ledger. It is counted here as unseen, and must lie wholly in such a time.
- A FRITZ!Box alone knows calls, not handsets: lifting without a call is no period for it.
- A line that is only heard (`vox`) is never known: no call of it is in the ledger, and no sound of the box on it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from handschlag.adapters.flac import FlacCodec
from handschlag.cli.evidence import FolderFiles
from handschlag.sealing.errors import SealingError
from handschlag.sealing.open import open_recording
from handschlag.sealing.verify import verify_ledger, verify_recording
from tests.system.office.office import Office, one_number
from tests.system.office.rules import NOT_KNOWN_S, consents, expected, taken_back
from tests.system.office.truth import Period

RATE = 8000
SLACK_S = 0.05
HEARD_S = 0.25
"""A digit is told this long after it ended, at the latest."""
SEEN_S = 0.2
BREAKS = ("box", "line", "audio", "disk refuses", "reboot")
AUDIO_COUNTS_S = 0.6
CLIP_LOST_S = 3.0
CLEAR_AUDIO = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""How every FLAC file begins."""
CLASSES = ("withdrawn", "recorded", "refused", "failed", "private", "not-asked")


class Files(Protocol):
    """A recording's files."""

    def names(self) -> Sequence[str]:
        """All names."""

    def read(self, name: str) -> bytes:
        """A file."""


@dataclass(frozen=True)
class _Kept:
    """What the archive has of one recording."""

    files: dict[str, bytes]

    def names(self) -> Sequence[str]:
        """All names."""
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        """A file."""
        return self.files[name]


@dataclass(slots=True)
class Part:
    """A call in the ledger, from its beginning to its end, as far as there is one."""

    seizure: tuple[str, int]
    at: float
    incoming: bool
    outcome: str = ""
    bar: str = ""
    period: Period | None = None


class Reported(msgspec.Struct, frozen=True):
    """What the judge reads of `handschlag report --json`."""

    calls: int
    ends: dict[str, int]


@dataclass(slots=True)
class Verdict:
    """What was found; `wrong` is empty if all is well."""

    wrong: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)

    def check(self, holds: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
        """Note what does not hold."""
        self.tally["checks"] += 1
        if not holds:
            self.wrong.append(what)


class Judge:
    """Judges one day."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.folder = office.folder
        self.periods = office.truth.periods
        self.verdict = Verdict()
        self.entries = self._entries()
        self.parts: list[Part] = []
        self.recorded: dict[int, set[str]] = {}
        self.there: set[str] = set()
        self._last: dict[str, tuple[Period, int]] = {}

    def judge(self, report: Reported) -> Verdict:
        """Everything, and the report of the month beside it."""
        self._chain()
        self._open_everything()
        for period in self.periods:
            self._emergency(period)
        self._match()
        for period in self.periods:
            self._accounted(period)
            self._promised(period)
        self._alive()
        self._reconcile(report)
        self._personal()
        return self.verdict

    def _entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in sorted((self.folder / "ledger").glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_text("ascii").splitlines()]
        return found

    def _chain(self) -> None:
        told = verify_ledger(FolderFiles(self.folder / "ledger"), self.office.trust)
        self.verdict.check(told.ok, f"ledger: {told.wrong}")

    # --- recordings

    def _places(self) -> Iterator[tuple[str, Files]]:
        for path in sorted((self.folder / "spool").iterdir()):
            yield path.name, FolderFiles(path)
        for name, files in sorted(self.office.archive.files.items()):
            if "keys.json" in files:
                yield name, _Kept(files)

    def _open_everything(self) -> None:
        seen: dict[str, dict[str, bytes]] = {}
        for name, files in self._places():
            there = {each: files.read(each) for each in files.names() if not each.startswith("receipt")}
            twice = seen.get(name) == there  # in the archive, and still in the spool
            seen[name] = there
            if isinstance(files, FolderFiles):
                ledger = FolderFiles(self.folder / "ledger")
                told = verify_recording(files, self.office.trust, ledger=ledger)
                self.verdict.check(told.ok, f"{name}: {told.wrong}")
            if twice:
                continue
            try:
                opened = open_recording(files, self.office.owner.workshop(), self.office.trust)
            except (SealingError, OSError) as error:
                self.verdict.check(holds=False, what=f"{name}: cannot be opened at the end of the day: {error}")
                continue
            self.verdict.tally["recordings opened"] += 1
            self.there.add(name)
            for entry, flac in opened.clips():
                self._clip(name, entry.index, flac)
            opened.wipe()

    def _clip(self, name: str, index: int, flac: bytes) -> None:
        samples, _ = FlacCodec().decode(flac)
        clip = one_number(samples)
        if not clip.any():
            return  # nothing but what was masked
        self.verdict.tally["clips"] += 1
        found = self._goes_on(name, clip) or self._locate(clip)
        if found is None:
            self.verdict.check(holds=False, what=f"{name} clip {index}: is from no call that may be recorded")
            return
        period, first = found
        self._last[name] = period, first + len(clip)
        self.recorded.setdefault(period.number, set()).add(name.partition(".")[0])
        begins, ends = period.off_at + first / RATE, period.off_at + (first + len(clip)) / RATE
        windows = consents(period, self.office.mark_s)
        inside = any(each.since - SLACK_S <= begins and ends <= each.until for each in windows)
        self.verdict.tally["samples"] += len(clip)
        allowed = [(round(each.since - period.off_at, 2), round(each.until - period.off_at, 2)) for each in windows]
        self.verdict.check(
            inside,
            f"{name} clip {index}: {begins - period.off_at:.2f}-{ends - period.off_at:.2f} s of {_who(period)}: "
            f"outside of a yes: {allowed}",
        )

    def _goes_on(self, name: str, clip: NDArray[np.int32]) -> tuple[Period, int] | None:
        """Whether it follows the last clip of its recording without a gap, as nearly all do."""
        if name not in self._last:
            return None
        period, first = self._last[name]
        return (period, first) if _is_at(period.legs, first, clip, np.flatnonzero(clip)) else None

    def _locate(self, clip: NDArray[np.int32]) -> tuple[Period, int] | None:
        """Where in which call these samples were on the line, to the bit; what was masked matches anything."""
        heard = np.flatnonzero(clip)
        loudest = np.abs(clip.view(np.int16).reshape(-1, 2).astype(np.int32)).sum(axis=1)
        anchor = int(np.argmax(loudest))  # a rare number: few places need a closer look
        for period in self.periods:
            if period.legs is None:
                continue
            for at in np.flatnonzero(period.legs == clip[anchor]):
                if _is_at(period.legs, int(at) - anchor, clip, heard):
                    return period, int(at) - anchor
        return None

    # --- sounds

    def _emergency(self, period: Period) -> None:
        if period.emergency_at is None:
            return
        first = round((period.emergency_at + HEARD_S - period.off_at) / 0.02)
        sounding = sum(period.box_sound[max(0, first) :])
        self.verdict.tally["emergency calls"] += 1
        self.verdict.check(sounding == 0, f"{sounding} samples of the box on {_who(period)}")
        plays = [at for at in period.plays if at > period.emergency_at + HEARD_S]
        self.verdict.check(not plays, f"PLAY {len(plays)} times on {_who(period)}")

    # --- the ledger

    def _match(self) -> None:
        """Which beginning in the ledger belongs to which off-hook period: by time alone."""
        begun = [period.off_at for period in self.periods]
        part: Part | None = None
        for entry in self.entries:
            if entry["kind"] == "boot":
                part = None
            if entry["kind"] != "call":
                continue
            seizure = str(entry["tap_boot"]), int(entry["seizure"])
            if not entry["at_end"]:
                self.verdict.check(part is None, f"ledger {entry['seq']}: a call begins in another one")
                part = Part(seizure, float(entry["mono"]), bool(entry["incoming"]))
                at = bisect_right(begun, part.at + SLACK_S) - 1
                if at >= 0 and part.at <= self.periods[at].on_at + SLACK_S:
                    part.period = self.periods[at]
                self.verdict.check(part.period is not None, f"ledger {entry['seq']}: a call, but nobody was off-hook")
                self.parts.append(part)
            else:
                matches = part is not None and part.seizure == seizure
                self.verdict.check(matches, f"ledger {entry['seq']}: an end without a beginning")
                if part is not None:
                    part.outcome, part.bar = str(entry["outcome"]), str(entry["bar"])
                part = None

    def _accounted(self, period: Period) -> None:
        mine = [part for part in self.parts if part.period is period]
        if not mine:
            self.verdict.tally["unseen"] += 1
            silent = period.line != "vox" or not any(period.box_sound)
            self.verdict.check(silent, f"{_who(period)}: the box was heard on a line that it only hears")
            self.verdict.check(not self._could_be_seen(period), f"{_who(period)}: is not in the ledger")
            return
        self.verdict.tally["periods"] += 1
        again = period.broke("box", "line", "reboot", until=period.on_at)
        self.verdict.check(len(mine) == 1 or again, f"{_who(period)}: {len(mine)} times in the ledger")
        for part in mine:
            ended = bool(part.outcome) or period.broke("box")
            self.verdict.check(ended, f"{_who(period)}: has no end in the ledger")
        for seizure in {part.seizure for part in mine}:
            self._comes_out(period, [part for part in mine if part.seizure == seizure])

    def _could_be_seen(self, period: Period) -> bool:
        """Whether a box that knew its line was there for any of it."""
        blind = [(-1e9, self.office.runs[0][1] + NOT_KNOWN_S)]
        blind += [
            (each.begun, each.ended + NOT_KNOWN_S) for each in self.office.truth.faults if each.what in {"box", "line"}
        ]
        if period.line == "vox":
            return False
        if period.line == "fritz":
            if not (period.incoming or period.dialled):
                return False
            begins = period.off_at if period.incoming else period.dialled[0][0]
            return not any(begun <= period.on_at and ended >= begins for begun, ended in blind)
        seen, at = 0.0, period.off_at
        for begun, ended in sorted(blind):
            seen += max(0.0, min(begun, period.on_at) - at)
            at = max(at, ended)
        return seen + max(0.0, period.on_at - at) > SEEN_S

    def _comes_out(self, period: Period, parts: list[Part]) -> None:
        """Whether what the ledger says of a call is what happened in it."""
        end = self._class(parts)
        who = f"{_who(period)}: {end} in the ledger"
        self.verdict.tally[end] += 1
        asked = "announcement" in period.sounds
        sounded = any(period.sounds)
        match end:
            case "recorded":
                self._is_there(period, parts, who)
            case "withdrawn":
                self.verdict.check(sounded, f"{who}, but nothing was asked")
            case "refused":
                held = any(up - down >= 2.0 for down, up in period.presses)
                self.verdict.check(sounded or held, f"{who}, but nobody was asked")
            case "private":
                self.verdict.check(period.private, f"{who}, but private mode was off")
            case "failed":
                self.verdict.check(period.broke(*BREAKS), f"{who}, but nothing broke")
            case _:
                barred = period.emergency_at is not None or period.excluded
                unseen = any(part.bar == "unseen" for part in parts)
                if not (barred or unseen):
                    broke = period.broke("box", "line", "reboot", until=period.on_at)
                    self.verdict.check(not asked or broke, f"{who}, but it was asked")
        if period.private and period.emergency_at is None:
            broke = period.broke("box", "line", "reboot", until=period.on_at)
            self.verdict.check(end in {"private", "failed"} or broke, f"{who}, in private mode")
            self.verdict.check(not sounded, f"{_who(period)}: the box was heard in private mode")

    def _is_there(self, period: Period, parts: list[Part], who: str) -> None:
        """A recording of it opens, and holds audio unless the yes lasted too short a time for any."""
        windows = consents(period, self.office.mark_s)
        self.verdict.check(bool(windows), f"{who}, but there was no yes")
        if period.number in self.recorded:
            return
        there = bool(self._granted(parts[0].seizure) & self.there)
        self.verdict.check(there, f"{who}, but there is no recording")
        lost = CLIP_LOST_S if period.broke(*BREAKS) else AUDIO_COUNTS_S
        heard = max((each.until - each.confirmed for each in windows), default=0.0)
        self.verdict.tally["recordings without a word"] += 1
        self.verdict.check(heard <= lost, f"{who}, but nothing of {heard:.1f} s is in it")

    def _class(self, parts: list[Part]) -> str:
        """One of `CLASSES` for a seizure that the ledger may have in parts."""
        ends: list[str] = []
        for part in parts:
            match part.outcome:
                case "recorded" | "withdrawn" | "private" as outcome:
                    ends.append(outcome)
                case "refused" | "unanswered" | "unconfirmed":
                    ends.append("refused")
                case "not-asked" | "emergency" | "excluded":
                    ends.append("not-asked")
                case "failed":
                    ends.append("failed")
                case "":
                    ends.append("recorded" if self._interrupted(part.seizure) else "failed")
                case other:
                    self.verdict.check(holds=False, what=f"outcome {other!r}: is not known")
        return next(each for each in CLASSES if each in ends)

    def _interrupted(self, seizure: tuple[str, int]) -> bool:
        """Whether a recording of this seizure was closed after a restart."""
        closed = {entry["recording"] for entry in self.entries if entry["kind"] == "closed"}
        gone = {entry.get("recording") for entry in self.entries if entry["kind"] in {"withdrawn", "destroyed"}}
        return bool(self._granted(seizure) & closed - gone)

    def _granted(self, seizure: tuple[str, int]) -> set[str]:
        """The recordings of a seizure, by the ledger."""
        return {
            entry["recording"]
            for entry in self.entries
            if entry["kind"] == "granted" and (entry["tap_boot"], entry["seizure"]) == seizure
        }

    # --- what was promised to people

    def _promised(self, period: Period) -> None:
        names = self.recorded.get(period.number, set())
        agreed = bool(consents(period, self.office.mark_s))
        backs = taken_back(period, self.office.mark_s)
        if backs:
            self.verdict.tally["taken back"] += 1
            noticed = [at - period.off_at for at, must in backs if must]
            self.verdict.check(not (names and noticed), f"{_who(period)}: was taken back at {noticed}, and is there")
            return
        self.verdict.tally["calls with a yes"] += agreed
        self.verdict.tally["calls with a yes that open"] += agreed and bool(names)
        if expected(period, self.office.mark_s):
            self.verdict.tally["recordings expected"] += 1
            self.verdict.tally["recordings expected that open"] += bool(names)
            self.verdict.check(bool(names), f"{_who(period)}: was agreed to, and is not there")

    def _alive(self) -> None:
        """A day on which next to nothing is recorded shows nothing."""
        tally = self.verdict.tally
        yes, opens = tally["calls with a yes"], tally["calls with a yes that open"]
        self.verdict.check(3 * opens >= yes, f"only {opens} of {yes} calls with a yes can be opened")

    # --- the report

    def _reconcile(self, report: Reported) -> None:
        seizures: dict[tuple[str, int], list[Part]] = {}
        for part in self.parts:
            seizures.setdefault(part.seizure, []).append(part)
        mine = Counter(self._class(parts) for parts in seizures.values())
        mine["refused"] += mine.pop("withdrawn", 0)
        ends = Counter({kind: count for kind, count in report.ends.items() if count})
        self.verdict.check(
            report.calls == len(seizures), f"report: {report.calls} calls, the ledger has {len(seizures)}"
        )
        self.verdict.check(sum(ends.values()) == report.calls, f"report: {dict(ends)} are not {report.calls}")
        self.verdict.check(ends == +mine, f"report: {dict(ends)}, and it was {dict(mine)}")

    # --- what must not be anywhere

    def _personal(self) -> None:
        """No number, no name, no audio in clear: in files, their names, and what went over the wire."""
        # a number as it is dialled at home or from abroad: without its leading 0
        secret = [each.removeprefix("0").encode() for each in sorted(self.office.truth.personal)]
        for path in sorted(self.folder.rglob("*")):
            where = str(path.relative_to(self.folder))
            data = path.read_bytes() if path.is_file() else b""
            self._clear_of(where, where.encode() + b"\0" + data, secret)
        for recording, files in self.office.archive.files.items():
            for name, data in files.items():
                self._clear_of(f"archive {recording}/{name}", name.encode() + data, secret)
        for line in self.office.archive.lines.values():
            self._clear_of("archive's ledger", line, secret)
        self.verdict.tally["lines of status and log"] = len(self.office.truth.said)
        for said in self.office.truth.said:
            self._clear_of(f"status or log {said[:80]!r}", said.encode(), secret)

    def _clear_of(self, where: str, data: bytes, secret: list[bytes]) -> None:
        for each in secret:
            self.verdict.check(each not in data, f"{where}: holds {each.decode()}")
        self.verdict.check(CLEAR_AUDIO.search(data) is None, f"{where}: holds audio in clear")


def _is_at(legs: NDArray[np.int32] | None, first: int, clip: NDArray[np.int32], heard: NDArray[np.intp]) -> bool:
    """Whether the clip is there, to the bit, but for what was masked."""
    if legs is None or first < 0 or first + len(clip) > len(legs):
        return False
    true = legs[first : first + len(clip)]
    few = heard[:: max(1, len(heard) // 50)]
    return np.array_equal(true[few], clip[few]) and np.array_equal(true[heard], clip[heard])


def _who(period: Period) -> str:
    """A call, for people."""
    faults = ", ".join(
        f"{each.what} {each.begun - period.off_at:.1f} to {each.ended - period.off_at:.1f}" for each in period.faults
    )
    length = period.on_at - period.off_at
    broke = f"; {faults}" if faults else ""
    return (
        f"call {period.number} ({period.kind}, {period.line}, at {period.off_at / 3600:.3f} h, {length:.1f} s{broke})"
    )
