"""The trust file, read again whenever it changes, so that a new box needs no restart of the archive.

A file that turns bad while the archive runs changes nothing: what was last read still counts, and the log says so. To
replace the file, rename a new one into its place.
"""

import logging
from pathlib import Path
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing.errors import SealingError
from handschlag.sealing.trust import Trust, read_trust

_log: Final = logging.getLogger(__name__)


class NoTrust(HandschlagError, OSError):
    """The trust file cannot be read."""


class TrustFile:
    """Called, gives whom to trust at the moment. Raises NoTrust, or BadFile, if the file is bad from the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self._trust = self._read()

    def __call__(self) -> Trust:
        """The file's content as of now."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._trust = self._read()
            except (NoTrust, SealingError) as error:
                _log.error("%s; what was read before still counts", error)
            else:
                _log.info("the trust file was read again: %d boxes", len(self._trust.boxes))
        return self._trust

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Trust:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise NoTrust(f"{self._path}: cannot be read ({error.strerror}); allowed is a trust file") from error
        return read_trust(data, str(self._path))
