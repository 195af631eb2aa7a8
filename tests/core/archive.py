"""A broker and an archive at the far end of the core's `Send` effects, as reliable as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from handschlag.core import effects as do
from handschlag.core import events as ev

ROUND_TRIP_S = 0.05
CLOCK = 1.7e9  # the archive's own, beside the world's


@dataclass(slots=True)
class Archive:
    """Takes files, answers manifests. Probabilities are 0 to 1; `rng` decides."""

    rng: Random = field(default_factory=lambda: Random(1))
    loses: float = 0.0  # the broker drops a file that it acknowledged
    fails: float = 0.0  # the broker answers with a negative reason code
    mute: float = 0.0  # no receipt for a manifest
    refuses: float = 0.0
    progress: bool = True
    has: dict[str, set[str]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    destroyed: set[str] = field(default_factory=set)
    ledger: int = 0
    epoch: str = "e1"

    def be_kind(self) -> None:
        """From now on nothing goes wrong."""
        self.loses = self.fails = self.mute = self.refuses = 0.0
        self.progress = True

    def restore(self, epoch: str, *, keeps: int, ledger: int) -> None:
        """From a backup that has the oldest `keeps` stored recordings, and the ledger up to a line."""
        kept = sorted(self.stored)[:keeps]
        self.epoch = epoch
        self.stored = set(kept)
        self.has = {name: names for name, names in self.has.items() if name in self.stored}
        self.ledger = min(self.ledger, ledger)

    def take(self, effect: do.Send | do.SendLedger, now: float, files: Mapping[str, Sequence[str]]) -> list[ev.Event]:
        """What comes back for a publish, and when."""
        at = now + ROUND_TRIP_S * (0.5 + self.rng.random())
        if isinstance(effect, do.SendLedger):
            return self._ledger(effect, at)
        if self.rng.random() < self.fails:
            return [ev.SendFailed(at, effect.recording, effect.name, "quota", permanent=False)]
        sent: list[ev.Event] = [ev.FileSent(at, effect.recording, effect.name)]
        if self.rng.random() < self.loses:
            return sent
        return sent + self._receive(effect, at + 0.01, files)

    def _ledger(self, effect: do.SendLedger, at: float) -> list[ev.Event]:
        if self.rng.random() < self.mute:
            return []
        if effect.first <= self.ledger + 1:
            self.ledger = max(self.ledger, effect.last)
        return [ev.LedgerSynced(at, self.ledger, f"line {self.ledger}", self.epoch, CLOCK + at)]

    def _receive(self, effect: do.Send, at: float, files: Mapping[str, Sequence[str]]) -> list[ev.Event]:
        recording, name = effect.recording, effect.name
        if name == "revoke.jws":
            self.destroyed.add(recording)
            self.has.pop(recording, None)
            return [] if self.rng.random() < self.mute else [ev.ArchiveDestroyed(at, recording, self.epoch, CLOCK + at)]
        if recording in self.destroyed:
            return []
        names = self.has.setdefault(recording, set())
        names.add(name)
        answers: list[ev.Event] = []
        if self.progress:
            answers.append(ev.Progressed(at, recording, frozenset(names), self.epoch, CLOCK + at))
        if name == "manifest.jws":
            answers += self._judge(recording, at, set(files.get(recording, ())))
        return answers

    def _judge(self, recording: str, at: float, wanted: set[str]) -> list[ev.Event]:
        digest = f"hash of {recording}"
        missing = tuple(sorted(wanted - self.has[recording]))
        if self.rng.random() < self.mute:
            return []
        if self.rng.random() < self.refuses:
            return [ev.Refused(at, recording, "signature", digest, self.epoch, CLOCK + at)]
        if missing:
            return [ev.Missing(at, recording, digest, missing, self.epoch, CLOCK + at)]
        self.stored.add(recording)
        return [ev.Stored(at, recording, digest, 1, b"receipt", self.epoch, CLOCK + at)]
