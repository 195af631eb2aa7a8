"""What goes to the archive and what its answers do, as the judge sees it: quiet hours, epochs, and nothing sent twice.

His own book of the archive's epoch: of all receipts told so far, on disk and in the ledger too, the one with the latest
time of the archive says it. What that time says of the far future is not believed by a trusted clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.hours import Hours
from handschlag.core.policy import Policy

DAY_S = 86400.0
RECEIPTS = (ev.Progressed, ev.Stored, ev.Missing, ev.Refused, ev.ArchiveDestroyed, ev.LedgerSynced)
CHANGED = "archive:epoch"


class DeliveryJudge:
    """Told every event and every effect."""

    def __init__(self) -> None:
        self.clock: ev.ClockTold | None = None
        self.now = 0.0
        self.quiet = False
        self.connected = False
        self.newest = ("", 0.0)
        self.of: dict[str, str] = {}  # in which epoch a recording's receipt was written
        self.changed = False
        self.tally: dict[str, int] = {}

    def event(self, event: ev.Event, policy: Policy) -> None:
        """Take note."""
        self.now, self.changed = event.at, False
        match event:
            case ev.Booted():
                self.clock, self.quiet, self.connected = None, False, False
                self.newest = (event.archive.epoch, event.archive.at)
                self.of.clear()
            case ev.ClockTold():
                self._clock(event, policy)
            case ev.Connected() | ev.Disconnected():
                self.connected = isinstance(event, ev.Connected)
            case ev.FolderFound() if event.receipted and event.has_manifest:
                self.of[event.recording] = event.receipt_epoch
                self._newer(event.receipt_epoch, event.receipt_said_at)
            case ev.ReceiptDurable():
                self.of[event.recording] = event.epoch
            case ev.RecordingGone():
                self.of.pop(event.recording, None)
            case _ if isinstance(event, RECEIPTS):
                ahead = self.clock is not None and self.clock.synced and event.said_at > self.wall() + DAY_S
                if not ahead:
                    self.changed = self._newer(event.epoch, event.said_at)
            case _:
                pass

    def _newer(self, epoch: str, said_at: float) -> bool:
        if said_at <= self.newest[1]:
            return False
        before, self.newest = self.newest[0], (epoch, said_at)
        return before not in {"", epoch}

    def _clock(self, event: ev.ClockTold, policy: Policy) -> None:
        self.clock = event
        local = datetime.fromtimestamp(event.wall + event.utc_offset_s, UTC)
        self.quiet = event.synced and any(_runs(hours, local) for hours in policy.quiet)
        if event.synced and self.newest[1] > event.wall + DAY_S:
            self.newest = (self.newest[0], event.wall)

    def wall(self) -> float:
        """What the clock says at this moment."""
        return 0.0 if self.clock is None else self.clock.wall + (self.now - self.clock.at)

    def effect(self, effect: do.Effect) -> None:
        """Judge what is to be sent, and what is written down."""
        match effect:
            case do.Send():
                self._send(effect)
            case do.SendLedger():
                assert not self.quiet, "ledger lines in quiet hours"
                assert self.connected, "ledger lines without a broker"
            case do.Record(kind="fault") if effect.fields["what"] == CHANGED:
                assert self.changed, "an epoch that no newer receipt opened"
                assert effect.fields["epoch"] == self.newest[0], "another epoch than the archive's"
                self.changed = False
                self._count("archive's epoch")
            case do.Record(kind="purged"):
                name = str(effect.fields["recording"])
                assert self.of.get(name) == self.newest[0], "purged on the word of another epoch"
            case _:
                pass

    def _send(self, effect: do.Send) -> None:
        assert self.connected, "sent without a broker"
        if effect.name == "revoke.jws":
            assert effect.rank is do.Rank.REVOCATION, "a revocation goes before everything"
            self._count("revoked in quiet hours" if self.quiet else "revoked")
            return
        assert not self.quiet, "sent in quiet hours"
        assert effect.rank > do.Rank.STATUS, "nothing else goes before a revocation"
        epoch = self.of.get(effect.recording)
        assert epoch is None or epoch != self.newest[0], "sent though the archive has it"
        if epoch is not None:
            self._count("offered again")

    def after(self) -> None:
        """A change of the epoch is written down in the very step."""
        assert not self.changed, "the archive's new epoch is not in the ledger"

    def _count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1


def _runs(hours: Hours, local: datetime) -> bool:
    """Whether one of the days on which the hours begin reaches to this minute."""
    minute = local.hour * 60 + local.minute
    length = hours.end - hours.begin if hours.begin < hours.end else hours.end + 1440 - hours.begin
    since_today, since_yesterday = minute - hours.begin, minute + 1440 - hours.begin
    today = local.weekday() in hours.days and 0 <= since_today < length
    return today or ((local.weekday() - 1) % 7 in hours.days and 0 <= since_yesterday < length)
