"""What the box keeps, and until when: purge after the receipt, expiry, and a clock that lies (record.md, "Limits")."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.box import BoxState, step
from handschlag.core.delivery import SENDING_AT_MOST
from handschlag.core.keeping import PURGE_AFTER_S, PURGE_BELOW_BYTES
from handschlag.core.shelf import Shelf
from tests.core.archive import Archive
from tests.core.world import POLICY, STAFF, World

DAY = 86400.0
NOW = 1.7e9 + 100.0
YEAR = 365 * DAY


def name(number: int) -> str:
    """A recording's id; later numbers are younger."""
    return f"018bcfe7-0000-7000-8000-{number:012}"


R = name(1)


def folder(recording: str = R, **changes: object) -> ev.FolderFound:
    """A closed recording of a month ago, receipted two days ago, to be kept for years; some facts changed."""
    facts: dict[str, object] = {
        "boot": "t1",
        "seizure": 3,
        "gone": False,
        "has_keys": True,
        "has_manifest": True,
        "manifest_hash": f"hash of {recording}",
        "consented": True,
        "ended_by_ledger": "",
        "ended_seq": 0,
        "closed_in_ledger": True,
        "receipted": True,
        "closed_at": NOW - 30 * DAY,
        "retain_until": NOW + YEAR,
        "receipted_at": NOW - 2 * DAY,
        "receipt_epoch": "e1",
        "receipt_said_at": 1.0,
    }
    return ev.FolderFound(100.0, recording, **(facts | changes))  # type: ignore[arg-type] # facts by name


def box(*found: ev.FolderFound, synced: bool = True, free_bytes: int = 100 * 1024**3) -> World:
    """A box that has just started and found these folders."""
    world = World(archive=Archive())
    world.adapters.synced = synced
    world.adapters.free_bytes = free_bytes
    world.feed(ev.Booted(world.now, "b1", b"0123456789abcdef", staff=STAFF))
    for each in found:
        world.files[each.recording] = ["head.json", "keys.json", "manifest.jws"]
        world.feed(each)
    return world


def ready(world: World) -> World:
    """The line is there and idle."""
    world.hello()
    world.feed(ev.RegisterTold(world.now, STAFF))
    world.feed(ev.AudioCame(world.now))
    world.begin_reports()
    world.wait(3.0)
    return world


def led_out(world: World) -> list[tuple[str, str]]:
    """The ledger's entries that lead recordings out: kind and recording."""
    return [(e.kind, str(e.fields["recording"])) for e in world.did(do.Record) if e.kind in {"purged", "expired"}]


def jump(world: World, seconds: float) -> None:
    """The wall clock is somewhere else from now on."""
    world.adapters.wall_offset += seconds
    world.wait(3.0)


def test_a_receipted_recording_is_purged_after_14_days_and_not_before() -> None:
    """One minute before nothing; then the entry, and only when that is durable the folder, without a revocation."""
    world = ready(box(folder(receipted_at=NOW - PURGE_AFTER_S + 60.0)))
    assert led_out(world) == []
    world.adapters.ledger_s = 2.0
    jump(world, 60.0)
    world.wait(-1.5 + 3.0)
    assert led_out(world) == [("purged", R)]
    world.wait(3.0)
    entry = next(e for e in world.trace if any(isinstance(x, do.DestroyRecording) for x in e.effects))
    assert isinstance(entry.event, ev.EntryDurable)
    assert entry.event.ticket == world.records("purged")[0].ticket
    assert [r.recording for r in world.did(do.RemoveGone)] == [R]
    assert world.did(do.SignRevoke) == []


def test_what_the_archive_does_not_have_is_never_purged() -> None:
    """Not by age, not when space is short."""
    world = ready(box(folder(receipted=False, receipted_at=None, retain_until=None), free_bytes=PURGE_BELOW_BYTES - 1))
    world.archive = None
    jump(world, 20 * YEAR)
    assert led_out(world) == []
    assert world.did(do.DestroyRecording) == []


@pytest.mark.parametrize("receipted", [True, False])
def test_a_recording_expires_with_its_retention_receipted_or_not(receipted: bool) -> None:  # noqa: FBT001 -- both
    """Nothing a second before; then `expired`, and gone."""
    world = ready(box(folder(receipted=receipted, receipted_at=None, retain_until=NOW + DAY)))
    jump(world, DAY - 60.0)
    assert led_out(world) == []
    jump(world, 60.0)
    assert led_out(world) == [("expired", R)]
    assert [r.recording for r in world.did(do.RemoveGone)] == [R]
    assert world.did(do.SignRevoke) == []


@pytest.mark.parametrize("years", [20, -40])
def test_nothing_ends_on_an_unsynced_clock(years: int) -> None:
    """P11: a clock that nobody has set jumps by years, and every recording stays."""
    found = [folder(name(n), retain_until=NOW + n * DAY, receipted_at=NOW - n * DAY) for n in range(1, 20)]
    world = ready(box(*found, synced=False))
    jump(world, years * YEAR)
    assert led_out(world) == []
    assert world.did(do.DestroyRecording) == []


def test_years_back_and_forth_end_nothing_before_its_time() -> None:
    """A synced clock that goes back by years delays; what is over when it is right again goes then, and only that."""
    world = ready(box(folder(name(1), retain_until=NOW + DAY), folder(name(2), retain_until=NOW + YEAR)))
    jump(world, -30 * YEAR)
    jump(world, 30 * YEAR)
    assert led_out(world) == []
    jump(world, 2 * DAY)
    assert led_out(world) == [("expired", name(1))]


