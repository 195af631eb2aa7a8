"""The loop: take an event, step the core, carry out the effects. It decides nothing.

Everything that happens comes through one queue, audio included. A block of audio is heard first, then what was heard is
put before the core, then the block is handed back to be wiped. Audio is kept only between the core's `StartCapture` and
`StopCapture`, and only from the block after the decision on (P1).

What is kept and cut stands in `recorder`, what is written down of it in `details`, what the core is told of what was
heard in `heard`, and the stream's time in `converter`.
"""

from __future__ import annotations

import heapq
import queue
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handschlag import hearing
from handschlag.converter import Drift, StreamTime
from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.box import BoxState, step
from handschlag.core.fold import Folded
from handschlag.core.policy import Policy
from handschlag.details import closing, opening, wall_of
from handschlag.heard import core_event
from handschlag.hearing import Ear
from handschlag.hearing.events import RATE
from handschlag.ports import (
    Audio,
    AudioBlock,
    Catalog,
    Clock,
    Ledger,
    Line,
    Owner,
    Panel,
    Registers,
    Spool,
    Uplink,
)
from handschlag.recorder import Recorder

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
    owner: Owner


@dataclass(slots=True)
class Counters:
    """What was counted since the start; for the status, never for a decision."""

    lost_frames: int = 0
    keys_far: int = 0
    keys_ignored: int = 0

    def count(self, event: hearing.Event) -> None:
        """Count a key that was released."""
        if isinstance(event, hearing.KeyHeard) and event.final:
            far = event.leg is hearing.Leg.FAR
            self.keys_far += far
            self.keys_ignored += not far


