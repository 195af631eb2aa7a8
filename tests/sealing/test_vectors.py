"""The committed vectors: bytes that must come out, and open, the same for ever."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from handschlag.evidence.verifier import find_wrong
from handschlag.sealing.keys import OwnerSecret, RecordingKey, WorkshopKey
from handschlag.sealing.open import open_recording
from handschlag.sealing.recording import check_commitment, read_head
from handschlag.sealing.revoke import read_revoke
from handschlag.sealing.rewrap import read_rewrap
from handschlag.sealing.trust import Trust, read_trust
from handschlag.sealing.verify import HeldFiles, verify_ledger, verify_recording
from tests.sealing import builder
from tests.sealing.make_vectors import VECTORS


@pytest.fixture(scope="module")
def vectors() -> Any:
    """The vector file."""
    return json.loads(VECTORS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(vectors: Any) -> dict[str, bytes]:
    """The recording in the vector file."""
    return {name: base64.b64decode(text) for name, text in vectors["files_base64"].items()}


@pytest.fixture(scope="module")
def ledger(vectors: Any) -> dict[str, bytes]:
    """The ledger in the vector file."""
    return {name: text.encode() for name, text in vectors["ledger"].items()}


@pytest.fixture(scope="module")
def trust(vectors: Any) -> Trust:
    """The trust file in the vector file."""
    return read_trust(json.dumps(vectors["trust"]).encode())


def test_owner_secret_gives_the_same_keys(vectors: Any) -> None:
    """The derivation of workshop and signing keys from the owner secret has not changed."""
    owner = OwnerSecret.from_bytes(bytes.fromhex(vectors["owner_secret_hex"]))
    for known in vectors["workshop"]:
        workshop = owner.workshop(known["generation"])
        assert (workshop.seed.hex(), workshop.kid) == (known["seed_hex"], known["kid"])
    signing = owner.signing()
    assert (signing.seed.hex(), signing.kid) == (vectors["owner_signing"]["seed_hex"], vectors["owner_signing"]["kid"])


def test_recording_key_gives_the_same_sub_keys(vectors: Any) -> None:
    """The derivation of a recording's sub-keys has not changed."""
    key = RecordingKey(bytes.fromhex(vectors["recording_key_hex"]))
    assert {"clip": key.clip.hex(), "details": key.details.hex(), "commit": key.commit.hex()} == vectors["sub_keys_hex"]


def test_workshop_key_is_the_xwing_of_the_draft() -> None:
    """The first test vector of draft-connolly-cfrg-xwing-kem gives a key that begins and ends as printed there."""
    key = WorkshopKey(bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"))
    assert key.public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")
    assert key.public.hex().endswith("4570216223593d4ba32d9abac8cd049040ef6534")


def test_same_bytes_come_out(files: dict[str, bytes], ledger: dict[str, bytes]) -> None:
    """Head, details, clips, lists, manifest, receipt and ledger are reproduced byte for byte around the stored keys."""
    built = builder.build(flac_lengths=(700, 4092, 4093), keys=files["keys.json"])
    assert built.files == files
    assert built.ledger == ledger


def test_stored_wrapped_key_opens(vectors: Any, files: dict[str, bytes]) -> None:
    """A wrapped key made at another time by another run opens, and with it the recording."""
    owner = OwnerSecret.from_bytes(bytes.fromhex(vectors["owner_secret_hex"]))
    opened = open_recording(HeldFiles(files), owner.workshop())
    assert opened.key.raw.hex() == vectors["recording_key_hex"]
    assert opened.details == vectors["details"]
    flacs = {str(entry.index): base64.b64encode(flac).decode() for entry, flac in opened.clips()}
    assert flacs == vectors["flacs_base64"]


def test_both_verifiers_accept_them(
    files: dict[str, bytes], ledger: dict[str, bytes], trust: Trust, vectors: Any
) -> None:
    """The stored recording and ledger are found to be in order."""
    assert verify_recording(HeldFiles(files), trust, ledger=HeldFiles(ledger)).wrong is None
    assert verify_ledger(HeldFiles(ledger), trust, box=builder.BOX).wrong is None
    assert find_wrong(files, json.dumps(vectors["trust"]).encode(), ledger) is None


def test_stored_rewrap_and_revocation_are_read(vectors: Any, files: dict[str, bytes], trust: Trust) -> None:
    """The owner's rewrap opens for its recipient, the box's revocation is accepted."""
    rewrap = read_rewrap(base64.b64decode(vectors["rewrap_base64"]), trust.keys("owner"), "keys.1.jws")
    key = builder.OWNER.workshop(2).unwrap(rewrap.recipients[0], box=builder.BOX, recording=builder.RECORDING)
    check_commitment(read_head(files["head.json"]), key)
    revoke = read_revoke(base64.b64decode(vectors["revoke_base64"]), trust.revoker_keys())
    assert (revoke.recording, revoke.reason, revoke.ledger_seq) == (builder.RECORDING, "key-9", 5)
