"""A small valid recording with its ledger and trust file, for everybody's tests.

`build()` gives a `Built` whose parts are plain dicts of bytes by file name; change what you want to see refused. All
keys are fixed, so that whatever needs no randomness comes out the same each time; only the wrapped keys differ (HPKE is
randomised).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.keys import OwnerSecret, RecordingKey, SigningKey, WorkshopKey, kid
from handschlag.sealing.ledger import GENESIS, LedgerPosition, Value, next_line, sign_head
from handschlag.sealing.manifest import (
    ClipEntry,
    Consent,
    Manifest,
    clip_lists,
    clip_name,
    holes,
    sign_manifest,
)
from handschlag.sealing.receipt import Stored, sign_receipt
from handschlag.sealing.recording import Sealer
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sealing.verify import HeldFiles

BOX = "werkstatt-1"
RECORDING = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_RECORDING = "01890a5d-ac96-774b-bcce-b302099a8058"
BOOT = "5eed"
SEIZURE = 7
RATE = 8000
TEXT_HASH = sha256_hex(b"Duerfen wir dieses Gespraech aufzeichnen?")
AT = "2026-11-02T09:15:00.000Z"

OWNER = OwnerSecret.from_bytes(bytes(range(32)))
BOX_KEY = SigningKey.from_seed(b"box" + bytes(29))
ARCHIVE_KEY = SigningKey.from_seed(b"archive" + bytes(25))
OPERATOR_KEY = SigningKey.from_seed(b"operator" + bytes(24))
RECORDING_KEY = bytes(range(100, 132))


def trust() -> Trust:
    """Who is trusted in these tests."""
    return Trust(
        boxes=(TrustedKey.of(BOX_KEY.verify_key, box=BOX, valid_from="2026-01-01T00:00:00Z"),),
        archive=(TrustedKey.of(ARCHIVE_KEY.verify_key),),
        owner=(TrustedKey.of(OWNER.signing().verify_key),),
        operator=(TrustedKey.of(OPERATOR_KEY.verify_key),),
        workshop=tuple(TrustedRecipient.of(OWNER.workshop(n).public, generation=n) for n in (1, 2)),
    )


class LedgerBuilder:
    """Grows a ledger line by line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.position: LedgerPosition = GENESIS

    def add(self, kind: str, **fields: Value) -> int:
        """Append an entry; gives its number."""
        line, self.position = next_line(
            self.position, kind, fields, at=AT, clock="synced", mono=100.0 + len(self.lines), boot=BOOT
        )
        self.lines.append(line)
        return self.position.seq

    def files(self, split: int | None = None) -> dict[str, bytes]:
        """The ledger's folder: two months, the second from line `split` on, and a signed head."""
        middle = len(self.lines) // 2 if split is None else split
        head = sign_head(box=BOX, position=self.position, at=AT, clock="synced", key=BOX_KEY)
        return {
            "2026-10.jsonl": b"".join(line + b"\n" for line in self.lines[:middle]),
            "2026-11.jsonl": b"".join(line + b"\n" for line in self.lines[middle:]),
            "head.jws": head,
        }


@dataclass(slots=True)
class Built:
    """A recording, its ledger and who is trusted. `flacs` are the clips' contents by index."""

    files: dict[str, bytes]
    ledger: dict[str, bytes]
    trust: Trust
    manifest: Manifest
    flacs: dict[int, bytes]
    entries: list[ClipEntry]
    details: list[dict[str, Any]]
    workshop: WorkshopKey = field(default_factory=OWNER.workshop)

    @property
    def trust_file(self) -> bytes:
        """The trust file's bytes."""
        return write_trust(self.trust)

    def held(self) -> HeldFiles:
        """The recording's folder."""
        return HeldFiles(self.files)

    def held_ledger(self) -> HeldFiles:
        """The ledger's folder."""
        return HeldFiles(self.ledger)


