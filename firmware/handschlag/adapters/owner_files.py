"""The owner's messages that were put on the box itself: `<data>/owner/*.jws`, for a box without an archive.

A message is told to the core like one that came over the wire, and its file is removed, durably, when the core has
answered: by then the ledger has it. A file that is no message of the owner for this box is renamed to `.refused` and
stays, so that somebody can look at it.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from handschlag.errors import HandschlagError
from handschlag.owners_word import owner_said
from handschlag.ports import Clock, FileOps, Post, Worker
from handschlag.sealing.encoding import MAX_FILE_BYTES
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring
from handschlag.sealing.owner import message_id, read_owner

_log = logging.getLogger(__name__)


class OwnerFiles:
    """`ports.Owner` in `folder`, for the box `box`; the worker belongs to it: `close` ends it."""

    def __init__(self, folder: Path, *, box: str, keys: Keyring, files: FileOps, worker: Worker, clock: Clock) -> None:
        self._folder = folder
        self._box = box
        self._keys = keys
        self._files = files
        self._worker = worker
        self._clock = clock
        self._post: Post | None = None
        self._told: dict[str, Path] = {}
        self._looking = threading.Event()

    def start(self, post: Post) -> None:
        """Look, and tell."""
        self._post = post
        self.look()

    def look(self) -> None:
        """Asked each second: tell what is new; one look at a time."""
        if self._post is not None and not self._looking.is_set():  # nobody listens before the start
            self._looking.set()
            self._worker.submit(self._look)

    def answered(self, message: str) -> None:
        """The core has answered a message, wherever it came from: its file here is not needed any more."""
        self._worker.submit(lambda: self._answered(message))

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _look(self) -> None:
        self._looking.clear()
        known = set(self._told.values())
        for path in sorted(self._folder.glob("*.jws")) if self._folder.exists() else ():
            if path not in known:
                self._take(path)

    def _take(self, path: Path) -> None:
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise BadFile(f"{path.name}: is too long")
            token = path.read_bytes().strip()
            message = read_owner(token, self._keys, path.name)
            if message.box != self._box:
                raise BadFile(f"{path.name}: is for box {message.box}")
        except HandschlagError as error:
            _log.warning("refused: %s", error)
            self._files.rename(str(path), str(path.with_suffix(".refused")))
            self._files.fsync_dir(str(self._folder))
            return
        except OSError as error:
            _log.warning("%s cannot be read: %s", path.name, error.strerror)
            return
        self._told[message_id(token)] = path
        if self._post is not None:
            self._post(owner_said(message, token, self._clock.mono()))

    def _answered(self, message: str) -> None:
        path = self._told.pop(message, None)
        if path is not None:
            self._files.unlink(str(path))
            self._files.fsync_dir(str(self._folder))
