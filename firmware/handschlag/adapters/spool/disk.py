"""Recordings sealed in the caller's thread and written by one worker, in an order that a power cut cannot confuse.

What the caller gives as plain samples or personal details leaves the call as sealed bytes; nothing plain ever waits.
Sealed files of a recording wait in one queue and become durable strictly in the order in which they were sealed: head,
first details, keys and clips as they come, then last details, clip lists and the manifest. So whatever a cut leaves is
a beginning of the recording, and a manifest stands for everything that it names.

Destroying overtakes that queue: the key is wiped and what waits is dropped in the caller's thread, before the worker
takes the folder away. A write that is under way at that moment ends in the folder that is then renamed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from sys import intern

from handschlag.adapters.spool.closing import (
    INTERRUPTED,
    Contents,
    Ending,
    Identity,
    last_files,
    now,
    read_back,
)
from handschlag.adapters.spool.folders import Folders
from handschlag.adapters.spool.jobs import Jobs
from handschlag.adapters.spool.names import in_sending_order, is_file
from handschlag.adapters.spool.terms import Terms, receipt_of, terms_of
from handschlag.core.events import (
    DiskFailed,
    FileDurable,
    FilesListed,
    FolderFound,
    ReceiptDurable,
    RecordingClosed,
    RecordingGone,
    RevokeDurable,
    RevokeFound,
)
from handschlag.errors import HandschlagError
from handschlag.ports import Clock, Closing, Codec, ConsentRecord, FileOps, LedgerFacts, Opening, Post, Samples, Worker
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import kid
from handschlag.sealing.ledger import LedgerPosition
from handschlag.sealing.manifest import (
    HEAD,
    KEYS,
    MANIFEST,
    RECEIPT,
    REVOKE,
    ClipEntry,
    clip_index,
    clip_name,
    details_name,
)
from handschlag.sealing.recording import Sealer, read_head
from handschlag.sealing.revoke import sign_revoke

WAITING_CLIPS = 64
"""Sealed clips of one recording that wait for the disk at most."""


class NotConfirmed(HandschlagError, ValueError):
    """A recording without wrapped keys cannot be closed, only destroyed."""


@dataclass(slots=True)
class _Running:
    """A recording being written. `waiting` are its sealed files that are not durable; the spool's lock guards it.

    `files` and `clips` are everything sealed so far, by name and hash.
    """

    recording: str
    sample_rate: int
    sealer: Sealer
    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    files: dict[str, str] = field(default_factory=dict)
    clips: list[ClipEntry] = field(default_factory=list)
    made: bool = False
    closing: bool = False


class DiskSpool:
    """`ports.Spool` in the folder `data`, which must be there.

    The worker belongs to the spool from here on: `close` ends it. `facts` gives what the durable ledger says of a
    recording; it is asked in the caller's thread, by `find` and `finish_interrupted`. `claims` is told by `find`, for
    every manifest, which ledger line it names.
    """

    def __init__(
        self,
        data: Path,
        *,
        identity: Identity,
        files: FileOps,
        worker: Worker,
        codec: Codec,
        clock: Clock,
        post: Post,
        facts: Callable[[str], LedgerFacts],
        reserve_bytes: int,
        claims: Callable[[LedgerPosition, bytes], None] = lambda _position, _manifest: None,
    ) -> None:
        self._identity = identity
        self._folders = Folders(data, files)
        self._codec = codec
        self._clock = clock
        self._post = post
        self._facts = facts
        self._reserve_bytes = reserve_bytes
        self._claims = claims
        self._jobs = Jobs(worker, post, clock)
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}

    # --- a recording while it runs

    def open(self, opening: Opening) -> None:
        """Make the key; write the head and the first details. One that is open already stays as it is.

        A recording whose folder is there is never opened again: DiskFailed. Raises sealing's BadFile for what no head
        can say.
        """
        recording = opening.recording
        if recording in self._running:
            return
        if self._folders.of(recording).exists() or self._folders.gone(recording).exists():
            self._tell("opening: EEXIST", recording)
            return
        sealer = Sealer.begin(
            box=self._identity.box,
            recording=recording,
            sample_rate=opening.sample_rate,
            channels=opening.channels,
            opened_at=opening.opened_at,
            clock=opening.clock,
            boot=opening.boot,
            seizure=opening.seizure,
        )
        running = _Running(recording, opening.sample_rate, sealer)
        self._running[recording] = running
        self._write(running, HEAD, sealer.head)
        self._write(running, details_name(0), sealer.details(0, opening.personal))

    def write_keys(self, recording: str) -> None:
        """Wrap and write the key, once."""
        running = self._running.get(recording)
        if running is not None and not running.closing and KEYS not in running.files:
            self._write(running, KEYS, running.sealer.keys(self._identity.recipients))

    def add_clip(self, recording: str, index: int, first_sample: int, samples: Samples) -> bool:
        """Seal and write a clip; False if 64 wait already, or the recording is not open (any more)."""
        running = self._running.get(recording)
        if running is None or running.closing:
            return False
        with self._lock:
            if sum(clip_index(name) is not None for name, _ in running.waiting) >= WAITING_CLIPS:
                return False
        flac = self._codec.encode(samples, running.sample_rate)
        data = running.sealer.clip(index, first_sample, len(samples), flac)
        running.clips.append(ClipEntry(index, first_sample, len(samples), sha256_hex(data)))
        self._write(running, clip_name(index), data)
        return True

    def close_recording(self, closing: Closing) -> None:
        """Write last details, clip lists and manifest; the key is wiped before this returns.

        Raises NotConfirmed when the recording's keys were never asked for. One that is not open is no error; DiskFailed
        when the manifest would say something that no reader takes.
        """
        running = self._running.get(closing.recording)
        if running is None or running.closing:
            return
        if KEYS not in running.files:
            raise NotConfirmed(f"recording {closing.recording}: has no keys.json; confirm it first, or destroy it")
        running.closing = True
        try:
            self._jobs.at_once(closing.recording, "closing", partial(self._write_last, running, closing))
        finally:
            running.sealer.wipe()

    def destroy(self, recording: str) -> None:
        """Wipe the key and drop what waits, now; then take the folder away durably."""
        with self._lock:
            running = self._running.pop(recording, None)
            if running is not None:
                running.sealer.wipe()
                running.waiting.clear()
        self._jobs.do(recording, "destroying", partial(self._destroy, recording))

    def sign_revoke(self, recording: str, reason: str, *, ledger_seq: int) -> None:
        """Write the revocation durably; one that is there already stays as it was signed."""
        self._jobs.do(recording, "revoking", partial(self._sign_revoke, recording, reason, ledger_seq))

    def remove_gone(self, recording: str) -> None:
        """Remove a `.gone` folder: keys.json first, then the rest."""
        self._jobs.do(recording, "removing", partial(self._folders.remove_gone, recording))

    # --- recordings that were found

    def finish_interrupted(self, recording: str, *, ledger_seq: int, ledger_hash: str) -> None:
        """Close what a restart interrupted, on the consent that the ledger knows; DiskFailed if it knows none."""
        consent = self._facts(recording).consent
        finish = partial(self._finish, recording, consent, ledger_seq, ledger_hash)
        self._jobs.do(recording, "finishing", finish)

    def set_aside(self, recording: str, why: str) -> None:
        """Move a recording to `aside/`, unchanged, with why in a text beside it."""
        path = self._folders.of(recording)
        self._jobs.do(recording, "setting aside", partial(self._folders.set_aside, path, why))

    def keep_receipt(self, recording: str, receipt: bytes, epoch: str) -> None:
        """Write receipt.jws beside the recording, in the place of an older one."""
        self._jobs.do(recording, "keeping the receipt", partial(self._keep_receipt, recording, receipt, epoch))

    def drop_revoke(self, recording: str) -> None:
        """Remove a revocation that the archive has answered."""
        path = self._folders.revoke(recording)
        self._jobs.do(recording, "dropping the revocation", partial(self._folders.remove, path))

    def list_files(self, recording: str) -> None:
        """Post what there is to send of a recording; no names when it is not there."""
        self._jobs.do(recording, "listing", partial(self._list, recording))

    def read(self, recording: str, name: str) -> bytes:
        """A sealed file's bytes, or the revocation's as `revoke.jws`. Raises FileNotFoundError, for other names too."""
        if name == REVOKE:
            return self._folders.revoke(recording).read_bytes()
        if not is_file(name):
            raise FileNotFoundError(f"spool: a recording has no file {name[:80]!r}")
        return (self._folders.of(recording) / name).read_bytes()

    def find(self, post: Post) -> None:
        """Post every folder and every open revocation, before this returns; torn temporary files are removed."""
        self._jobs.at_once("", "looking through the spool", partial(self._find, post))

    def free_bytes(self) -> int:
        """Bytes free for recordings, the reserve taken off; nothing is free on a disk that does not answer."""
        try:
            return self._folders.free_bytes() - self._reserve_bytes
        except OSError:
            return -self._reserve_bytes

    def try_again(self) -> None:
        """Do what the disk refused, if there is such a thing."""
        self._jobs.try_again()

    def close(self) -> None:
        """Wipe all keys, wait until everything is on disk, and end."""
        with self._lock:
            for running in self._running.values():
                running.sealer.wipe()
        self._jobs.close()

    # --- in the caller's thread

    def _write(self, running: _Running, name: str, data: bytes) -> None:
        """Let a sealed file wait for its turn."""
        if clip_index(name) is None:
            running.files[name] = sha256_hex(data)
        with self._lock:
            running.waiting.append((name, data))
        self._jobs.do(running.recording, name, partial(self._write_waiting, running))

    def _write_last(self, running: _Running, closing: Closing) -> None:
        """Details, lists and manifest; all are made before the first is written, or none is."""
        details = running.sealer.details(1, closing.personal)
        files = {**running.files, details_name(1): sha256_hex(details)}
        contents = Contents(files, running.clips, tuple(map(kid, self._identity.recipients)))
        ending = Ending(
            closing.ended,
            closing.closed_at,
            closing.clock,
            closing.consent,
            closing.ledger_seq,
            closing.ledger_hash,
            closing.gaps,
        )
        last = self._last_files(running.recording, contents, ending)
        for name, data in {details_name(1): details, **last}.items():
            self._write(running, name, data)

    def _last_files(self, recording: str, contents: Contents, ending: Ending) -> dict[str, bytes]:
        return last_files(recording, contents, ending, self._identity, self._clock)

    def _tell(self, what: str, recording: str) -> None:
        self._post(DiskFailed(self._clock.mono(), what=what, recording=recording))

    # --- on the worker

    def _write_waiting(self, running: _Running) -> None:
        """Write a recording's files in their order; one stays in the queue until it is durable."""
        while (first := self._first(running)) is not None:
            name, data = first
            if not running.made:
                self._folders.make(running.recording)
                running.made = True
            self._folders.put(self._folders.of(running.recording) / name, data)
            with self._lock:
                if not running.waiting:
                    return  # destroyed meanwhile
                running.waiting.popleft()
                if name == MANIFEST:
                    self._running.pop(running.recording, None)
            self._post(FileDurable(self._clock.mono(), running.recording, name, len(data)))
            if name == MANIFEST:
                names = (*running.files, *(clip.name for clip in running.clips))
                self._closed(running.recording, data, names)

    def _first(self, running: _Running) -> tuple[str, bytes] | None:
        with self._lock:
            return running.waiting[0] if running.waiting else None

    def _closed(self, recording: str, manifest: bytes, names: tuple[str, ...]) -> None:
        terms = terms_of(manifest)
        self._post(
            RecordingClosed(
                self._clock.mono(),
                recording,
                sha256_hex(manifest),
                in_sending_order(names),
                closed_at=terms.closed_at,
                retain_until=terms.retain_until,
            )
        )

    def _destroy(self, recording: str) -> None:
        self._folders.take_away(recording)
        self._post(RecordingGone(self._clock.mono(), recording))

    def _sign_revoke(self, recording: str, reason: str, ledger_seq: int) -> None:
        path = self._folders.revoke(recording)
        if not path.exists():
            at, clock = now(self._clock)
            signed = sign_revoke(
                box=self._identity.box,
                recording=recording,
                reason=reason,
                at=at,
                clock=clock,
                ledger_seq=ledger_seq,
                key=self._identity.key,
            )
            self._folders.put_revoke(recording, signed)
        self._post(RevokeDurable(self._clock.mono(), recording))

    def _keep_receipt(self, recording: str, receipt: bytes, epoch: str) -> None:
        self._folders.put(self._folders.of(recording) / RECEIPT, receipt)
        self._post(ReceiptDurable(self._clock.mono(), recording, epoch))

    def _list(self, recording: str) -> None:
        folder = self._folders.of(recording)
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
        self._post(FilesListed(self._clock.mono(), recording, in_sending_order(found)))

    def _finish(self, recording: str, consent: ConsentRecord | None, ledger_seq: int, ledger_hash: str) -> None:
        folder = self._folders.of(recording)
        if consent is None:
            self._tell("finishing: no consent in the ledger", recording)
            return
        if (folder / MANIFEST).exists():
            self._closed_before(recording, folder)
            return
        contents = read_back(folder, self._identity.box)
        for name in contents.damaged:
            self._folders.set_aside(folder / name, "no clip by its header, found when its recording was finished")
        at, clock = now(self._clock)
        ending = Ending(INTERRUPTED, at, clock, consent, ledger_seq, ledger_hash)
        last = self._last_files(recording, contents, ending)
        for name, data in last.items():
            self._folders.put(folder / name, data)
            self._post(FileDurable(self._clock.mono(), recording, name, len(data)))
        self._closed(recording, last[MANIFEST], (*contents.files, *(clip.name for clip in contents.clips), *last))

    def _closed_before(self, recording: str, folder: Path) -> None:
        """Signed already: the same manifest is told again, no second one is made."""
        names = tuple(path.name for path in folder.iterdir())
        self._closed(recording, (folder / MANIFEST).read_bytes(), names)

    # --- at the start

    def _find(self, post: Post) -> None:
        self._folders.settle_spool()
        for recording, gone in self._folders.recordings():
            self._jobs.at_once(recording, "looking into a recording", partial(self._find_one, post, recording, gone))
        for recording in self._folders.revokes():
            post(RevokeFound(self._clock.mono(), recording))

    def _find_one(self, post: Post, recording: str, gone: bool) -> None:  # noqa: FBT001 - as the folders tell it
        folder = self._folders.gone(recording) if gone else self._folders.of(recording)
        facts = self._facts(recording)
        manifest = _bytes(folder / MANIFEST)
        manifest_hash = intern(sha256_hex(manifest)) if manifest is not None else ""
        epoch, said_at = receipt_of(folder / RECEIPT, recording, manifest_hash)
        receipted = epoch != ""
        if not gone:
            # What the ledger says was durable before the ledger said it: thousands of old recordings cost no fsync.
            durable = facts.closed and (facts.receipted or not receipted)
            self._folders.settle(recording, sync=not durable)
        boot, seizure = _whose(folder / HEAD)
        terms = terms_of(manifest) if manifest is not None else Terms()
        if manifest is not None:
            self._claims(terms.ledger, manifest)
        post(
            FolderFound(
                self._clock.mono(),
                recording,
                boot=boot,
                seizure=seizure,
                gone=gone,
                has_keys=(folder / KEYS).exists(),
                has_manifest=manifest is not None,
                manifest_hash=manifest_hash,
                consented=facts.consented,
                ended_by_ledger=facts.ended,
                ended_seq=facts.ended_seq,
                closed_in_ledger=facts.closed,
                receipted=receipted,
                closed_at=terms.closed_at,
                retain_until=terms.retain_until,
                receipted_at=facts.receipted_at,
                held=facts.held,
                kept_for=facts.kept_for,
                receipt_epoch=epoch,
                receipt_said_at=said_at,
            )
        )


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _whose(head: Path) -> tuple[str, int]:
    """Boot and seizure of the tap from a head; nothing for one that is missing or damaged."""
    try:
        found = read_head(head.read_bytes())
    except (FileNotFoundError, SealingError):
        return "", 0
    return intern(found.boot), found.seizure
