"""The consent report: every use of the line comes out as one thing, and what does not come out even is named."""

from __future__ import annotations

from typing import Any

import pytest

from handschlag.core import effects as do
from handschlag.core.events import Leg
from handschlag.core.report import report
from tests.core.world import World

Entries = list[dict[str, Any]]


def entries_of(world: World, day: str = "2026-11-24") -> Entries:
    """The ledger of a world, all on one day."""
    written = world.did(do.Record)
    return [
        {"seq": seq, "at": f"{day}T12:00:00Z", "clock": "synced", "kind": record.kind, **record.fields}
        for seq, record in enumerate(written, 1)
    ]


def a_day() -> World:
    """One call of each kind: recorded, refused, unanswered, not asked, private."""
    world = World().start()
    world.record_by_key()
    world.hang_up()
    world.wait(1.0)
    for key in ("3", None):
        world.lift()
        world.wait(1.5)
        world.ask_to_window()
        if key:
            world.key(key)
        world.wait(12.0)
        world.hang_up()
        world.wait(1.0)
    world.incoming()
    world.hang_up()
    world.wait(1.5)
    world.press(2.2)
    world.wait(1.5)
    world.lift()
    world.wait(1.0)
    world.hang_up()
    world.wait(1.0)
    return world


def test_every_call_comes_out_as_one_thing() -> None:
    """Five calls, five ends; the sum is the number of calls and nothing is odd."""
    told = report(entries_of(a_day()), "2026-11")
    assert dict(told.ends) == {"recorded": 1, "refused": 2, "not-asked": 1, "private": 1}
    assert sum(told.ends.values()) == told.calls == 5
    assert told.incoming == 1
    assert told.granted == {"key": 1}
    assert told.refused == {"key": 1, "unanswered": 1}
    assert told.odd == []


def test_another_month_is_another_report() -> None:
    """What happened in November is not in December's report."""
    told = report(entries_of(a_day()), "2026-12")
    assert (told.calls, sum(told.ends.values()), told.odd) == (0, 0, [])


def test_a_call_over_the_turn_of_the_month_counts_once() -> None:
    """It belongs to the month in which it began."""
    world = World().start()
    world.incoming()
    world.hang_up()
    world.wait(1.0)
    entries = entries_of(world)
    for entry in entries:
        entry["at"] = "2026-12-01T00:00:05Z" if entry.get("at_end") else "2026-11-30T23:59:50Z"
    assert dict(report(entries, "2026-11").ends) == {"not-asked": 1}
    assert report(entries, "2026-12").calls == 0


def test_a_call_that_a_power_cut_ended_is_named() -> None:
    """A beginning without an end, and then a boot: failed, and listed by its number."""
    world = World().start()
    world.incoming()
    entries = entries_of(world)
    last = entries[-1]["seq"]
    entries.append({"seq": last + 1, "at": "2026-11-24T13:00:00Z", "clock": "unsynced", "kind": "boot"})
    told = report(entries, "2026-11")
    assert told.ends == {"failed": 1}
    assert "has no end" in told.odd[0]
    assert told.unsynced == 1


@pytest.mark.parametrize("at_end", [False, True])
def test_a_missing_entry_shows(at_end: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """A ledger in which one end of a recorded call is missing does not come out even."""
    world = World().start()
    world.record_by_key()
    world.hang_up()
    world.wait(1.0)
    entries = [entry for entry in entries_of(world) if entry.get("at_end") is not at_end]
    assert report(entries, "2026-11").odd


def test_withdrawals_are_counted() -> None:
    """A recording that was taken back is no recording."""
    world = World().start()
    world.record_by_key()
    world.key("9", Leg.FAR, 0.2)
    world.wait(3.0)
    world.hang_up()
    world.wait(1.0)
    told = report(entries_of(world), "2026-11")
    assert (told.withdrawn, dict(told.ends)) == (1, {"refused": 1})


def _again(entries: Entries, *more: dict[str, Any]) -> Entries:
    """The entries, and more after them."""
    last = entries[-1]["seq"]
    here = {"at": "2026-11-24T13:00:00Z", "clock": "synced"}
    return entries + [{"seq": last + index, **here, **entry} for index, entry in enumerate(more, 1)]


def _part(begun: dict[str, Any], outcome: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same seizure once more, from a beginning to an end."""
    seizure = {"kind": "call", "tap_boot": begun["tap_boot"], "seizure": begun["seizure"]}
    end = {"at_end": True, "outcome": outcome, "bar": "", "ended": "hangup", "seconds": 3.0}
    return {**seizure, "at_end": False, "incoming": False}, {**seizure, **end}


def test_a_call_that_goes_on_after_a_silence_of_the_tap_is_one_call() -> None:
    """Two beginnings and two ends of one seizure are one call, and what was recorded in it stays recorded."""
    world = World().start()
    world.record_by_key()
    world.hang_up()
    world.wait(1.0)
    entries = entries_of(world)
    begun = next(entry for entry in entries if entry["kind"] == "call")
    told = report(_again(entries, *_part(begun, "not-asked")), "2026-11")
    assert (told.calls, dict(told.ends), told.odd) == (1, {"recorded": 1}, [])
    told = report(_again(entries, *_part(begun, "withdrawn")), "2026-11")
    assert (told.calls, dict(told.ends)) == (1, {"refused": 1})


@pytest.mark.parametrize(("more", "end"), [("interrupted", "failed"), ("closed", "recorded")])
def test_a_call_over_a_restart_is_one_call(more: str, end: str) -> None:
    """Cut, and seen again after the boot: one call, recorded if its recording was kept, else failed."""
    world = World().start()
    world.record_by_key()
    entries = entries_of(world)
    begun = next(entry for entry in entries if entry["kind"] == "call")
    granted = next(entry for entry in entries if entry["kind"] == "granted")
    kept = {"kind": more, "recording": granted["recording"], "manifest": "m"}
    told = report(_again(entries, {"kind": "boot"}, *_part(begun, "not-asked"), kept), "2026-11")
    assert (told.calls, dict(told.ends)) == (1, {end: 1})
