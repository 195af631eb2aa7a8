"""Who must have agreed, and how the box may ask by itself: the judge's own reading of register, rota and clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.policy import AskWhen, Policy, Shift
from handschlag.core.staff import StaffConsent


class Duty:
    """Looked at whenever the clock or the register was told, or the ledger had a consent."""

    def __init__(self) -> None:
        self.policy: Policy | None = None
        self.counts: dict[int, StaffConsent] = {}
        self.register: dict[int, StaffConsent] = {}
        self.tickets: dict[int, StaffConsent] = {}
        self.damaged = False
        self.clock: ev.ClockTold | None = None
        self.covered = False
        self.ask = AskWhen.BUTTON

    def booted(self, event: ev.Booted, policy: Policy) -> None:
        """A new process: what the ledger had of consents counts."""
        self.__init__()  # type: ignore[misc] # begins anew
        self.policy, self.ask = policy, policy.ask_when
        self.counts = {consent.number: consent for consent in event.staff}

    def told(self, event: ev.ClockTold | ev.RegisterTold) -> None:
        """A withdrawal counts at once."""
        if isinstance(event, ev.ClockTold):
            self.clock = event
        else:
            self.damaged = event.damaged != ""
            if not self.damaged:
                self.register = {c.number: c for c in event.consents if c.withdrawn_at is None}
                self.counts = {n: c for n, c in self.counts.items() if n in self.register}
        self.look(event.at)

    def written(self, effect: do.Record) -> None:
        """A consent is on its way to the ledger."""
        person = int(str(effect.fields["person"]))
        if effect.fields["action"] == "added":
            self.tickets[effect.ticket] = self.register[person]

    def durable(self, event: ev.EntryDurable) -> None:
        """It counts from now on, if the register still says so."""
        consent = self.tickets.pop(event.ticket, None)
        if consent is not None and self.register.get(consent.number) == consent:
            self.counts[consent.number] = consent
            self.look(event.at)

    def look(self, at: float) -> None:
        """Who answers the telephone now, and has each of them agreed?"""
        if self.policy is None:
            return
        wall = at + (self.clock.wall - self.clock.at if self.clock is not None else 0.0)
        running: list[Shift] = []
        if self.clock is not None and self.clock.synced:
            local = datetime.fromtimestamp(wall, UTC) + timedelta(seconds=self.clock.utc_offset_s)
            running = [shift for shift in self.policy.shifts if _runs(shift, local)]
        needed = {person for shift in running for person in shift.staff} if running else set(self.policy.line_users)
        self.ask = next((shift.ask for shift in running if shift.ask is not None), self.policy.ask_when)
        self.covered = not self.damaged and bool(needed) and all(self._agreed(person, wall) for person in needed)

    def _agreed(self, person: int, wall: float) -> bool:
        consent = self.counts.get(person)
        if consent is None or wall < consent.valid_from:
            return False
        return consent.valid_until is None or wall < consent.valid_until


def _runs(shift: Shift, local: datetime) -> bool:
    """Whether one of its nights or days, laid out as an interval, contains this moment."""
    for back in (0, 1):
        midnight = (local - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        length = (shift.end - shift.begin - 1) % 1440 + 1
        begins = midnight + timedelta(minutes=shift.begin)
        if midnight.weekday() in shift.days and begins <= local < begins + timedelta(minutes=length):
            return True
    return False