def test_a_receipt_without_a_trusted_time_counts_from_the_first_synced_moment() -> None:
    """Whatever the clock said before."""
    world = ready(box(folder(receipted_at=None), synced=False))
    jump(world, 100 * DAY)
    world.adapters.synced = True
    jump(world, 0.0)
    jump(world, 13.9 * DAY)
    assert led_out(world) == []
    jump(world, 0.2 * DAY)
    assert led_out(world) == [("purged", R)]


def test_when_space_is_needed_the_oldest_receipted_goes_first_and_only_as_many_as_needed() -> None:
    """One for each look at the disk, until the threshold is reached; unreceipted and held ones stay."""
    found = [folder(name(1), receipted=False, receipted_at=None), folder(name(2), held=True), *map(folder, names(3, 9))]
    world = box(*found, free_bytes=PURGE_BELOW_BYTES - 1)
    world.archive = None
    ready(world)
    world.adapters.free_bytes = PURGE_BELOW_BYTES
    world.wait(5.0)
    out = [recording for _, recording in led_out(world)]
    assert out == list(names(3, 9))[: len(out)]
    assert 1 <= len(out) <= 4
    assert {e.fields["reason"] for e in world.records("purged")} == {"space"}


def names(first: int, last: int) -> list[str]:
    """Ids in order."""
    return [name(number) for number in range(first, last + 1)]


def test_space_is_made_on_an_unsynced_clock_too() -> None:
    """It is not time that ends these."""
    assert led_out(ready(box(folder(receipted_at=None), synced=False, free_bytes=0)))


def test_a_held_recording_stays_whatever_is_over() -> None:
    """Retention, 14 days, and a disk that is full."""
    world = ready(box(folder(held=True, retain_until=NOW - DAY, receipted_at=NOW - YEAR), free_bytes=-5))
    jump(world, 10 * YEAR)
    assert led_out(world) == []


@pytest.mark.parametrize("in_use", ["ring", "call"])
def test_nothing_is_led_out_while_the_line_is_in_use(in_use: str) -> None:
    """It waits until the line is idle again, also when it is due by then for long."""
    world = ready(box(folder(retain_until=NOW + DAY), folder(name(2)), free_bytes=PURGE_BELOW_BYTES))
    world.ring() if in_use == "ring" else world.lift()
    world.adapters.free_bytes = 1
    jump(world, 2 * DAY)
    assert led_out(world) == []
    world.ring(on=False) if in_use == "ring" else world.hang_up()
    world.wait(3.0)
    assert ("expired", R) in led_out(world)


def test_without_a_line_recordings_end_all_the_same() -> None:
    """A box whose tap is missing records nothing, and keeps nothing beyond its time."""
    world = box(folder(retain_until=NOW - DAY))
    world.wait(3.0)
    assert led_out(world) == [("expired", R)]


def test_a_recording_made_here_ends_here() -> None:
    """Closed, receipted and over within one run."""
    world = World(archive=Archive())
    world.adapters.keep_s = 30 * DAY
    world.start()
    world.feed(ev.Connected(world.now))
    recording = world.record_by_key()
    world.hang_up()
    world.wait(5.0)
    assert world.records("receipted")
    jump(world, 13.9 * DAY)
    assert led_out(world) == []
    jump(world, 0.2 * DAY)
    assert led_out(world) == [("purged", recording)]


def test_an_undelivered_recording_that_expires_is_not_sent_any_more() -> None:
    """P5 allows it; from the moment it is taken away nothing of it is sent."""
    world = ready(box(folder(receipted=False, receipted_at=None, retain_until=NOW + DAY)))
    jump(world, 2 * DAY)
    assert led_out(world) == [("expired", R)]
    world.feed(ev.Connected(world.now))
    world.wait(20.0)
    assert world.sent(R) == []


def test_no_event_looks_through_all_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 10,000 recordings, half of them unsent: seconds pass, one is due, one is receipted; nobody iterates."""
    state = BoxState.new(POLICY)
    state, _ = step(state, ev.Booted(1.0, "b1", b"0123456789abcdef", staff=STAFF))
    for number in range(10_000):
        found = folder(name(number), receipted=number % 2 == 0, retain_until=NOW + YEAR + number)
        state, _ = step(state, replace(found, at=1.0))

    def nobody(_shelf: object) -> NoReturn:
        raise AssertionError("looked through everything")

    monkeypatch.setattr(Shelf, "__iter__", nobody)
    happens: list[ev.Event] = [
        ev.ClockTold(2.0, NOW, synced=True),
        ev.SpaceTold(2.0, 1),
        ev.Connected(2.0),
        ev.FilesListed(2.5, name(1), ("head.json", "manifest.jws")),
        ev.Stored(2.6, name(3), f"hash of {name(3)}", 1, b"", "e1", 2.0),
        ev.ReceiptDurable(2.7, name(3), "e1"),
        ev.ClockTold(3.0, NOW + 2 * YEAR, synced=True),
    ]
    done: list[do.Effect] = []
    for event in happens:
        state, effects = step(state, event)
        done += effects
    out = [(e.kind, e.fields["recording"]) for e in done if isinstance(e, do.Record) and e.kind != "clock"]
    assert out == [("purged", name(0)), ("receipted", name(3))]
    in_turn = [name(1 + 2 * number) for number in range(SENDING_AT_MOST + 1)]  # one more, as one is receipted
    assert [e.recording for e in done if isinstance(e, do.ListFiles)] == in_turn