def flac_bytes(index: int, length: int = 700) -> bytes:
    """Some bytes in place of a FLAC file; sealing never looks inside."""
    return (b"fLaC" + bytes([index % 251, index // 251 % 251]) * (length // 2))[:length]


def build(
    *,
    clips: int = 3,
    flac_lengths: Sequence[int] = (700,),
    flacs: Sequence[bytes] = (),
    opening: Mapping[str, Any] | None = None,
    samples: int = 16000,
    skip: Sequence[int] = (),
    box: str = BOX,
    recording: str = RECORDING,
    box_key: SigningKey = BOX_KEY,
    recipients: Sequence[bytes] | None = None,
    oral: bool = False,
    interrupted: bool = False,
    receipt: bool = True,
    keys: bytes | None = None,
    changes: Mapping[str, Any] | None = None,
    at: str = AT,
    closing: Mapping[str, Any] | None = None,
) -> Built:
    """A recording of `clips` clips; those in `skip` were lost, and are gaps.

    `flacs` are real FLAC files, where sealing's indifference to what is inside is not enough; `opening` are the
    details sealed first. `keys` are the bytes of a keys.json made before; `changes` replace fields of the manifest
    before it is signed.
    """
    wanted = recipients or [OWNER.workshop().public]
    sealer = Sealer.begin(
        box=box,
        recording=recording,
        sample_rate=RATE,
        channels=2,
        opened_at=at,
        clock="synced",
        boot=BOOT,
        seizure=SEIZURE,
        key=RecordingKey(RECORDING_KEY),
    )
    ledger = LedgerBuilder()
    ledger.add("boot", version="0.1.0")
    ledger.add("call", at_end=False, tap_boot=BOOT, seizure=SEIZURE, incoming=True)
    seq = ledger.add(
        "granted",
        recording=recording,
        way="oral" if oral else "key",
        tap_boot=BOOT,
        seizure=SEIZURE,
        text_version="de-1",
        text_hash=TEXT_HASH,
        leg="" if oral else "far",
    )
    ledger.add("opened", recording=recording)
    if oral:
        seq = ledger.add("confirmed", recording=recording)
    details: list[dict[str, Any]] = [
        dict(opening or {"number": "+49 30 1234567", "direction": "incoming"}),
        dict(closing or {"marks": [1.5], "levels": {"far": -18.2}}),
    ]
    files = {"head.json": sealer.head, "details.0": sealer.details(0, details[0])}
    if interrupted:
        details.pop()
    else:
        files["details.1"] = sealer.details(1, details[1])
    files["keys.json"] = keys or sealer.keys(wanted)
    held: dict[int, bytes] = {}
    entries: list[ClipEntry] = []
    for index in range(clips):
        if index in skip:
            continue
        held[index] = flacs[index] if flacs else flac_bytes(index, flac_lengths[index % len(flac_lengths)])
        sealed = sealer.clip(index, index * samples, samples, held[index])
        files[clip_name(index)] = sealed
        entries.append(ClipEntry(index, index * samples, samples, sha256_hex(sealed)))
    sealer.wipe()
    lists = clip_lists(entries)
    files.update(lists)
    named = {name: sha256_hex(data) for name, data in files.items() if not name.endswith(".clip")}
    manifest = Manifest(
        box=box,
        recording=recording,
        files=named,
        recipients=tuple(map(kid, wanted)),
        consent=(
            Consent(
                way="oral" if oral else "key",
                at=at,
                clock="synced",
                text_version="de-1",
                text_hash=TEXT_HASH,
                mark_s=None if oral else 9.5,
                leg="" if oral else "far",
                ledger_seq=seq,
            ),
        ),
        retention_class="standard",
        retain_until="2027-11-02T00:00:00Z",
        ended="interrupted" if interrupted else "idle",
        closed_at=at,
        clock="synced",
        gaps=holes(entries),
        ledger=ledger.position,
        firmware="0.1.0",
    )
    manifest = msgspec.structs.replace(manifest, **(changes or {}))
    files["manifest.jws"] = sign_manifest(manifest, box_key)
    manifest_hash = sha256_hex(files["manifest.jws"])
    ledger.add("closed", recording=recording, manifest=manifest_hash)
    if receipt:
        stored = Stored(box=box, recording=recording, at=AT, epoch="e1", manifest_hash=manifest_hash, copies=2)
        files["receipt.jws"] = sign_receipt(stored, ARCHIVE_KEY)
        ledger.add("receipted", recording=recording, manifest=manifest_hash)
    ledger.add("call", at_end=True, tap_boot=BOOT, seizure=SEIZURE, outcome="recorded", seconds=31.5)
    return Built(files, ledger.files(), trust(), manifest, held, entries, details)
