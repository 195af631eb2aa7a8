"""The audit log: who did what, when and why. It only grows, and each line holds the hash of the one before.

A line is canonical JSON; what is kept beside it is its number and its hash. The database refuses to change or remove
one (a trigger of the migration); whoever has more power than the database leaves a chain that does not hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sql

from handschlag.sealing.encoding import sha256_hex
from handschlag_archive.index.facts import Facts
from handschlag_archive.web import tables

GENESIS: Final = "0" * 64

_audit = tables.audit
_NUMBER: Final = "audit"


class AuditLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line. `person` is an id, or `console` for the command line; `reason` is sealed by the server (base64url)."""

    seq: int
    prev: str
    at: str
    what: str
    person: str | None = None
    role: str | None = None
    box: str | None = None
    recording: str | None = None
    subject: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Entry:
    """A line as it lies in the log."""

    seq: int
    sha256: str
    line: bytes

    def read(self) -> AuditLine:
        """What it says."""
        return msgspec.json.decode(self.line, type=AuditLine)


class AuditLog(Facts):
    """What can be asked about the log, and the one change: to append."""

    def append_audit(self, *, at: str, what: str, **fields: str | None) -> Entry:
        """Append a line; whoever else appends waits until the transaction ends."""
        seq = self.count_up(_NUMBER)
        last = self.audit_head()
        known = last.seq if last else 0
        if known != seq - 1:
            seq = known + 1  # the count was restored from elsewhere; the chain itself counts
            self.note(_NUMBER, str(seq))
        line = AuditLine(seq=seq, prev=last.sha256 if last else GENESIS, at=at, what=what, **fields)
        raw = msgspec.json.encode(line, order="sorted")
        entry = Entry(seq, sha256_hex(raw), raw)
        self._connection.execute(sql.insert(_audit).values(seq=seq, sha256=entry.sha256, line=raw))
        return entry

    def audit(self, after: int, count: int) -> Sequence[Entry]:
        """Lines behind number `after`, in order."""
        query = sql.select(_audit).where(_audit.c.seq > after).order_by(_audit.c.seq).limit(count)
        return [_entry(row) for row in self._connection.execute(query)]

    def audit_head(self) -> Entry | None:
        """The newest line."""
        row = self._connection.execute(sql.select(_audit).order_by(_audit.c.seq.desc()).limit(1)).first()
        return _entry(row) if row else None


def first_wrong(entries: Sequence[Entry], after: Entry | None = None) -> str | None:
    """The first thing that is wrong with lines that should follow `after`; None when the chain holds."""
    seq, prev = (after.seq, after.sha256) if after else (0, GENESIS)
    for entry in entries:
        if sha256_hex(entry.line) != entry.sha256:
            return f"line {entry.seq} was altered"
        said = entry.read()
        if (said.seq, said.prev) != (seq + 1, prev) or said.seq != entry.seq:
            return f"line {entry.seq} does not follow line {seq}"
        seq, prev = entry.seq, entry.sha256
    return None


def _entry(row: sql.Row[Any]) -> Entry:
    return Entry(row.seq, row.sha256, row.line)
