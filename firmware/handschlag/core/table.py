"""The call and consent machine as a table: every phase times every event, filled by a rule or by an explicit ignore.

`step` looks a cell up and runs it. A cell that is missing is a bug, and a test proves that none is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handschlag.core import (
    button,
    caller,
    command,
    consent,
    keeping,
    line,
    number,
    owner,
    people,
    question,
    recovery,
    voice,
)
from handschlag.core.draft import Draft
from handschlag.core.effects import Effect, Ping, ReadGauges
from handschlag.core.events import (
    ArchiveDestroyed,
    AudioCame,
    AudioGone,
    AudioLost,
    Booted,
    ButtonMoved,
    CallerIdHeard,
    ClockTold,
    Connected,
    Dialled,
    Disconnected,
    DiskFailed,
    EntryDurable,
    Event,
    ExchangeHeard,
    FileDurable,
    FileSent,
    FilesListed,
    Flashed,
    FolderFound,
    KeyHeard,
    LedgerDoubted,
    LedgerSynced,
    LineBroke,
    LineSounds,
    LineTold,
    MarkPassed,
    Missing,
    NumberMatched,
    OperatorSaid,
    OwnerSaid,
    PlayConnected,
    Played,
    PlayFailed,
    Progressed,
    Pulsed,
    ReceiptDurable,
    RecordingClosed,
    RecordingGone,
    Refused,
    RegisterTold,
    RevokeDurable,
    RevokeFound,
    RowFound,
    SendFailed,
    SpaceTold,
    SpeechBegan,
    SpeechEnded,
    StatusRefused,
    Stored,
    TapGone,
    TapHello,
    ToneHeard,
    Woke,
)
from handschlag.core.state import CAPTURING, IN_CALL, CallState, People, Phase

PING_S = 1.0
HUNG_S = 2.0  # a second of ours that comes so late: nothing was heard meanwhile, and a 9 may have been pressed
EARLY_S = 0.001  # clocks of the outside round
DISK_DOUBT_S = 60.0  # after a failed write nothing new is recorded for so long

Rule = Callable[[Draft, Any], None]


@dataclass(frozen=True, slots=True)
class Ignore:
    """An event that means nothing in a phase, and why."""

    reason: str


Cell = Rule | Ignore


def _booted(d: Draft, e: Booted) -> None:
    if d.state.booted_at is not None:
        return  # a process boots once
    register = {consent.number: consent for consent in e.staff}
    d.put(booted_at=e.at, boot=e.boot, seed=e.seed, private=e.private, doubted=e.doubted, people=People(register))
    d.put(owner=e.owner, operator=e.operator, epoch=e.epoch, ledger_doubt=e.ledger_doubt)
    if e.doubted_now is not None:
        owner.ledger_doubted(d, e.doubted_now)  # before any other entry: it says behind what they stand
    d.record("boot", boot=e.boot, version=d.state.policy.version, settings=d.state.policy.settings_hash)
    _each_second(d)


def _each_second(d: Draft) -> None:
    d.do(Ping(), ReadGauges())
    d.wake("second", d.at + PING_S)


def _clock_told(d: Draft, e: ClockTold) -> None:
    if e.synced != d.state.clock_synced:
        d.put(clock_synced=e.synced)
        d.record("clock", synced=e.synced)
    d.put(wall_offset=e.wall - e.at, utc_offset_s=e.utc_offset_s)
    people.look(d)
    command.look(d)
    keeping.clock_told(d)


def _number_matched(d: Draft, e: NumberMatched) -> None:
    number.matched(d, e)


def _register_told(d: Draft, e: RegisterTold) -> None:
    people.told(d, e)


def _space_told(d: Draft, e: SpaceTold) -> None:
    d.put(free_bytes=e.free_bytes)
    if d.state.disk_failed_at is not None and e.at - d.state.disk_failed_at >= DISK_DOUBT_S:
        d.put(disk_failed_at=None)
    if e.free_bytes <= 0:
        consent.end_take(d, "space")
    keeping.space_told(d)


def _line_deadline(d: Draft) -> None:
    line.lost(d, "line-lost")


def _sound_deadline(d: Draft) -> None:
    _sound_failed(d, "timeout")


def _question_deadline(d: Draft) -> None:
    if d.state.phase is Phase.ASKING:
        question.window_over(d)


def _ledger_deadline(d: Draft) -> None:
    if d.state.phase is Phase.GRANTING:
        d.put(ledger_ok=False)
        consent.give_up_grant(d, "ledger")
    elif d.state.phase is Phase.CONFIRMING:
        d.put(ledger_ok=False)
        consent.drop_unconfirmed(d, "ledger")


def _pending_deadline(d: Draft) -> None:
    if d.state.phase is Phase.PENDING:
        consent.drop_unconfirmed(d, "unconfirmed")
        voice.say(d, "denied")


def _silence_deadline(d: Draft) -> None:
    if d.state.phase is Phase.RECORDING:
        line.silent_too_long(d)


DEADLINES: Mapping[str, Callable[[Draft], None]] = {
    "second": _each_second,
    "line": _line_deadline,
    "button": button.settled,
    "held": button.held,
    "stuck": button.stuck,
    "voice": _sound_deadline,
    "question": _question_deadline,
    "grant": _ledger_deadline,
    "pending": _pending_deadline,
    "silence": _silence_deadline,
    "number": number.settled,
    "caller": caller.forget,
    "destroy": consent.destroy_again,
    "identify": command.identified,
    "log-level": command.log_level_over,
}


def _woke(d: Draft, e: Woke) -> None:
    """A deadline; one that is not in the table belongs to the delivery machine."""
    due = d.state.deadlines.get(e.tag)
    if due is None or e.at < due - EARLY_S:
        return  # taken back or put off meanwhile
    d.put(deadlines={tag: at for tag, at in d.state.deadlines.items() if tag != e.tag})
    if e.tag == "second" and e.at - due > HUNG_S:
        line.lost(d, "hung")
    DEADLINES[e.tag](d)


def _tap_gone(d: Draft, e: TapGone) -> None:
    line.lost(d, "tap-gone", e.why)


def _tap_hello(d: Draft, e: TapHello) -> None:
    line.hello(d, e)


def _line_told(d: Draft, e: LineTold) -> None:
    line.told(d, e)


def _line_sounds(d: Draft, e: LineSounds) -> None:
    line.sounds(d, e)


def _flashed(d: Draft, _e: Flashed) -> None:
    line.flashed(d)


def _pulsed(d: Draft, e: Pulsed) -> None:
    line.dialled(d, e)


def _dialled(d: Draft, e: Dialled) -> None:
    line.number_dialled(d, e)


def _play_connected(d: Draft, e: PlayConnected) -> None:
    if e.ok:
        voice.connected(d)
    else:
        _sound_failed(d, e.why)


def _played(d: Draft, e: Played) -> None:
    if e.sound != d.state.voice.playing:
        return
    voice.finished(d)
    if d.state.phase is Phase.ASKING:
        question.sound_ended(d)
    elif d.state.phase is Phase.PENDING and e.sound == "start":
        consent.start_tone_ended(d)


def _play_failed(d: Draft, e: PlayFailed) -> None:
    if e.sound == d.state.voice.playing:
        _sound_failed(d, e.why)


def _sound_failed(d: Draft, why: str) -> None:
    sound = d.state.voice.wanted or d.state.voice.playing
    if not sound:
        return
    voice.hush(d)
    if d.state.phase is Phase.ASKING:
        question.fail(d, f"sound:{why}")
    elif sound == "start" and d.state.phase in CAPTURING:
        consent.start_tone_failed(d)


def _mark_passed(d: Draft, _e: MarkPassed) -> None:
    question.mark_passed(d)


def _key(d: Draft, e: KeyHeard) -> None:
    line.withdraw_key(d, e)
    if d.state.phase is Phase.ASKING:
        question.key_heard(d, e)
    line.key_dialled(d, e)


def _tone(d: Draft, e: ToneHeard) -> None:
    line.tone(d, e)


def _exchange(d: Draft, e: ExchangeHeard) -> None:
    line.prove_direction(d, e.leg)


def _speech(d: Draft, e: SpeechBegan | SpeechEnded) -> None:
    line.speech(d, e)


def _caller_on_hook(d: Draft, e: CallerIdHeard) -> None:
    caller.heard_on_hook(d, e)


def _caller_in_call(d: Draft, e: CallerIdHeard) -> None:
    if caller.heard_in_call(d, e):
        number.caller_known(d)


def _audio_came(d: Draft, _e: AudioCame) -> None:
    d.put(audio_ok=True)
    if d.state.call is not None:
        number.audio_lost(d)  # what was dialled until now was not heard


def _audio_lost(d: Draft, _e: AudioLost) -> None:
    number.audio_lost(d)


def _audio_gone(d: Draft, e: AudioGone) -> None:
    d.put(audio_ok=False, sounds_off_hook=None)
    d.record("fault", what=f"audio:{e.why}")
    if d.state.phase is Phase.ASKING:
        question.fail(d, "audio")
    if d.state.call is not None:
        number.audio_lost(d)
    consent.end_take(d, "audio")  # a 9 could not be heard any more


def _button(d: Draft, e: ButtonMoved) -> None:
    button.moved(d, e)


def _entry_durable(d: Draft, e: EntryDurable) -> None:
    consent.entry_durable(d, e)
    people.entry_durable(d, e)
    owner.entry_durable(d, e)
    command.entry_durable(d, e)
    keeping.entry_durable(d, e)


def _gone(d: Draft, e: RecordingGone) -> None:
    consent.recording_gone(d, e)
    keeping.gone(d, e.recording)


def _closed(d: Draft, e: RecordingClosed) -> None:
    keeping.closed_now(d, e)


def _receipted(d: Draft, e: ReceiptDurable) -> None:
    keeping.receipted(d, e)


def _disk_failed(d: Draft, e: DiskFailed) -> None:
    if e.what.startswith("ledger"):
        d.put(ledger_ok=False)
    else:
        d.put(disk_failed_at=d.at)
        d.record("fault", what=e.what, recording=e.recording)
    take = d.state.take
    if take is not None and e.recording in {"", take.recording}:
        consent.end_take(d, "disk")
    consent.destroying_failed(d, e.recording)


def _operator_said(d: Draft, e: OperatorSaid) -> None:
    command.said(d, e)


def _owner_said(d: Draft, e: OwnerSaid) -> None:
    owner.said(d, e)


def _ledger_doubted(d: Draft, e: LedgerDoubted) -> None:
    owner.ledger_doubted(d, e)


def _folder_found(d: Draft, e: FolderFound) -> None:
    recovery.recover(d, e)
    keeping.found(d, e)


DELIVERY = Ignore("the delivery machine's business")
NO_CALL = Ignore("there is no call")
NOT_ASKING = Ignore("no question is being asked")
NOT_HEARD = Ignore("no call is known: the last word on an earlier one, or the sound of a line that no wire knows")

_EVERY: dict[type[Event], Cell] = {
    Booted: _booted,
    ClockTold: _clock_told,
    RegisterTold: _register_told,
    NumberMatched: NO_CALL,
    SpaceTold: _space_told,
    Woke: _woke,
    TapHello: _tap_hello,
    TapGone: _tap_gone,
    LineTold: _line_told,
    LineSounds: _line_sounds,
    Flashed: NO_CALL,
    Pulsed: NO_CALL,
    Dialled: NO_CALL,
    LineBroke: Ignore("a short break ends no seizure; the tap counts it"),
    PlayConnected: _play_connected,
    KeyHeard: NOT_HEARD,
    ToneHeard: NOT_HEARD,
    ExchangeHeard: NOT_HEARD,
    SpeechBegan: NOT_HEARD,
    SpeechEnded: NOT_HEARD,
    CallerIdHeard: NOT_HEARD,
    AudioCame: _audio_came,
    AudioGone: _audio_gone,
    AudioLost: NO_CALL,
    MarkPassed: NOT_ASKING,
    Played: _played,
    PlayFailed: _play_failed,
    ButtonMoved: _button,
    EntryDurable: _entry_durable,
    RecordingGone: _gone,
    DiskFailed: _disk_failed,
    FolderFound: _folder_found,
    OperatorSaid: _operator_said,
    OwnerSaid: _owner_said,
    LedgerDoubted: _ledger_doubted,
    FileDurable: DELIVERY,
    RecordingClosed: _closed,
    RevokeDurable: DELIVERY,
    ReceiptDurable: _receipted,
    FilesListed: DELIVERY,
    RevokeFound: DELIVERY,
    RowFound: DELIVERY,
    Connected: DELIVERY,
    Disconnected: DELIVERY,
    StatusRefused: DELIVERY,
    FileSent: DELIVERY,
    SendFailed: DELIVERY,
    Progressed: DELIVERY,
    Stored: DELIVERY,
    Missing: DELIVERY,
    Refused: DELIVERY,
    ArchiveDestroyed: DELIVERY,
    LedgerSynced: DELIVERY,
}

_IN_CALL: dict[type[Event], Cell] = {
    Flashed: _flashed,
    NumberMatched: _number_matched,
    ToneHeard: _tone,
    ExchangeHeard: _exchange,
    SpeechBegan: _speech,
    SpeechEnded: _speech,
    KeyHeard: _key,
    CallerIdHeard: _caller_in_call,
    AudioLost: _audio_lost,
    Pulsed: _pulsed,
    Dialled: _dialled,
}

_OWN: dict[Phase, dict[type[Event], Cell]] = {
    Phase.ASKING: {MarkPassed: _mark_passed},
    Phase.IDLE: {CallerIdHeard: _caller_on_hook},
    Phase.RINGING: {CallerIdHeard: _caller_on_hook},
}


def _row(phase: Phase) -> dict[type[Event], Cell]:
    return _EVERY | (_IN_CALL if phase in IN_CALL else {}) | _OWN.get(phase, {})


TABLE: Mapping[Phase, Mapping[type[Event], Cell]] = {phase: _row(phase) for phase in Phase}


def step_call(state: CallState, event: Event) -> tuple[CallState, list[Effect]]:
    """Take one event; give the next state and what is to be done, in order."""
    cell = TABLE[state.phase][type(event)]
    if isinstance(cell, Ignore):
        return state, []
    draft = Draft(state, event.at)
    cell(draft, event)
    line.listen_while_unknown(draft)
    return draft.state, draft.effects
