"""A judge who sees only the trace of events and effects, never the core's state, and holds it against call.md.

He keeps his own, deliberately plain, book of what the outside said. What he asserts is named by the rule that would be
broken. He shares no code with the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import AskWhen, Policy
from tests.core.judge_delivery import DeliveryJudge
from tests.core.judge_duty import Duty
from tests.core.judge_keeping import KeepingJudge
from tests.core.judge_operator import OperatorJudge
from tests.core.world import POLICY, Entry

EPS = 0.002
WINDOW_S = 8.0
QUESTION_SOUNDS = {"announcement", "details", "press_now"}
AFTER_CLOSING = ("keys.json", "manifest.jws", "details.1", "clips.")
EMERGENCY = {"110", "112", "0110", "0112"}


@dataclass
class Line:
    """What the tap said."""

    boot: str = ""
    serial: str = ""
    audio: TapAudio = TapAudio.MIX
    off_hook: bool = False
    ring: bool = False
    seizure: int = -1
    told_at: float = -1e9
    wrong_dial: set[str] = field(default_factory=set)
    bench: str = ""  # the tap that was proven
    newest: int = -1
    rang_at: float = -1e9

    def identity(self) -> tuple[str, int]:
        """What consent binds to."""
        return self.boot, self.seizure

    def proven(self) -> bool:
        """Whether a key's leg can be believed."""
        return self.audio is TapAudio.VI and self.serial == self.bench and self.serial not in self.wrong_dial

    def known(self, now: float) -> bool:
        """Whether the tap has told of the line within 3 s."""
        return now - self.told_at <= 3.0 + EPS

    def in_call(self, now: float) -> bool:
        """Whether there is a call that is listened to."""
        return self.off_hook and not self.ring and self.known(now)


@dataclass
class Button:
    """Raw edges, and a debouncing of his own."""

    raw: bool = False
    edges: list[tuple[float, bool]] = field(default_factory=lambda: [(-1e9, False)])
    pressed_in: tuple[str, int] | None = None  # the call in which the last press began

    def move(self, at: float, *, down: bool) -> None:
        """An edge that changes something."""
        if down != self.raw:
            self.raw = down
            self.edges.append((at, down))

    def short_press_ends(self, now: float) -> bool:
        """Whether the last thing that happened was a press of 25 ms to 1.5 s, released for 25 ms."""
        press = self.last_press(now)
        return press is not None and press[1] is not None and press[1] - press[0] < 1.5 + EPS

    def held_out(self, now: float) -> bool:
        """Whether a press of 2 to 10 s has been released just now, that is 25 ms ago."""
        press = self.last_press(now)
        if press is None or press[1] is None:
            return False
        return 2.0 + 0.03 <= press[1] - press[0] <= 10.0 - 0.03 and abs(now - press[1] - 0.025) < EPS

    def held_for(self, now: float) -> float:
        """How long the button has been held by now, 0.0 when it is up."""
        press = self.last_press(now)
        return now - press[0] if press is not None and press[1] is None and self.raw else 0.0

    def was_held(self, now: float) -> bool:
        """Whether it is held for 2 s, or was until less than the debounce time ago."""
        released = self.raw or now - self.edges[-1][0] > 0.025 + EPS
        down_since = self.edges[-1][0] if released else self.edges[-2][0]
        return (self.raw or not released) and now - down_since >= 2.0 - EPS

    def last_press(self, now: float) -> tuple[float, float | None] | None:
        """The last debounced press: its beginning and its end; no end while it lasts."""
        steady: list[tuple[float, bool]] = []
        for (at, down), end in zip(self.edges, [e[0] for e in self.edges[1:]] + [now], strict=True):
            if end - at >= 0.025 - EPS and (not steady or steady[-1][1] is not down):
                steady.append((at, down))
        if len(self.edges) > 16:
            del self.edges[:-12]
        if steady and steady[-1][1]:
            return steady[-1][0], None
        if len(steady) < 2:
            return None
        return steady[-2][0], steady[-1][0]


@dataclass
class Question:
    """An announcement on the air, or its window."""

    identity: tuple[str, int]
    mark_at: float | None = None
    sounding: str = ""
    closes_at: float = 1e9
    early: bool = False
    prompted: bool = False


