"""The trust file: whose word counts for what."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing.errors import BadFile, SealingError, Untrusted
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import Trust, TrustedKey, read_trust, write_trust
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, OPERATOR_KEY, OWNER, trust


def test_trust_comes_back() -> None:
    """What was written is what is read."""
    assert read_trust(write_trust(trust())) == trust()


def test_a_trust_file_has_room_for_many_boxes() -> None:
    """An archive of a thousand boxes names all of them; what is written can be read."""
    keys = [TrustedKey.of(SigningKey.from_seed(n.to_bytes(32, "big")).verify_key, box=f"box-{n}") for n in range(1000)]
    many = Trust(boxes=tuple(keys))
    assert read_trust(write_trust(many)) == many


def test_each_role_knows_its_keys_only() -> None:
    """A key is found in its role, and untrusted in every other; the error names role and key."""
    mine = {"boxes": BOX_KEY, "archive": ARCHIVE_KEY, "owner": OWNER.signing(), "operator": OPERATOR_KEY}
    for role, key in mine.items():
        for other in ("boxes", "archive", "owner", "operator"):
            keys = trust().keys(other)
            if other == role:
                assert keys.find(key.kid).public == key.public
            else:
                with pytest.raises(Untrusted, match=f"{key.kid}.*{other}"):
                    keys.find(key.kid)


def test_box_keys_are_of_one_box() -> None:
    """Another box's key is not found."""
    assert trust().box_keys(BOX).find(BOX_KEY.kid)
    with pytest.raises(Untrusted, match="box werkstatt-2"):
        trust().box_keys("werkstatt-2").find(BOX_KEY.kid)


def test_boxes_and_owner_revoke() -> None:
    """Both are found among the revokers, the archive is not."""
    assert trust().revoker_keys().find(BOX_KEY.kid)
    assert trust().revoker_keys().find(OWNER.signing().kid)
    with pytest.raises(Untrusted):
        trust().revoker_keys().find(ARCHIVE_KEY.kid)


@pytest.mark.parametrize(
    ("at", "good"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2025-12-31T23:59:59.999Z", False),
        ("2026-01-31T00:00:00Z", True),
        ("2026-01-31T00:00:00.001Z", False),
        ("2026-01-01T00:00:00.5Z", True),
    ],
)
def test_keys_are_valid_from_until(at: str, good: bool) -> None:  # noqa: FBT001 - a table of cases
    """Both ends belong to the time of validity, fractions of seconds included."""
    entry = TrustedKey.of(ARCHIVE_KEY.verify_key, valid_from="2026-01-01T00:00:00Z", valid_until="2026-01-31T00:00:00Z")
    keys = Trust(archive=(entry,)).keys("archive")
    keys.admit(ARCHIVE_KEY.kid)
    if good:
        keys.admit(ARCHIVE_KEY.kid, at=at)
    else:
        with pytest.raises(Untrusted, match="valid"):
            keys.admit(ARCHIVE_KEY.kid, at=at)


def test_only_listed_recipients_are_admitted() -> None:
    """Where workshop keys are listed a recording for another key is refused; where none are, nothing is said."""
    trust().admit_recipient(OWNER.workshop(2).kid)
    with pytest.raises(Untrusted, match="no workshop key"):
        trust().admit_recipient(OWNER.workshop(3).kid)
    Trust().admit_recipient(OWNER.workshop(3).kid)
    assert trust().recipients() == (OWNER.workshop(1).public, OWNER.workshop(2).public)


def changed(role: str, **fields: Any) -> bytes:
    """The trust file with other fields in the first entry of a role; None removes."""
    whole = json.loads(write_trust(trust()))
    entry = {**whole[role][0], **fields}
    whole[role][0] = {name: value for name, value in entry.items() if value is not None}
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "trust file"),
        (b"[]", "array"),
        (b'{"version":2}', "version"),
        (b'{"bosses":[]}', "bosses"),
        (changed("boxes", box=None), r"boxes\[0\]\.box"),
        (changed("archive", box=BOX), r"archive\[0\]\.box"),
        (changed("archive", kid=BOX_KEY.kid), r"archive\[0\]\.kid"),
        (changed("archive", public="AAAA"), r"archive\[0\]\.public: 3 bytes"),
        (changed("owner", public="*"), r"owner\[0\]\.public: not base64url"),
        (changed("operator", valid_from="soon"), "valid_from"),
        (changed("workshop", public="AAAA"), r"workshop\[0\]\.kid"),
        (changed("workshop", generation=0), "generation"),
        (changed("boxes", box="A"), "box"),
    ],
)
def test_wrong_trust_files_are_refused_by_place(data: bytes, what: str) -> None:
    """The error names role, entry and field."""
    with pytest.raises(BadFile, match=what):
        read_trust(data)


def test_a_key_stands_once() -> None:
    """The same key twice in a role would make its box ambiguous."""
    entry = TrustedKey.of(BOX_KEY.verify_key, box=BOX)
    other = TrustedKey.of(BOX_KEY.verify_key, box="werkstatt-2")
    with pytest.raises(BadFile, match="listed twice"):
        write_trust(Trust(boxes=(entry, other)))


def test_the_file_name_is_in_the_error() -> None:
    """A reader of several files knows which one."""
    with pytest.raises(BadFile, match=r"^my\.trust: archive"):
        read_trust(changed("archive", box=BOX), "my.trust")


def test_unknown_times_admit() -> None:
    """A key without limits is valid always."""
    Trust(archive=(TrustedKey.of(SigningKey.from_seed(bytes(32)).verify_key),)).keys("archive").admit(
        SigningKey.from_seed(bytes(32)).kid, at=AT
    )


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Any bytes are one error of ours, or an empty trust file."""
    with contextlib.suppress(SealingError):
        assert read_trust(data) == Trust()
