"""What the broker says; its acknowledgement only frees a place among the files in flight."""

from __future__ import annotations

from dataclasses import replace

from handschlag.core.delivery.answers import set_aside
from handschlag.core.delivery.draft import Draft
from handschlag.core.delivery.state import (
    BACK_OFF_S,
    MANIFEST,
    RECEIPT_TIMEOUT_S,
    REVOKE,
    WITHOUT_PROGRESS,
    Revoke,
    Stage,
)
from handschlag.core.effects import WakeAt
from handschlag.core.events import Connected, Disconnected, FileSent, SendFailed


def connected(d: Draft, _e: Connected) -> None:
    """The broker is there."""
    take_back(d)
    d.put(connected=True)


def disconnected(d: Draft, _e: Disconnected) -> None:
    """The broker is gone."""
    take_back(d)
    d.put(connected=False)


def take_back(d: Draft) -> None:
    """Whatever was in flight is to be sent again; whatever was unanswered is asked about by the manifest."""
    d.put(ledger_asked_at=None)
    for recording, active in d.state.active.items():
        stage = Stage.SENDING if active.stage is Stage.WAITING else active.stage
        again = tuple(sorted(active.in_flight - {MANIFEST})) + active.to_send
        if active.stage is Stage.WAITING or MANIFEST in active.in_flight:
            again = (*(n for n in again if n != MANIFEST), MANIFEST)
            d.do(WakeAt(f"receipt:{recording}", None))
        d.put_active(
            recording, replace(active, stage=stage, to_send=again, in_flight=frozenset(), unanswered=frozenset())
        )
    for recording, revoke in d.state.revokes.items():
        d.put_revoke(recording, replace(revoke, in_flight=False, due_at=d.at))


def file_sent(d: Draft, e: FileSent) -> None:
    """The broker took a file."""
    if e.name == REVOKE:
        _revoke_again_later(d, e.recording)
        return
    active = d.state.active.get(e.recording)
    if active is None or e.name not in active.in_flight:
        return
    active = replace(active, in_flight=active.in_flight - {e.name}, sent=active.sent | {e.name})
    if e.name == MANIFEST:
        active = replace(active, stage=Stage.WAITING)
        d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S))
    else:
        active = replace(active, unanswered=active.unanswered | {e.name})
        if len(active.unanswered) >= WITHOUT_PROGRESS:
            d.do(WakeAt(f"progress:{e.recording}", d.at + RECEIPT_TIMEOUT_S))
    d.put_active(e.recording, active)


def send_failed(d: Draft, e: SendFailed) -> None:
    """It did not, or the file cannot be sent."""
    if e.name == REVOKE:
        _revoke_again_later(d, e.recording)
        return
    active = d.state.active.get(e.recording)
    if active is None or e.name not in active.in_flight:
        return
    if e.permanent:
        set_aside(d, e.recording, f"{e.name}: {e.why}")
        return
    to_send = (e.name, *active.to_send) if e.name != MANIFEST else (*active.to_send, MANIFEST)
    d.put_active(
        e.recording,
        replace(
            active,
            in_flight=active.in_flight - {e.name},
            to_send=to_send,
            attempts=active.attempts + 1,
            hold_until=d.at + d.back_off(active.attempts),
        ),
    )


def _revoke_again_later(d: Draft, recording: str) -> None:
    revoke = d.state.revokes.get(recording)
    if revoke is not None:
        due_at = d.at + BACK_OFF_S[0] + d.back_off(revoke.attempts)
        d.put_revoke(recording, Revoke(due_at, revoke.attempts + 1))
