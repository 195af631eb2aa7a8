"""What the box says about itself: a pure function of its state, without anything personal (P9).

No number, no name, no digit and no audio is in here; the levels are of the moment, for the eye.
"""

from __future__ import annotations

from dataclasses import dataclass

from handschlag.app import App
from handschlag.core.delivery import backlog
from handschlag.core.readiness import cannot, warnings
from handschlag.core.storage import hours_of_calls


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the box. Times in seconds of its monotonic clock; levels in dBm0; storage in hours of calls, too.

    `sounds`: how a line sounds that no wire knows, `off-hook` or `on-hook` probably; "" where nothing is known.
    """

    at: float
    line: str
    sounds: str
    phase: str
    stage: str
    rec: str
    status: str
    cannot: str
    warnings: tuple[str, ...]
    private: bool
    seizure: int
    outcome: str
    bar: str
    playing: str
    far_dbm0: float
    near_dbm0: float
    connected: bool
    status_refused: str
    backlog: int
    receipts: int
    revokes: int
    stale_receipts: int
    archive_epoch: str
    quiet_hours: bool
    clips_sealed: int
    clips_dropped: int
    lost_frames: int
    drift_ppm: float | None
    keys_far: int
    keys_ignored: int
    ledger_seq: int
    ledger_acked: int
    free_bytes: int
    storage_hours: float


def status(app: App) -> Status:
    """Look at the box now."""
    drift_ppm = app.drift.ppm
    call, delivery = app.state.call, app.state.delivery
    line = call.line
    held = "unknown" if not line.known else "ringing" if line.ring else "off-hook" if line.off_hook else "on-hook"
    running = call.call or call.last_call
    return Status(
        at=round(app.ports.clock.mono(), 2),
        line=held,
        sounds={None: "", True: "off-hook", False: "on-hook"}[call.sounds_off_hook],
        phase=call.phase.value,
        stage=call.question.stage.value if call.question is not None else "",
        rec=app.state.lamps.rec.value,
        status=app.state.lamps.status.value,
        cannot=cannot(call),
        warnings=warnings(call),
        private=call.private,
        seizure=line.seizure,
        outcome=running.outcome if running is not None else "",
        bar=running.bar.value if running is not None and running.bar is not None else "",
        playing=call.voice.playing,
        far_dbm0=round(app.levels.far_dbm0, 1),
        near_dbm0=round(app.levels.near_dbm0, 1),
        connected=delivery.connected,
        status_refused=delivery.status_refused,
        backlog=backlog(delivery),
        receipts=delivery.receipts,
        revokes=len(delivery.revokes),
        stale_receipts=delivery.stale_receipts,
        archive_epoch=delivery.archive.epoch,
        quiet_hours=delivery.clock.quiet,
        clips_sealed=app.recorder.clips_sealed,
        clips_dropped=app.recorder.clips_dropped,
        lost_frames=app.counters.lost_frames,
        drift_ppm=None if drift_ppm is None else round(drift_ppm, 1),
        keys_far=app.counters.keys_far,
        keys_ignored=app.counters.keys_ignored,
        ledger_seq=delivery.ledger_durable,
        ledger_acked=delivery.ledger_acked,
        free_bytes=call.free_bytes or 0,
        storage_hours=round(hours_of_calls(call.free_bytes or 0), 1),
    )