@dataclass
class Recording:
    """What the trace said of one recording."""

    identity: tuple[str, int]
    way: str
    ticket: int
    granted: bool = False  # its entry is durable
    captured: bool = False
    tone_at: float | None = None
    started_at: float = 0.0
    near: bool = False
    far_after_near: bool = False
    confirm_ticket: int | None = None
    confirmed: bool = False
    keys: bool = False
    idle_since: bool = False
    close_asked: bool = False
    closed: bool = False
    closed_ticket: int | None = None
    closed_durable: bool = False
    destroyed: bool = False
    given_up: bool = False  # before anything was captured
    gone: bool = False
    ended_ticket: int | None = None
    ended_durable: bool = False
    lost: bool = False  # no folder was found at a start

    def forget_tickets(self) -> None:
        """The process that counted them is gone."""
        self.ticket = -1
        self.confirm_ticket = self.closed_ticket = self.ended_ticket = None
        self.lost = True


class Judge:
    """Goes through a trace once; raises AssertionError at the first step that breaks a rule.

    `policies` are the settings in force, one for each start of the box.
    """

    def __init__(self, policies: list[Policy] | None = None) -> None:
        self.policies = policies or [POLICY]
        self.policy = self.policies[0]
        self.boots = 0
        self.duty = Duty()
        self.keeping = KeepingJudge()
        self.delivery = DeliveryJudge()
        self.operator = OperatorJudge()
        self.audio = False
        self.space = False
        self.disk_failed_at = -1e9
        self.ledger_failed = False
        self.listening = False
        self.numbers: set[str] = set()
        self.seen: set[tuple[str, int]] = set()  # calls known from their beginning on, without a gap
        self.over: set[tuple[str, int]] = set()  # busy or fax: nobody to ask
        self.fax: set[tuple[str, int]] = set()
        self.incoming = False
        self.near_paused = self.near_spoke = self.rang_back = self.far_spoke = False
        self.dialled_at: float | None = None
        self.flashed = self.lost = False  # may a number be dialled in an incoming call; was some of it not heard
        self.private_tickets: dict[int, bool] = {}
        self.private_durable = False
        self.held_claims: list[str] = []
        self.line = Line()
        self.button = Button()
        self.question: Question | None = None
        self.yes: tuple[float, tuple[str, int]] | None = None
        self.recordings: dict[str, Recording] = {}
        self.capturing: str | None = None
        self.rec = RecLamp.OFF
        self.connected = False
        self.sounding = ""
        self.tails = [""]  # what was dialled since the beginning, and since each dial tone
        self.emergency: set[tuple[str, int]] = set()
        self.private = False
        self.matching: dict[int, tuple[str, int]] = {}
        self.excluded: set[tuple[str, int]] = set()
        self.barred: set[tuple[str, int]] = set()
        self.refused: set[tuple[str, int]] = set()
        self.asked: set[tuple[str, int]] = set()
        self.now = 0.0
        self.tally: dict[str, int] = {}

    def hear(self, trace: list[Entry]) -> Judge:
        """Judge a whole trace."""
        for entry in trace:
            self.now = entry.event.at
            self.keeping.event(entry.event)
            must_stop = self._event(entry.event)
            self.delivery.event(entry.event, self.policy)
            self.operator.event(entry.event)
            for effect in entry.effects:
                self._effect(effect, entry)
                self.delivery.effect(effect)
                self.operator.effect(effect, idle=self._idle(), open_recordings=self._open())
            self._after(entry, must_stop)
            self.delivery.after()
        self.tally |= self.keeping.tally | self.delivery.tally | self.operator.tally
        return self

    def _idle(self) -> bool:
        """No ring and no call, as far as the line is known."""
        return not self.line.known(self.now) or not (self.line.off_hook or self.line.ring)

    def _open(self) -> int:
        return sum(1 for r in self.recordings.values() if r.captured and not (r.close_asked or r.destroyed or r.lost))

    def count(self, what: str) -> None:
        """Note that something happened, so that a test can see that its worlds are not empty."""
        self.tally[what] = self.tally.get(what, 0) + 1

    # --- events

    def _event(self, event: ev.Event) -> str:
        """Take note; gives why capture must stop in this step, or ""."""
        match event:
            case ev.ToneHeard():
                return self._tone(event)
            case ev.ExchangeHeard():
                if self.line.in_call(event.at) and self.line.audio is TapAudio.VI and event.leg is not Leg.FAR:
                    self.line.wrong_dial.add(self.line.serial)
            case ev.KeyHeard():
                return self._key(event)
            case ev.AudioGone() | ev.SpaceTold() | ev.DiskFailed():
                self._not_heard(event)
                return self._fault(event)
            case ev.ButtonMoved():
                if event.down and not self.button.raw:
                    here = self.line.in_call(event.at)
                    self.button.pressed_in = self.line.identity() if here else None
                self.button.move(event.at, down=event.down)
            case ev.SpeechBegan() | ev.SpeechEnded():
                self._speech(event)
            case ev.PlayConnected() | ev.MarkPassed() | ev.Played() | ev.PlayFailed():
                self._sound(event)
            case _:
                self._told(event)
                self._disk(event)
                return self._tap(event)
        return ""

    def _told(self, event: ev.Event) -> None:
        match event:
            case ev.AudioCame() | ev.AudioLost():
                self._not_heard(event)
                self.audio |= isinstance(event, ev.AudioCame)
            case ev.CallerIdHeard():
                self.numbers |= {event.number} if len(event.number) > 3 else set()
            case ev.ClockTold() | ev.RegisterTold():
                self.duty.told(event)
            case _:
                pass

    def _fault(self, event: ev.AudioGone | ev.SpaceTold | ev.DiskFailed) -> str:
        match event:
            case ev.SpaceTold():
                self.space = event.free_bytes > 0
                return "" if self.space else "space"
            case ev.DiskFailed():
                if event.what.startswith("ledger"):
                    self.ledger_failed = True
                else:
                    self.disk_failed_at = event.at
                return "disk" if event.recording in {"", self.capturing} else ""
            case _:
                self.audio = False
                return "audio"

    def _not_heard(self, event: ev.Event) -> None:
        """Keys may have been pressed that nobody heard, while a number was being dialled."""
        if not isinstance(event, ev.AudioGone | ev.AudioCame | ev.AudioLost) or not self.line.in_call(event.at):
            return
        here = self.line.identity()
        settled = self.dialled_at is not None and event.at - self.dialled_at >= 2.0 - EPS
        over = [r for r in self.recordings.values() if r.identity == here and (r.keys or r.way == "key")]
        if (self.flashed or not self.incoming) and not settled and not self.rang_back and not over:
            self.lost = True
            self.count("lost while dialling")

    def _may_be_emergency(self) -> bool:
        """Whether leaving keys out, or doubling them, may have made what was heard of an emergency number."""
        heard = [digit for digit, _ in groupby(self.tails[-1])]
        return self.lost and any(_within(heard, [d for d, _ in groupby(number)]) for number in EMERGENCY)

    def _new_ground(self) -> None:
        self.question = None
        self.yes = None

    def _tap(self, event: ev.Event) -> str:
        line = self.line
        match event:
            case ev.Booted():
                self._booted(event)
            case ev.TapHello():
                same = (event.boot, event.serial, event.audio) == (line.boot, line.serial, line.audio)
                line.boot, line.serial, line.audio = event.boot, event.serial, event.audio
                line.told_at = line.told_at if same else -1e9
                line.newest = line.newest if same else -1
                line.off_hook = line.off_hook if same else False
                self.seen = self.seen if same else set()
                return "" if same else self._ended("reboot")
            case ev.LineTold():
                return self._line_told(event)
            case ev.TapGone():
                line.told_at = -1e9
                self.seen.clear()
                return self._ended("tap gone")
            case ev.Flashed() if line.in_call(event.at):
                self._new_number()
                self.near_paused = self.near_spoke = self.rang_back = self.far_spoke = self.lost = False
                self.flashed = True
                self.over.discard(line.identity())
                self.asked.discard(line.identity())
                self.refused.discard(line.identity())  # somebody else may be on the line now
                return self._ended("flash")
            case ev.Pulsed() | ev.Dialled() if line.in_call(event.at):
                return self._dialled(event)
            case _:
                pass
        return ""

    def _dialled(self, event: ev.Pulsed | ev.Dialled) -> str:
        if isinstance(event, ev.Pulsed):
            return self._digit(event.digit)
        self.numbers |= {event.number} if len(event.number) > 3 else set()
        self._new_number()
        self.lost = False
        stops = [self._digit(digit) for digit in event.number]
        self.dialled_at = -1e9  # the whole number: nothing more comes
        return next((stop for stop in stops if stop), "")

    def _booted(self, event: ev.Booted) -> None:
        """The process is new; what the disk kept is told by the events that follow, everything else is forgotten."""
        self.policy = self.policies[self.boots]
        if self.boots:
            assert event.private is self.private_durable, "private mode did not survive the restart"
            self.count("restart")
            self.count("restart while capturing" if self.capturing else "restart elsewhere")
        self.boots += 1
        self._new_ground()
        self.capturing, self.rec, self.connected, self.sounding = None, RecLamp.OFF, False, ""
        self.private = self.private_durable = event.private
        self.private_tickets.clear()
        self.button = Button()
        self.matching.clear()
        self.held_claims.clear()
        self.listening = self.audio = self.space = self.ledger_failed = False
        self.disk_failed_at = -1e9
        self.seen.clear()
        self.duty.booted(event, self.policy)
        wrong = {serial for serial, bench in event.doubted if bench == self.policy.bench}
        self.line = Line(wrong_dial=wrong, bench=self.policy.proven_tap)
        for recording in self.recordings.values():
            recording.forget_tickets()

    def _new_number(self) -> None:
        self.tails = [""]
        self.dialled_at = None
        self.matching.clear()

    def _ended(self, why: str) -> str:
        self._new_ground()
        return why

    def _line_told(self, event: ev.LineTold) -> str:
        line = self.line
        if not line.boot:
            return ""  # whose word it is is not known
        before = (line.identity(), line.off_hook, line.ring)
        gap = event.at - line.told_at
        line.off_hook, line.ring, line.seizure = event.off_hook, event.ring, event.seizure
        line.told_at = event.at
        line.rang_at = event.at if event.ring else line.rang_at
        here = line.identity()
        going_on = before == (here, True, False)
        if gap > 3.0 + EPS or not going_on:
            self._call_begins(here, gap) if event.off_hook and not event.ring else self.seen.discard(here)
        if not event.off_hook:
            self._new_number()
            if not event.ring:
                for recording in self.recordings.values():
                    recording.idle_since = recording.idle_since or recording.captured
        if not going_on:
            self.tails = [""] if before[0] != here else self.tails
            return self._ended("line")
        return "" if event.off_hook and not event.ring else self._ended("hook")

    def _call_begins(self, here: tuple[str, int], gap: float) -> None:
        """A call from its beginning on: the line was known before, and its number is fresh."""
        known, fresh = gap <= 3.0 + EPS, here[1] > self.line.newest
        self.line.newest = max(self.line.newest, here[1])
        rang, self.line.rang_at = self.line.rang_at, -1e9
        if not (known and fresh):
            self.seen.discard(here)
            return
        self.seen.add(here)
        self.incoming = self.now - rang <= 8.0 + EPS
        self.near_paused = self.near_spoke = self.rang_back = self.far_spoke = self.flashed = self.lost = False
        self._new_number()

    def _digit(self, digit: str) -> str:
        self.tails = [tail + digit for tail in self.tails]
        if self.dialled_at is None or self.now - self.dialled_at < 2.0 - EPS:
            self.dialled_at = self.now  # later ones are for a menu
        if any(tail in EMERGENCY for tail in self.tails):
            self.emergency.add(self.line.identity())
            self.count("emergency")
            return self._ended("emergency")
        return ""

    def _tone(self, event: ev.ToneHeard) -> str:
        if not self.line.in_call(self.now):
            return ""
        here = self.line.identity()
        if event.name == "ringback" and not event.final:
            self.rang_back, self.far_spoke = True, False
        if event.name == "dial":
            if not event.final:
                self.tails = [*self.tails[-8:], ""]
                self.dialled_at = None
            return self._ended("dial tone")
        if event.name == "fax":
            self.fax.add(here)
        if event.name == "fax" or (event.name in {"busy", "congestion"} and event.cycles >= 4):
            self.over.add(here)
            return self._ended(event.name)
        return ""

    def _key(self, event: ev.KeyHeard) -> str:
        leg = event.leg if self.line.proven() else Leg.UNCERTAIN
        stop = ""
        if event.key == "9" and leg is not Leg.NEAR and event.held_s >= 0.1:
            stop = self._withdrawn()
            if self.line.in_call(event.at) and any(self._on_its_way(r) for r in self.recordings.values()):
                self.barred.add(self.line.identity())
                self.count("9 while granting")
        question = self.question
        if question is not None and leg is Leg.FAR and event.held_s >= 0.06:
            marked = question.mark_at is not None and event.start >= question.mark_at
            if event.key == "1" and marked and event.start <= question.closes_at:
                self.yes = (event.at, question.identity)
            elif event.key == "1" and event.start <= question.closes_at:
                question.early = True
            elif event.key not in {"1", "2"} and event.start <= question.closes_at:
                self.question = None
                self.yes = None
                self.refused.add(self.line.identity())
        if event.final and leg is not Leg.FAR and self.line.in_call(event.at):
            stop = self._digit(event.key) or stop
        return stop

    def _on_its_way(self, recording: Recording) -> bool:
        """Whether it was granted in this call, and its entry is still being written."""
        never = recording.captured or recording.given_up or recording.lost
        return recording.identity == self.line.identity() and not never

    def _withdrawn(self) -> str:
        return "withdrawn" if self._takeable() else ""

    def _takeable(self) -> list[str]:
        """What a withdrawal in this call reaches."""
        here = self.line.identity()
        if not self.line.off_hook or self.line.ring or self.now - self.line.told_at > 3.0 - EPS:
            return []  # nothing is listened to
        found = [(name, r) for name, r in self.recordings.items() if r.identity == here and not r.destroyed]
        return [name for name, recording in found if recording.captured and not recording.idle_since]

    def _speech(self, event: ev.SpeechBegan | ev.SpeechEnded) -> None:
        leg, began = event.leg, isinstance(event, ev.SpeechBegan)
        self.near_paused |= leg is Leg.NEAR and not began
        self.far_spoke |= leg is Leg.FAR and began
        if self.capturing is None or not began:
            return
        recording = self.recordings[self.capturing]
        if recording.tone_at is None:
            return
        recording.near |= leg is not Leg.FAR
        recording.far_after_near |= leg is not Leg.NEAR and recording.near

    def _sound(self, event: ev.PlayConnected | ev.MarkPassed | ev.Played | ev.PlayFailed) -> None:
        question = self.question
        if isinstance(event, ev.PlayConnected):
            self.connected = event.ok
            self.question = question if event.ok else None
            return
        if isinstance(event, ev.MarkPassed):
            if question is not None and question.sounding == "announcement" and question.mark_at is None:
                question.mark_at = event.at
            return
        if event.sound != self.sounding:
            return
        self.sounding = ""
        if isinstance(event, ev.PlayFailed):
            self.question = None
        elif question is not None and event.sound in QUESTION_SOUNDS:
            question.sounding = ""
            question.closes_at = event.at + WINDOW_S
        elif event.sound == "start" and self.capturing is not None:
            self.recordings[self.capturing].tone_at = event.at

    def _disk(self, event: ev.Event) -> None:
        match event:
            case ev.NumberMatched() if event.ticket in self.matching:
                asked_for = self.matching.pop(event.ticket)
                if event.excluded:
                    self.excluded.add(asked_for)
                    self.count("excluded")
            case ev.EntryDurable():
                self.duty.durable(event)
                self.ledger_failed = False
                self.private_durable = self.private_tickets.get(event.ticket, self.private_durable)
                for recording in self.recordings.values():
                    recording.granted |= recording.ticket == event.ticket
                    recording.confirmed |= recording.confirm_ticket == event.ticket
                    recording.closed_durable |= recording.closed_ticket == event.ticket
                    recording.ended_durable |= recording.ended_ticket == event.ticket
            case ev.RecordingClosed() if event.recording in self.recordings:
                self.recordings[event.recording].closed = True
            case ev.RecordingGone() if event.recording in self.recordings:
                self.recordings[event.recording].gone = True
            case ev.FolderFound() if event.recording in self.recordings:
                self._found(self.recordings[event.recording], event)
            case _:
                pass

    def _found(self, recording: Recording, event: ev.FolderFound) -> None:
        """What the disk kept of a recording."""
        recording.lost = False
        recording.keys = event.has_keys
        recording.closed |= event.has_manifest
        recording.close_asked = event.has_manifest
        recording.closed_durable = event.closed_in_ledger
        recording.ended_durable = bool(event.ended_by_ledger)
        recording.gone = False
        if recording.destroyed and not event.gone and not event.ended_by_ledger and event.has_keys:
            recording.destroyed = False  # the power went before the disk knew of it
            self.count("destroying cut off")

    # --- effects

    def _effect(self, effect: do.Effect, entry: Entry) -> None:
        match effect:
            case do.Record():
                self._record(effect, entry)
            case do.Lamps():
                self.rec = effect.rec
            case do.ConnectPlay(on=True) | do.Play() | do.StopPlay() | do.ConnectPlay(on=False):
                self._voice(effect)
            case do.StartCapture() | do.StopCapture() | do.OpenRecording() | do.WriteKeys():
                self._capture(effect)
            case do.CloseRecording() | do.DestroyRecording() | do.SignRevoke() | do.RemoveGone():
                self._leaving(effect)
            case do.Send():
                self._send(effect)
            case do.MatchNumber():
                self.matching = {effect.ticket: self.line.identity()}  # an older question is about no number any more
            case do.FinishInterrupted():
                self._finished(self.recordings[effect.recording])
            case do.Listen():
                self._listen(effect)
            case _:
                pass

    def _listen(self, effect: do.Listen) -> None:
        self.listening = effect.on
        assert not effect.on or self.policy.accepted, "listens although it was not accepted"
        assert not effect.on or not self.private, "listens in private mode"
        ringing = self.line.ring and self.now - self.line.told_at < 3.0 - EPS
        assert not effect.on or not ringing, "listens while ring voltage is on the line"

    def _finished(self, recording: Recording) -> None:
        assert recording.keys, "finished without keys"
        assert not recording.destroyed, "finished after its destruction"
        assert not recording.close_asked, "closed twice"
        assert not self.button.raw, "finished while the button is held"
        here = self.line.identity() == recording.identity
        assert not (here and self.line.off_hook), "finished while its call goes on"
        recording.close_asked = recording.idle_since = True
        self.count("interrupted")

    def _record(self, effect: do.Record, entry: Entry) -> None:
        name = str(effect.fields.get("recording", ""))
        here = self.line.identity()
        for value in effect.fields.values():
            assert value not in self.numbers, "a number in the ledger"
        self.keeping.record(effect, idle=self._idle())
        match effect.kind:
            case "granted":
                self._granted(effect, entry, name)
            case "asked":
                assert here not in self.asked, "one question for each seizure"
                self.asked.add(here)
                self.count("asked")
                self._may(here)
                assert self.line.proven(), "asked though no key can be believed"
                if not isinstance(entry.event, ev.Woke):
                    self._by_itself(entry.event)
            case "private":
                assert not self.line.off_hook, "private mode is for the idle line"
                assert self.button.was_held(self.now), "private mode takes 2 s"
                self.private = bool(effect.fields["on"])
                self.private_tickets[effect.ticket] = self.private
                self.count("private")
            case "staff":
                self.duty.written(effect)
            case "refused":
                uncovered = any(
                    isinstance(e, do.Record) and e.kind == "fault" for e in entry.effects
                )  # no word of a person
                self._refused(name, staff=effect.fields["why"] == "staff" and not uncovered)
            case _ if name in self.recordings:
                self._record_of(self.recordings[name], effect, entry)
            case _:
                pass

    def _refused(self, name: str, *, staff: bool) -> None:
        self._new_ground()
        if name in self.recordings:
            self.recordings[name].given_up = True
        if staff:
            self.barred.add(self.line.identity())

    def _record_of(self, recording: Recording, effect: do.Record, entry: Entry) -> None:
        match effect.kind:
            case "confirmed":
                self._confirmed(recording, effect, entry)
            case "closed":
                assert recording.closed, "`closed` is written when the manifest is durable"
                recording.closed_ticket = effect.ticket
            case "command":
                if (effect.fields["name"], effect.fields["outcome"]) == ("erase", "done"):
                    recording.ended_ticket = effect.ticket
            case "purged" | "expired":
                assert recording.closed, "led out before its manifest was durable"
                recording.ended_ticket = effect.ticket
            case "withdrawn" | "destroyed":
                late = recording.gone or isinstance(entry.event, ev.DiskFailed) or not recording.captured
                assert late, "restricting is written down afterwards"
                recording.ended_ticket = effect.ticket
                if effect.kind == "withdrawn":
                    self.barred.add(recording.identity)
            case _:
                pass

    def _may(self, here: tuple[str, int]) -> None:
        """What must be so whenever the box asks, takes a yes, or captures its first sample."""
        now = self.now
        assert not self.keeping.doubted, "the ledger is doubted"
        assert self.line.off_hook, "consent needs a call"
        assert not self.line.ring, "consent needs a call"
        assert self.line.known(now), "the line is unknown"
        assert here in self.seen, "the beginning of the call was not seen"
        assert not self.private, "private mode"
        assert here not in self.barred, "refused by staff, or withdrawn"
        assert here not in self.emergency, "an emergency call"
        assert here not in self.fax, "a fax"
        assert here not in self.over, "the conversation is over"
        assert here not in self.excluded, "a number of the do-not-record list"
        assert self.policy.accepted, "the box was not accepted"
        assert self.policy.by_wire, "nothing wired tells the hook"
        assert self.duty.covered, "the staff's written consent is not there"
        assert self.audio, "no audio"
        assert self.space, "no space"
        assert not self.ledger_failed, "a ledger that cannot be written"
        assert now - self.disk_failed_at >= 60.0 - EPS, "a disk that failed"

    def _by_itself(self, event: ev.Event) -> None:
        """The box asks by itself only at the moments that the settings or the rota name."""
        assert isinstance(event, ev.SpeechBegan | ev.SpeechEnded), "asked out of nothing"
        when = self.duty.ask
        if self.incoming:
            assert when in {AskWhen.INCOMING, AskWhen.ALWAYS}, "asked by itself"
            assert self.near_paused, "asked before the greeting"
        else:
            assert when in {AskWhen.OUTGOING, AskWhen.ALWAYS}, "asked by itself"
            assert self.rang_back, "asked without ringback"
            assert self.far_spoke, "asked before anybody spoke"
            assert self.dialled_at is not None, "asked though the number is unknown"
            assert self.now - self.dialled_at >= 2.0 - EPS, "asked while dialling"
            assert not self.lost, "asked though the number was not heard whole"
        self.count("asked by itself")

    def _granted(self, effect: do.Record, entry: Entry, name: str) -> None:
        here = self.line.identity()
        way = str(effect.fields["way"])
        self._may(here)
        assert here not in self.refused, "refused before"
        assert self.capturing is None, "one recording at a time"
        assert (effect.fields["tap_boot"], effect.fields["seizure"]) == here, "bound to this seizure"
        if way == "key":
            assert isinstance(entry.event, ev.KeyHeard), "only a key is a yes by key"
            assert self.yes == (self.now, here), "no valid key 1 in this step"
        else:
            assert isinstance(entry.event, ev.Woke), "an oral yes is a debounced press"
            assert self.button.short_press_ends(self.now), "an oral yes is a debounced short press"
        self.question = None
        self.yes = None
        self.recordings[name] = Recording(here, way, effect.ticket)
        self.count(f"granted {way}")

    def _confirmed(self, recording: Recording, effect: do.Record, entry: Entry) -> None:
        assert isinstance(entry.event, ev.Woke), "confirmed by a debounced press"
        assert self.button.short_press_ends(self.now), "confirmed by a short press"
        assert recording.tone_at is not None, "nobody heard the start tone"
        assert self.now - recording.tone_at >= 4.0 - EPS, "too early to confirm"
        assert recording.near, "near has not spoken"
        assert recording.far_after_near, "far has not answered"
        assert self.now - recording.started_at <= 30.0 + EPS, "too late to confirm"
        recording.confirm_ticket = effect.ticket
        self.count("confirmed")

    def _voice(self, effect: do.Effect) -> None:
        match effect:
            case do.StopPlay():
                self.sounding = ""
                if self.question is not None:
                    self.question.sounding = ""
            case do.ConnectPlay():
                assert not effect.on or self.line.off_hook, "a sound outside of a call"
                assert not effect.on or self.line.identity() not in self.emergency, "a sound on an emergency call"
                assert not effect.on or not self._may_be_emergency(), "a sound on what may be an emergency call"
                self.connected = False
            case do.Play():
                assert self.connected, "played without a transformer"
                assert self.line.identity() not in self.emergency, "a sound on an emergency call"
                assert not self._may_be_emergency(), "a sound on what may be an emergency call"
                assert self.line.off_hook, "a sound outside of a call"
                self.sounding = effect.sound
                if effect.sound == "announcement":
                    self.question = Question(self.line.identity(), sounding="announcement")
                elif effect.sound in QUESTION_SOUNDS and self.question is not None:
                    self.question.sounding = effect.sound
                    self.question.closes_at = 1e9
                if effect.sound == "press_now":
                    assert self.question is not None, "prompted outside of a question"
                    assert self.question.early, "prompted though no 1 came early"
                    assert not self.question.prompted, "one prompt only"
                    self.question.prompted = True
                    self.count("prompted")
            case _:
                pass

    def _capture(self, effect: do.Effect) -> None:
        match effect:
            case do.OpenRecording():
                assert self.recordings[effect.recording].granted, "opened before `granted` was durable"
            case do.StartCapture():
                recording = self.recordings[effect.recording]
                assert recording.granted, "captured before `granted` was durable"
                assert not recording.captured, "captured twice"
                assert self.capturing is None, "two captures at once"
                assert recording.identity == self.line.identity(), "captured in another call"
                self._may(recording.identity)
                assert self.rec is RecLamp.ON, "REC is on before the first sample"
                self.capturing, recording.captured, recording.started_at = effect.recording, True, self.now
                self.count("captured")
            case do.StopCapture():
                assert self.capturing == effect.recording, "stopped what was not captured"
                assert self.rec is RecLamp.ON, "REC is off only after the last sample"
                self.capturing = None
            case do.WriteKeys():
                recording = self.recordings[effect.recording]
                permitted = recording.granted if recording.way == "key" else recording.confirmed
                assert permitted, "a wrapped key before the durable yes"
                assert not recording.destroyed, "a wrapped key for a destroyed recording"
                recording.keys = True
            case _:
                pass

    def _leaving(self, effect: do.Effect) -> None:
        match effect:
            case do.CloseRecording():
                recording = self.recordings[effect.recording]
                assert recording.keys, "closed without keys"
                assert not recording.destroyed, "closed after its destruction"
                assert not recording.close_asked, "closed twice"
                assert self.capturing != effect.recording, "closed while capturing"
                assert not self.line.off_hook, "closed while the line is in use"
                assert not self.line.ring, "closed while ringing"
                assert not self.button.raw, "closed while the button is held"
                recording.close_asked = True
                self.count("closed")
            case do.DestroyRecording() if effect.recording in self.recordings:
                self.keeping.destroy(effect.recording)
                assert self.capturing != effect.recording, "destroyed while capturing"
                self.recordings[effect.recording].destroyed = True
                self.count("destroyed")
            case do.SignRevoke() | do.RemoveGone() if effect.recording in self.recordings:
                recording = self.recordings[effect.recording]
                assert recording.gone, "told before the folder was renamed"
                assert recording.ended_durable, "told before the ledger knew"
            case _:
                pass

    def _send(self, effect: do.Send) -> None:
        recording = self.recordings.get(effect.recording)
        if recording is None or effect.name == "revoke.jws":
            return
        assert recording.keys, "something of a pending recording was sent"
        assert not recording.destroyed, "something of a destroyed recording was sent"
        if effect.name.startswith(AFTER_CLOSING):
            assert recording.idle_since, "keys or manifest before the line was idle"
            assert recording.closed_durable, "keys or manifest before `closed` was durable"
            self.count("keys sent")

    # --- after a step

    def _after(self, entry: Entry, must_stop: str) -> None:
        self._held(entry.event)
        if must_stop:
            assert self.capturing is None, f"capture outlived: {must_stop}"
        if must_stop == "withdrawn":
            assert not self._takeable(), "a withdrawal left something"
            assert any(isinstance(x, do.DestroyRecording) for x in entry.effects), "withdrawn, not destroyed"
            self.count("withdrawn")
        assert (self.rec is RecLamp.ON) == (self.capturing is not None), "REC shows exactly what is captured"
        if self.capturing is not None:
            assert self.now - self.line.told_at <= 3.0 + EPS, "captured on an unknown line"
            recording = self.recordings[self.capturing]
            overdue = self.now - recording.started_at > 33.1 + EPS
            assert recording.keys or not overdue, "pending for too long"

    def _held(self, event: ev.Event) -> None:
        """The held button stops capture at 2 s; released before 10 s it takes back what was recorded."""
        if len(self.button.edges) == 1:
            return
        settled = self.now - self.button.edges[-1][0] >= 0.025 - EPS
        if self.button.raw and not settled and self.button.pressed_in != self.line.identity():
            self.button.pressed_in = None  # the call changed while the press was being debounced
        if self.button.held_for(self.now) > 2.0 + 0.03:
            assert self.capturing is None, "captures while the button is held"
        if isinstance(event, ev.Woke) and self.button.pressed_in is not None and self.button.held_out(self.now):
            here = self.button.pressed_in
            left = [r for r in self.recordings.values() if r.identity == here and r.captured and not r.close_asked]
            assert all(r.destroyed or r.lost for r in left), "held, but not destroyed"
            self.barred.add(here)
            self.count("held")

    def conclude(self) -> Judge:
        """In the end, with the line idle and everybody honest, nothing hangs: each recording is closed or destroyed."""
        assert self.capturing is None, "captures on an idle line"
        assert not self.listening, "listens on an idle line"
        for recording in self.recordings.values():
            over = recording.close_asked or recording.destroyed or recording.lost
            assert over or not recording.captured, "neither closed nor destroyed"
        return self


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether the one comes out of the other by leaving out."""
    rest = iter(whole)
    return all(digit in rest for digit in part)
