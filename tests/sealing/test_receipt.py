"""Receipts and the ranges in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing import jws
from handschlag.sealing import receipt as rc
from handschlag.sealing.encoding import MAX_FILE_BYTES, canonical
from handschlag.sealing.errors import BadFile, SealingError, Untrusted
from handschlag.sealing.receipt import (
    Destroyed,
    Incomplete,
    LedgerSynced,
    Progress,
    Receipt,
    Refused,
    Stored,
    read_receipt,
    sign_receipt,
)
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, RECORDING, trust

HASH = "cd" * 32
ABOUT: dict[str, Any] = {"box": BOX, "recording": RECORDING, "at": AT, "epoch": "e1"}
EACH: list[Receipt] = [
    Progress(**ABOUT, names=("details.0", "head.json"), clips="0-17,19"),
    Stored(**ABOUT, manifest_hash=HASH, copies=2, retain_until=AT),
    Incomplete(**ABOUT, manifest_hash=HASH, clips="5"),
    Refused(**ABOUT, why="manifest.jws: the signature does not fit"),
    Destroyed(**ABOUT),
    LedgerSynced(box=BOX, at=AT, epoch="e1", seq=7, hash=HASH),
]


@pytest.mark.parametrize("receipt", EACH, ids=lambda receipt: type(receipt).__name__)
def test_each_receipt_comes_back(receipt: Receipt) -> None:
    """Every kind is read as it was signed, by a trust file and by a pinned key."""
    token = sign_receipt(receipt, ARCHIVE_KEY)
    assert read_receipt(token, trust().keys("archive")) == receipt
    assert read_receipt(token, ARCHIVE_KEY.verify_key) == receipt


def test_a_box_cannot_receipt_itself() -> None:
    """Only the archive's key makes the box forget."""
    with pytest.raises(Untrusted, match="role archive"):
        read_receipt(sign_receipt(EACH[1], BOX_KEY), trust().keys("archive"))


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (Progress(**ABOUT, names=("../x",)), "no name of a file"),
        (Progress(**ABOUT, names=("000001.clip",)), "outside the ranges"),
        (Progress(**ABOUT, clips="3,2"), "rise"),
        (Stored(**ABOUT, manifest_hash="x", copies=1), "manifest_hash"),
        (Stored(**ABOUT, manifest_hash=HASH, copies=0), "copies"),
        (Refused(**ABOUT, why="x" * 501), "why"),
        (LedgerSynced(box=BOX, at=AT, epoch="e1", seq=-1, hash=HASH), "seq"),
        (Destroyed(**{**ABOUT, "recording": "x"}), "recording"),
        (Destroyed(**{**ABOUT, "epoch": ""}), "epoch"),
    ],
)
def test_wrong_receipts_are_neither_signed_nor_read(wrong: Receipt, what: str) -> None:
    """The writer refuses what the reader refuses."""
    with pytest.raises(BadFile, match=what):
        sign_receipt(wrong, ARCHIVE_KEY)
    with pytest.raises(BadFile, match=what):
        read_receipt(jws.sign(canonical(wrong), "handschlag-receipt", ARCHIVE_KEY), ARCHIVE_KEY.verify_key)


def test_an_unknown_kind_is_refused() -> None:
    """A kind of receipt that this program does not know is not taken for one that it knows."""
    token = jws.sign(canonical({**ABOUT, "kind": "forgotten"}), "handschlag-receipt", ARCHIVE_KEY)
    with pytest.raises(BadFile, match="forgotten"):
        read_receipt(token, ARCHIVE_KEY.verify_key)


def test_every_name_lists_the_clips_too() -> None:
    """Names and ranges together are what the archive has."""
    names = ("head.json", "000000.clip", "000002.clip", "000001.clip", "000009.clip", "details.0")
    others, clips = rc.fold_names(names)
    assert (others, clips) == (("details.0", "head.json"), "0-2,9")
    assert set(Progress(**ABOUT, names=others, clips=clips).every_name) == set(names)


@given(st.sets(st.integers(0, 300)) | st.sets(st.integers(0, 999_999), max_size=30))
def test_ranges_come_back(indexes: set[int]) -> None:
    """Any set of indexes has one text, which gives it back."""
    assert rc.decode_ranges(rc.encode_ranges(indexes)) == sorted(indexes)


@given(st.text("0123456789-,", max_size=12))
def test_ranges_have_one_spelling(text: str) -> None:
    """A text is the one that encoding gives, or it is refused."""
    try:
        indexes = rc.decode_ranges(text)
    except BadFile:
        return
    assert rc.encode_ranges(indexes) == text


@pytest.mark.parametrize(
    "text",
    [
        "1,",
        ",1",
        "1-",
        "-1",
        "2-1",
        "1-1",
        "1,1",
        "1,2",
        "1-2,3",
        "01",
        "0-1000000",
        "1000000",
        "1 ",
        "1\n",
        "a",
        "1--2",
        "0-9,5",
    ],
)
def test_wrong_ranges_are_refused(text: str) -> None:
    """What is not rising, not shortest, or too large is refused."""
    with pytest.raises(BadFile, match="clip ranges"):
        rc.decode_ranges(text)


def test_what_does_not_fit_is_left_out_from_the_top() -> None:
    """The most scattered recording's receipt fits one message, and says nothing wrong."""
    text = rc.encode_ranges(range(0, 1_000_000, 2))
    indexes = rc.decode_ranges(text)
    assert indexes == list(range(0, 2 * len(indexes), 2))
    names = tuple(sorted(f"clips.{number}.json" for number in range(1024)))
    token = sign_receipt(Incomplete(**ABOUT, manifest_hash=HASH, names=names, clips=text), ARCHIVE_KEY)
    assert len(token) <= MAX_FILE_BYTES


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Any bytes are one error of ours."""
    with pytest.raises(SealingError):
        read_receipt(data, ARCHIVE_KEY.verify_key)
