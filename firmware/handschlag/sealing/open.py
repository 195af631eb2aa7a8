"""Opening a recording with the workshop key.

Everything `verify` can check is checked first, so that a recording that is cut short, swapped or altered is an error
before the first sound; without a trust file the signatures are not, and `Opened.verified` says so. Clips are then
opened one at a time, each checked again as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from handschlag.sealing.errors import BadKey
from handschlag.sealing.keys import RecordingKey, WorkshopKey
from handschlag.sealing.manifest import ClipEntry, Manifest, details_name
from handschlag.sealing.recording import Head, check_commitment, open_clip, open_details
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import CheckedRecording, Files, check_recording, read_clip, read_list


@dataclass(frozen=True, slots=True)
class Opened:
    """An open recording. `details` are what was sealed at opening and, unless interrupted, at closing.

    `verified`: signatures were checked against a trust file; `checked` says in words what was. Call `wipe` at the end.
    """

    head: Head
    manifest: Manifest
    details: list[dict[str, Any]] = field(repr=False)
    verified: bool
    checked: dict[str, str]
    key: RecordingKey = field(repr=False)
    _files: Files = field(repr=False)

    def clips(self) -> Iterator[tuple[ClipEntry, bytes]]:
        """Each clip's place and its FLAC file, in order, one at a time; raises BadFile, Tampered, Wiped."""
        names = frozenset(self._files.names())
        for name in self.manifest.lists:
            for entry in read_list(self._files, names, self.manifest, name):
                sealed = read_clip(self._files, names, entry)
                yield entry, open_clip(sealed, self.key, self.manifest.recording, entry.name)[1]

    def wipe(self) -> None:
        """Overwrite the recording's key; no clip opens any more."""
        self.key.wipe()


def open_recording(files: Files, workshop_key: WorkshopKey, trust: Trust | None = None) -> Opened:
    """Check and open; raises BadKey for a key it was not wrapped for, and whatever `check_recording` raises."""
    checked: dict[str, str] = {}
    found = check_recording(files, trust, checked)
    key = _unwrap(found, workshop_key)
    recording = found.manifest.recording
    details = [
        open_details(files.read(details_name(number)), number, key, recording)
        for number in (0, 1)
        if details_name(number) in found.manifest.files
    ]
    return Opened(found.head, found.manifest, details, trust is not None, checked, key, files)


def _unwrap(found: CheckedRecording, workshop_key: WorkshopKey) -> RecordingKey:
    wrapped = next((wrapped for wrapped in found.wrapped if wrapped.kid == workshop_key.kid), None)
    if wrapped is None:
        kids = ", ".join(dict.fromkeys(wrapped.kid for wrapped in found.wrapped))
        raise BadKey(f"keys.json: wrapped for {kids}; this is {workshop_key!r}: another workshop key is needed")
    key = workshop_key.unwrap(wrapped, box=found.head.box, recording=found.head.recording)
    check_commitment(found.head, key)
    return key
