"""The part of a ledger that tells of one recording, cut out so that it still can be checked.

It begins with the call in which the recording was made and goes, line by line as they are, to the first signed head
behind the last line that names the recording; where there is none, to that last line. Every line is chained to the
one before, so whoever vouches for one line vouches for all before it in the extract: the manifest, signed by the box,
for those up to its closing; a signed head for those up to it. What lies behind is chained, and vouched for by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handschlag.evidence.errors import BadExport
from handschlag.sealing.ledger import LedgerHead, LedgerPosition, Value, Walker, is_doubt, parse_line, read_lines
from handschlag.sealing.manifest import Manifest
from handschlag.sealing.recording import Head
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import Files, ledger_heads, ledger_months


@dataclass(frozen=True, slots=True)
class Extract:
    """Files for `ledger/`, the position before the first line, and the lines that name the recording, by number."""

    files: Mapping[str, bytes]
    start: LedgerPosition
    told: Mapping[int, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it stands in its month, and its values if it is proven."""

    month: str
    line: bytes
    entry: Mapping[str, Value] | None


def cut(ledger: Files, trust: Trust, head: Head, manifest: Manifest) -> Extract:
    """The extract of a whole ledger, whose chain is checked on the way; raises BadExport, SealingError."""
    heads = ledger_heads(ledger, trust, manifest.box)
    walker, lines = Walker(), list[_Line]()
    for month in ledger_months(ledger):
        for line in read_lines(ledger.read(month), month):
            taken = walker.take(line)
            lines.append(_Line(month, line, None if taken is None else taken[1]))
    if walker.broken:
        raise BadExport(f"ledger: {walker.broken}")
    told = {at: each.entry for at, each in enumerate(lines) if each.entry and _names(each.entry, manifest.recording)}
    if not told:
        raise BadExport(f"ledger: says nothing of recording {manifest.recording}; it is another box's, or too old")
    begin, end = _beginning(lines, min(told), head), _end(lines, max(told), heads, manifest.ledger.seq, walker)
    files: dict[str, bytes] = {}
    for each in lines[begin:end]:
        files[each.month] = files.get(each.month, b"") + each.line + b"\n"
    start = start_of(lines[begin].entry or {})
    last = _seq(lines[end - 1])
    files |= {name: ledger.read(name) for name, found in heads.items() if start.seq < found.seq <= last}
    return Extract(files, start, {int(str(entry["seq"])): entry for entry in told.values()})


def _names(entry: Mapping[str, Value], recording: str) -> bool:
    return entry.get("recording") == recording


def _seq(line: _Line) -> int:
    return int(str(line.entry["seq"])) if line.entry else 0


def _beginning(lines: Sequence[_Line], first: int, head: Head) -> int:
    """Where the call begins in which the recording was granted; the grant itself where that is not told."""
    for at in range(first, -1, -1):
        entry = lines[at].entry
        if entry is None or entry["kind"] == "boot":
            break
        here = (entry.get("tap_boot"), entry.get("seizure")) == (head.boot, head.seizure)
        if entry["kind"] == "call" and here and entry.get("at_end") is False:
            return at
    return first


def _end(lines: Sequence[_Line], told: int, heads: Mapping[str, LedgerHead], closed: int, walker: Walker) -> int:
    """Behind the last line of the extract: a signed head's, where one is behind everything that must be in it.

    That is the last line that names the recording, the one that the manifest names, and, where the box doubted its
    ledger in between, the owner's word that lifted the doubt.
    """
    needed = max(told, next((at for at, line in enumerate(lines) if _seq(line) == closed), 0))
    signed = {found.seq for found in heads.values()}
    end = next((at for at in range(needed, len(lines)) if _seq(lines[at]) in signed), needed)
    doubts = any(line.entry and is_doubt(line.entry) for line in lines[: end + 1])
    lifted = next((at for at, line in enumerate(lines) if doubts and _seq(line) == walker.lifted_by > 0), 0)
    return max(end, lifted) + 1


def start_of(entry: Mapping[str, Value]) -> LedgerPosition:
    """The position before a line, as the line itself tells it."""
    return LedgerPosition(int(str(entry["seq"])) - 1, str(entry["prev"]))


def start_in(files: Files) -> LedgerPosition:
    """The position before the first line of an extract; raises BadFile, BadExport for one without lines."""
    for month in ledger_months(files):
        for line in read_lines(files.read(month), month):
            return start_of(parse_line(line))
    raise BadExport("ledger: the extract has no line")
