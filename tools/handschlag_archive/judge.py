"""Decides what counts: whose signature, which files, whether a recording is whole. Public keys only; opens nothing.

A message's topic says which box and recording it belongs to, and the broker vouches for the box. What a box signed must
say the same, by a key that is trusted for that very box: then a box can neither be impersonated nor mixed up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing import ledger
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.errors import SealingError
from handschlag.sealing.manifest import MANIFEST, Manifest, read_clip_list, read_manifest
from handschlag.sealing.owner import read_owner
from handschlag.sealing.revoke import read_revoke
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import verify_recording
from handschlag_archive.index import Line, Which
from handschlag_archive.stores.port import Place

FIRST_SEQ: Final = 1
GENESIS: Final = ledger.GENESIS.hash

_SEQ: Final = re.compile(r"[1-9][0-9]{0,15}")


class Refusal(HandschlagError, ValueError):
    """What a box sent cannot be taken; the text says why, and may go into a receipt."""


@dataclass(frozen=True)
class Judged:
    """A manifest with a good signature: where it lies, and where all lies that it names directly."""

    place: Place
    manifest: Manifest
    files: frozenset[Place]
    lists: tuple[Place, ...]


class Judge:
    """Asks `trust` whom to trust at the moment."""

    def __init__(self, trust: Callable[[], Trust]) -> None:
        self._trust = trust

    def manifest(self, which: Which, payload: bytes) -> Judged:
        """Check a manifest's signature and that it is of this recording of this box. Raises Refusal."""
        try:
            manifest = read_manifest(payload, self._trust().box_keys(which.box))
        except SealingError as error:
            raise Refusal(str(error)) from error
        if (manifest.box, manifest.recording) != (which.box, which.recording):
            raise Refusal(f"{MANIFEST}: is of recording {manifest.recording} of box {manifest.box}")
        files = {name: Place(which.box, which.recording, name, sha256) for name, sha256 in manifest.files.items()}
        place = Place(which.box, which.recording, MANIFEST, sha256_hex(payload))
        lists = tuple(files[name] for name in manifest.lists)
        return Judged(place, manifest, frozenset(files.values()), lists)

    def clip_list(self, which: Which, payload: bytes) -> frozenset[Place]:
        """The clips that a list names. Raises Refusal."""
        try:
            entries = read_clip_list(payload, "clip list")
        except SealingError as error:
            raise Refusal(str(error)) from error
        return frozenset(Place(which.box, which.recording, entry.name, entry.sha256) for entry in entries)

    def recording(self, judged: Judged, read: Mapping[str, Callable[[], bytes]]) -> None:
        """Check a complete recording as anyone could. Raises Refusal, and what `read` raises."""
        manifest = judged.manifest
        verdict = verify_recording(_Lazy(read), self._trust(), box=manifest.box, recording=manifest.recording)
        if not verdict.ok:
            raise Refusal(verdict.wrong or "does not verify")

    def revoke(self, which: Which, payload: bytes) -> None:
        """Check that the box itself withdraws this very recording. Raises Refusal."""
        try:
            revoke = read_revoke(payload, self._trust().box_keys(which.box))
        except SealingError as error:
            raise Refusal(str(error)) from error
        if (revoke.box, revoke.recording) != (which.box, which.recording):
            raise Refusal(f"revoke.jws: is of recording {revoke.recording} of box {revoke.box}")

    def ledger_lines(self, first: str, payload: bytes) -> list[Line]:
        """The lines of one message, which must begin with number `first` and follow each other. Raises Refusal."""
        if not _SEQ.fullmatch(first):
            raise Refusal(f"{first[:20]!r}: is no number of a ledger line")
        try:
            lines = ledger.read_lines(payload)
            entries = [ledger.parse_line(line) for line in lines]
        except SealingError as error:
            raise Refusal(str(error)) from error
        found = [
            Line(int(str(entry["seq"])), ledger.line_hash(line), str(entry["prev"]), line)
            for line, entry in zip(lines, entries, strict=True)
        ]
        if [line.seq for line in found] != list(range(int(first), int(first) + len(found))):
            raise Refusal(f"ledger lines from {first}: their numbers do not follow each other")
        return found

    def epoch(self, box: str, line: Line) -> int | None:
        """The epoch that the owner opens in this line of the box's ledger; None if nobody does.

        The owner's message stands in the entry, so that the line proves itself, whoever brought the message.
        """
        if b'"epoch"' not in line.line:
            return None
        try:
            entry = ledger.parse_line(line.line)
            if not ledger.is_epoch(entry):
                return None
            message = read_owner(str(entry.get("token", "")).encode(), self._trust().keys("owner"))
        except SealingError:
            return None
        said = (message.box, message.name, message.epoch)
        return message.epoch if said == (box, "epoch", entry.get("epoch")) else None


class _Lazy:
    """A recording's files, read when they are looked at."""

    def __init__(self, read: Mapping[str, Callable[[], bytes]]) -> None:
        self._read = read

    def names(self) -> Sequence[str]:
        """All names."""
        return sorted(self._read)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return self._read[name]()
