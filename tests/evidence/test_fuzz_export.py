"""Every file of an export spoilt: both verifiers refuse it, and nothing crashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from handschlag.evidence import layout
from handschlag.evidence.verifier import find_wrong_in_export
from handschlag_bench.crash.mutations import spoil_bytes, spoil_json
from tests.evidence.exports import export, recording, verdict
from tests.sealing.builder import Built

ROUNDS = 6


@pytest.fixture(scope="module")
def built() -> Built:
    """A recording."""
    return recording()


def signed_part(data: bytes) -> object:
    """What of a vCon's file the signature covers, and the signature."""
    jws = json.loads(data)
    (one,) = jws["signatures"]
    return jws["payload"], one["protected"], one["signature"]


def test_no_spoilt_export_is_accepted(built: Built, tmp_path: Path) -> None:
    """Each file by structure and by bytes; only what nobody signs in the JWS around the vCon may be otherwise."""
    whole = tmp_path / "whole"
    export(built, whole)
    rng = Random(3)
    names = [path.relative_to(whole).as_posix() for path in sorted(whole.rglob("*")) if path.is_file()]
    for name in names:
        honest = (whole / name).read_bytes()
        for _ in range(ROUNDS * (10 if name == layout.VCON else 1)):
            structured = name.endswith(".json") and rng.random() < 0.7
            spoilt = spoil_json(rng, honest) if structured else spoil_bytes(rng, honest)
            if spoilt == honest:
                continue
            (whole / name).write_bytes(spoilt)
            ours, second = verdict(whole, built.trust).wrong, find_wrong_in_export(whole, built.trust_file)
            if name == layout.VCON and (ours is None or second is None):
                assert signed_part(spoilt) == signed_part(honest)
            else:
                assert ours is not None, name
                assert second is not None, name
        (whole / name).write_bytes(honest)
    assert verdict(whole, built.trust).wrong is None
    shutil.rmtree(whole)
