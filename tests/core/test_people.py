"""The staff register and the duty rota: who must have agreed, since when it counts, and what the ledger is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.duty import Duty, on_duty
from handschlag.core.fold import fold
from handschlag.core.policy import AskWhen, Shift
from handschlag.core.readiness import cannot
from handschlag.core.staff import StaffConsent, covers
from tests.core.world import STAFF, World

ANNA, BEN = STAFF[0], replace(STAFF[0], number=2)
MONDAY_9 = 1_784_538_000.0  # 2026-07-20 09:00 UTC, a Monday
WEEKDAYS = frozenset(range(5))


def told(world: World, *consents: StaffConsent, damaged: str = "") -> None:
    """The register as it is now."""
    world.feed(ev.RegisterTold(world.now, consents, damaged))


def staff_entries(world: World) -> list[tuple[object, object]]:
    """What the ledger was told."""
    return [(r.fields["action"], r.fields["person"]) for r in world.did(do.Record) if r.kind == "staff"]


def test_nobody_named_is_nobody_covered() -> None:
    """A workshop that has named no user of its line records nothing (unconfigured means: not recorded)."""
    assert cannot(World(line_users=()).start().state.call) == "staff"
    assert not covers({1: ANNA}, (), 1.7e9)


def test_every_user_must_be_covered() -> None:
    """One missing consent is enough to record nothing; with it, and not before the ledger has it, recording works."""
    world = World(line_users=(1, 2)).start()
    assert cannot(world.state.call) == "staff"
    world.adapters.ledger_s = 0.5
    told(world, ANNA, BEN)
    assert cannot(world.state.call) == "staff"
    world.wait(0.6)
    assert cannot(world.state.call) == ""
    assert staff_entries(world) == [("added", 2)]


def test_a_withdrawn_consent_counts_at_once() -> None:
    """The very next call is not recorded, however slow the ledger is."""
    world = World().start()
    world.adapters.ledger_s = None
    told(world, replace(ANNA, withdrawn_at=1.7e9))
    world.incoming()
    world.wait(1.5)
    world.press()
    world.wait(1.0)
    assert cannot(world.state.call) == "staff"
    assert not world.did(do.OpenRecording)
    assert staff_entries(world) == [("withdrawn", 1)]


def test_a_withdrawal_overtakes_its_own_consent() -> None:
    """A consent whose entry is still on its way counts no more once it was taken back."""
    world = World(line_users=(2,)).start()
    world.adapters.ledger_s = 0.5
    told(world, ANNA, BEN)
    told(world, ANNA, replace(BEN, withdrawn_at=1.7e9))
    world.wait(2.0)
    assert cannot(world.state.call) == "staff"
    assert staff_entries(world) == [("added", 2), ("withdrawn", 2)]


def test_a_register_told_twice_is_written_down_once() -> None:
    """Reading the same register again says nothing new, also while the ledger is slow."""
    world = World(line_users=(1, 2)).start()
    world.adapters.ledger_s = 0.5
    told(world, ANNA, BEN)
    told(world, ANNA, BEN)
    world.wait(1.0)
    told(world, ANNA, BEN)
    assert staff_entries(world) == [("added", 2)]


def test_an_entry_that_vanished_counts_no_more() -> None:
    """A line that somebody has removed from the register is as good as withdrawn, and the ledger says so."""
    world = World().start()
    told(world)
    assert cannot(world.state.call) == "staff"
    assert staff_entries(world) == [("removed", 1)]


def test_a_damaged_register_stops_recording_and_comes_back() -> None:
    """Unreadable: nothing is recorded, a fault is on file once, and nobody's consent is taken for withdrawn."""
    world = World().start()
    told(world, damaged="not JSON")
    told(world, damaged="not JSON")
    assert cannot(world.state.call) == "staff"
    assert [r.fields["what"] for r in world.did(do.Record) if r.kind == "fault"] == ["registers:damaged"]
    told(world, ANNA)
    assert cannot(world.state.call) == ""
    assert staff_entries(world) == []


def test_a_consent_ends_by_the_clock() -> None:
    """The second in which a consent ends, or the one before it begins, is not covered."""
    world = World().start()
    wall = world.state.call.wall_offset + world.now
    told(world, replace(ANNA, version="2", valid_from=wall - 1, valid_until=wall + 5))
    world.wait(1.0)
    assert cannot(world.state.call) == ""
    world.wait(5.0)
    assert cannot(world.state.call) == "staff"


def test_the_ledger_remembers_who_agreed() -> None:
    """What was written down is what a later run starts from."""
    world = World(line_users=(1, 2)).start()
    told(world, ANNA, BEN)
    told(world, replace(ANNA, withdrawn_at=1.7e9), BEN)
    entries = [{"seq": i, "kind": r.kind, **r.fields} for i, r in enumerate(world.did(do.Record), 1)]
    assert fold(entries).staff == {2: BEN}


