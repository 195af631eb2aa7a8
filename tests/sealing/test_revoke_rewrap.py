"""Revocations and rewraps: what box and owner order after a recording was made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing.errors import BadFile, BadKey, SealingError, Untrusted
from handschlag.sealing.keys import RecordingKey
from handschlag.sealing.revoke import read_revoke, sign_revoke
from handschlag.sealing.rewrap import peek_rewrap, read_rewrap, sign_rewrap
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, OWNER, RECORDING, RECORDING_KEY, trust

REVOKE: dict[str, Any] = {
    "box": BOX,
    "recording": RECORDING,
    "reason": "key-9",
    "at": AT,
    "clock": "synced",
    "ledger_seq": 9,
    "key": BOX_KEY,
}


def rewrapped(counter: int = 1, **changes: Any) -> bytes:
    """A rewrap for generation 2."""
    given: dict[str, Any] = {
        "recording_key": RecordingKey(RECORDING_KEY),
        "recipients": [OWNER.workshop(2).public],
        "box": BOX,
        "recording": RECORDING,
        "counter": counter,
        "key": OWNER.signing(),
        **changes,
    }
    return sign_rewrap(**given)


def test_revocations_come_back() -> None:
    """By the box and by the owner."""
    revoke = read_revoke(sign_revoke(**REVOKE), trust().revoker_keys())
    assert (revoke.box, revoke.recording, revoke.reason, revoke.ledger_seq) == (BOX, RECORDING, "key-9", 9)
    owners = sign_revoke(**{**REVOKE, "key": OWNER.signing(), "ledger_seq": 0})
    assert read_revoke(owners, trust().keys("owner")).recording == RECORDING


def test_a_revocation_counts_for_the_signers_own_box() -> None:
    """A box cannot destroy another box's recordings, nor can the archive revoke."""
    with pytest.raises(Untrusted, match=r"revoke\.jws: .*not for box werkstatt-2"):
        read_revoke(sign_revoke(**{**REVOKE, "box": "werkstatt-2"}), trust().revoker_keys())
    with pytest.raises(Untrusted):
        read_revoke(sign_revoke(**{**REVOKE, "key": ARCHIVE_KEY}), trust().revoker_keys())


@pytest.mark.parametrize(
    "change",
    [
        {"box": "A"},
        {"recording": "x"},
        {"reason": "because I say so"},
        {"at": "now"},
        {"clock": "x"},
        {"ledger_seq": -1},
    ],
)
def test_wrong_revocations_are_not_signed(change: dict[str, Any]) -> None:
    """The field that is wrong is named."""
    with pytest.raises(BadFile, match=rf"revoke\.jws: .*{next(iter(change))}"):
        sign_revoke(**{**REVOKE, **change})


def test_a_rewrap_opens_for_its_recipient() -> None:
    """The new generation opens what was wrapped for the old one."""
    rewrap = read_rewrap(rewrapped(), trust().keys("owner"), "keys.1.jws")
    assert rewrap.counter == 1
    assert OWNER.workshop(2).unwrap(rewrap.recipients[0], box=BOX, recording=RECORDING).raw == RECORDING_KEY
    assert peek_rewrap(rewrapped(), "keys.1.jws").recipients[0].kid == OWNER.workshop(2).kid


def test_only_the_owner_rewraps() -> None:
    """A box or an archive that wraps for other recipients is untrusted."""
    for key in (BOX_KEY, ARCHIVE_KEY):
        with pytest.raises(Untrusted, match=r"keys\.1\.jws: .*role owner"):
            read_rewrap(rewrapped(key=key), trust().keys("owner"), "keys.1.jws")


def test_a_rewrap_stands_under_its_counter() -> None:
    """An old rewrap under a newer name is refused."""
    with pytest.raises(BadFile, match=r"keys\.2\.jws: its counter is 1"):
        read_rewrap(rewrapped(1), trust().keys("owner"), "keys.2.jws")


@pytest.mark.parametrize("counter", [0, -1, 1_000_000])
def test_counters_have_their_range(counter: int) -> None:
    """From 1 to 999999."""
    with pytest.raises(BadFile, match="counter"):
        rewrapped(counter)


def test_rewraps_need_good_recipients() -> None:
    """At least one, and each a workshop key."""
    with pytest.raises(BadFile, match="recipients"):
        rewrapped(recipients=[])
    with pytest.raises(BadKey):
        rewrapped(recipients=[bytes(5)])


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    """Any bytes are one error of ours."""
    with pytest.raises(SealingError):
        read_revoke(data, trust().revoker_keys())
    with pytest.raises(SealingError):
        read_rewrap(data, trust().keys("owner"), "keys.1.jws")
