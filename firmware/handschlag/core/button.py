"""The one button: debounced here, then short, held, or stuck.

Short is released before 1.5 s, held acts at 2 s, between them nothing happens, and beyond 10 s the button counts as
stuck. What a press means depends on the phase it began in. Short presses are ignored for a second after a transition,
for who pressed could not have seen it yet; holding restricts, and is never ignored.
"""

from __future__ import annotations

from dataclasses import replace

from handschlag.core import caller, question
from handschlag.core.consent import (
    close_what_may_close,
    confirm,
    drop_unconfirmed,
    give_up_grant,
    grant_by_word,
    recordings_of,
    stop_and_keep,
    withdraw,
)
from handschlag.core.draft import Draft
from handschlag.core.events import ButtonMoved
from handschlag.core.policy import Way
from handschlag.core.readiness import way_to_ask
from handschlag.core.state import IN_CALL, LIFTED_BY_FLASH, Bar, Phase
from handschlag.core.voice import say

DEBOUNCE_S = 0.025
SHORT_S = 1.5
HELD_S = 2.0
STUCK_S = 10.0
DEAF_AFTER_TRANSITION_S = 1.0
SECOND_PRESS_S = 0.6


def moved(d: Draft, e: ButtonMoved) -> None:
    """A raw edge: it counts once it has held for the debounce time."""
    if e.down != d.state.button.raw:
        d.put(button=replace(d.state.button, raw=e.down, raw_at=d.at))
    d.wake("button", d.state.button.raw_at + DEBOUNCE_S)


def settled(d: Draft) -> None:
    """The debounce time is over: what the button is now, it is."""
    button = d.state.button
    if button.raw == button.down:
        close_what_may_close(d)
    elif button.raw:
        call = d.state.call or d.state.last_call  # withdrawing stays possible until the line is idle
        seizure = call.seizure if call is not None else None
        d.put(
            button=replace(
                button,
                down=True,
                pressed_at=button.raw_at,
                pressed_in=d.state.phase,
                pressed_seizure=seizure,
                held_acted=False,
                withdraws=False,
            )
        )
        d.wake("held", button.raw_at + HELD_S)
    else:
        _released(d, button.raw_at - button.pressed_at)


def _released(d: Draft, held_s: float) -> None:
    button = d.state.button
    d.put(button=replace(button, down=False, stuck=False, withdraws=False))
    d.wake("held", None)
    d.wake("stuck", None)
    if button.withdraws and button.pressed_seizure is not None:
        withdraw(d, "button", button.pressed_seizure)
    elif held_s < SHORT_S and not button.held_acted and button.pressed_at - d.state.since >= DEAF_AFTER_TRANSITION_S:
        _short(d, button.pressed_at)
    close_what_may_close(d)


def _short(d: Draft, pressed_at: float) -> None:
    match d.state.phase:
        case Phase.OPEN:
            _ask(d)
        case Phase.ASKING:
            question.cancel(d, "button")
        case Phase.PENDING:
            confirm(d)
        case Phase.RECORDING:
            _mark(d, pressed_at)
        case _:
            pass


def _ask(d: Draft) -> None:
    match way_to_ask(d.state):
        case Way.KEY:
            question.ask(d)
        case Way.ORAL:
            grant_by_word(d)
        case None:
            if d.call.bar is None and not d.state.private:
                say(d, "denied")


def _mark(d: Draft, pressed_at: float) -> None:
    button, take = d.state.button, d.state.take
    if take is None:
        raise AssertionError("recording without a take")
    if button.last_mark_at is not None and 0 <= pressed_at - button.last_mark_at <= SECOND_PRESS_S:
        d.put(button=replace(button, last_mark_at=None))
        stop_and_keep(d, "stopped")
        d.put_call(bar=Bar.STAFF)
        say(d, "stop")
        return
    d.put(button=replace(button, last_mark_at=d.at), take=replace(take, marks=(*take.marks, pressed_at)))


def held(d: Draft) -> None:
    """Two seconds: refuse, withdraw, or private mode."""
    button = d.state.button
    if not button.down or button.held_acted:
        return
    d.put(button=replace(button, held_acted=True))
    d.wake("stuck", button.pressed_at + STUCK_S)
    call = d.state.call
    pressed_in_call = button.pressed_in in IN_CALL
    if call is not None and (not pressed_in_call or call.seizure == button.pressed_seizure):
        d.put(button=replace(d.state.button, pressed_seizure=call.seizure))
        _refuse(d)
    seizure = d.state.button.pressed_seizure
    if seizure is not None and recordings_of(d, seizure):
        d.put(button=replace(d.state.button, withdraws=True))
    elif d.state.phase is Phase.IDLE and button.pressed_in is Phase.IDLE:
        d.put(private=not d.state.private)
        d.record("private", on=d.state.private)
        caller.forget(d)


def _refuse(d: Draft) -> None:
    """The employee refuses this call: what is going on in it ends; what was recorded is destroyed at the release."""
    match d.state.phase:
        case Phase.PENDING | Phase.CONFIRMING:
            drop_unconfirmed(d, "button")
            _bar(d, "unconfirmed")
            say(d, "stop")
        case Phase.RECORDING:
            stop_and_keep(d, "stopped")
            _bar(d, "recorded")
        case Phase.GRANTING:
            give_up_grant(d, "staff")
            _bar(d, "refused")
        case Phase.ASKING:
            question.cancel(d, "staff", Bar.STAFF)
        case _:
            if d.call.bar in LIFTED_BY_FLASH:  # a refusal by the staff outlives it
                d.record("refused", why="staff", seizure=d.call.seizure.number)
                _bar(d, "recorded" if recordings_of(d, d.call.seizure) else "refused")


def _bar(d: Draft, outcome: str) -> None:
    d.put_call(bar=Bar.STAFF, outcome=outcome)


def stuck(d: Draft) -> None:
    """Ten seconds: nobody holds a button that long; what was recorded so far is kept."""
    if d.state.button.down:
        d.put(button=replace(d.state.button, stuck=True, withdraws=False))
        d.record("fault", what="button:stuck")
