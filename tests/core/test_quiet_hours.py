"""Quiet hours: nothing goes out but revocations, by local time, and only by a clock that is trusted."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.delivery import HANDED_OUT, HANDED_OUT_CAPPED
from handschlag.core.hours import Hours
from tests.core.archive import Archive
from tests.core.test_delivery import delivered
from tests.core.world import World

MONDAY_21 = 1_784_581_200.0  # 2026-07-20 21:00 UTC, a Monday
NIGHT = (Hours(frozenset({0}), 22 * 60, 6 * 60),)  # Monday 22:00 to Tuesday 06:00


def box(hour_utc: float, *, utc_offset_s: float = 0.0, synced: bool = True, capped: bool = False) -> World:
    """A connected box at an hour after Monday 21:00 UTC."""
    world = World(archive=Archive(), quiet=NIGHT, capped=capped)
    world.adapters.wall_offset = MONDAY_21 + hour_utc * 3600.0 - world.now
    world.adapters.utc_offset_s = utc_offset_s
    world.adapters.synced = synced
    world.start()
    world.feed(ev.Connected(world.now))
    return world


def test_in_quiet_hours_a_call_is_recorded_and_kept_back() -> None:
    """Not a clip, not a manifest, no ledger; in the morning everything goes."""
    world = box(2.0)
    delivered(world)
    world.wait(30.0)
    assert world.did(do.Send) == []
    assert world.did(do.SendLedger) == []
    world.adapters.wall_offset += 7 * 3600.0
    world.wait(30.0)
    assert len(world.records("receipted")) == 1


def test_a_withdrawal_goes_at_every_hour() -> None:
    """P7 knows no hours."""
    world = box(2.0)
    recording = world.record_by_key()
    world.wait(5.0)
    world.key("9")
    world.wait(3.0)
    assert [send.name for send in world.did(do.Send)] == ["revoke.jws"]
    assert world.did(do.DropRevoke) == [do.DropRevoke(recording)]


def test_an_unset_clock_has_no_quiet_hours() -> None:
    """Else a box whose clock is wrong would never send."""
    world = box(2.0, synced=False)
    delivered(world)
    world.wait(10.0)
    assert len(world.records("receipted")) == 1


@pytest.mark.parametrize(
    ("hour_utc", "utc_offset_s", "quiet"),
    [
        *((0.99, 0.0, False), (1.01, 0.0, True), (8.9, 0.0, True), (9.01, 0.0, False)),
        *((0.01, 3600.0, True), (8.01, 3600.0, False), (25.0, 0.0, False), (-23.0, 0.0, False)),
    ],
)
def test_the_hours_are_local_and_belong_to_the_day_on_which_they_begin(
    hour_utc: float,
    utc_offset_s: float,
    quiet: bool,  # noqa: FBT001 - a table
) -> None:
    """From 22:00 on Monday until 06:00 on Tuesday, and in no other night."""
    world = box(hour_utc, utc_offset_s=utc_offset_s)
    delivered(world)
    world.wait(10.0)
    assert (world.did(do.Send) == []) is quiet


def test_a_call_into_the_quiet_hours_stops_sending_with_them() -> None:
    """What was handed out before is the last."""
    world = box(0.985)
    recording = world.record_by_key()
    world.wait(45.0)
    live = len(world.sent(recording))
    world.wait(60.0)
    assert live >= 5
    assert len(world.sent(recording)) == live
    assert len(world.files[recording]) > live + 10


def test_what_fails_in_quiet_hours_waits_for_their_end() -> None:
    """A broken connection and a new one are no way around."""
    world = box(0.9)
    archive = world.archive
    assert archive is not None
    archive.mute = 1.0
    delivered(world)
    world.adapters.wall_offset += 3600.0
    world.wait(2.0)
    before = len(world.did(do.Send))
    world.feed(ev.Disconnected(world.now, "x"))
    world.feed(ev.Connected(world.now))
    world.wait(100.0)
    assert len(world.did(do.Send)) == before


def test_with_a_cap_little_is_handed_out_at_a_time() -> None:
    """What waits at the uplink goes out even when the quiet hours begin."""
    assert box(0.0, capped=True).state.delivery.handed_out == HANDED_OUT_CAPPED < HANDED_OUT
    assert box(0.0).state.delivery.handed_out == HANDED_OUT