class App:
    """One box: its state, its queue and its ports.

    `facts` is what the ledger remembers of former runs; `inbox` is the queue that the adapters post to. `on_heard` is
    told of every block that was heard, with its time and what was noticed in it, in this thread and after the core.
    `report` gives the status that a reply can carry, `set_log_level` sets what is logged ("": as at the start).
    When `run` has returned, `restarts` says whether the box is to be started again.
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
        report: Callable[[App], Mapping[str, Any]] = lambda _app: {},
        set_log_level: Callable[[str], None] = lambda _level: None,
        on_heard: Callable[[float, Sequence[ev.Event]], None] = lambda _at, _events: None,
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
        self._report = report
        self._set_log_level = set_log_level
        self.restarts = False
        self._on_heard = on_heard
        self._queue = inbox
        self._timers: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._listening = False
        self._time = StreamTime()
        self.drift = Drift()
        self.recorder = Recorder(ear, ports.spool)
        self._wall = wall_of(ports.clock)
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
        self.handle(
            ev.Booted(
                now,
                self._boot,
                seed,
                facts.private,
                frozenset(facts.doubted),
                staff,
                owner=facts.owner,
                epoch=facts.epoch,
                ledger_doubt=facts.ledger_doubt,
                doubted_now=ports.ledger.doubt,
                archive=facts.archive,
                operator=facts.operator,
            )
        )
        for recording, row in ports.catalog.rows().items():
            attempts, reason = row.get("attempts", 0), row.get("reason", "")
            self.handle(ev.RowFound(now, recording, str(row.get("state", "")), int(attempts or 0), str(reason or "")))
        ports.spool.find(self.post)
        ports.audio.want(blocks=self._listening)
        for port in (ports.panel, ports.uplink, ports.registers, ports.owner, ports.audio, ports.line):
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
        for close in (
            ports.spool.close,
            ports.ledger.close,
            ports.catalog.close,
            ports.registers.close,
            ports.owner.close,
        ):
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
        """Hear a block, or step the core; deadlines come before a block, so that a box that hung keeps nothing more."""
        if isinstance(event, AudioBlock):
            try:
                self.fire_timers()
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
            self._fill_gap(block.lost, block.at)
        self.recorder.input(block.frames)
        heard = self.ear.feed(block.frames, block.played)
        self._follow(block.at, heard.position + len(heard.legs))
        self.levels = heard.levels
        self.recorder.heard(heard)
        self._tell(heard.events, block.at)
        self.recorder.cut(heard.undecided_since)

    def _fill_gap(self, lost: int, at: float) -> None:
        """The stream's positions go on over what the device lost, as silence; what is kept says that it is none.

        What ends in this silence (a key, a stretch of speech, a tone) ends for the core and for the masks as well: the
        ear tells no end twice, and what is never told would be held or spoken for ever.
        """
        self.drift.restart()
        filled = min(lost, int(LONGEST_SILENCE_FILLED_S * self._rate_in))
        before = self.ear.position
        heard = self.ear.feed(np.zeros((filled, self.ear.channels), np.float32))
        self.recorder.lost(self.ear.position - before)
        self._tell(heard.events, at)
        self._step(ev.AudioLost(at))
        if filled < lost:
            self._time.restart()

    def _follow(self, at: float, position: int) -> None:
        self.drift.add(position / RATE, at)
        self._time.add(position / RATE, at)

    def _time_of(self, position: int) -> float:
        return self._time.of(position / RATE)

    def _tell(self, events: Sequence[hearing.Event], at: float) -> None:
        told = [core_event(event, at, self._time_of) for event in events]
        for event, means in zip(events, told, strict=True):
            self.recorder.noticed(event, self._time_of(event.start))
            self.counters.count(event)
            self._step(means)
        self._on_heard(at, told)

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
            do.CheckLedger: lambda e, _: ports.ledger.check(e.seq, e.hash, e.who),
            do.Reply: lambda e, _: self._reply(e),
            do.SetLogLevel: lambda e, _: self._set_log_level(e.level),
            do.Restart: lambda _e, _: self._restart(),
            do.OpenRecording: self._open,
            do.WriteKeys: lambda e, _: ports.spool.write_keys(e.recording),
            do.StartCapture: lambda e, _: self.recorder.start(e.recording, self._time_of(self.ear.position)),
            do.StopCapture: lambda e, _: self.recorder.stop(e.recording, self.drift.ppm),
            do.CloseRecording: self._close,
            do.DestroyRecording: lambda e, _: self._destroy(e),
            do.SignRevoke: lambda e, _: ports.spool.sign_revoke(e.recording, e.reason, ledger_seq=e.ledger_seq),
            do.RemoveGone: lambda e, _: ports.spool.remove_gone(e.recording),
            do.FinishInterrupted: lambda e, _: self._finish_interrupted(e),
            do.SetAside: lambda e, _: ports.spool.set_aside(e.recording, e.why),
            do.ListFiles: lambda e, _: ports.spool.list_files(e.recording),
            do.Send: lambda e, _: ports.uplink.send(e.recording, e.name, e.rank),
            do.SendLedger: lambda e, _: ports.uplink.send_ledger(e.first, e.last),
            do.KeepReceipt: lambda e, _: ports.spool.keep_receipt(e.recording, e.receipt, e.epoch),
            do.DropRevoke: lambda e, _: ports.spool.drop_revoke(e.recording),
            do.SaveRow: lambda e, _: ports.catalog.save(
                e.recording, {"state": e.state, "attempts": e.attempts, "reason": e.reason}
            ),
            do.DropRow: lambda e, _: ports.catalog.drop(e.recording),
        }

    def _reply(self, effect: do.Reply) -> None:
        self.ports.uplink.reply(effect.id, effect.outcome, self._report(self) if effect.report else None)
        self.ports.owner.answered(effect.id)

    def _restart(self) -> None:
        self.restarts = True
        self.stop()

    def _listen(self, effect: do.Listen) -> None:
        self._listening = effect.on
        self.ports.audio.want(blocks=effect.on)
        self._forget()

    def _forget(self) -> None:
        self.ear.forget()
        self._time.restart()
        self.drift.restart()
        self.levels = hearing.Levels(-100.0, -100.0)

    def _open(self, effect: do.OpenRecording, at: float) -> None:
        evidence = effect.evidence
        self.recorder.open(effect.recording, evidence.at if evidence.way == "key" else None)
        self.ports.spool.open(opening(effect, at, self._wall, legs=self.ear.leg_count))

    def _close(self, effect: do.CloseRecording, at: float) -> None:
        kept = self.recorder.close(effect.recording)
        ledger = self.ports.ledger.durable()
        self.ports.spool.close_recording(
            closing(effect, at, self._wall, kept, ledger=ledger, separated=self.ear.separated)
        )

    def _destroy(self, effect: do.DestroyRecording) -> None:
        self.recorder.destroy(effect.recording)
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
        self.ports.ledger.try_again()
        self.ports.spool.try_again()
        self.ports.owner.look()
        try:
            self.post(ev.SpaceTold(at, self.ports.spool.free_bytes()))
        except OSError as error:
            self.post(ev.DiskFailed(at, f"space: {error.strerror}"))
