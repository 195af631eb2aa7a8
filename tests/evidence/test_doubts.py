"""A ledger that was damaged, as its box admits: both verifiers agree on it, and an export can be cut from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handschlag.evidence.verifier import find_wrong, find_wrong_in_export
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.ledger import DOUBTED, LedgerPosition, Value, line_hash, next_line, sign_head
from handschlag.sealing.owner import OwnerMessage, sign_owner
from handschlag.sealing.verify import HeldFiles, verify_recording
from tests.evidence.exports import export, recording, verdict
from tests.sealing.builder import AT, BOX, BOX_KEY, OWNER, Built


def damaged(*, signer: SigningKey | None, admitted: bool = True) -> Built:
    """A recording whose ledger was altered later; then the box's admission and the owner's new epoch."""
    built = recording()
    lines = b"".join(built.ledger[name] for name in sorted(built.ledger) if name.endswith("jsonl")).splitlines()
    lines[-2] = lines[-2].replace(b"09:15:00", b"09:15:59")
    good, head = (LedgerPosition(seq, line_hash(lines[seq - 1])) for seq in (len(lines) - 1, len(lines)))
    at = head
    if admitted:
        told: dict[str, Value] = {
            "good_seq": good.seq,
            "good_hash": good.hash,
            "head_seq": head.seq,
            "head_hash": head.hash,
        }
        line, at = next_line(at, "fault", {"what": DOUBTED, **told}, at=AT, clock="synced", mono=200.0, boot="5eed")
        lines.append(line)
    if signer is not None:
        token = sign_owner(OwnerMessage(box=BOX, name="epoch", counter=1, at=AT, epoch=2), signer).decode()
        said: dict[str, Value] = {"by": "owner", "name": "epoch", "outcome": "done", "epoch": 2, "token": token}
        line, at = next_line(at, "command", said, at=AT, clock="synced", mono=201.0, boot="5eed")
        lines.append(line)
    head_token = sign_head(box=BOX, position=at, at=AT, clock="synced", key=BOX_KEY)
    built.ledger = {"2026-11.jsonl": b"".join(line + b"\n" for line in lines), "head.jws": head_token}
    return built


def both(built: Built) -> str | None:
    """What is wrong, on which both verifiers must agree."""
    ours = verify_recording(HeldFiles(built.files), built.trust, ledger=HeldFiles(built.ledger)).wrong
    second = find_wrong(built.files, built.trust_file, built.ledger)
    assert (ours is None) == (second is None), f"we say {ours!r}, the independent verifier {second!r}"
    return ours


def test_admitted_and_lifted_is_taken() -> None:
    """What the box admits and the owner accepts is no reason to refuse what is proven."""
    assert both(damaged(signer=OWNER.signing())) is None


@pytest.mark.parametrize("case", ["not admitted", "not lifted", "lifted by the box"])
def test_anything_less_is_refused(case: str) -> None:
    """Without the admission, without the owner's word, and with a word that is not the owner's."""
    signer = {"not admitted": OWNER.signing(), "not lifted": None, "lifted by the box": BOX_KEY}[case]
    assert both(damaged(signer=signer, admitted=case != "not admitted")) is not None


def test_an_export_has_the_owners_word(tmp_path: Path) -> None:
    """The extract goes on to the entry that lifts the doubt, and both check it there."""
    built = damaged(signer=OWNER.signing())
    export(built, tmp_path / "out")
    assert verdict(tmp_path / "out", built.trust).wrong is None
    assert find_wrong_in_export(tmp_path / "out", built.trust_file) is None
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "out/ledger/2026-11.jsonl").read_bytes().splitlines()]
    assert kinds[-2:] == ["fault", "command"]
