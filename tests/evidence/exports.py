"""A small recording with real sound, and exports of it, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from handschlag.adapters.flac import FlacCodec
from handschlag.cli.export import export_recording
from handschlag.evidence import place
from handschlag.evidence.audio import Samples
from handschlag.evidence.check import check_export
from handschlag.sealing.keys import VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey
from handschlag.sealing.verify import HeldFiles, Verdict
from tests.sealing.builder import AT, OWNER, Built, build

CLIP = 4000
STAFF_KEY = OWNER.workshop().to_file()
OWNER_KEY = OWNER.to_file()


def sound(index: int) -> Samples:
    """A clip's samples: noise of two legs, different for each clip."""
    return np.random.default_rng(index).integers(-9000, 9000, (CLIP, 2)).astype(np.int16)


def recording(**options: Any) -> Built:
    """A recording of four clips of half a second, the second of which was lost."""
    flacs = [FlacCodec().encode(sound(index), 8000) for index in range(4)]
    opening = {"direction": "incoming", "numbers": {"caller": {"number": "+493012345"}}}
    return build(clips=4, skip=(1,), samples=CLIP, flacs=flacs, opening=opening, **options)


def export(
    built: Built, out: Path, *, key: bytes = OWNER_KEY, ledger: bool = True, stamp: tuple[bytes, bytes] | None = None
) -> dict[str, Any]:
    """Export it to `out` and its zip."""
    return export_recording(
        HeldFiles(built.files),
        HeldFiles(built.ledger) if ledger else None,
        built.trust,
        key=(key, "key file"),
        texts=[b"Duerfen wir dieses Gespraech aufzeichnen?"],
        stamp=stamp,
        created_at=AT,
        out=out,
    )


def verdict(path: Path, trust: Trust | None = None) -> Verdict:
    """What our own check says of a folder or zip."""
    with place.opened(path) as package:
        return check_export(package, trust, FlacCodec().decode)


def with_owner(trust: Trust, public: bytes) -> Trust:
    """The trust file with another owner."""
    return msgspec.structs.replace(trust, owner=(TrustedKey.of(VerifyKey(public)),))
