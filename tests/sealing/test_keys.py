"""Keys: what is derived, wrapped, written, and never shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing.errors import BadFile, BadKey, SealingError, Untrusted, Wiped
from handschlag.sealing.keys import (
    OwnerSecret,
    RecordingKey,
    SigningKey,
    VerifyKey,
    WorkshopKey,
    WrappedKey,
    fingerprint,
    kid,
)
from tests.sealing.builder import BOX, OTHER_RECORDING, OWNER, RECORDING, RECORDING_KEY

SECRET = bytes(range(200, 232))


def test_new_secrets_differ() -> None:
    """Fresh keys are random."""
    assert OwnerSecret.new().raw != OwnerSecret.new().raw
    assert SigningKey.new().seed != SigningKey.new().seed
    assert RecordingKey.new().raw != RecordingKey.new().raw


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_secrets_of_another_size_are_refused(size: int) -> None:
    """Every secret has 32 bytes, and the error says how many came."""
    for make in (OwnerSecret, SigningKey, WorkshopKey, RecordingKey):
        with pytest.raises(BadKey, match=f"{size} bytes"):
            make(bytes(size))


@pytest.mark.parametrize("generation", [0, -1, 10_001])
def test_generations_count_from_one(generation: int) -> None:
    """A generation that cannot be is refused."""
    with pytest.raises(BadKey, match="generation"):
        OWNER.workshop(generation)


def test_generations_are_different_keys() -> None:
    """A person who was removed cannot open what is wrapped for the next generation."""
    assert OWNER.workshop(1).public != OWNER.workshop(2).public


def test_key_files_come_back() -> None:
    """Each kind of key file gives back its key."""
    signing, workshop = SigningKey.new(), OWNER.workshop(3)
    assert OwnerSecret.from_file(OWNER.to_file()).raw == OWNER.raw
    assert SigningKey.from_file(signing.to_file()).seed == signing.seed
    again = WorkshopKey.from_file(workshop.to_file())
    assert (again.seed, again.generation) == (workshop.seed, 3)
    assert WorkshopKey.from_file(OWNER.to_file(), generation=3).seed == workshop.seed


def test_wrong_kind_says_what_it_found_and_wants() -> None:
    """Giving the box's key where the owner's belongs is told in words."""
    box = SigningKey.new().to_file()
    with pytest.raises(BadKey, match=r"my\.key: found handschlag-signing-key, wanted: handschlag-owner-secret"):
        OwnerSecret.from_file(box, "my.key")
    with pytest.raises(BadKey, match="wanted: handschlag-workshop-key or handschlag-owner-secret"):
        WorkshopKey.from_file(box)
    with pytest.raises(BadKey, match="found handschlag-owner-secret, wanted: handschlag-signing-key"):
        SigningKey.from_file(OWNER.to_file())


@pytest.mark.parametrize(
    "data",
    [b"", b"fLaC", b"\xff\xfe", b"[]", b"{}", b"null", b'{"kind":1}', b'{"kind":"x"}', b"[" * 5000, b" " * 5000],
)
def test_garbage_is_no_key_file(data: bytes) -> None:
    """Whatever else is handed in is one clear error that names the file."""
    for read in (OwnerSecret.from_file, SigningKey.from_file, WorkshopKey.from_file):
        with pytest.raises(BadKey, match=r"^that\.key: .*wanted"):
            read(data, "that.key")


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"more": 1}, {"secret": 5}, {"secret": "A" * 42}, {"secret": "A" * 43 + "="}, {"kid": "x"}],
)
def test_altered_key_files_are_refused_and_never_quoted(change: dict[str, object]) -> None:
    """A key file with a wrong field is refused, and no part of the secret is in the message."""
    stored = json.loads(OWNER.to_file())
    with pytest.raises(BadKey) as caught:
        OwnerSecret.from_file(json.dumps({**stored, **change}).encode())
    assert stored["secret"][:8] not in str(caught.value)


def test_mistyped_secret_is_found() -> None:
    """One changed character of the secret does not silently become another key."""
    stored = json.loads(OWNER.to_file())
    stored["secret"] = ("B" if stored["secret"][0] == "A" else "A") + stored["secret"][1:]
    with pytest.raises(BadKey, match="mistyped"):
        OwnerSecret.from_file(json.dumps(stored).encode())


def test_secrets_are_not_in_reprs() -> None:
    """Neither repr nor str nor the errors of a wrong use show a secret."""
    owner, signing = OwnerSecret(SECRET), SigningKey(SECRET)
    workshop, recording = WorkshopKey(SECRET), RecordingKey(SECRET)
    texts = [f"{x!r} {x!s}" for x in (owner, signing, workshop, recording)]
    with pytest.raises(SealingError) as caught:
        workshop.unwrap(
            recording.wrap(OWNER.workshop().public, box=BOX, recording=RECORDING), box=BOX, recording=RECORDING
        )
    texts.append(repr(caught.value))
    for text in texts:
        assert SECRET.hex()[:12] not in text
        assert repr(SECRET)[2:14] not in text


def test_wiped_key_is_zero_and_refuses() -> None:
    """Wiping overwrites the very memory, and nothing comes out afterwards."""
    key = RecordingKey(RECORDING_KEY)
    held = [key.raw, key.clip, key.details, key.commit]
    assert all(any(secret) for secret in held)
    key.wipe()
    key.wipe()
    assert held == [bytearray(32)] * 4
    assert key.wiped
    for name in ("raw", "clip", "details", "commit"):
        with pytest.raises(Wiped):
            getattr(key, name)
    with pytest.raises(Wiped):
        key.wrap(OWNER.workshop().public, box=BOX, recording=RECORDING)


def test_wrapped_key_opens_only_where_it_belongs() -> None:
    """Another workshop key, box or recording does not open it."""
    key, workshop = RecordingKey(RECORDING_KEY), OWNER.workshop()
    wrapped = key.wrap(workshop.public, box=BOX, recording=RECORDING)
    assert workshop.unwrap(wrapped, box=BOX, recording=RECORDING).raw == key.raw
    with pytest.raises(BadKey, match="does not open"):
        workshop.unwrap(wrapped, box="werkstatt-2", recording=RECORDING)
    with pytest.raises(BadKey, match="does not open"):
        workshop.unwrap(wrapped, box=BOX, recording=OTHER_RECORDING)
    with pytest.raises(BadKey, match="wrapped for key"):
        OWNER.workshop(2).unwrap(wrapped, box=BOX, recording=RECORDING)
    claimed = WrappedKey(OWNER.workshop(2).kid, wrapped.enc, wrapped.wrapped)
    with pytest.raises(BadKey, match="does not open"):
        OWNER.workshop(2).unwrap(claimed, box=BOX, recording=RECORDING)


@pytest.mark.parametrize(
    "recording", ["", RECORDING.upper(), RECORDING.replace("-", ""), "{" + RECORDING + "}", "x" * 36]
)
def test_recording_ids_are_canonical(recording: str) -> None:
    """A recording id in another spelling is refused before anything is wrapped for it."""
    with pytest.raises(BadFile, match="recording id"):
        RecordingKey(RECORDING_KEY).wrap(OWNER.workshop().public, box=BOX, recording=recording)


@pytest.mark.parametrize("box", ["", "Werkstatt", "a" * 33, "a/b", "a\n", "ä"])
def test_box_ids_are_canonical(box: str) -> None:
    """A box id that could not stand in a topic is refused."""
    with pytest.raises(BadFile, match="box id"):
        RecordingKey(RECORDING_KEY).wrap(OWNER.workshop().public, box=box, recording=RECORDING)


@pytest.mark.parametrize("public", [b"", bytes(32), bytes(1215), bytes(1217), b"\xff" * 1216])
def test_foreign_public_keys_are_refused(public: bytes) -> None:
    """What is no workshop public key gets no recording key."""
    with pytest.raises(BadKey, match="workshop public key"):
        RecordingKey(RECORDING_KEY).wrap(public, box=BOX, recording=RECORDING)


def test_kid_and_fingerprint_are_of_the_public_key() -> None:
    """Key ids are 43 characters, fingerprints eight groups, and both tell keys apart."""
    one, two = SigningKey.from_seed(bytes(32)).public, SigningKey.from_seed(SECRET).public
    assert len(kid(one)) == 43
    assert kid(one) != kid(two)
    assert len(fingerprint(one).split()) == 8
    assert fingerprint(one) != fingerprint(two)


def test_verify_key_is_a_keyring_of_itself() -> None:
    """A pinned key accepts its own id and signature and no others."""
    key = SigningKey.new()
    pinned = VerifyKey(key.public)
    assert pinned.find(key.kid) == pinned
    assert pinned.verify(key.sign(b"x"), b"x")
    assert not pinned.verify(key.sign(b"x"), b"y")
    with pytest.raises(Untrusted):
        pinned.find(SigningKey.new().kid)


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_key_reader(data: bytes) -> None:
    """Any bytes give a BadKey and nothing else."""
    with pytest.raises(BadKey):
        WorkshopKey.from_file(data)
