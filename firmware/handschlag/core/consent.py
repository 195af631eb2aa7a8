"""From a yes to a recording, and every way out of it.

What permits waits: the first sample is captured only when the ledger's `granted` entry is durable, and an oral yes gets
its wrapped key only when `confirmed` is. What restricts does not: capture stops and the key is wiped in the same step
that decides it; the ledger and the archive are told afterwards, in the order of `Destroying` in the design: rename,
ledger, revocation, removal.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.draft import Draft
from handschlag.core.effects import (
    CloseRecording,
    DestroyRecording,
    Evidence,
    OpenRecording,
    RemoveGone,
    SignRevoke,
    StartCapture,
    StopCapture,
    WriteKeys,
)
from handschlag.core.events import EntryDurable, KeyHeard, Leg, RecordingGone
from handschlag.core.readiness import cannot
from handschlag.core.state import CAPTURING, Bar, Destroying, Kept, Phase, Seizure, Take
from handschlag.core.voice import hush, say

LEDGER_TIMEOUT_S = 3.0
DESTROY_AGAIN_S = 5.0


def grant_by_key(d: Draft, key: KeyHeard, mark_at: float) -> None:
    """The other party pressed 1 after the mark."""
    policy = d.state.policy
    _grant(
        d,
        Evidence(
            way="key",
            at=d.at,
            text_version=policy.text_version,
            text_hash=policy.text_hash,
            mark_at=mark_at,
            leg=key.leg.value,
            held_s=key.held_s,
            level_dbm0=key.level_dbm0,
            twist_db=key.twist_db,
            cos_phi=key.cos_phi,
        ),
    )


def grant_by_word(d: Draft) -> None:
    """The employee attests a spoken yes by pressing the button."""
    policy = d.state.policy
    _grant(d, Evidence(way="oral", at=d.at, text_version=policy.text_version, text_hash=policy.text_hash))


def _grant(d: Draft, evidence: Evidence) -> None:
    hush(d)
    recording = d.new_recording_id()
    ticket = d.record(
        "granted",
        recording=recording,
        way=evidence.way,
        tap_boot=d.call.seizure.tap_boot,
        seizure=d.call.seizure.number,
        text_version=evidence.text_version,
        text_hash=evidence.text_hash,
        leg=evidence.leg,
    )
    d.put(question=None, take=Take(recording, evidence, ticket))
    d.wake("question", None)
    d.wake("grant", d.at + LEDGER_TIMEOUT_S)
    d.enter(Phase.GRANTING)


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """The ledger has it: carry on what waited for it."""
    d.put(ledger_ok=True)
    take = d.state.take
    if take is not None and e.ticket == take.ticket:
        if d.state.phase is Phase.GRANTING:
            _begin_capture(d, take, e.seq)
        elif d.state.phase is Phase.CONFIRMING:
            _confirmed(d, take, e.seq)
    for recording, leaving in d.state.destroying:
        if leaving.ticket and e.ticket == leaving.ticket:
            _written_down(d, recording, replace(leaving, ledger_seq=e.seq))


def _begin_capture(d: Draft, take: Take, seq: int) -> None:
    why = cannot(d.state)
    if why:
        give_up_grant(d, why)
        return
    evidence = replace(take.evidence, ledger_seq=seq)
    d.put(take=replace(take, evidence=evidence))
    d.wake("grant", None)
    seizure = d.call.seizure
    direction = "incoming" if d.call.incoming else "outgoing"
    dialled = "" if d.call.incoming else d.call.number
    d.do(OpenRecording(take.recording, seizure.tap_boot, seizure.number, direction, evidence, d.call.caller, dialled))
    if evidence.way == "key":
        d.do(WriteKeys(take.recording))
        d.put_call(outcome="recorded")
        d.enter(Phase.RECORDING)
        d.wake("silence", d.at + d.state.policy.silence_s)
    else:
        d.enter(Phase.PENDING)
        d.wake("pending", d.at + d.state.policy.confirm_within_s)
    d.do(StartCapture(take.recording))
    d.record("opened", recording=take.recording)
    say(d, "start")


def confirm(d: Draft) -> None:
    """The second press of the oral way; one that comes too early, or before both have spoken, is answered by beeps."""
    take = d.state.take
    if take is None:
        raise AssertionError("confirming without a take")
    heard = take.near_after_tone and take.far_after_near
    if take.tone_at is None:
        return  # the start tone is still on its way: beeps would take its place
    if d.at - take.tone_at < d.state.policy.confirm_after_s or not heard:
        say(d, "denied")
        return
    ticket = d.record("confirmed", recording=take.recording)
    d.put(take=replace(take, ticket=ticket, evidence=replace(take.evidence, confirmed_at=d.at)))
    d.wake("pending", None)
    d.wake("grant", d.at + LEDGER_TIMEOUT_S)
    d.enter(Phase.CONFIRMING)


def _confirmed(d: Draft, take: Take, seq: int) -> None:
    d.put(take=replace(take, evidence=replace(take.evidence, ledger_seq=seq)))
    d.put_call(outcome="recorded")
    d.wake("grant", None)
    d.do(WriteKeys(take.recording))
    d.enter(Phase.RECORDING)
    d.wake("silence", None if take.speaking else d.at + d.state.policy.silence_s)


def note_speech(d: Draft, leg: Leg, *, began: bool) -> None:
    """Follow who speaks: for the oral confirmation, and for the end by silence."""
    take = d.state.take
    if take is None:
        return
    speaking = take.speaking | {leg.value} if began else take.speaking - {leg.value}
    near, far = take.near_after_tone, take.far_after_near
    if began and take.tone_at is not None:
        if leg is not Leg.FAR:
            near = True
        if leg is not Leg.NEAR and near:
            far = True
    d.put(take=replace(take, speaking=speaking, near_after_tone=near, far_after_near=far))
    if d.state.phase is Phase.RECORDING:
        d.wake("silence", None if speaking else d.at + d.state.policy.silence_s)


def _leave(d: Draft) -> Take | None:
    """Give up the take; capture stops before anything else happens."""
    take = d.state.take
    if take is not None and d.state.phase in CAPTURING:
        d.do(StopCapture(take.recording))
    for tag in ("grant", "pending", "silence"):
        d.wake(tag, None)
    d.put(take=None)
    hush(d)  # a start tone that sounds on would tell of a capture that is over
    return take


def stop_and_keep(d: Draft, ended: str) -> None:
    """Capture ends; what was recorded is kept, and closed once the line is idle."""
    take = _leave(d)
    if take is None:
        return
    kept = Kept(take.recording, d.call.seizure, ended, take.evidence, take.marks, take.waiting)
    d.put(kept=(*d.state.kept, kept))
    d.enter(Phase.OPEN)


def end_take(d: Draft, ended: str) -> None:
    """The conversation that the yes was given for is over: keep what was confirmed, destroy what was not."""
    match d.state.phase:
        case Phase.RECORDING:
            stop_and_keep(d, ended)
        case Phase.PENDING | Phase.CONFIRMING:
            drop_unconfirmed(d, "unconfirmed")
        case Phase.GRANTING:
            give_up_grant(d, ended)
        case _:
            pass


def drop_unconfirmed(d: Draft, reason: str) -> None:
    """An oral yes that was never confirmed: gone, as no wrapped key was ever written."""
    take = _leave(d)
    if take is None:
        return
    d.put_call(outcome="unconfirmed")
    d.enter(Phase.OPEN)
    destroy(d, take.recording, Destroying("destroyed", reason, revoke=False))


def give_up_grant(d: Draft, why: str) -> None:
    """A yes whose ledger entry did not become durable in time, or whose call ended meanwhile: nothing was captured."""
    take = _leave(d)
    if take is None:
        return
    d.record("refused", why=why, recording=take.recording, seizure=d.call.seizure.number)
    d.put_call(outcome="failed")
    d.enter(Phase.OPEN)


def recordings_of(d: Draft, seizure: Seizure) -> list[str]:
    """What a withdrawal in this seizure takes away, the running take aside."""
    kept = [k.recording for k in d.state.kept if k.seizure == seizure]
    return kept + [i.recording for i in d.state.interrupted if i.seizure == seizure]


def withdraw(d: Draft, why: str, seizure: Seizure) -> None:
    """Take the consent back: everything recorded in this seizure is destroyed, here and at the archive."""
    out = [(recording, True) for recording in recordings_of(d, seizure)]
    d.put(
        kept=tuple(k for k in d.state.kept if k.seizure != seizure),
        interrupted=tuple(i for i in d.state.interrupted if i.seizure != seizure),
    )
    granted = ""
    here = d.state.call is not None and d.call.seizure == seizure
    if here:
        confirmed = d.state.phase is Phase.RECORDING
        captured = d.state.phase in CAPTURING
        take = _leave(d)
        d.put(question=None)
        d.wake("question", None)
        d.put_call(bar=Bar.WITHDRAWN, outcome="withdrawn")
        d.enter(Phase.OPEN)
        if take is not None and captured:
            out.append((take.recording, confirmed))
        elif take is not None:
            granted = take.recording
    for index, (recording, revoke) in enumerate(out):
        sentence = "withdrawn" if index == len(out) - 1 else ""
        destroy(d, recording, Destroying("withdrawn", why, revoke=revoke, say=sentence, say_in=seizure))
    if not out:
        d.record("withdrawn", reason=why, recording=granted)
        if here:
            say(d, "withdrawn")


def destroy(d: Draft, recording: str, leaving: Destroying) -> None:
    """The one way in which a recording leaves the box before its time."""
    if recording not in dict(d.state.destroying):
        d.put(destroying=(*d.state.destroying, (recording, leaving)))
    d.do(DestroyRecording(recording))


def recording_gone(d: Draft, e: RecordingGone) -> None:
    """The folder is out of the way durably: write it down, say it, then tell the archive."""
    leaving = dict(d.state.destroying).get(e.recording)
    if leaving is None or leaving.gone:
        return
    leaving = replace(leaving, gone=True)
    _put_destroying(d, e.recording, leaving)
    if leaving.ledger_seq or not leaving.kind:
        _tell_and_remove(d, e.recording, leaving)
    elif not leaving.ticket:
        _write_down(d, e.recording, leaving)
    call = d.state.call
    if leaving.say and d.state.phase is Phase.OPEN and call is not None and call.seizure == leaving.say_in:
        say(d, leaving.say)


def destroying_failed(d: Draft, recording: str) -> None:
    """The folder could not be renamed: the ledger is told, so that a restart destroys it, and it is tried again."""
    leaving = dict(d.state.destroying).get(recording)
    if leaving is None or leaving.gone:
        return
    if leaving.kind and not leaving.ticket:
        _write_down(d, recording, leaving)
    d.wake("destroy", d.at + DESTROY_AGAIN_S)


def destroy_again(d: Draft) -> None:
    """Another attempt at what the disk refused."""
    d.do(*(DestroyRecording(recording) for recording, leaving in d.state.destroying if not leaving.gone))


def _write_down(d: Draft, recording: str, leaving: Destroying) -> None:
    ticket = d.record(leaving.kind, recording=recording, reason=leaving.reason)
    _put_destroying(d, recording, replace(leaving, ticket=ticket))


def _written_down(d: Draft, recording: str, leaving: Destroying) -> None:
    _put_destroying(d, recording, leaving)
    if leaving.gone:
        _tell_and_remove(d, recording, leaving)


def _tell_and_remove(d: Draft, recording: str, leaving: Destroying) -> None:
    if leaving.revoke:
        d.do(SignRevoke(recording, leaving.reason, leaving.ledger_seq))
    d.do(RemoveGone(recording))
    d.put(destroying=tuple(item for item in d.state.destroying if item[0] != recording))


def _put_destroying(d: Draft, recording: str, leaving: Destroying) -> None:
    d.put(destroying=tuple((r, leaving if r == recording else v) for r, v in d.state.destroying))


def close_what_may_close(d: Draft) -> None:
    """Sign what is kept: only with the line idle and the button free, so that a withdrawal is never too late."""
    line, button = d.state.line, d.state.button
    if not line.known or line.off_hook or line.ring or button.down or button.raw:
        return
    for kept in d.state.kept:
        d.do(CloseRecording(kept.recording, kept.ended, kept.evidence, kept.marks, kept.waiting))
    d.put(kept=())


def start_tone_ended(d: Draft) -> None:
    """Both parties have heard that capture began: from now on the confirmation is timed."""
    take = d.state.take
    if take is not None:
        d.put(take=replace(take, tone_at=d.at))


def start_tone_failed(d: Draft) -> None:
    """Nobody heard the start tone: what was captured under it is destroyed (P2)."""
    drop_take(d, "no-start-tone", "failed")


def drop_take(d: Draft, reason: str, outcome: str) -> None:
    """What is being recorded, or about to be, may not exist: destroyed, as if it had never been."""
    if d.state.phase is Phase.GRANTING:
        give_up_grant(d, reason)
        return
    confirmed = d.state.phase is Phase.RECORDING
    take = _leave(d)
    if take is None:
        return
    d.put_call(outcome=outcome)
    d.enter(Phase.OPEN)
    destroy(d, take.recording, Destroying("destroyed", reason, revoke=confirmed))
