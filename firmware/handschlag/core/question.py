"""Asking the caller: announcement, mark, window.

A 1 counts only if it came from the far leg and *began* at or after the mark, where the announcement has named the key,
and before the window closed. Everything else is no consent: near and uncertain keys are ignored, a 1 before the mark
earns one "press 1 now", 2 plays the details, any other far key is a no.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.consent import grant_by_key, recordings_of
from handschlag.core.draft import Draft
from handschlag.core.events import KeyHeard, Leg
from handschlag.core.readiness import cannot, proven_leg
from handschlag.core.state import Bar, Phase, Question, Stage
from handschlag.core.voice import hush, say

KEY_DECISION_S = 0.12  # a key that began within the window is decided at most this much later
DETAILS_AT_MOST = 2


def ask(d: Draft) -> None:
    """Begin the one question of this seizure."""
    d.put_call(asked=True, outcome="unanswered")
    d.put(question=Question(Stage.ANNOUNCING, d.at))
    d.enter(Phase.ASKING)
    policy = d.state.policy
    d.record(
        "asked",
        way="key",
        seizure=d.call.seizure.number,
        text_version=policy.text_version,
        text_hash=policy.text_hash,
    )
    say(d, "announcement")


def _question(d: Draft) -> Question:
    if d.state.question is None:
        raise AssertionError("asking without a question")
    return d.state.question


def mark_passed(d: Draft) -> None:
    """The key has been named on the line: from now on it counts."""
    question = _question(d)
    if question.stage is Stage.ANNOUNCING and d.state.voice.playing == "announcement" and question.mark_at is None:
        d.put(question=replace(question, mark_at=d.at))


def sound_ended(d: Draft) -> None:
    """What was being said has been said: on to the next stage."""
    question = _question(d)
    if question.mark_at is None:
        fail(d, "no-mark")
    elif question.wants_details:
        d.put(question=replace(question, stage=Stage.DETAILS, wants_details=False, closes_at=None))
        say(d, "details")
    elif question.early and not question.prompted:
        d.put(question=replace(question, stage=Stage.PROMPTING, prompted=True))
        say(d, "press_now")
    else:
        closes_at = d.at + d.state.policy.window_s
        d.put(question=replace(question, stage=Stage.WINDOW, closes_at=closes_at))
        d.wake("question", closes_at + KEY_DECISION_S)


def key_heard(d: Draft, e: KeyHeard) -> None:
    """A key during the question."""
    question = _question(d)
    leg = proven_leg(d.state, e.leg)
    if leg is not Leg.FAR or e.held_s < d.state.policy.consent_held_s or e.start <= question.handled_key:
        return
    if question.closes_at is not None and e.start > question.closes_at:
        return
    if e.key == "9" and not e.final and recordings_of(d, d.call.seizure):
        return  # it may become a withdrawal of what was recorded earlier in this call
    d.put(question=replace(question, handled_key=e.start))
    match e.key:
        case "1":
            if question.mark_at is not None and e.start >= question.mark_at:
                _yes(d, e, question.mark_at)
            else:
                d.put(question=replace(question, early=True, handled_key=e.start))
        case "2":
            _details(d, replace(question, handled_key=e.start))
        case _:
            refuse(d, "key", Bar.REFUSED)


def _yes(d: Draft, e: KeyHeard, mark_at: float) -> None:
    why = cannot(d.state)
    if why:
        fail(d, why)
    else:
        grant_by_key(d, e, mark_at)


def _details(d: Draft, question: Question) -> None:
    if question.details_given >= DETAILS_AT_MOST:
        return
    question = replace(question, details_given=question.details_given + 1)
    if question.stage is Stage.ANNOUNCING:
        d.put(question=replace(question, wants_details=True))
        return
    d.put(question=replace(question, stage=Stage.DETAILS, closes_at=None))
    d.wake("question", None)
    say(d, "details")


def window_over(d: Draft) -> None:
    """Nobody pressed: not recorded; the call simply goes on, and the oral way stays open."""
    if _question(d).stage is Stage.WINDOW:
        refuse(d, "unanswered", None)


def refuse(d: Draft, why: str, bar: Bar | None) -> None:
    """The other party said no, or nothing: say so in one sentence."""
    _end(d, why, bar)
    say(d, "refused")


def cancel(d: Draft, why: str, bar: Bar | None = None) -> None:
    """The question ends from this side, without a word."""
    _end(d, why, bar)


def fail(d: Draft, why: str) -> None:
    """The question could not be put properly: that is no consent."""
    _end(d, why, None)
    d.record("fault", what=f"question:{why}")


def _end(d: Draft, why: str, bar: Bar | None) -> None:
    hush(d)
    d.put(question=None)
    d.put_call(bar=bar if bar is not None else d.call.bar, outcome="refused" if bar is not None else d.call.outcome)
    d.wake("question", None)
    d.record("refused", why=why, seizure=d.call.seizure.number)
    d.enter(Phase.OPEN)
