"""Writes the archive's receipts: what it says, signed with its key, for the topic of the box concerned."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing import receipt
from handschlag.sealing.keys import SigningKey
from handschlag_archive.index import Row, StoredReceipt, Which
from handschlag_archive.judge import Judged
from handschlag_archive.periods import end_of, written

WHY_AT_MOST: Final = 500


class NoSigningKey(HandschlagError, OSError):
    """The key that signs receipts cannot be had."""


@dataclass(frozen=True)
class Answer:
    """A receipt and where it goes."""

    topic: str
    receipt: bytes


def read_signing_key(path: Path) -> SigningKey:
    """The key in a file; raises NoSigningKey, or BadKey for a file that holds something else."""
    try:
        return SigningKey.from_file(path.read_bytes(), str(path))
    except OSError as error:
        raise NoSigningKey(
            f"{path}: cannot be read ({error.strerror}); make it with: handschlag-archive keys"
        ) from error


class Clerk:
    """Signs for an archive of this `epoch`, which keeps at least `copies` of everything that it says is stored."""

    def __init__(self, key: SigningKey, *, epoch: str, copies: int) -> None:
        self.epoch: Final = epoch
        self._key = key
        self.copies: Final = copies

    def progress(self, which: Which, names: Collection[str]) -> Answer:
        """What is here so far; of more names than a receipt holds, which no true recording has, the first."""
        others, clips = receipt.fold_names(names)
        return self._answer(
            which.box,
            receipt.Progress(
                box=which.box,
                recording=which.recording,
                at=_now(),
                epoch=self.epoch,
                names=others[: receipt.MAX_NAMES],
                clips=clips,
            ),
        )

    def incomplete(self, which: Which, manifest_sha256: str, missing: Collection[str]) -> Answer:
        """What the manifest names and nobody sent."""
        others, clips = receipt.fold_names(missing)
        return self._answer(
            which.box,
            receipt.Incomplete(
                box=which.box,
                recording=which.recording,
                at=_now(),
                epoch=self.epoch,
                manifest_hash=manifest_sha256,
                names=others,
                clips=clips,
            ),
        )

    def stored(self, which: Which, judged: Judged, *, copies: int) -> StoredReceipt:
        """The receipt that lets the box forget, to be committed before it goes out."""
        manifest, at = judged.manifest, _now()
        until = end_of(manifest.retention_class, said=manifest.retain_until, stored_at=at)
        return self._stored(
            which, judged.place.sha256, at, copies=copies, kept_for=manifest.retention_class, retain_until=until
        )

    def still_stored(self, row: Row, manifest_sha256: str, *, copies: int) -> StoredReceipt:
        """The same receipt in this archive's epoch, for what was stored in an earlier one."""
        return self._stored(
            row.which,
            manifest_sha256,
            _now(),
            copies=copies,
            kept_for=row.kept_for,
            retain_until=row.retain_until,
        )

    def _stored(
        self,
        which: Which,
        manifest_sha256: str,
        at: str,
        *,
        copies: int,
        kept_for: str | None,
        retain_until: str | None,
    ) -> StoredReceipt:
        said = receipt.Stored(
            box=which.box,
            recording=which.recording,
            at=at,
            epoch=self.epoch,
            manifest_hash=manifest_sha256,
            copies=copies,
            retain_until=retain_until,
        )
        text = receipt.sign_receipt(said, self._key)
        return StoredReceipt(manifest_sha256, at, self.epoch, retain_until, text, kept_for)

    def repeat(self, which: Which, text: bytes) -> Answer:
        """A receipt that was written before."""
        return Answer(_topic(which.box), text)

    def refused(self, which: Which, manifest_sha256: str | None, why: str) -> Answer:
        """Why the archive does not take it; without a hash where it is no manifest that is refused."""
        return self._answer(
            which.box,
            receipt.Refused(
                box=which.box,
                recording=which.recording,
                at=_now(),
                epoch=self.epoch,
                manifest_hash=manifest_sha256,
                why=why[:WHY_AT_MOST],
            ),
        )

    def destroyed(self, which: Which) -> Answer:
        """Nothing of it is here any more, and nothing will be taken."""
        return self._answer(
            which.box,
            receipt.Destroyed(box=which.box, recording=which.recording, at=_now(), epoch=self.epoch),
        )

    def ledger(self, box: str, seq: int, sha256: str) -> Answer:
        """Up to where the box's ledger is here without a gap."""
        return self._answer(box, receipt.LedgerSynced(box=box, at=_now(), epoch=self.epoch, seq=seq, hash=sha256))

    def _answer(self, box: str, said: receipt.Receipt) -> Answer:
        return Answer(_topic(box), receipt.sign_receipt(said, self._key))


def _topic(box: str) -> str:
    return f"handschlag/1/{box}/down/receipt"


def _now() -> str:
    return written(datetime.now(UTC))