@pytest.mark.parametrize(
    ("hours", "staff"),
    [(-2.1, None), (-2.0, (1,)), (7.9, (1,)), (8.0, None), (13.0, (2,)), (20.9, (2,)), (21.1, None)],
)
def test_shifts_run_by_local_time(hours: float, staff: tuple[int, ...] | None) -> None:
    """9 to 19 h by day, 0 to 8 h by night over midnight, in a place two hours ahead of UTC."""
    shifts = (Shift(WEEKDAYS, 9 * 60, 19 * 60, (1,)), Shift(frozenset({0}), 24 * 60 - 1, 8 * 60, (2,)))
    duty = on_duty(shifts, MONDAY_9 + hours * 3600, 7200.0)
    assert (duty.staff if duty else None) == staff


def test_shifts_that_overlap_are_all_on_duty() -> None:
    """Both shifts' people must be covered; the first one that says how to ask decides that."""
    shifts = (
        Shift(WEEKDAYS, 0, 24 * 60, (1, 2)),
        Shift(WEEKDAYS, 8 * 60, 12 * 60, (2, 3), AskWhen.INCOMING),
    )
    assert on_duty(shifts, MONDAY_9, 0.0) == Duty((1, 2, 3), AskWhen.INCOMING)


def asks(world: World) -> str:
    """When the box asks by itself now."""
    return world.state.call.ask_when.value


def on_rota(world: World, *, synced: bool = True) -> World:
    """A world whose clock says Monday, nine o'clock."""
    world.start()
    world.adapters.synced = synced
    world.adapters.wall_offset = MONDAY_9 - world.now
    world.wait(1.5)
    return world


def test_who_is_on_duty_decides_who_must_be_covered() -> None:
    """The one on duty has agreed: recordable; off duty everybody must have."""
    shift = Shift(WEEKDAYS, 9 * 60, 10 * 60, (1,), AskWhen.INCOMING)
    world = on_rota(World(line_users=(1, 2), shifts=(shift,)))
    assert cannot(world.state.call) == ""
    assert asks(world) == "incoming"
    world.adapters.wall_offset += 3600.0
    world.wait(1.5)
    assert cannot(world.state.call) == "staff"
    assert asks(world) == "button"


def test_an_unsynced_clock_knows_no_rota() -> None:
    """Who is on duty cannot be told: everybody must be covered, and the box asks as settled (P11)."""
    shift = Shift(WEEKDAYS, 9 * 60, 10 * 60, (1,), AskWhen.INCOMING)
    world = on_rota(World(line_users=(1, 2), shifts=(shift,)), synced=False)
    assert cannot(world.state.call) == "staff"
    assert asks(world) == "button"


SATURDAY_NIGHT = Shift(frozenset({5}), 22 * 60, 6 * 60, (2,))
MIDNIGHT_25_OCTOBER = 1_792_886_400.0  # 2026-10-25 00:00 UTC, a Sunday; an hour later Berlin goes from +2 h to +1 h
MIDNIGHT_28_MARCH = 1_806_192_000.0  # 2027-03-28 00:00 UTC, a Sunday; an hour later Berlin goes from +1 h to +2 h


@pytest.mark.parametrize("midnight", [MIDNIGHT_25_OCTOBER, MIDNIGHT_28_MARCH])
def test_a_night_in_which_the_clocks_change_ends_by_the_local_clock(midnight: float) -> None:
    """Saturday 22 h to Sunday 6 h is nine hours in October and seven in March, and belongs to the Saturday."""
    before_h, after_h = (2, 1) if midnight == MIDNIGHT_25_OCTOBER else (1, 2)

    def on(utc_h: float) -> bool:
        offset_h = before_h if utc_h < 1 else after_h
        return on_duty((SATURDAY_NIGHT,), midnight + utc_h * 3600, offset_h * 3600.0) is not None

    minute = 1 / 60
    begins, ends = -2 - before_h, 6 - after_h
    assert [on(begins - minute), on(begins), on(ends - minute), on(ends)] == [False, True, True, False]
    assert all(on(begins + step / 4) for step in range(4 * (ends - begins)))
    assert not any(on(ends + step / 4) for step in range(4 * 16))


def test_the_box_follows_a_change_of_the_clocks() -> None:
    """The local time that the clock tells counts from the next second on: shift over, everybody must have agreed."""
    world = World(line_users=(1, 3), shifts=(replace(SATURDAY_NIGHT, staff=(1,)),)).start()
    world.adapters.utc_offset_s = 3600.0
    world.adapters.wall_offset = MIDNIGHT_28_MARCH + 4.5 * 3600 - world.now  # 5:30 by winter time
    world.wait(1.5)
    assert cannot(world.state.call) == ""
    world.adapters.utc_offset_s = 7200.0
    world.wait(1.5)
    assert cannot(world.state.call) == "staff"


@pytest.mark.parametrize(("day", "staff"), [(6, (2,)), (0, None), (5, None)])
def test_the_night_before_the_week_begins_is_sundays(day: int, staff: tuple[int, ...] | None) -> None:
    """Monday at three in the morning belongs to Sunday's shift, and to no other."""
    duty = on_duty((Shift(frozenset({day}), 22 * 60, 6 * 60, (2,)),), MONDAY_9 - 6 * 3600, 0.0)
    assert (duty.staff if duty else None) == staff
