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
from handschlag.sealing.ledger import LedgerPosition, Value, parse_line, read_lines, walk
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


def cut(ledger: Files, trust: Trust, head: Head, manifest: Manifest) -> Extract:
    """The extract of a whole ledger, whose chain is checked on the way; raises BadExport, SealingError."""
    heads = ledger_heads(ledger, trust, manifest.box)
    lines: list[tuple[str, bytes, Mapping[str, Value]]] = []
    for month in ledger_months(ledger):
        lines += [(month, line, parse_line(line)) for line in read_lines(ledger.read(month), month)]
    for _ in walk(line for _, line, _ in lines):
        pass
    told = [at for at, (_, _, entry) in enumerate(lines) if entry.get("recording") == manifest.recording]
    if not told:
        raise BadExport(f"ledger: says nothing of recording {manifest.recording}; it is another box's, or too old")
    first, last = told[0], max(told[-1], min(manifest.ledger.seq, len(lines)) - 1)
    behind = [found.seq for found in heads.values() if last < found.seq <= len(lines)]
    begin, end = _beginning(lines, first, head), min(behind, default=last + 1)
    files: dict[str, bytes] = {}
    for month, line, _ in lines[begin:end]:
        files[month] = files.get(month, b"") + line + b"\n"
    files |= {name: ledger.read(name) for name, found in heads.items() if begin < found.seq <= end}
    return Extract(files, start_of(lines[begin][2]), {at + 1: lines[at][2] for at in told})


def _beginning(lines: Sequence[tuple[str, bytes, Mapping[str, Value]]], first: int, head: Head) -> int:
    """Where the call begins in which the recording was granted; the grant itself where that is not told."""
    for at in range(first, -1, -1):
        entry = lines[at][2]
        here = (entry.get("tap_boot"), entry.get("seizure")) == (head.boot, head.seizure)
        if entry["kind"] == "call" and here and entry.get("at_end") is False:
            return at
        if entry["kind"] == "boot":
            break
    return first


def start_of(entry: Mapping[str, Value]) -> LedgerPosition:
    """The position before a line, as the line itself tells it."""
    return LedgerPosition(int(str(entry["seq"])) - 1, str(entry["prev"]))


def start_in(files: Files) -> LedgerPosition:
    """The position before the first line of an extract; raises BadFile, BadExport for one without lines."""
    for month in ledger_months(files):
        for line in read_lines(files.read(month), month):
            return start_of(parse_line(line))
    raise BadExport("ledger: the extract has no line")
