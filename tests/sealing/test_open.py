"""Opening with the workshop key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.errors import BadFile, BadKey, Destroyed, SealingError, Tampered, Untrusted, Wiped
from handschlag.sealing.keys import OwnerSecret, RecordingKey
from handschlag.sealing.manifest import sign_manifest
from handschlag.sealing.open import open_recording
from handschlag.sealing.recording import Sealer
from handschlag.sealing.revoke import sign_revoke
from handschlag.sealing.rewrap import sign_rewrap
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import HeldFiles
from tests.sealing.builder import (
    AT,
    BOOT,
    BOX,
    BOX_KEY,
    OTHER_RECORDING,
    OWNER,
    RATE,
    RECORDING,
    RECORDING_KEY,
    SEIZURE,
    build,
)


@pytest.mark.parametrize(
    "options",
    [
        {"flac_lengths": (0, 1, 4091, 4092, 4093, 8187, 8188, 8189), "clips": 8},
        {"clips": 0},
        {"clips": 1},
        {"clips": 513, "samples": 10},
        {"clips": 5, "skip": (0, 3)},
        {"interrupted": True},
        {"oral": True},
    ],
)
def test_what_was_sealed_comes_back(options: dict[str, Any]) -> None:
    """Clips in order and to the byte, and the details; with and without a trust file."""
    built = build(**options)
    for trust in (built.trust, None):
        opened = open_recording(built.held(), built.workshop, trust)
        assert opened.verified == (trust is not None)
        assert opened.details == built.details
        clips = list(opened.clips())
        assert [entry for entry, _ in clips] == built.entries
        assert {entry.index: flac for entry, flac in clips} == built.flacs


@settings(max_examples=20)
@given(st.integers(0, 6), st.sets(st.integers(0, 5)), st.lists(st.integers(0, 9000), min_size=1, max_size=4))
def test_any_recording_comes_back(clips: int, skip: set[int], lengths: list[int]) -> None:
    """Any number of clips of any length with any lost."""
    built = build(clips=clips, skip=tuple(skip), flac_lengths=lengths)
    opened = open_recording(built.held(), built.workshop, built.trust)
    assert {entry.index: flac for entry, flac in opened.clips()} == built.flacs


def test_another_workshop_key_is_told_apart() -> None:
    """Another generation, another owner: said with both key ids, before anything is tried."""
    built = build()
    for key in (OWNER.workshop(2), OwnerSecret.new().workshop()):
        with pytest.raises(BadKey, match=rf"wrapped for {built.workshop.kid}; this is .*{key.kid}"):
            open_recording(built.held(), key, built.trust)


def test_any_of_several_recipients_opens() -> None:
    """Each recipient's key is enough."""
    built = build(recipients=[OWNER.workshop(1).public, OWNER.workshop(2).public])
    for generation in (1, 2):
        assert open_recording(built.held(), OWNER.workshop(generation)).details == built.details


def test_a_rewrap_opens_beside_and_instead_of_the_original() -> None:
    """The new recipient opens; the old one as long as the original is there."""
    built = build()
    built.files["keys.1.jws"] = sign_rewrap(
        recording_key=RecordingKey(RECORDING_KEY),
        recipients=[OWNER.workshop(2).public],
        box=BOX,
        recording=RECORDING,
        counter=1,
        key=OWNER.signing(),
    )
    for trust in (built.trust, None):
        assert open_recording(built.held(), OWNER.workshop(2), trust).details == built.details
        assert open_recording(built.held(), OWNER.workshop(1), trust).details == built.details
    del built.files["keys.json"]
    assert open_recording(built.held(), OWNER.workshop(2), built.trust).details == built.details
    with pytest.raises(BadKey):
        open_recording(built.held(), OWNER.workshop(1), built.trust)


def test_another_key_than_the_committed_one_is_refused() -> None:
    """A key that opens, but is not the head's, is refused: AES-GCM alone would let two keys open one clip."""
    other = Sealer.begin(
        box=BOX,
        recording=RECORDING,
        sample_rate=RATE,
        channels=2,
        opened_at=AT,
        clock="synced",
        boot=BOOT,
        seizure=SEIZURE,
    )
    built = build(keys=other.keys([OWNER.workshop().public]))
    with pytest.raises(Tampered, match="commits to another key"):
        open_recording(built.held(), built.workshop, built.trust)


