"""Makes the contents of an export and hands them to a `Place`, file by file.

The recording and, where there is one, the ledger are checked first: what does not verify is not exported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Final

import msgspec

from handschlag.evidence import audio, extract, summary, timestamp, vcon, words
from handschlag.evidence.audio import Decode
from handschlag.evidence.errors import BadExport
from handschlag.evidence.layout import (
    AUDIO,
    CONSENT,
    CONSENT_DE,
    CONSENT_EN,
    DETAILS,
    KEY,
    LEDGER,
    README,
    SEALED,
    STAMP,
    STAMP_ROOTS,
    SUMMARY_DE,
    SUMMARY_EN,
    SUMS,
    TRUST,
    VCON,
    VERIFIER,
)
from handschlag.evidence.place import Place
from handschlag.evidence.words import Story
from handschlag.sealing.encoding import canonical, sha256_hex, to_base64url
from handschlag.sealing.keys import SigningKey, WorkshopKey
from handschlag.sealing.manifest import MANIFEST, RECEIPT
from handschlag.sealing.open import Opened, open_recording
from handschlag.sealing.receipt import Stored, read_receipt
from handschlag.sealing.trust import Trust, write_trust
from handschlag.sealing.verify import Files, HeldFiles, verify_recording

_TITLES: Final = {"de": "Beweisexport einer Aufnahme", "en": "Evidence export of a recording"}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and by whom. `signer` is the owner's signing key, None where staff export.

    `announcements` are texts that may have been heard; each is recognised by its hash. `quality` is told in English and
    German. `stamp` is a time-stamp response with the authority's certificates (PEM).
    """

    files: Files
    ledger: Files | None
    trust: Trust
    workshop: WorkshopKey
    signer: SigningKey | None
    announcements: tuple[str, ...]
    created_at: str
    stamp: tuple[bytes, bytes] | None = None


def export(order: Order, place: Place, decode: Decode, quality: words.Quality) -> Story:
    """Write everything but the zip; what was told. Raises BadExport, CannotExport, SealingError."""
    opened = open_recording(order.files, order.workshop, order.trust)
    try:
        return _export(order, opened, place, decode, quality)
    finally:
        opened.wipe()


def _export(order: Order, opened: Opened, place: Place, decode: Decode, quality: words.Quality) -> Story:
    told = None
    if order.ledger is not None:
        told = extract.cut(order.ledger, order.trust, opened.head, opened.manifest)
        held = HeldFiles(told.files)
        verdict = verify_recording(order.files, order.trust, ledger=held, ledger_start=told.start)
        if verdict.wrong is not None:
            raise BadExport(verdict.wrong)
    for name in order.files.names():
        place.write(SEALED + name, order.files.read(name))
    for name, data in (told.files if told else {}).items():
        place.write(LEDGER + name, data)
    if order.stamp is not None:
        response, roots = order.stamp
        timestamp.check(response, roots, timestamp.stampable(told.files if told else {}, order.files.read(MANIFEST)))
        place.write(STAMP, response)
        place.write(STAMP_ROOTS, roots)
    with place.create(AUDIO) as file:
        samples = audio.write(opened, decode, file)
    story = _story(order, opened, told, samples, quality)
    for name, data in _papers(story, opened).items():
        place.write(name, data)
    place.write(SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(place.sha256.items())).encode())
    _write_vcon(order, opened, story, place)
    return story


def _story(order: Order, opened: Opened, told: extract.Extract | None, samples: int, quality: words.Quality) -> Story:
    receipt = None
    if RECEIPT in order.files.names():
        receipt = read_receipt(order.files.read(RECEIPT), order.trust.keys("archive"))
    return Story(
        head=opened.head,
        manifest=opened.manifest,
        manifest_hash=sha256_hex(order.files.read(MANIFEST)),
        receipt=receipt if isinstance(receipt, Stored) else None,
        details=opened.details,
        samples=samples,
        ledger=None if told is None else told.told,
        announcements={words.announcement_hash(text): text for text in order.announcements},
        quality=quality(opened.details),
        trust=order.trust,
        signer=None if order.signer is None else order.signer.kid,
        created_at=order.created_at,
    )


def _papers(story: Story, opened: Opened) -> Mapping[str, bytes]:
    recording = story.manifest.recording
    key = {"recording": recording, "key": to_base64url(opened.key.raw)}
    return {
        DETAILS: _readable(story.details),
        CONSENT: _readable(words.consent_record(story)),
        CONSENT_DE: words.consent_text(story, "de").encode(),
        CONSENT_EN: words.consent_text(story, "en").encode(),
        SUMMARY_DE: summary.page(_TITLES["de"], words.summary(story, "de")),
        SUMMARY_EN: summary.page(_TITLES["en"], words.summary(story, "en")),
        README: words.readme(story).encode(),
        KEY: canonical(key) + b"\n",
        TRUST: write_trust(_without_foreign(story)),
        VERIFIER: package_files("handschlag.evidence").joinpath("verifier.py").read_bytes(),
    }


def _without_foreign(story: Story) -> Trust:
    """The trust file without other boxes, operators and limits that nobody needs to check this recording."""
    boxes = tuple(entry for entry in story.trust.boxes if entry.box == story.manifest.box)
    return msgspec.structs.replace(story.trust, boxes=boxes, operator=())


def _write_vcon(order: Order, opened: Opened, story: Story, place: Place) -> None:
    names = order.files.names()
    contents = vcon.Contents(
        head=opened.head,
        manifest=opened.manifest,
        manifest_token=order.files.read(MANIFEST),
        receipt_token=order.files.read(RECEIPT) if RECEIPT in names else None,
        details=opened.details,
        samples=story.samples,
        created_at=order.created_at,
        hashes512=place.sha512,
    )
    made = vcon.build(contents)
    place.write(VCON, vcon.unsigned(made) if order.signer is None else vcon.signed(made, order.signer))


def _readable(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"
