"""A world around the pure core: it answers every effect as honest adapters would, in order of time, without a clock.

`World` owns the time. A test acts (`lift`, `press`, `key`, `speak`, ...), lets time pass (`wait`) and looks at the
trace: the list of every event with the effects that it caused. Delays and failures of the adapters are attributes that
a test may change at any moment.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.box import BoxState, step
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import Policy
from handschlag.core.staff import StaffConsent
from tests.core.archive import CLOCK, Archive

SOUND_S = {
    "announcement": 12.0,
    "details": 20.0,
    "press_now": 1.5,
    "refused": 2.0,
    "withdrawn": 2.0,
    "cancelled": 2.0,
    "start": 0.4,
    "stop": 0.4,
    "denied": 0.4,
}
MARK_S = 9.0
SERIAL = "T1"

STAFF = (StaffConsent(1, "d" * 64, "1", valid_from=1.6e9),)

POLICY = Policy(
    accepted=True,
    line_users=(1,),
    proven_tap=SERIAL,
    text_version="de-1",
    text_hash="h",
    sound_s=SOUND_S,
)

E = TypeVar("E", bound=do.Effect)
V = TypeVar("V", bound=ev.Event)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: what came in, and what the core wanted done."""

    event: ev.Event
    effects: tuple[do.Effect, ...]


@dataclass(slots=True)
class Adapters:
    """How the outside behaves; delays in seconds, None: no answer at all."""

    connect_s: float | None = 0.01
    connect_ok: bool = True
    plays: bool = True
    marks: bool = True
    ledger_s: float | None = 0.005
    ledger_ok: bool = True
    disk_s: float | None = 0.005
    destroys: bool = True
    free_bytes: int = 100 * 1024**3
    synced: bool = True
    wall_offset: float = 1.7e9
    utc_offset_s: float = 0.0
    gauges_every: int = 1  # answers every so manieth question only: cheaper worlds
    tap_talks: bool = True
    keep_s: float | None = None  # for how long a manifest keeps its recording
    match_s: float | None = 0.2
    excluded: tuple[str, ...] = ()


@dataclass(slots=True)
class Line:
    """What the tap would report."""

    off_hook: bool = False
    ring: bool = False
    seizure: int = 0


@dataclass(slots=True)
class Spool:
    """What is on the disk and outlives the process; the names of a recording's files stand in `World.files`."""

    ledger: list[dict[str, do.Value]] = field(default_factory=list)
    heads: dict[str, tuple[str, int]] = field(default_factory=dict)  # of the tap: boot and seizure
    gone: dict[str, list[str]] = field(default_factory=dict)
    revokes: set[str] = field(default_factory=set)
    rows: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    receipts: dict[str, tuple[str, float]] = field(default_factory=dict)  # epoch, and the archive's time
    terms: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)  # closed at, retained until


