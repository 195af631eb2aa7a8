"""A judge who sees only the trace of events and effects, never the core's state, and holds it against call.md.

He keeps his own, deliberately plain, book of what the outside said. What he asserts is named by the rule that would be
broken. He shares no code with the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import RecLamp
from handschlag.core.events import Leg, TapAudio
from tests.core.world import Entry

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

    def identity(self) -> tuple[str, int]:
        """What consent binds to."""
        return self.boot, self.seizure

    def proven(self) -> bool:
        """Whether a key's leg can be believed."""
        return self.audio is TapAudio.VI and self.serial == "T1" and self.serial not in self.wrong_dial


@dataclass
class Button:
    """Raw edges, and a debouncing of his own."""

    raw: bool = False
    edges: list[tuple[float, bool]] = field(default_factory=lambda: [(-1e9, False)])

    def move(self, at: float, *, down: bool) -> None:
        """An edge that changes something."""
        if down != self.raw:
            self.raw = down
            self.edges.append((at, down))

    def short_press_ends(self, now: float) -> bool:
        """Whether the last thing that happened was a press of 25 ms to 1.5 s, released for 25 ms."""
        steady: list[tuple[float, bool]] = []
        for (at, down), end in zip(self.edges, [e[0] for e in self.edges[1:]] + [now], strict=True):
            if end - at >= 0.025 - EPS and (not steady or steady[-1][1] is not down):
                steady.append((at, down))
        if len(steady) < 2:
            return False
        (pressed, was_down), (released, is_down) = steady[-2:]
        return was_down and not is_down and released - pressed < 1.5 + EPS


@dataclass
class Question:
    """An announcement on the air, or its window."""

    identity: tuple[str, int]
    mark_at: float | None = None
    sounding: str = ""
    closes_at: float = 1e9


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
    gone: bool = False
    ended_ticket: int | None = None
    ended_durable: bool = False


