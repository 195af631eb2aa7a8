"""The ledger: one line per decision, each chained to the one before by its SHA-256.

A line is canonical JSON: `seq` from 1, `prev` (hash of the previous line without its newline; 64 zeros before the
first), wall time `at` and how far it is trusted (`clock`), monotonic seconds `mono` of the box's run `boot`, a `kind`,
and the kind's own flat values. Whoever edits, removes or inserts a line breaks every hash after it; what is cut off the
end is found by the signed heads, in manifests and elsewhere, that name a later line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import (
    MAX_INTEGER,
    BoxName,
    Clock,
    Count,
    Positive,
    Sha256,
    Time,
    Token,
    canonical,
    decode,
    sha256_hex,
)
from handschlag.sealing.errors import BadFile, Tampered
from handschlag.sealing.keys import Keyring, SigningKey

Value = str | int | float | bool | None

KINDS: Final = frozenset(
    {
        "boot", "clock", "settings", "staff", "call", "asked", "granted", "confirmed", "refused", "withdrawn", "opened",
        "closed", "interrupted", "destroyed", "receipted", "purged", "expired", "private", "fault", "update", "command",
    }
)  # fmt: skip
RESERVED: Final = frozenset({"seq", "prev", "at", "clock", "mono", "boot", "kind"})
MAX_LINE_BYTES: Final = 8192
DOUBTED: Final = "ledger:doubted"
_MAX_FIELDS: Final = 32
_MAX_TEXT: Final = 512
_TYP: Final = "handschlag-ledger-head"
_HEAD_NAME: Final = "ledger head"

_Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}\Z")]
_Value = Annotated[str, Meta(max_length=_MAX_TEXT)] | int | float | bool | None
_Flat = dict[_Name, _Value]


class LedgerPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line by number and hash."""

    seq: Count
    hash: Sha256


GENESIS: Final = LedgerPosition(0, "0" * 64)
"""Where every ledger begins."""


class _Line(msgspec.Struct, frozen=True):
    seq: Positive
    prev: Sha256
    at: Time
    clock: Clock
    mono: Annotated[float, Meta(ge=0)]
    boot: Token
    kind: Literal[
        "boot", "clock", "settings", "staff", "call", "asked", "granted", "confirmed", "refused", "withdrawn", "opened",
        "closed", "interrupted", "destroyed", "receipted", "purged", "expired", "private", "fault", "update", "command",
    ]  # fmt: skip


def next_line(
    prev: LedgerPosition, kind: str, fields: Mapping[str, Value], *, at: str, clock: str, mono: float, boot: str
) -> tuple[bytes, LedgerPosition]:
    """The line after `prev`, without its newline, and its position.

    `fields` are flat values; one that repeats a reserved name must repeat its value, too. Raises BadFile for anything
    that `parse_line` would not take.
    """
    line: dict[str, Value] = {
        "seq": prev.seq + 1,
        "prev": prev.hash,
        "at": at,
        "clock": clock,
        "mono": round(float(mono), 6),
        "boot": boot,
        "kind": kind,
    }
    for name, value in fields.items():
        if name in line and line[name] != value:
            raise BadFile(f"ledger entry {kind!r}: the field {name!r} is the ledger's own")
        line[name] = value
    if any(isinstance(value, float) and not math.isfinite(value) for value in line.values()):
        raise BadFile(f"ledger entry {kind!r}: a number is not finite")
    try:
        data = canonical(line)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadFile(f"ledger entry {kind!r}: {error}") from None
    parse_line(data)
    return data, LedgerPosition(prev.seq + 1, line_hash(data))


def line_hash(line: bytes) -> str:
    """What the next line's `prev` says of this one (without its newline)."""
    return sha256_hex(line)


def parse_line(line: bytes) -> dict[str, Value]:
    """All values of a line, the ledger's own and the kind's; raises BadFile. Says nothing about the chain."""
    entry: dict[str, Value] = decode(line, _Flat, "ledger line", limit=MAX_LINE_BYTES)
    try:
        msgspec.convert(entry, type=_Line)
    except msgspec.ValidationError as error:
        raise BadFile(f"ledger line: {error}") from None
    if len(entry) > _MAX_FIELDS:
        raise BadFile(f"ledger line: {len(entry)} values, at most {_MAX_FIELDS} are allowed")
    if any(isinstance(value, int) and abs(value) > MAX_INTEGER for value in entry.values()):
        raise BadFile("ledger line: an integer is too large")
    if canonical(entry) != line:
        raise BadFile("ledger line: not canonical JSON")
    return entry


def read_lines(data: bytes, name: str = "ledger") -> list[bytes]:
    """The lines of a ledger file, without newlines; raises BadFile if the last one is incomplete."""
    if data and not data.endswith(b"\n"):
        raise BadFile(f"{name}: the last line is incomplete")
    return data.split(b"\n")[:-1]


