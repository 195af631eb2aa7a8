"""The loop: take an event, step the core, carry out the effects. It decides nothing.

Everything that happens comes through one queue, audio included. A block of audio is heard first, then what was heard is
put before the core, then the block is handed back to be wiped. Audio is kept only between the core's `StartCapture` and
`StopCapture`, and only from the block after the decision on (P1).

The times of what is heard are mapped from stream positions to the monotonic clock by an anchor that follows the blocks'
arrival slowly, so that neither jitter of the arrival nor drift of the converter moves them.
"""

from __future__ import annotations

import heapq
import queue
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

import numpy as np

from handschlag import hearing
from handschlag.converter import Drift
from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.box import BoxState, step
from handschlag.core.fold import Folded
from handschlag.core.policy import Policy
from handschlag.hearing import Capture, Ear, Quality, QualityMeter
from handschlag.hearing.direction import leg_of
from handschlag.hearing.events import RATE
from handschlag.hearing.quality import clipped_runs
from handschlag.ports import (
    Audio,
    AudioBlock,
    Catalog,
    Clock,
    Closing,
    ConsentRecord,
    Ledger,
    Line,
    Opening,
    Panel,
    Registers,
    Spool,
    Uplink,
)

DRIFT_FOLLOW = 0.02
LONGEST_SILENCE_FILLED_S = 5.0


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside."""

    clock: Clock
    line: Line
    audio: Audio
    panel: Panel
    spool: Spool
    ledger: Ledger
    catalog: Catalog
    uplink: Uplink
    registers: Registers


@dataclass(slots=True)
class Counters:
    """What was counted since the start; for the status, never for a decision."""

    clips_sealed: int = 0
    clips_dropped: int = 0
    lost_frames: int = 0
    keys_far: int = 0
    keys_ignored: int = 0
    last_ended: str = ""


@dataclass(slots=True)
class _Recording:
    """What the application must keep in mind of a recording until it is closed or gone."""

    consent_key_at: float | None
    capture: Capture | None = None
    meter: QualityMeter | None = None
    quality: Quality | None = None
    drift_ppm: float | None = None
    first_at: float = 0.0
    dropped: list[tuple[int, int]] = field(default_factory=list)


class App:
    """One box: its state, its queue and its ports.

    `facts` is what the ledger remembers of former runs; `inbox` is the queue that the adapters post to.
    """

    def __init__(
        self,
        policy: Policy,
        ports: Ports,
        ear: Ear,
        *,
        boot: str,
        facts: Folded,
        inbox: queue.SimpleQueue[ev.Event | None],
        sample_rate_in: int,
        on_change: Callable[[App], None] = lambda _app: None,
    ) -> None:
        self.state = BoxState.new(policy)
        self.ports = ports
        self.ear = ear
        self.counters = Counters()
        self.levels = hearing.Levels(-100.0, -100.0)
        self._boot = boot
        self._facts = facts
        self._rate_in = sample_rate_in
        self._on_change = on_change
        self._queue = inbox
        self._timers: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._listening = False
        self._anchor: float | None = None
        self.drift = Drift()
        self._recordings: dict[str, _Recording] = {}
        self._capturing: str | None = None
        self._carry_out = self._ways()

    # --- the loop

    def post(self, event: ev.Event) -> None:
        """Put an event before the core, from any thread."""
        self._queue.put(event)

    def start(self) -> None:
        """Recover what a former run left, then take the outside in."""
        ports = self.ports
        now = ports.clock.mono()
        seed = secrets.token_bytes(16)
        facts = self._facts
        staff = tuple(facts.staff.values())
        self.handle(ev.Booted(now, self._boot, seed, facts.private, frozenset(facts.doubted), staff))
        for recording, row in ports.catalog.rows().items():
            attempts, reason = row.get("attempts", 0), row.get("reason", "")
            self.handle(ev.RowFound(now, recording, str(row.get("state", "")), int(attempts or 0), str(reason or "")))
        ports.spool.find(self.post)
        ports.audio.want(blocks=self._listening)
        for port in (ports.panel, ports.uplink, ports.registers, ports.audio, ports.line):
            port.start(self.post)

    def stop(self) -> None:
        """Ask `run` to return, from any thread."""
        self._queue.put(None)

    def run(self) -> None:
        """Handle events until `stop`."""
        while True:
            self.fire_timers()
            try:
                event = self._queue.get(timeout=self._wait_s())
            except queue.Empty:
                continue
            if event is None:
                return
            self.handle(event)

    def pump(self) -> None:
        """Handle everything that is due now, and return: for worlds that own the loop."""
        while True:
            self.fire_timers()
            try:
                event = self._queue.get_nowait()
            except queue.Empty:
                return
            if event is not None:
                self.handle(event)

    def close(self) -> None:
        """Leave: keep what was confirmed (the next start closes it), let go of the rest."""
        ports = self.ports
        self._forget()
        for close in (ports.line.close, ports.audio.close, ports.panel.close, ports.uplink.close):
            close()
        for close in (ports.spool.close, ports.ledger.close, ports.catalog.close, ports.registers.close):
            close()

    def fire_timers(self) -> None:
        """Post the deadlines that have come."""
        now = self.ports.clock.mono()
        while self._heap and self._heap[0][0] <= now:
            at, tag = heapq.heappop(self._heap)
            if self._timers.get(tag) == at:
                del self._timers[tag]
                self.handle(ev.Woke(max(at, now), tag))

    def _wait_s(self) -> float | None:
        while self._heap and self._timers.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self.ports.clock.wait_s(self._heap[0][0]) if self._heap else None

    def handle(self, event: ev.Event) -> None:
        """Hear a block, or step the core."""
        if isinstance(event, AudioBlock):
            try:
                self._hear(event)
            finally:
                self.ports.audio.done(event)
        else:
            self._step(event)
        self._on_change(self)

    def _step(self, event: ev.Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            self._carry_out[type(effect)](effect, event.at)

    # --- hearing

    def _hear(self, block: AudioBlock) -> None:
        self.counters.lost_frames += block.lost
        if not self._listening:
            return
        if block.lost:
            self.drift.restart()
            self._fill_gap(block.lost)
        self._watch_input(block.frames)
        heard = self.ear.feed(block.frames, block.played)
        self._follow(block.at, heard.position + len(heard.legs))
        self.levels = heard.levels
        self._keep(heard)
        for event in heard.events:
            self._mask(event)
            self._measure(event)
            told = self._told(event, block.at)
            if told is not None:
                self._step(told)
        self._cut(heard.undecided_since)

    def _fill_gap(self, lost: int) -> None:
        """The stream's positions go on over what the device lost; what is kept says so."""
        lost = min(lost, int(LONGEST_SILENCE_FILLED_S * self._rate_in))
        before = self.ear.position
        for event in self.ear.feed(np.zeros((lost, self.ear.channels), np.float32)).events:
            self._measure(event)
        if (capture := self._running()) is not None:
            capture.gap(self.ear.position - before)

    def _follow(self, at: float, position: int) -> None:
        anchor = at - position / RATE
        self.drift.add(position / RATE, at)
        if self._anchor is None:
            self._anchor = anchor
        else:
            self._anchor += DRIFT_FOLLOW * (anchor - self._anchor)

    def _time_of(self, position: int) -> float:
        return (self._anchor or 0.0) + position / RATE

    def _told(self, event: hearing.Event, at: float) -> ev.Event | None:
        match event:
            case hearing.KeyHeard():
                if event.final:
                    far = event.leg is hearing.Leg.FAR
                    self.counters.keys_far += far
                    self.counters.keys_ignored += not far
                return ev.KeyHeard(
                    at,
                    event.key,
                    ev.Leg(event.leg.value),
                    self._time_of(event.start),
                    (event.end - event.start) / RATE,
                    event.level_dbm0,
                    event.twist_db,
                    event.cos,
                    event.final,
                )
            case hearing.ToneHeard():
                return ev.ToneHeard(at, event.name, ev.Leg(leg_of(event.cos).value), event.cycles, event.final)
            case hearing.ExchangeHeard():
                return ev.ExchangeHeard(at, ev.Leg(leg_of(event.cos).value))
            case hearing.SpeechHeard():
                leg = ev.Leg(event.leg.value)
                return ev.SpeechEnded(at, leg) if event.final else ev.SpeechBegan(at, leg)
            case hearing.CallerIdHeard():
                return ev.CallerIdHeard(at, event.number, event.name, event.time, event.type, event.absence)
            case _:
                assert_never(event)

    # --- keeping

    def _running(self) -> Capture | None:
        return self._recordings[self._capturing].capture if self._capturing is not None else None

    def _running_meter(self) -> QualityMeter | None:
        return self._recordings[self._capturing].meter if self._capturing is not None else None

    def _keep(self, heard: hearing.Heard) -> None:
        if (capture := self._running()) is not None:
            capture.feed(heard.legs, heard.position)

    def _mask(self, event: hearing.Event) -> None:
        """Every key is silenced on both legs, but the one that gave consent, which began before capture did."""
        if self._capturing is None or not isinstance(event, hearing.KeyHeard):
            return
        recording = self._recordings[self._capturing]
        consent_key_at = recording.consent_key_at
        is_consent_key = consent_key_at is not None and self._time_of(event.start) <= consent_key_at
        if recording.capture is None:
            return
        if is_consent_key:
            recording.capture.spare_key(event.end)
            return
        recording.capture.mask_key(event.start, event.end)

    def _measure(self, event: hearing.Event) -> None:
        """Tell the quality's meter who speaks."""
        if isinstance(event, hearing.SpeechHeard) and (meter := self._running_meter()) is not None:
            meter.hear(event)

    def _watch_input(self, frames: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        if (meter := self._running_meter()) is not None:
            meter.clip_input(clipped_runs(frames))

    def _cut(self, undecided_since: int | None) -> None:
        capture = self._running()
        if capture is not None and self._capturing is not None:
            self._seal(self._capturing, capture.ready(undecided_since))

    def _seal(self, recording: str, clips: list[hearing.Clip]) -> None:
        for clip in clips:
            kept = self.ports.spool.add_clip(recording, clip.index, clip.first_sample, clip.samples)
            if kept:
                self._weigh(self._recordings[recording], clip)
            clip.samples.fill(0)
            self.counters.clips_sealed += kept
            self.counters.clips_dropped += not kept
            if not kept:
                self._recordings[recording].dropped.append((clip.first_sample, len(clip.samples)))

    @staticmethod
    def _weigh(recording: _Recording, clip: hearing.Clip) -> None:
        """Measure the quality of what is kept, as it is kept."""
        if recording.meter is None or recording.capture is None:
            return
        for start, end in recording.capture.masked:
            if end > clip.first_sample:
                recording.meter.mask(start, end)
        recording.meter.feed(clip.samples, clip.first_sample)

    def _start_capture(self, effect: do.StartCapture) -> None:
        recording = self._recordings[effect.recording]
        recording.capture = Capture(self.ear.position, self.ear.leg_count)
        recording.meter = QualityMeter(
            self.ear.leg_count, self.ear.position, self.ear.speaking, separated=self.ear.separated
        )
        recording.first_at = self._time_of(self.ear.position)
        self._capturing = effect.recording

    def _stop_capture(self, effect: do.StopCapture) -> None:
        capture = self._running()
        if capture is None or self._capturing != effect.recording:
            return
        undecided = self.ear.undecided_since
        self._seal(effect.recording, capture.finish(undecided))
        capture.wipe()
        recording = self._recordings[effect.recording]
        recording.drift_ppm = self.drift.ppm
        if recording.meter is not None:
            recording.quality, recording.meter = recording.meter.finish(capture.position), None
        self._capturing = None

    def _forget(self) -> None:
        self.ear.forget()
        self._anchor = None
        self.drift.restart()
        self.levels = hearing.Levels(-100.0, -100.0)

    # --- effects

    def _ways(self) -> Mapping[type[do.Effect], Callable[[Any, float], None]]:
        """How each effect is carried out; the float is the time of the event that it follows from."""
        ports = self.ports
        return {
            do.WakeAt: lambda e, _: self._set_timer(e),
            do.Ping: lambda _e, _: ports.line.ping(),
            do.SetPath: lambda e, _: ports.line.path(bypass=e.bypass),
            do.ConnectPlay: lambda e, _: ports.line.connect_play(on=e.on, ms=e.ms),
            do.Play: lambda e, _: ports.audio.play(e.sound),
            do.StopPlay: lambda _e, _: ports.audio.stop_play(),
            do.MatchNumber: lambda e, _: ports.registers.match(e.number, e.ticket),
            do.Listen: lambda e, _: self._listen(e),
            do.ReadGauges: lambda _e, at: self._read_gauges(at),
            do.Lamps: lambda e, _: ports.panel.show(e.rec, e.status),
            do.Record: lambda e, _: ports.ledger.append(e.kind, e.fields, e.ticket),
            do.OpenRecording: lambda e, at: ports.spool.open(self._opening(e, at)),
            do.WriteKeys: lambda e, _: ports.spool.write_keys(e.recording),
            do.StartCapture: lambda e, _: self._start_capture(e),
            do.StopCapture: lambda e, _: self._stop_capture(e),
            do.CloseRecording: lambda e, at: ports.spool.close_recording(self._closing(e, at)),
            do.DestroyRecording: lambda e, _: self._destroy(e),
            do.SignRevoke: lambda e, _: ports.spool.sign_revoke(e.recording, e.reason, ledger_seq=e.ledger_seq),
            do.RemoveGone: lambda e, _: ports.spool.remove_gone(e.recording),
            do.FinishInterrupted: lambda e, _: self._finish_interrupted(e),
            do.SetAside: lambda e, _: ports.spool.set_aside(e.recording, e.why),
            do.ListFiles: lambda e, _: ports.spool.list_files(e.recording),
            do.Send: lambda e, _: ports.uplink.send(e.recording, e.name),
            do.SendLedger: lambda e, _: ports.uplink.send_ledger(e.first, e.last),
            do.KeepReceipt: lambda e, _: ports.spool.keep_receipt(e.recording, e.receipt),
            do.DropRevoke: lambda e, _: ports.spool.drop_revoke(e.recording),
            do.SaveRow: lambda e, _: ports.catalog.save(
                e.recording, {"state": e.state, "attempts": e.attempts, "reason": e.reason}
            ),
            do.DropRow: lambda e, _: ports.catalog.drop(e.recording),
        }

    def _listen(self, effect: do.Listen) -> None:
        self._listening = effect.on
        self.ports.audio.want(blocks=effect.on)
        self._forget()

    def _destroy(self, effect: do.DestroyRecording) -> None:
        gone = self._recordings.pop(effect.recording, None)
        if gone is not None and gone.meter is not None:
            gone.meter.wipe()
        self.ports.spool.destroy(effect.recording)

    def _finish_interrupted(self, effect: do.FinishInterrupted) -> None:
        seq, line_hash = self.ports.ledger.durable()
        self.ports.spool.finish_interrupted(effect.recording, ledger_seq=seq, ledger_hash=line_hash)

    def _set_timer(self, effect: do.WakeAt) -> None:
        if effect.at is None:
            self._timers.pop(effect.tag, None)
        else:
            self._timers[effect.tag] = effect.at
            heapq.heappush(self._heap, (effect.at, effect.tag))

    def _read_gauges(self, at: float) -> None:
        wall, synced = self.ports.clock.wall()
        self.post(ev.ClockTold(at, wall, synced, self.ports.clock.utc_offset_s()))
        self.ports.registers.look()
        try:
            self.post(ev.SpaceTold(at, self.ports.spool.free_bytes()))
        except OSError as error:
            self.post(ev.DiskFailed(at, f"space: {error.strerror}"))

    # --- what is written down

    def _iso(self, at: float) -> tuple[str, str]:
        """A monotonic time as wall time, and how far that is trusted."""
        wall, synced = self.ports.clock.wall()
        wall -= self.ports.clock.mono() - at
        text = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return text, "synced" if synced else "unsynced"

    def _opening(self, effect: do.OpenRecording, at: float) -> Opening:
        opened_at, clock = self._iso(at)
        evidence = effect.evidence
        self._recordings[effect.recording] = _Recording(evidence.at if evidence.way == "key" else None)
        return Opening(
            recording=effect.recording,
            boot=effect.boot,
            seizure=effect.seizure,
            opened_at=opened_at,
            clock=clock,
            sample_rate=RATE,
            channels=self.ear.leg_count,
            personal={
                "direction": effect.direction,
                "numbers": _numbers(effect),
                "evidence": self._evidence(evidence),
            },
        )

    def _evidence(self, evidence: do.Evidence) -> Mapping[str, Any]:
        text = {
            "way": evidence.way,
            "at": self._iso(evidence.at)[0],
            "text_version": evidence.text_version,
            "text_hash": evidence.text_hash,
        }
        if evidence.way == "oral":
            confirmed_at = None if evidence.confirmed_at is None else self._iso(evidence.confirmed_at)[0]
            return {**text, "confirmed_at": confirmed_at}
        return {
            **text,
            "leg": evidence.leg,
            "held_ms": round(evidence.held_s * 1000),
            "level_dbm0": round(evidence.level_dbm0, 1),
            "twist_db": round(evidence.twist_db, 1),
            "cos_phi": round(evidence.cos_phi, 3),
        }

    def _closing(self, effect: do.CloseRecording, at: float) -> Closing:
        closed_at, clock = self._iso(at)
        kept = self._recordings.pop(effect.recording, _Recording(None))
        capture = kept.capture
        gaps = sorted([*(capture.gaps if capture else ()), *kept.dropped])
        masked = capture.masked if capture else []
        evidence = effect.evidence
        seq, line_hash = self.ports.ledger.durable()
        return Closing(
            recording=effect.recording,
            ended=effect.ended,
            closed_at=closed_at,
            clock=clock,
            consent=ConsentRecord(
                way=evidence.way,
                at=self._iso(evidence.at)[0],
                text_version=evidence.text_version,
                text_hash=evidence.text_hash,
                mark_s=None if evidence.mark_at is None else round(evidence.at - evidence.mark_at, 3),
                leg=evidence.leg,
                ledger_seq=evidence.ledger_seq,
            ),
            ledger_seq=seq,
            ledger_hash=line_hash,
            gaps=tuple(gaps),
            personal={
                "evidence": self._evidence(evidence),
                "waiting": [
                    {"at_s": round(each.heard_at - kept.first_at, 2), **_said_of(each)} for each in effect.waiting
                ],
                "marks_s": [round(mark - kept.first_at, 2) for mark in effect.marks],
                "masked": [[start, end] for start, end in masked],
                "legs": "separated" if self.ear.separated else "mix",
                **({} if kept.drift_ppm is None else {"converter_ppm": round(kept.drift_ppm, 1)}),
                **(kept.quality.details() if kept.quality is not None else {}),
            },
        )


def _numbers(opened: do.OpenRecording) -> dict[str, Any]:
    """Who was called, or who is calling, as far as that is known."""
    numbers: dict[str, Any] = {} if opened.caller is None else {"caller": _said_of(opened.caller)}
    return numbers | ({"dialled": opened.dialled} if opened.dialled else {})


def _said_of(caller: do.Caller) -> dict[str, str]:
    """What the exchange said of a caller, empty fields left out."""
    said = {
        "number": caller.number,
        "name": caller.name,
        "time": caller.time,
        "type": caller.type,
        "absence": caller.absence,
    }
    return {name: value for name, value in said.items() if value}
