"""What `handschlag export` does once its files are read: who signs, which texts are known, and the writing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handschlag.adapters.flac import FlacCodec
from handschlag.cli.quality_words import sentences
from handschlag.evidence.build import Order
from handschlag.evidence.build import export as build_export
from handschlag.evidence.place import Place
from handschlag.prompts.catalog import shipped_folder
from handschlag.sealing.errors import BadKey
from handschlag.sealing.keys import OwnerSecret, SigningKey, WorkshopKey
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import Files


def export_recording(
    files: Files,
    ledger: Files | None,
    trust: Trust,
    *,
    key: tuple[bytes, str],
    texts: Sequence[bytes],
    stamp: tuple[bytes, bytes] | None,
    created_at: str,
    out: Path,
) -> dict[str, Any]:
    """Export to the new folder `out` and its zip; what is told of it. `key` are a key file's bytes and name."""
    order = Order(
        files=files,
        ledger=ledger,
        trust=trust,
        workshop=WorkshopKey.from_file(*key),
        signer=_signer(*key),
        announcements=(*_shipped_texts(), *(text.decode("utf-8", "replace").strip() for text in texts)),
        created_at=created_at,
        stamp=stamp,
    )
    with Place.made(out) as place:
        story = build_export(order, place, FlacCodec().decode, sentences)
    return {"zip": str(place.zip), "seconds": round(story.seconds, 2), "signed": story.signer is not None}


def _signer(data: bytes, name: str) -> SigningKey | None:
    """The owner's signing key, if it is the owner's file; staff have the workshop key only."""
    try:
        return OwnerSecret.from_file(data, name).signing()
    except BadKey:
        return None


def _shipped_texts() -> Iterator[str]:
    for language in ("de", "en"):
        entries = tomllib.loads((shipped_folder(language) / "prompts.toml").read_text(encoding="utf-8"))
        yield from (entry["text"] for entry in entries.values() if isinstance(entry, dict))