def walk(lines: Iterable[bytes], start: LedgerPosition = GENESIS) -> Iterator[tuple[LedgerPosition, dict[str, Value]]]:
    """Each line's position and values, in order; raises BadFile or Tampered naming the first wrong line by number."""
    at = start
    for line in lines:
        number = at.seq + 1
        with jws.naming(f"ledger entry {number}"):
            entry = parse_line(line)
        if entry["seq"] != number:
            raise Tampered(f"ledger entry {number}: its place is taken by entry {entry['seq']}")
        if entry["prev"] != at.hash:
            raise Tampered(f"ledger entry {number}: does not follow entry {at.seq}: one of the two was altered")
        at = LedgerPosition(number, line_hash(line))
        yield at, entry


def check_chain(lines: Iterable[bytes], start: LedgerPosition = GENESIS) -> LedgerPosition:
    """The last line's position, if every line follows the one before; raises BadFile or Tampered."""
    at = start
    for position, _ in walk(lines, start):
        at = position
    return at


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is not proven, as a later entry admits: everything after `good`, up to `head`."""

    good: LedgerPosition
    head: LedgerPosition
    declared_by: int
    why: str


class Walker:
    """Follows a chain over what is broken in it.

    A line that does not fit ends what is proven (`at`; `broken` says why). The chain is taken up again only by an
    entry `fault` `ledger:doubted` that admits it: it names the last proven line (`good_seq`, `good_hash`) and the line
    that it follows (`head_seq`, `head_hash`), the newest that anybody has named or that can still be read (`head`).
    Between the two nothing counts. `lifted_by` is the owner's newest `command` entry with a new epoch.
    """

    def __init__(self, start: LedgerPosition = GENESIS) -> None:
        self.at = self.head = start
        self.broken = ""
        self.stretches: list[Stretch] = []
        self.doubted_by = self.lifted_by = 0

    def take(self, line: bytes) -> tuple[LedgerPosition, dict[str, Value]] | None:
        """The line's position and values if it is proven."""
        number = self.at.seq + 1
        try:
            entry = parse_line(line)
        except BadFile as error:
            self.break_off(f"ledger entry {number}: {error}")
            return None
        position = LedgerPosition(int(str(entry["seq"])), line_hash(line))
        follows = not self.broken and (entry["seq"], entry["prev"]) == (number, self.at.hash)
        if not follows and not self._declares(entry):
            self.break_off(
                f"ledger entry {number}: its place is taken by entry {position.seq}"
                if position.seq != number
                else f"ledger entry {number}: does not follow entry {self.at.seq}: one of the two was altered"
            )
            if position.seq > self.head.seq:
                self.head = position
            return None
        self._note(position.seq, entry, follows=follows)
        self.at = self.head = position
        return position, entry

    def break_off(self, why: str) -> None:
        """Nothing more is proven, from here to an entry that admits it."""
        self.broken = self.broken or why

    def _declares(self, entry: Mapping[str, Value]) -> bool:
        if not is_doubt(entry):
            return False
        good, head = (entry.get("good_seq"), entry.get("good_hash")), (entry.get("head_seq"), entry.get("head_hash"))
        head_seq = head[0]
        right = good == (self.at.seq, self.at.hash) and isinstance(head_seq, int) and head_seq >= self.at.seq
        return right and (entry["seq"], entry["prev"]) == (int(str(head_seq)) + 1, head[1])

    def _note(self, seq: int, entry: Mapping[str, Value], *, follows: bool) -> None:
        if is_doubt(entry):
            self.doubted_by = seq
            head = LedgerPosition(seq - 1, str(entry["prev"]))
            if not follows or head != self.at:
                self.stretches.append(Stretch(self.at, head, seq, str(entry.get("why", ""))))
            self.broken = ""
        elif is_epoch(entry):
            self.lifted_by = seq


def is_doubt(entry: Mapping[str, Value]) -> bool:
    """Whether an entry says that the ledger is not to be trusted."""
    return entry["kind"] == "fault" and entry.get("what") == DOUBTED


def is_epoch(entry: Mapping[str, Value]) -> bool:
    """Whether an entry is the owner's word that opens a new epoch, and so lifts every doubt before it."""
    said = (entry.get("by"), entry.get("name"), entry.get("outcome"))
    return entry["kind"] == "command" and said == ("owner", "epoch", "done")


class LedgerHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A box's signed word on how far its ledger goes."""

    version: Literal[1] = 1
    box: BoxName
    seq: Count
    hash: Sha256
    at: Time
    clock: Clock

    @property
    def position(self) -> LedgerPosition:
        """The line it names."""
        return LedgerPosition(self.seq, self.hash)


def sign_head(*, box: str, position: LedgerPosition, at: str, clock: Clock, key: SigningKey) -> bytes:
    """A signed head; only for lines whose fsync has returned."""
    head = LedgerHead(box=box, seq=position.seq, hash=position.hash, at=at, clock=clock)
    return jws.sign_struct(head, _TYP, key, _HEAD_NAME)


def read_head(token: bytes, keys: Keyring, name: str = _HEAD_NAME) -> LedgerHead:
    """A signed head; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, name)
    head = decode(signed.payload, LedgerHead, name)
    with jws.naming(name):
        keys.admit(signed.kid, box=head.box, at=head.at if head.clock == "synced" else None)
    return head
