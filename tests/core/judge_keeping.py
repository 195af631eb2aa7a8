"""What leaves the box by rule, as the judge sees it: purge, expiry, and the owner's word.

His own book: which recordings have a manifest, an end, a receipt and a hold, and what the clock last said.
"""

from __future__ import annotations

from handschlag.core import effects as do
from handschlag.core import events as ev

DAY_S = 86400.0
RULES = {"purged", "expired"}


class KeepingJudge:
    """Told every event and every effect on a recording, before the judge of calls looks at them."""

    def __init__(self) -> None:
        self.clock: ev.ClockTold | None = None
        self.now = 0.0
        self.free: int | None = None
        self.until: dict[str, float | None] = {}
        self.receipted: dict[str, float | None] = {}  # at which trusted time
        self.epochs: dict[str, str] = {}  # of the newest receipt
        self.led_out: dict[str, int] = {}
        self.erased: dict[str, int] = {}
        self.durable: set[int] = set()
        self.held: dict[str, bool] = {}
        self.releasing: dict[int, str] = {}
        self.doubted = False
        self.lifting: set[int] = set()
        self.tally: dict[str, int] = {}

    def event(self, event: ev.Event) -> None:
        """Take note."""
        self.now = event.at
        match event:
            case ev.Booted():
                self._forget()
                self.doubted = event.ledger_doubt != ""
            case ev.ClockTold():
                self._clock(event)
            case ev.SpaceTold():
                self.free = event.free_bytes
            case ev.RecordingClosed():
                self.until[event.recording] = event.retain_until
            case ev.FolderFound() if event.has_manifest:
                self._found(event)
            case ev.ReceiptDurable() if self.epochs.get(event.recording) != event.epoch:
                self.epochs[event.recording] = event.epoch
                self._receipt(event.recording, event.at, None)
            case ev.RecordingGone():
                self.led_out.pop(event.recording, None)
            case ev.EntryDurable():
                self.durable.add(event.ticket)
                self.held.pop(self.releasing.pop(event.ticket, ""), None)
                self.doubted &= event.ticket not in self.lifting
            case ev.LedgerDoubted() if not self.lifting - self.durable:
                self.doubted = True
            case _:
                pass

    def _forget(self) -> None:
        self.led_out.clear()
        self.erased.clear()
        self.releasing.clear()
        self.lifting.clear()
        self.durable.clear()
        self.until.clear()
        self.receipted.clear()
        self.epochs.clear()
        self.clock = None

    def _clock(self, event: ev.ClockTold) -> None:
        self.clock = event
        if event.synced:
            self.receipted.update({r: event.wall for r, at in self.receipted.items() if at is None})

    def _found(self, event: ev.FolderFound) -> None:
        self.held[event.recording] = event.held
        self.until[event.recording] = event.retain_until
        if event.receipted:
            self.epochs[event.recording] = event.receipt_epoch
            self._receipt(event.recording, event.at, event.receipted_at)

    def record(self, effect: do.Record, *, idle: bool) -> None:
        """An entry that leads a recording out."""
        if effect.kind == "command":
            self._command(effect)
        if effect.kind not in RULES:
            return
        name = str(effect.fields["recording"])
        assert idle, f"{effect.kind} while the line is in use"
        assert not self.led_out, "one at a time"
        if effect.kind == "expired":
            until = self.until[name]
            assert self.clock is not None, "expired without a clock"
            assert self.clock.synced, "nothing expires on an unsynced clock (P11)"
            assert until is not None, "expired, though no end was known"
            assert until <= self.wall() + 0.01, "expired too early"
        else:
            assert name in self.receipted, "purged without a receipt (P5)"
            since = self.receipted[name]
            old = since is not None and self.wall() - since >= 14 * DAY_S - 0.01
            short = self.free is not None and self.free < 3 * 1024**3
            assert old if effect.fields["reason"] == "age" else short, f"purged too early: {effect.fields}"
        assert not self.held.get(name), f"{effect.kind} though it is held"
        self.led_out[name] = effect.ticket
        self._count(effect.kind)

    def _command(self, effect: do.Record) -> None:
        fields = effect.fields
        name = str(fields.get("recording", ""))
        match fields["name"], fields["outcome"]:
            case "erase", "done":
                assert not self.held.get(name), "a held recording is erased"
                assert name in self.until, "erased though it was never closed"
                self.erased[name] = effect.ticket
                self._count("erased")
            case "hold", "done":
                self.held[name] = True
                self._count("held back")
            case "release", "done":
                self.releasing[effect.ticket] = name
            case "epoch", "done":
                self.lifting.add(effect.ticket)
                self._count("epoch")
            case _:
                pass

    def destroy(self, recording: str) -> None:
        """What leaves by rule is in the ledger before it begins."""
        if recording in self.led_out:
            assert self.led_out[recording] in self.durable, "led out before its entry was durable"
        if recording in self.erased:
            assert self.erased[recording] in self.durable, "erased before its entry was durable"

    def wall(self) -> float:
        """What the clock says at this moment."""
        return 0.0 if self.clock is None else self.clock.wall + (self.now - self.clock.at)

    def _receipt(self, recording: str, at: float, trusted: float | None) -> None:
        if trusted is None and self.clock is not None and self.clock.synced:
            trusted = self.clock.wall + (at - self.clock.at)
        self.receipted[recording] = trusted

    def _count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1
