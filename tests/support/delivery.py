"""The core's delivery behind a real uplink: what it wants is done, what comes back is put before it.

Its time is the test's own: when nothing has happened for a moment the next deadline comes, however far away it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.delivery import MANIFEST, DeliveryState, step_delivery
from handschlag.ports import Uplink
from tests.support.inbox import Inbox

LOOKS_WITHOUT_NEWS = 25


class Delivery:
    """Recordings as their files by name; `uplink` is set before anything is delivered."""

    uplink: Uplink

    def __init__(self, recordings: Mapping[str, Mapping[str, bytes]]) -> None:
        self.recordings = recordings
        self.inbox = Inbox()
        self.now = 1.0
        self.receipted: list[str] = []
        self.state = DeliveryState()
        self._seen = 0
        self._quiet = 0
        self._timers: dict[str, float] = {}
        self._step(ev.Booted(self.now, "b1", b"0123456789abcdef"))
        for recording in recordings:
            self._step(_found(recording))

    def read(self, recording: str, name: str) -> bytes:
        """For the uplink."""
        return self.recordings[recording][name]

    def until(self, condition: Callable[[], bool]) -> None:
        """Deliver until this holds."""
        self.inbox.until(condition, self.pump)

    def pump(self) -> None:
        """Take what came; after some looks without news let the next deadline come."""
        events = self.inbox.events
        news, self._seen = events[self._seen :], len(events)
        for event in news:
            self._step(event)
        self._quiet = 0 if news else self._quiet + 1
        if self._quiet > LOOKS_WITHOUT_NEWS and self._timers and self.state.connected:
            self._quiet = 0
            tag = min(self._timers, key=self._timers.__getitem__)
            self.now = max(self.now, self._timers.pop(tag))
            self._step(ev.Woke(self.now, tag))

    def _step(self, event: ev.Event) -> None:
        self.state, effects = step_delivery(self.state, event)
        for effect in effects:
            match effect:
                case do.Send(recording, name, rank):
                    self.uplink.send(recording, name, rank)
                case do.ListFiles(recording):
                    self.inbox.post(ev.FilesListed(self.now, recording, tuple(self.recordings[recording])))
                case do.KeepReceipt(recording, _, epoch):
                    self.receipted.append(recording)
                    self.inbox.post(ev.ReceiptDurable(self.now, recording, epoch))
                case do.WakeAt(tag, None):
                    self._timers.pop(tag, None)
                case do.WakeAt(tag, float(at)):
                    self._timers[tag] = at
                case _:
                    pass


def _found(recording: str) -> ev.FolderFound:
    return ev.FolderFound(
        1.0,
        recording,
        boot="t1",
        seizure=1,
        gone=False,
        has_keys=True,
        has_manifest=True,
        manifest_hash=hash_of(recording),
        consented=True,
        ended_by_ledger="",
        ended_seq=0,
        closed_in_ledger=True,
        receipted=False,
    )


def hash_of(recording: str) -> str:
    """What stands for the hash of its manifest: 64 hex digits."""
    return recording.replace("-", "") * 2


def files_of(names: int, size: int) -> dict[str, bytes]:
    """A recording of so many clips of one size."""
    clips = {f"{number:06d}.clip": bytes(size) for number in range(names)}
    return {"head.json": b"{}", **clips, "keys.json": b"{}", MANIFEST: b"manifest"}