class World:
    """A box, its adapters, and time."""

    def __init__(self, policy: Policy = POLICY, *, archive: Archive | None = None, **changes: object) -> None:
        self.policy = replace(policy, **changes)  # type: ignore[arg-type] # tests name the policy's own fields
        self.state = BoxState.new(self.policy)
        self.now = 100.0
        self.adapters = Adapters()
        self.archive = archive
        self.line = Line()
        self.trace: list[Entry] = []
        self.files: dict[str, list[str]] = {}
        self.seq = 0
        self.recording: str | None = None
        self.spool = Spool()
        self.policies: list[Policy] = []
        self._entries: dict[int, dict[str, do.Value]] = {}
        self._heap: list[tuple[float, int, ev.Event | str]] = []
        self._order = itertools.count()
        self._timers: dict[str, float] = {}
        self._playing: set[int] = set()
        self._clips = 0
        self._gauges = 0

    def settle(self, policy: Policy) -> None:
        """The settings in force from the next start on."""
        self.policy = policy
        self.state = BoxState.new(policy)

    # --- time

    def post(self, event: ev.Event) -> None:
        """Let an event come at its own time."""
        heapq.heappush(self._heap, (event.at, next(self._order), event))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            at, order, item = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            if isinstance(item, str):
                self._due(at, order, item)
            else:
                self.feed(item)
        self.now = until

    def rest(self, seconds: float) -> None:
        """Let a long time pass on an idle line, without the heartbeats of every second: only delivery is at work."""
        beats = ("second", "tap", "line")
        self._heap = [item for item in self._heap if item[2] not in beats]
        heapq.heapify(self._heap)
        self.wait(seconds)
        for tag in beats[:2]:
            self._timers[tag] = self.now
            self._alarm(self.now, tag)
        call = self.state.call  # the box was not hung meanwhile, its seconds were left out
        deadlines = {**call.deadlines, "second": self.now}
        self.state = replace(self.state, call=replace(call, deadlines=deadlines))
        self.wait(1.1)

    def _due(self, at: float, order: int, tag: str) -> None:
        if tag == "tap":
            self._tap_reports()
        elif tag == "clip":
            self._clip()
        elif self._timers.get(tag) == at:
            del self._timers[tag]
            self.feed(ev.Woke(self.now, tag))
        self._playing.discard(order)

    def feed(self, event: ev.Event) -> tuple[do.Effect, ...]:
        """Step the core with an event right now, and answer its effects."""
        if type(event) is ev.EntryDurable and event.ticket in self._entries:
            self.spool.ledger.append(self._entries.pop(event.ticket))
        elif type(event) is ev.Booted:
            self.policies.append(self.policy)
        self.state, effects = step(self.state, event)
        self.trace.append(Entry(event, effects))
        for effect in effects:
            self._answer(effect)
        return effects

    def _later(self, delay: float | None, *events: ev.Event) -> None:
        for event in events if delay is not None else ():
            self.post(replace(event, at=self.now + (delay or 0.0)))

    def _alarm(self, at: float, tag: str) -> None:
        heapq.heappush(self._heap, (at, next(self._order), tag))

    # --- the adapters' answers

    def _answer(self, effect: do.Effect) -> None:
        match effect:
            case do.WakeAt():
                self._set_timer(effect)
            case do.ReadGauges():
                self._read_gauges()
            case do.ConnectPlay(on=True):
                why = "" if self.adapters.connect_ok else "locked"
                self._later(self.adapters.connect_s, ev.PlayConnected(0, self.adapters.connect_ok, why))
            case do.Play():
                self._play(effect.sound)
            case do.StopPlay():
                self._silence()
            case do.Record():
                self._record(effect)
            case do.MatchNumber(number, ticket):
                self._later(self.adapters.match_s, ev.NumberMatched(0, ticket, number in self.adapters.excluded))
            case do.Send() | do.SendLedger() if self.archive is not None:
                for event in self.archive.take(effect, self.now, self.files):
                    self.post(event)
            case _:
                self._answer_recording(effect)

    def _read_gauges(self) -> None:
        self._gauges += 1
        if self._gauges % self.adapters.gauges_every == 0 or self._gauges == 1:
            a = self.adapters
            self.post(ev.ClockTold(self.now, a.wall_offset + self.now, a.synced, a.utc_offset_s))
            self.post(ev.SpaceTold(self.now, a.free_bytes))

    def _answer_recording(self, effect: do.Effect) -> None:
        match effect:
            case do.OpenRecording(recording):
                self.spool.heads[recording] = (effect.boot, effect.seizure)
                self._write(recording, "head.json", "details.0")
            case do.WriteKeys(recording):
                self._write(recording, "keys.json")
            case do.StartCapture(recording):
                self.recording = recording
                self._clips = 0
                self._alarm(self.now + 2.0, "clip")
            case do.StopCapture(recording):
                self._write(recording, f"{self._clips:06}.clip")
                self.recording = None
            case do.CloseRecording(recording) | do.FinishInterrupted(recording):
                self._close(recording)
            case _:
                self._later(self.adapters.disk_s, *self._disk_says(effect))

    def _disk_says(self, effect: do.Effect) -> tuple[ev.Event, ...]:
        match effect:
            case do.DestroyRecording(recording):
                if self.adapters.destroys:
                    self.spool.gone.setdefault(recording, self.files.pop(recording, []))
                gone = ev.RecordingGone(0, recording)
                return (gone if self.adapters.destroys else ev.DiskFailed(0, "destroy", recording),)
            case do.SignRevoke(recording):
                self.spool.revokes.add(recording)
                return (ev.RevokeDurable(0, recording),)
            case do.ListFiles(recording):
                return (ev.FilesListed(0, recording, tuple(self.files.get(recording, ()))),)
            case do.KeepReceipt(recording, _, epoch):
                self.spool.receipts[recording] = epoch, CLOCK + self.now
                return (ev.ReceiptDurable(0, recording, epoch),)
            case _:
                self._tidy(effect)
        return ()

    def _tidy(self, effect: do.Effect) -> None:
        match effect:
            case do.RemoveGone(recording):
                self.spool.gone.pop(recording, None)
            case do.SetAside(recording):
                self.files.pop(recording, None)
            case do.DropRevoke(recording):
                self.spool.revokes.discard(recording)
            case do.SaveRow():
                self.spool.rows[effect.recording] = (effect.state, effect.attempts, effect.reason)
            case do.DropRow():
                self.spool.rows.pop(effect.recording, None)
            case _:
                pass

    def _write(self, recording: str, *names: str) -> None:
        for name in names:
            self.files.setdefault(recording, []).append(name)
            self._later(self.adapters.disk_s, ev.FileDurable(0, recording, name, 1000))

    def _close(self, recording: str) -> None:
        names = [n for n in self.files.get(recording, ["head.json", "details.0"]) if n != "keys.json"]
        names += ["details.1", "keys.json", "clips.0.json", "manifest.jws"]
        self.files[recording] = names
        wall = self.adapters.wall_offset + self.now if self.adapters.synced else None
        until = None if wall is None or self.adapters.keep_s is None else wall + self.adapters.keep_s
        self.spool.terms[recording] = wall, until
        closed = ev.RecordingClosed(0, recording, f"hash of {recording}", tuple(names), wall, until)
        self._later(self.adapters.disk_s, closed)

    def _clip(self) -> None:
        if self.recording is not None:
            self._write(self.recording, f"{self._clips:06}.clip")
            self._clips += 1
            self._alarm(self.now + 2.0, "clip")

    def _set_timer(self, effect: do.WakeAt) -> None:
        if effect.at is None:
            self._timers.pop(effect.tag, None)
        else:
            self._timers[effect.tag] = effect.at
            self._alarm(effect.at, effect.tag)

    def _play(self, sound: str) -> None:
        self._silence()
        if not self.adapters.plays:
            self._later(0.0, ev.PlayFailed(0, sound, "broken"))
            return
        if sound == "announcement" and self.adapters.marks:
            self._sounding(ev.MarkPassed(self.now + MARK_S))
        self._sounding(ev.Played(self.now + SOUND_S[sound], sound))

    def _sounding(self, event: ev.Event) -> None:
        order = next(self._order)
        heapq.heappush(self._heap, (event.at, order, event))
        self._playing.add(order)

    def _silence(self) -> None:
        self._heap = [item for item in self._heap if item[1] not in self._playing]
        heapq.heapify(self._heap)
        self._playing.clear()

    def _record(self, effect: do.Record) -> None:
        if not self.adapters.ledger_ok:
            self._later(0.0, ev.DiskFailed(0, "ledger: no space"))
            return
        self.seq += 1
        self._entries[effect.ticket] = {
            "seq": self.seq,
            "kind": effect.kind,
            "at": "",
            "clock": "unsynced",
            **effect.fields,
        }
        self._later(self.adapters.ledger_s, ev.EntryDurable(0, effect.ticket, self.seq, f"line {self.seq}"))

    def cut_power(self, policy: Policy | None = None, *, lucky: bool) -> None:
        """The process ends here; what was on its way to the disk arrived (`lucky`), or did not. See `restart`."""
        pending = [item[2] for item in self._heap if isinstance(item[2], ev.Event)]
        self._heap = []
        self._timers.clear()
        self._playing.clear()
        self.recording = None
        for event in pending:
            self._was_pending(event, lucky=lucky)
        self._entries.clear()
        self.seq = max((int(str(entry["seq"])) for entry in self.spool.ledger), default=0)
        self._gauges = 0
        self.settle(self.policy if policy is None else policy)

    def _was_pending(self, event: ev.Event, *, lucky: bool) -> None:
        match event:
            case ev.EntryDurable() if lucky and event.ticket in self._entries:
                self.spool.ledger.append(self._entries.pop(event.ticket))
            case ev.RecordingGone(recording=name) if not lucky and name in self.spool.gone:
                self.files[name] = self.spool.gone.pop(name)
            case ev.FileDurable(recording=name, name="keys.json") if not lucky and name in self.files:
                self.files[name].remove("keys.json")
            case ev.RecordingClosed(recording=name) if not lucky and name in self.files:
                late = {"details.1", "clips.0.json", "manifest.jws"}
                self.files[name] = [file for file in self.files[name] if file not in late]
            case _:
                pass

    # --- what the tests do

    def start(
        self,
        *,
        private: bool = False,
        audio: TapAudio = TapAudio.VI,
        serial: str = SERIAL,
        doubted: frozenset[tuple[str, str]] = frozenset(),
        excluded: tuple[str, ...] = (),
        staff: tuple[StaffConsent, ...] = STAFF,
        crew: tuple[StaffConsent, ...] | None = None,
    ) -> World:
        """Boot, tap, audio, an idle line, and two seconds."""
        self.feed(ev.Booted(self.now, "b1", b"0123456789abcdef", private, doubted, staff))
        self.adapters.excluded = excluded
        self.feed(ev.RegisterTold(self.now, staff if crew is None else crew, exclusions=len(excluded)))
        self.feed(ev.AudioCame(self.now))
        self.hello(audio=audio, serial=serial)
        self.begin_reports()
        self.wait(2.0)
        return self

    def begin_reports(self) -> None:
        """The tap reports now, and each second from now on."""
        self._alarm(self.now, "tap")

    def hello(self, boot: str = "t1", *, audio: TapAudio = TapAudio.VI, serial: str = SERIAL) -> None:
        """The tap introduces itself."""
        self.feed(ev.TapHello(self.now, boot, serial, audio))

    def _tap_reports(self) -> None:
        if self.adapters.tap_talks:
            self.tell_line()
        self._alarm(self.now + 1.0, "tap")

    def tell_line(self) -> None:
        """A LINE report, as it is."""
        self.feed(ev.LineTold(self.now, self.line.off_hook, self.line.ring, self.line.seizure))

    def ring(self, *, on: bool = True) -> None:
        """Ring voltage on or off."""
        self.line.ring = on
        self.tell_line()

    def lift(self) -> None:
        """The handset goes up: a new seizure."""
        self.line = Line(off_hook=True, seizure=self.line.seizure + 1)
        self.tell_line()

    def incoming(self) -> None:
        """A ring, and the call is taken."""
        self.ring()
        self.wait(1.0)
        self.ring(on=False)
        self.wait(1.0)
        self.lift()
        self.wait(2.0)

    def hang_up(self) -> None:
        """The handset goes down."""
        self.line.off_hook = False
        self.tell_line()

    def edge(self, *, down: bool) -> None:
        """A raw edge of the button."""
        self.feed(ev.ButtonMoved(self.now, down))

    def press(self, held_s: float = 0.2) -> None:
        """Press and release the button, then wait until it is debounced."""
        self.edge(down=True)
        self.wait(held_s)
        self.edge(down=False)
        self.wait(0.03)

    def key(self, key: str, leg: Leg = Leg.FAR, held_s: float = 0.15, *, start: float | None = None) -> None:
        """A key, told as hearing tells it: at 60 ms, at 100 ms, and at its release."""
        begin = self.now if start is None else start
        for reached in (0.06, 0.1):
            if reached <= held_s:
                self.wait(max(0.0, begin + reached - self.now))
                self._key_event(key, leg, begin, reached, final=False)
        self.wait(max(0.0, begin + held_s - self.now))
        self._key_event(key, leg, begin, held_s, final=True)

    def _key_event(self, key: str, leg: Leg, start: float, held_s: float, *, final: bool) -> None:
        cos_phi = {Leg.FAR: 0.9, Leg.NEAR: -0.9, Leg.UNCERTAIN: 0.0}[leg]
        self.feed(ev.KeyHeard(self.now, key, leg, start, held_s, -12.0, 1.0, cos_phi, final))

    def dial(self, digits: str) -> None:
        """Keys of the own telephone."""
        for digit in digits:
            self.key(digit, Leg.NEAR, 0.1)
            self.wait(0.1)

    def speak(self, leg: Leg, seconds: float = 1.0) -> None:
        """Somebody says something."""
        self.feed(ev.SpeechBegan(self.now, leg))
        self.wait(seconds)
        self.feed(ev.SpeechEnded(self.now, leg))
        self.wait(0.2)

    def tone(self, name: str, cycles: int = 1, leg: Leg = Leg.FAR, *, final: bool = False) -> None:
        """A network tone."""
        self.feed(ev.ToneHeard(self.now, name, leg, cycles, final))

    def exchange(self, leg: Leg = Leg.FAR) -> None:
        """A clear dial tone, and whose it seems to be."""
        self.feed(ev.ExchangeHeard(self.now, leg))

    def calm_down(self) -> None:
        """Every adapter is honest again, the handset is down, the button free, and some time passes."""
        honest = Adapters()
        for name in ("connect_ok", "plays", "marks", "ledger_s", "ledger_ok", "disk_s", "destroys", "tap_talks"):
            setattr(self.adapters, name, getattr(honest, name))
        self.edge(down=False)
        self.line.ring = False
        self.hang_up()
        self.wait(8.0)

    # --- ready-made ways

    def ask(self) -> None:
        """The button, in an open call: the announcement begins."""
        self.press()
        self.wait(0.05)

    def ask_to_window(self) -> None:
        """The announcement is over, the window is open."""
        self.ask()
        self.wait(SOUND_S["announcement"] + 0.1)

    def record_by_key(self) -> str:
        """A call in which key 1 was pressed in the window; gives the recording."""
        if not self.line.off_hook:
            self.lift()
            self.wait(2.0)
        self.ask_to_window()
        self.key("1")
        self.wait(1.5)
        assert self.recording is not None
        return self.recording

    def begin_oral(self) -> str:
        """A call in which the button attested a spoken yes; gives the pending recording."""
        if not self.line.off_hook:
            self.lift()
            self.wait(2.0)
        self.press()
        self.wait(1.5)
        assert self.recording is not None
        return self.recording

    def record_by_word(self) -> str:
        """An oral yes, repeated and confirmed; gives the recording."""
        recording = self.begin_oral()
        self.repeat_question()
        self.press()
        self.wait(1.5)
        return recording

    def repeat_question(self) -> None:
        """Near asks, far answers, more than 4 s after the start tone."""
        self.speak(Leg.NEAR, 2.5)
        self.speak(Leg.FAR, 1.5)
        self.wait(0.5)

    # --- what the tests look at

    def capturing(self) -> bool:
        """Whether frames are being kept right now."""
        return self.recording is not None

    def did(self, kind: type[E]) -> list[E]:
        """Every effect of a type so far."""
        return [effect for entry in self.trace for effect in entry.effects if isinstance(effect, kind)]

    def sounds(self) -> list[str]:
        """What was played, in order."""
        return [play.sound for play in self.did(do.Play)]

    def kinds(self) -> list[str]:
        """The ledger's kinds, in order."""
        return [record.kind for record in self.did(do.Record)]

    def records(self, kind: str) -> list[do.Record]:
        """The ledger's entries of a kind."""
        return [record for record in self.did(do.Record) if record.kind == kind]

    def sent(self, recording: str) -> list[str]:
        """The names of a recording's files that were sent, in order."""
        return [send.name for send in self.did(do.Send) if send.recording == recording]

    def step_of(self, kind: type[do.Effect]) -> Entry:
        """The last step that wanted an effect of a type."""
        return next(entry for entry in reversed(self.trace) if any(isinstance(x, kind) for x in entry.effects))

    def lamps(self) -> do.Lamps:
        """What the lamps show."""
        return self.state.lamps

    def flat(self) -> list[object]:
        """Events and effects in one line, each event before its effects."""
        return [item for entry in self.trace for item in (entry.event, *entry.effects)]


def order_of(items: Iterable[object], *kinds: type) -> list[type]:
    """The types among `kinds` in their order in `items`."""
    return [type(item) for item in items if isinstance(item, kinds)]
