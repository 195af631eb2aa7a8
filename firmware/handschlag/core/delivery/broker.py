"""What the broker says; its acknowledgement only frees a place among the files that were handed out."""

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
    manifest_last,
)
from handschlag.core.effects import WakeAt
from handschlag.core.events import Connected, Disconnected, FileSent, SendFailed, StatusRefused


def connected(d: Draft, _e: Connected) -> None:
    """The broker is there."""
    take_back(d)
    d.put(connected=True, status_refused="")


def disconnected(d: Draft, _e: Disconnected) -> None:
    """The broker is gone."""
    take_back(d)
    d.put(connected=False)


def status_refused(d: Draft, e: StatusRefused) -> None:
    """The box cannot say how it is; for people to see."""
    d.put(status_refused=e.why)


def take_back(d: Draft) -> None:
    """Whatever was in flight is to be sent again; whatever was unanswered is asked about by the manifest."""
    d.put(ledger_asked_at=None)
    for recording, active in d.state.active.items():
        stage = Stage.SENDING if active.stage is Stage.WAITING else active.stage
        again = tuple(sorted(active.in_flight - {MANIFEST})) + active.to_send[active.handed :]
        if active.stage is Stage.WAITING or MANIFEST in active.in_flight:
            again = manifest_last(again)
            d.do(WakeAt(f"receipt:{recording}", None))
        d.put_active(
            recording,
            replace(active, stage=stage, to_send=again, handed=0, in_flight=frozenset(), unanswered=frozenset()),
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
    in_flight = active.in_flight - {e.name}
    if e.name == MANIFEST:
        active = replace(active, in_flight=in_flight, stage=Stage.WAITING)
        d.do(WakeAt(f"receipt:{e.recording}", d.at + RECEIPT_TIMEOUT_S))
    else:
        unanswered = active.unanswered | {e.name}
        sent = active.sent | {e.name} if active.stage is Stage.LIVE else active.sent
        active = replace(active, in_flight=in_flight, unanswered=unanswered, sent=sent)
        if len(unanswered) >= WITHOUT_PROGRESS:
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
    left = active.to_send[active.handed :]
    d.put_active(
        e.recording,
        replace(
            active,
            in_flight=active.in_flight - {e.name},
            to_send=(e.name, *left) if e.name != MANIFEST else (*left, MANIFEST),
            handed=0,
            attempts=active.attempts + 1,
            hold_until=d.at + d.back_off(active.attempts),
        ),
    )


def _revoke_again_later(d: Draft, recording: str) -> None:
    revoke = d.state.revokes.get(recording)
    if revoke is not None:
        due_at = d.at + BACK_OFF_S[0] + d.back_off(revoke.attempts)
        d.put_revoke(recording, Revoke(due_at, revoke.attempts + 1))
