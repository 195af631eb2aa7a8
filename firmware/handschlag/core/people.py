"""The register as it was read, what of it counts, and what the ledger is told about it.

A line may be recorded only while everybody who answers it is covered: those on duty by the rota, or all of its users
where no shift runs or where the clock cannot be trusted to say which one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from handschlag.core.draft import Draft
from handschlag.core.duty import on_duty
from handschlag.core.events import EntryDurable, RegisterTold
from handschlag.core.staff import StaffConsent, covers


def told(d: Draft, e: RegisterTold) -> None:
    """The register was read: at the start, and whenever it has changed."""
    if e.damaged and e.damaged != d.state.people.damaged:
        d.record("fault", what="registers:damaged")
    exclusions = d.state.people.exclusions if e.damaged else e.exclusions
    d.put(people=replace(d.state.people, damaged=e.damaged, exclusions=exclusions))
    if not e.damaged:
        _compare(d, {consent.number: consent for consent in e.consents})
    look(d)


def _compare(d: Draft, now: Mapping[int, StaffConsent]) -> None:
    """What came, what went, what was taken back."""
    people = d.state.people
    known = {**people.register, **{consent.number: consent for consent in people.waiting.values()}}
    for number in sorted(set(known) - set(now)):
        _take_out(d, known[number], "removed")
    for number, consent in sorted(now.items()):
        if consent.withdrawn_at is not None:
            if number in known:
                _take_out(d, consent, "withdrawn")
        elif known.get(number) != consent:
            _put_in(d, consent)


def look(d: Draft) -> None:
    """Time has passed, or the register has changed: who is on duty, and are they covered?"""
    state = d.state
    wall = state.wall_offset + d.at
    duty = on_duty(state.policy.shifts, wall, state.utc_offset_s) if state.clock_synced else None
    needed = duty.staff if duty is not None else state.policy.line_users
    ask_when = duty.ask if duty is not None and duty.ask is not None else state.policy.ask_when
    covered = not state.people.damaged and covers(state.people.register, needed, wall)
    if (covered, ask_when) != (state.people.covered, state.ask_when):
        d.put(people=replace(state.people, covered=covered), ask_when=ask_when)


def entry_durable(d: Draft, e: EntryDurable) -> None:
    """What the ledger has, counts."""
    consent = d.state.people.waiting.get(e.ticket)
    if consent is None:
        return
    people = d.state.people
    waiting = {ticket: other for ticket, other in people.waiting.items() if ticket != e.ticket}
    d.put(people=replace(people, register={**people.register, consent.number: consent}, waiting=waiting))
    look(d)


def _put_in(d: Draft, consent: StaffConsent) -> None:
    ticket = _record(d, consent, "added")
    waiting = {t: other for t, other in d.state.people.waiting.items() if other.number != consent.number}
    d.put(people=replace(d.state.people, waiting={**waiting, ticket: consent}))


def _take_out(d: Draft, consent: StaffConsent, action: str) -> None:
    people = d.state.people
    register = {number: other for number, other in people.register.items() if number != consent.number}
    waiting = {ticket: other for ticket, other in people.waiting.items() if other.number != consent.number}
    d.put(people=replace(people, register=register, waiting=waiting))
    _record(d, consent, action)


def _record(d: Draft, consent: StaffConsent, action: str) -> int:
    return d.record(
        "staff",
        action=action,
        person=consent.number,
        document=consent.document,
        version=consent.version,
        valid_from=consent.valid_from,
        valid_until=consent.valid_until,
    )
