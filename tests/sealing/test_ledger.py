"""The ledger's lines, chain and signed heads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing import ledger as led
from handschlag.sealing.encoding import canonical
from handschlag.sealing.errors import BadFile, SealingError, Tampered, Untrusted
from handschlag.sealing.ledger import GENESIS, LedgerPosition, Value
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, LedgerBuilder, trust

WHEN: dict[str, Any] = {"at": AT, "clock": "synced", "mono": 12.5, "boot": "b00t"}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=50),
)


def five() -> list[bytes]:
    """Five chained lines."""
    ledger = LedgerBuilder()
    for number in range(5):
        ledger.add("fault", what=f"test-{number}")
    return ledger.lines


def test_the_first_line_follows_genesis() -> None:
    """Number 1, after 64 zeros, in canonical JSON without newline."""
    line, position = led.next_line(GENESIS, "boot", {"version": "0.1.0"}, **WHEN)
    assert line == (
        b'{"at":"2026-11-02T09:15:00.000Z","boot":"b00t","clock":"synced","kind":"boot","mono":12.5,"prev":"'
        + b"0" * 64
        + b'","seq":1,"version":"0.1.0"}'
    )
    assert position == LedgerPosition(1, led.line_hash(line))


def test_lines_chain() -> None:
    """Each line names the hash of the one before; the last position comes out."""
    lines = five()
    assert led.check_chain(lines) == LedgerPosition(5, led.line_hash(lines[-1]))
    assert json.loads(lines[1])["prev"] == led.line_hash(lines[0])
    assert led.check_chain(lines[2:], LedgerPosition(2, led.line_hash(lines[1]))).seq == 5
    assert led.check_chain([]) == GENESIS


def test_the_first_wrong_line_is_named() -> None:
    """Edited, removed, swapped, doubled or inserted: the number of the first line that does not fit is said."""
    lines = five()
    edited = [*lines[:2], lines[2].replace(b"test-2", b"test-X"), *lines[3:]]
    foreign = [*lines[:2], led.next_line(GENESIS, "fault", {}, **WHEN)[0], *lines[2:]]
    for wrong, number in (
        (edited, 4),
        (lines[:1] + lines[2:], 2),
        ([lines[0], lines[2], lines[1], *lines[3:]], 2),
        ([*lines[:3], lines[2], *lines[3:]], 4),
        (lines[1:], 1),
        (foreign, 3),
    ):
        with pytest.raises(Tampered, match=f"ledger entry {number}:"):
            led.check_chain(wrong)


def test_garbage_in_a_line_is_named_by_number() -> None:
    """A line that cannot be read is named, too."""
    lines = five()
    with pytest.raises(BadFile, match="ledger entry 3: ledger line"):
        led.check_chain([*lines[:2], b"garbage", *lines[3:]])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "gossip"}, "kind"),
        ({"at": "yesterday"}, "at"),
        ({"clock": "fine"}, "clock"),
        ({"mono": -1.0}, "mono"),
        ({"mono": float("nan")}, "finite"),
        ({"boot": ""}, "boot"),
        ({"fields": {"seq": 5}}, "the ledger's own"),
        ({"fields": {"boot": "another"}}, "the ledger's own"),
        ({"fields": {"a": float("inf")}}, "finite"),
        ({"fields": {"a": 2**53}}, "too large"),
        ({"fields": {"a": "x" * 513}}, "length"),
        ({"fields": {"A": 1}}, "matching"),
        ({"fields": {"a": [1]}}, "array"),
        ({"fields": {"a": {"b": 1}}}, "object"),
        ({"fields": {f"f{n}": n for n in range(40)}}, "at most"),
    ],
)
def test_wrong_entries_are_refused(change: dict[str, Any], what: str) -> None:
    """Nothing gets into the ledger that could not be read back."""
    told = {"kind": "fault", "fields": {}, **WHEN, **change}
    with pytest.raises(BadFile, match=what):
        led.next_line(GENESIS, told.pop("kind"), told.pop("fields"), **told)


def test_a_field_may_repeat_what_the_ledger_says_itself() -> None:
    """The boot entry names its boot id once more: the same value is no contradiction."""
    line, _ = led.next_line(GENESIS, "boot", {"boot": "b00t"}, **WHEN)
    assert led.parse_line(line)["boot"] == "b00t"


def test_other_spellings_of_a_line_are_refused() -> None:
    """Spaces, another order, escapes and doubled names are not the line that was written."""
    line = five()[0]
    for wrong in (
        line.replace(b":1,", b": 1,"),
        b"{" + line[1:-1] + b',"at":"' + AT.encode() + b'"}',
        line.replace(b"test-0", b"test\\u002d0"),
        line + b" ",
        line.replace(b'"mono":100.0', b'"mono":1e2'),
    ):
        assert wrong != line
        with pytest.raises(BadFile):
            led.parse_line(wrong)


def test_every_kind_of_the_design_is_known() -> None:
    """The kinds of call.md, no more and no fewer, are accepted."""
    for kind in led.KINDS:
        line, _ = led.next_line(GENESIS, kind, {}, **WHEN)
        assert led.parse_line(line)["kind"] == kind
    assert len(led.KINDS) == 21


def test_files_are_whole_lines() -> None:
    """A file whose last line is incomplete is refused: dropping it is for the one who starts the box."""
    lines = five()
    data = b"".join(line + b"\n" for line in lines)
    assert led.read_lines(data) == lines
    assert led.read_lines(b"") == []
    with pytest.raises(BadFile, match=r"2026-11\.jsonl: the last line is incomplete"):
        led.read_lines(data[:-1], "2026-11.jsonl")


@given(st.dictionaries(st.from_regex(r"\Ax[a-z0-9_]{0,8}\Z"), VALUES, max_size=8))
def test_fields_come_back(fields: dict[str, Value]) -> None:
    """Any flat values are read as they were written, and written the same way again."""
    line, _ = led.next_line(GENESIS, "fault", fields, **WHEN)
    assert b"\n" not in line
    entry = led.parse_line(line)
    assert {name: entry[name] for name in fields} == fields
    assert canonical(entry) == line


@given(st.integers(0, 4), st.data())
def test_no_flipped_bit_survives(number: int, data: st.DataObject) -> None:
    """A bit flipped anywhere but in the last line breaks the chain; in the last one it changes the position."""
    lines = five()
    bit = data.draw(st.integers(0, 8 * len(lines[number]) - 1))
    flipped = bytearray(lines[number])
    flipped[bit // 8] ^= 1 << bit % 8
    changed = [*lines[:number], bytes(flipped), *lines[number + 1 :]]
    try:
        assert led.check_chain(changed) != led.check_chain(lines)
    except SealingError:
        return
    assert number == 4


def test_signed_heads_come_back_and_are_the_boxs() -> None:
    """A head names its line; another role's or another box's word is untrusted."""
    position = LedgerPosition(7, "ab" * 32)
    token = led.sign_head(box=BOX, position=position, at=AT, clock="synced", key=BOX_KEY)
    assert led.read_head(token, trust().keys("boxes")).position == position
    with pytest.raises(Untrusted):
        led.read_head(
            led.sign_head(box=BOX, position=position, at=AT, clock="synced", key=ARCHIVE_KEY), trust().keys("boxes")
        )
    other = led.sign_head(box="werkstatt-2", position=position, at=AT, clock="synced", key=BOX_KEY)
    with pytest.raises(Untrusted, match="not for box werkstatt-2"):
        led.read_head(other, trust().keys("boxes"))


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_reader(line: bytes) -> None:
    """Any bytes are a BadFile."""
    with pytest.raises(BadFile):
        led.parse_line(line)