class Judge:
    """Goes through a trace once; raises AssertionError at the first step that breaks a rule."""

    def __init__(self) -> None:
        self.line = Line()
        self.button = Button()
        self.question: Question | None = None
        self.yes: tuple[float, tuple[str, int]] | None = None
        self.recordings: dict[str, Recording] = {}
        self.capturing: str | None = None
        self.rec = RecLamp.OFF
        self.connected = False
        self.sounding = ""
        self.digits = ""
        self.emergency: tuple[str, int] | None = None
        self.private = False
        self.agreed = False  # the one user of the line has a written consent: in the register, and in the ledger
        self.agreeing: int | None = None
        self.matching: dict[int, tuple[str, int]] = {}
        self.excluded: set[tuple[str, int]] = set()
        self.barred: set[tuple[str, int]] = set()
        self.refused: set[tuple[str, int]] = set()
        self.asked: set[tuple[str, int]] = set()
        self.doubt = False  # something ended the call's certainty since the last grant
        self.now = 0.0
        self.tally: dict[str, int] = {}

    def hear(self, trace: list[Entry]) -> Judge:
        """Judge a whole trace."""
        for entry in trace:
            self.now = entry.event.at
            must_stop = self._event(entry.event)
            for effect in entry.effects:
                self._effect(effect, entry)
            self._after(entry, must_stop)
        return self

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
                if self.line.off_hook and self.line.audio is TapAudio.VI and event.leg is not Leg.FAR:
                    self.line.wrong_dial.add(self.line.serial)
            case ev.KeyHeard():
                return self._key(event)
            case ev.AudioGone() | ev.SpaceTold() | ev.DiskFailed():
                return self._fault(event)
            case ev.ButtonMoved():
                self.button.move(event.at, down=event.down)
            case ev.SpeechBegan():
                self._speech(event.leg)
            case ev.PlayConnected() | ev.MarkPassed() | ev.Played() | ev.PlayFailed():
                self._sound(event)
            case _:
                self._disk(event)
                return self._tap(event)
        return ""

    def _fault(self, event: ev.AudioGone | ev.SpaceTold | ev.DiskFailed) -> str:
        match event:
            case ev.SpaceTold():
                return "space" if event.free_bytes <= 0 else ""
            case ev.DiskFailed():
                return "disk" if event.recording == "" else ""
            case _:
                return "audio"

    def _new_ground(self) -> None:
        self.question = None
        self.yes = None

    def _tap(self, event: ev.Event) -> str:
        line = self.line
        match event:
            case ev.Booted():
                self.private = event.private
            case ev.TapHello():
                same = (event.boot, event.serial, event.audio) == (line.boot, line.serial, line.audio)
                line.boot, line.serial, line.audio = event.boot, event.serial, event.audio
                line.told_at = line.told_at if same else -1e9
                return "" if same else self._ended("reboot")
            case ev.LineTold():
                return self._line_told(event)
            case ev.TapGone():
                line.told_at = -1e9
                return self._ended("tap gone")
            case ev.Flashed() if line.off_hook:
                self.digits = ""
                self.asked.discard(line.identity())
                self.refused.discard(line.identity())  # somebody else may be on the line now
                return self._ended("flash")
            case ev.Pulsed():
                return self._digit(event.digit)
            case _:
                pass
        return ""

    def _ended(self, why: str) -> str:
        self._new_ground()
        return why

    def _line_told(self, event: ev.LineTold) -> str:
        line = self.line
        before = (line.identity(), line.off_hook, line.ring)
        line.off_hook, line.ring, line.seizure = event.off_hook, event.ring, event.seizure
        line.told_at = event.at
        if not event.off_hook:
            self.digits = ""
            if not event.ring:
                for recording in self.recordings.values():
                    recording.idle_since = recording.idle_since or recording.captured
        if before != (line.identity(), True, False):
            self.digits = ""
            return self._ended("line")
        return "" if event.off_hook and not event.ring else self._ended("hook")

    def _digit(self, digit: str) -> str:
        self.digits += digit
        if self.digits in EMERGENCY and self.line.off_hook:
            self.emergency = self.line.identity()
            self.count("emergency")
            return self._ended("emergency")
        return ""

    def _tone(self, event: ev.ToneHeard) -> str:
        if event.name == "dial":
            return self._ended("dial tone")
        if event.name == "fax" or (event.name in {"busy", "congestion"} and event.cycles >= 4):
            return self._ended(event.name)
        return ""

    def _key(self, event: ev.KeyHeard) -> str:
        leg = event.leg if self.line.proven() else Leg.UNCERTAIN
        stop = ""
        if event.key == "9" and leg is not Leg.NEAR and event.held_s >= 0.1:
            stop = self._withdrawn()
        question = self.question
        if question is not None and leg is Leg.FAR and event.held_s >= 0.06:
            marked = question.mark_at is not None and event.start >= question.mark_at
            if event.key == "1" and marked and event.start <= question.closes_at:
                self.yes = (event.at, question.identity)
            elif event.key not in {"1", "2"} and event.start <= question.closes_at:
                self.question = None
                self.yes = None
                self.refused.add(self.line.identity())
        if event.final and leg is not Leg.FAR:
            stop = self._digit(event.key) or stop
        return stop

    def _withdrawn(self) -> str:
        return "withdrawn" if self._takeable() else ""

    def _takeable(self) -> list[str]:
        """What a withdrawal in this call reaches."""
        here = self.line.identity()
        if not self.line.off_hook or self.line.ring or self.now - self.line.told_at > 3.0 - EPS:
            return []  # nothing is listened to
        found = [(name, r) for name, r in self.recordings.items() if r.identity == here and not r.destroyed]
        return [name for name, recording in found if recording.captured and not recording.idle_since]

    def _speech(self, leg: Leg) -> None:
        if self.capturing is None:
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
            case ev.Booted():
                self.agreed = bool(event.staff)
            case ev.RegisterTold():
                self.agreed &= bool(event.consents) and event.consents[0].withdrawn_at is None
            case ev.NumberMatched() if event.excluded and event.ticket in self.matching:
                self.excluded.add(self.matching[event.ticket])
                self.count("excluded")
            case ev.EntryDurable():
                self.agreed |= event.ticket == self.agreeing
                for recording in self.recordings.values():
                    recording.granted |= recording.ticket == event.ticket
                    recording.confirmed |= recording.confirm_ticket == event.ticket
                    recording.closed_durable |= recording.closed_ticket == event.ticket
                    recording.ended_durable |= recording.ended_ticket == event.ticket
            case ev.RecordingClosed() if event.recording in self.recordings:
                self.recordings[event.recording].closed = True
            case ev.RecordingGone() if event.recording in self.recordings:
                self.recordings[event.recording].gone = True
            case _:
                pass

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
            case _:
                pass

    def _record(self, effect: do.Record, entry: Entry) -> None:
        name = str(effect.fields.get("recording", ""))
        here = self.line.identity()
        match effect.kind:
            case "granted":
                self._granted(effect, entry, name)
            case "asked":
                assert here not in self.asked, "one question for each seizure"
                self.asked.add(here)
                self.count("asked")
            case "private":
                self.private = bool(effect.fields["on"])
            case "staff":
                self.agreeing = effect.ticket if effect.fields["action"] == "added" else None
            case "refused":
                self._new_ground()
                if effect.fields["why"] == "staff":
                    self.barred.add(here)
            case _ if name in self.recordings:
                self._record_of(self.recordings[name], effect, entry)
            case _:
                pass

    def _record_of(self, recording: Recording, effect: do.Record, entry: Entry) -> None:
        match effect.kind:
            case "confirmed":
                self._confirmed(recording, effect, entry)
            case "closed":
                assert recording.closed, "`closed` is written when the manifest is durable"
                recording.closed_ticket = effect.ticket
            case "withdrawn" | "destroyed":
                late = recording.gone or isinstance(entry.event, ev.DiskFailed) or not recording.captured
                assert late, "restricting is written down afterwards"
                recording.ended_ticket = effect.ticket
                if effect.kind == "withdrawn":
                    self.barred.add(recording.identity)
            case _:
                pass

    def _granted(self, effect: do.Record, entry: Entry, name: str) -> None:
        here = self.line.identity()
        way = str(effect.fields["way"])
        assert self.line.off_hook, "consent needs a call"
        assert not self.line.ring, "consent needs a call"
        assert self.now - self.line.told_at <= 3.0 + EPS, "the line is unknown"
        assert not self.private, "private mode"
        assert here not in self.barred | self.refused, "refused or withdrawn before"
        assert self.emergency != here, "an emergency call"
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
                assert not effect.on or self.emergency != self.line.identity(), "a sound on an emergency call"
                self.connected = False
            case do.Play():
                assert self.connected, "played without a transformer"
                assert self.emergency != self.line.identity(), "a sound on an emergency call"
                assert self.line.off_hook, "a sound outside of a call"
                self.sounding = effect.sound
                if effect.sound == "announcement":
                    self.question = Question(self.line.identity(), sounding="announcement")
                elif effect.sound in QUESTION_SOUNDS and self.question is not None:
                    self.question.sounding = effect.sound
                    self.question.closes_at = 1e9
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
                assert self.line.off_hook, "captured without a call"
                assert not self.line.ring, "captured while ringing"
                assert self.now - self.line.told_at <= 3.0 + EPS, "captured on an unknown line"
                assert recording.identity not in self.excluded, "captured a number of the do-not-record list"
                assert self.agreed, "captured although the staff's written consent is not there"
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
