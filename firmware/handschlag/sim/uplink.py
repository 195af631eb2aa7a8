"""An uplink without a broker, and a small archive that answers it.

`SimArchive` takes files as they arrive and answers with the receipts of design/wire.md, signed with a key of its own;
it reads no manifest, so what it misses is what a test told it to lose. `SimUplink` hands files to it in the same
process: what was sent arrives when `pump` is called, in order.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handschlag.archives_word import archive_said
from handschlag.core.effects import Rank
from handschlag.core.events import Connected, Disconnected, FileSent, SendFailed
from handschlag.ports import Post
from handschlag.sealing import receipt
from handschlag.sealing.keys import SigningKey, VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey

MANIFEST = "manifest.jws"
REVOKE = "revoke.jws"


class SimArchive:
    """An archive for one box. `files` is what it has, by recording and name; `wall` is its clock (wall seconds)."""

    def __init__(
        self, box: str, key: SigningKey | None = None, *, epoch: str = "1", wall: Callable[[], float] = time.time
    ) -> None:
        self.key = key or SigningKey.new()
        self.box = box
        self._wall = wall
        self.epoch = epoch
        self.files: dict[str, dict[str, bytes]] = {}
        self.lines: dict[int, bytes] = {}
        self.destroyed: set[str] = set()
        self.losing: set[str] = set()
        """Names that get lost on the way, each once."""
        self.refusing = ""
        """Why every manifest is refused; empty: it is not."""
        self._missed: dict[str, set[str]] = {}

    def trust(self) -> Trust:
        """What a box must trust to believe this archive."""
        return Trust(archive=(TrustedKey.of(VerifyKey(self.key.public)),))

    def sign(self, said: receipt.Receipt) -> bytes:
        """A receipt as it goes over the wire."""
        return receipt.sign_receipt(said, self.key)

    def take(self, recording: str, name: str, payload: bytes) -> list[receipt.Receipt]:
        """A file arrived: the receipts it earns."""
        if name == REVOKE:
            self.files.pop(recording, None)
            self.destroyed.add(recording)
        if recording in self.destroyed:
            return [receipt.Destroyed(box=self.box, at=self._now(), epoch=self.epoch, recording=recording)]
        missed = self._missed.setdefault(recording, set())
        if name in self.losing:
            self.losing.discard(name)
            missed.add(name)
            return []
        missed.discard(name)
        files = self.files.setdefault(recording, {})
        files[name] = payload
        names, clips = receipt.fold_names(files)
        progress = receipt.Progress(
            box=self.box, at=self._now(), epoch=self.epoch, recording=recording, names=names, clips=clips
        )
        return [progress, *self._verdict(recording, files, missed)]

    def take_ledger(self, first: int, payload: bytes) -> list[receipt.Receipt]:
        """Ledger lines arrived: how far it goes without gaps."""
        for seq, line in enumerate(payload.splitlines(), first):
            self.lines[seq] = line
        seq = 0
        while seq + 1 in self.lines:
            seq += 1
        if not seq:
            return []
        digest = hashlib.sha256(self.lines[seq]).hexdigest()
        return [receipt.LedgerSynced(box=self.box, at=self._now(), epoch=self.epoch, seq=seq, hash=digest)]

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))

    def _verdict(self, recording: str, files: dict[str, bytes], missed: set[str]) -> list[receipt.Receipt]:
        if MANIFEST not in files:
            return []
        digest = hashlib.sha256(files[MANIFEST]).hexdigest()
        if self.refusing:
            return [
                receipt.Refused(
                    box=self.box,
                    at=self._now(),
                    epoch=self.epoch,
                    recording=recording,
                    manifest_hash=digest,
                    why=self.refusing,
                )
            ]
        if missed:
            names, clips = receipt.fold_names(missed)
            return [
                receipt.Incomplete(
                    box=self.box,
                    at=self._now(),
                    epoch=self.epoch,
                    recording=recording,
                    manifest_hash=digest,
                    names=names,
                    clips=clips,
                )
            ]
        return [
            receipt.Stored(
                box=self.box, at=self._now(), epoch=self.epoch, recording=recording, manifest_hash=digest, copies=1
            )
        ]


class SimUplink:
    """`ports.Uplink` to a `SimArchive`. `online` says whether there is a connection; `pump` lets messages flow."""

    def __init__(
        self,
        archive: SimArchive,
        *,
        read: Callable[[str, str], bytes],
        ledger_lines: Callable[[int, int], Sequence[bytes]],
        now: Callable[[], float],
        online: bool = True,
    ) -> None:
        self.archive = archive
        self.online = online
        self._read = read
        self._ledger_lines = ledger_lines
        self._now = now
        self._post: Post = lambda _event: None
        self.replies: list[tuple[str, str]] = []
        self.statuses: list[Mapping[str, Any]] = []
        self._waiting: deque[tuple[str, str] | range] = deque()

    def start(self, post: Post) -> None:
        """Connect, or say that nobody is there."""
        self._post = post
        self._post(Connected(self._now()) if self.online else Disconnected(self._now(), "offline"))

    def send(self, recording: str, name: str, rank: Rank = Rank.BACKLOG) -> None:  # noqa: ARG002 - only what is revoked overtakes here
        """Publish a file with the next `pump`."""
        if not self.online:
            self._post(SendFailed(self._now(), recording, name, "not connected", permanent=False))
        elif name == REVOKE:
            self._waiting.appendleft((recording, name))
        else:
            self._waiting.append((recording, name))

    def send_ledger(self, first: int, last: int) -> None:
        """Publish ledger lines with the next `pump`."""
        if self.online:
            self._waiting.append(range(first, last + 1))

    def reply(self, message: str, outcome: str, status: Mapping[str, Any] | None = None) -> None:
        """The answer to a message of owner or operator arrives at once."""
        self.replies.append((message, outcome))
        if status is not None:
            self.statuses.append(status)

    def close(self) -> None:
        """End."""
        self._waiting.clear()
        self._post = lambda _event: None

    def go(self, *, online: bool) -> None:
        """The connection is lost, or found again."""
        if online == self.online:
            return
        self.online = online
        unsent = [each for each in self._waiting if not isinstance(each, range)]
        self._waiting.clear()
        self._post(Connected(self._now()) if online else Disconnected(self._now(), "offline"))
        for recording, name in unsent:
            self._post(SendFailed(self._now(), recording, name, "offline", permanent=False))

    def pump(self) -> None:
        """Everything sent so far arrives, and is answered."""
        while self.online and self._waiting:
            what = self._waiting.popleft()
            if isinstance(what, range):
                lines = self._ledger_lines(what.start, what.stop - 1)
                self._answer(self.archive.take_ledger(what.start, b"".join(line + b"\n" for line in lines)))
            else:
                self._deliver(*what)

    def _deliver(self, recording: str, name: str) -> None:
        try:
            payload = self._read(recording, name)
        except FileNotFoundError:
            self._post(SendFailed(self._now(), recording, name, "no such file", permanent=True))
            return
        self._post(FileSent(self._now(), recording, name))
        self._answer(self.archive.take(recording, name, payload))

    def _answer(self, receipts: Sequence[receipt.Receipt]) -> None:
        for said in receipts:
            self._post(archive_said(said, self.archive.sign(said), self._now()))