def test_keys_of_another_box_or_recording_do_not_open() -> None:
    """The wrap is bound to box and recording: keys carried over do not open, though all else were made to fit."""
    carried = build(recording=OTHER_RECORDING).files["keys.json"].replace(OTHER_RECORDING.encode(), RECORDING.encode())
    built = build(keys=carried)
    with pytest.raises(BadKey, match="another box or recording"):
        open_recording(built.held(), built.workshop, built.trust)
    carried = build(box="werkstatt-2").files["keys.json"].replace(b"werkstatt-2", BOX.encode())
    with pytest.raises(BadKey, match="another box or recording"):
        open_recording(build(keys=carried).held(), built.workshop)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_recording_cut_short_is_an_error_before_the_first_sound(trusted: bool) -> None:  # noqa: FBT001 - a table
    """Without its last clip, list or details a recording does not open at all, trust file or not."""
    for name in ("000002.clip", "clips.0.json", "details.1", "head.json", "manifest.jws"):
        built = build()
        del built.files[name]
        with pytest.raises(BadFile, match=rf"^{name}: is missing"):
            open_recording(built.held(), built.workshop, built.trust if trusted else None)


def test_changed_bytes_do_not_open_without_trust_either() -> None:
    """The manifest's hashes guard against damage even where nobody checks its signature."""
    for name in sorted(set(build().files) - {"receipt.jws"}):
        built = build()
        changed = bytearray(built.files[name])
        changed[len(changed) // 2] ^= 4
        built.files[name] = bytes(changed)
        with pytest.raises(SealingError):
            list(open_recording(built.held(), built.workshop).clips())


def test_a_clip_changed_while_listening_is_an_error() -> None:
    """What was in order at opening is checked again when it is read."""
    built = build()
    opened = open_recording(HeldFiles(built.files), built.workshop, built.trust)
    clips = opened.clips()
    next(clips)
    built.files["000001.clip"] = built.files["000002.clip"]
    with pytest.raises(Tampered, match=r"000001\.clip"):
        next(clips)


def test_a_box_that_signs_nonsense_does_not_open() -> None:
    """Clips sealed with another key, properly hashed and signed, are refused by the cipher."""
    built, other = build(), build(recording=OTHER_RECORDING)
    built.files["details.0"] = other.files["details.0"]
    named = {**built.manifest.files, "details.0": sha256_hex(other.files["details.0"])}
    changed = build(changes={"files": named}, keys=built.files["keys.json"])
    files = {**changed.files, "details.0": other.files["details.0"]}
    assert sign_manifest(changed.manifest, BOX_KEY) == files["manifest.jws"]
    with pytest.raises(Tampered, match=r"details\.0"):
        open_recording(HeldFiles(files), built.workshop, built.trust)


def test_an_untrusted_box_is_refused_with_a_trust_file() -> None:
    """With a trust file nothing opens that does not verify."""
    built = build()
    with pytest.raises(Untrusted):
        open_recording(built.held(), built.workshop, Trust())


def test_a_destroyed_recording_says_so() -> None:
    """The one who has the key learns why there is nothing to hear."""
    built = build()
    built.files["revoke.jws"] = sign_revoke(
        box=BOX, recording=RECORDING, reason="key-9", at=AT, clock="synced", ledger_seq=9, key=BOX_KEY
    )
    for trust in (built.trust, None):
        with pytest.raises(Destroyed, match=r"revoke\.jws"):
            open_recording(built.held(), built.workshop, trust)


def test_after_wiping_no_clip_opens() -> None:
    """A player that is done leaves nothing behind."""
    opened = open_recording(build().held(), OWNER.workshop())
    opened.wipe()
    with pytest.raises(Wiped):
        next(opened.clips())


def test_nothing_personal_and_no_secret_is_shown() -> None:
    """The repr of an open recording shows neither its details nor its key."""
    opened = open_recording(build().held(), OWNER.workshop())
    assert "1234567" not in repr(opened)
    assert RECORDING_KEY.hex()[:12] not in repr(opened)
    assert repr(bytes(RECORDING_KEY))[2:14] not in repr(opened)
