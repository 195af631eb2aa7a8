"""Delivery: what is sent when, what the archive's answers do, and that nothing is lost for ever."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.delivery import (
    BACK_OFF_S,
    HANDED_OUT,
    MANIFEST,
    RECEIPT_TIMEOUT_S,
    SENDING_AT_MOST,
    WITHOUT_PROGRESS,
    DeliveryState,
    release,
    step_delivery,
)
from handschlag.core.effects import StatusLamp
from tests.core.archive import Archive
from tests.core.world import World

R = "018bcfe7-0000-7000-8000-000000000001"


def connected(archive: Archive | None = None) -> World:
    """A box with a broker, in no call."""
    world = World(archive=archive).start()
    world.feed(ev.Connected(world.now))
    return world


def delivered(world: World, seconds: float = 30.0) -> str:
    """A recorded call of some length, hung up, and a second for the rest."""
    recording = world.record_by_key()
    world.wait(seconds)
    world.hang_up()
    world.wait(1.0)
    return recording


class Bench:
    """The delivery machine alone, answered by hand."""

    def __init__(self) -> None:
        self.state = DeliveryState()
        self.now = 0.0
        self.out: list[do.Effect] = []
        self.feed(ev.Booted(0.0, "b1", b"seed" * 4))
        self.feed(ev.Connected(0.0))

    def feed(self, *events: ev.Event) -> list[do.Effect]:
        """Step with events; gives the effects of these steps."""
        fresh: list[do.Effect] = []
        for event in events:
            self.state, effects = step_delivery(self.state, event)
            fresh += effects
        self.out += fresh
        return fresh

    def queue(self, recording: str = R, *, clips: int = 3) -> list[str]:
        """A closed recording found at start, listed; gives the names sent at once."""
        names = ("head.json", *(f"{n:06}.clip" for n in range(clips)), "keys.json", MANIFEST)
        found = ev.FolderFound(self.now, recording, **CLOSED)
        return sends(self.feed(found, ev.FilesListed(self.now, recording, names)), recording)

    def take(self, names: Iterable[str], recording: str = R) -> list[str]:
        """The broker takes files; gives what is sent next."""
        return sends(self.feed(*(ev.FileSent(self.now, recording, name) for name in names)), recording)

    def to_manifest(self, recording: str = R) -> None:
        """Everything goes out, up to the manifest."""
        going = self.queue(recording)
        while going:
            going = self.take(going, recording)

    def timers(self) -> dict[str, float | None]:
        """The last wish for each deadline."""
        return {effect.tag: effect.at for effect in self.out if isinstance(effect, do.WakeAt)}


CLOSED: dict[str, Any] = {
    "boot": "t1",
    "seizure": 1,
    "gone": False,
    "has_keys": True,
    "has_manifest": True,
    "manifest_hash": "m",
    "consented": True,
    "ended_by_ledger": "",
    "ended_seq": 0,
    "closed_in_ledger": True,
    "receipted": False,
}
"""What is found of a closed recording."""


def sends(effects: Iterable[do.Effect], recording: str = R) -> list[str]:
    """Names that were sent of a recording."""
    return [effect.name for effect in effects if isinstance(effect, do.Send) and effect.recording == recording]


# --- a call


def test_clips_go_out_live_keys_and_manifest_after_the_call() -> None:
    """During the call nothing that could open it; afterwards the rest, the manifest last and alone."""
    world = connected(Archive())
    recording = world.record_by_key()
    world.wait(20.0)
    live = world.sent(recording)
    assert live[:2] == ["head.json", "details.0"]
    assert len([n for n in live if n.endswith(".clip")]) >= 8
    assert not {"keys.json", MANIFEST, "details.1", "clips.0.json"} & set(live)
    world.hang_up()
    world.wait(2.0)
    names = world.sent(recording)
    assert names[-1] == MANIFEST
    assert set(names) == set(world.files[recording])
    assert len(names) == len(set(names))
    assert world.records("receipted")


def test_keys_wait_for_the_durable_closed() -> None:
    """A slow ledger holds keys and manifest back, not the box."""
    world = connected(Archive())
    recording = world.record_by_key()
    world.wait(5.0)
    world.adapters.ledger_s = 2.0
    world.hang_up()
    world.wait(1.9)
    assert world.records("closed")
    assert not {"keys.json", MANIFEST} & set(world.sent(recording))
    world.wait(1.0)
    assert {"keys.json", MANIFEST} <= set(world.sent(recording))


def test_a_revocation_goes_before_everything_and_until_destroyed() -> None:
    """A mute archive is told again and again; its `destroyed` ends it."""
    archive = Archive(mute=1.0)
    world = connected(archive)
    recording = world.record_by_key()
    world.wait(5.0)
    world.key("9")
    world.wait(60.0)
    assert world.sent(recording).count("revoke.jws") > 2
    archive.be_kind()
    world.rest(900.0)
    assert world.did(do.DropRevoke) == [do.DropRevoke(recording)]
    count = world.sent(recording).count("revoke.jws")
    world.rest(2000.0)
    assert world.sent(recording).count("revoke.jws") == count


def test_a_revocation_overtakes_a_backlog() -> None:
    """The queue is full, all that may be is handed out: the revocation goes in the very step in which it is durable."""
    bench = Bench()
    bench.queue(clips=50)
    assert sends(bench.feed(ev.RevokeDurable(0.0, "other")), "other") == ["revoke.jws"]


# --- flow


def test_sixty_four_are_handed_out() -> None:
    """Never more that the broker has not acknowledged, over all recordings."""
    bench = Bench()
    assert len(bench.queue("a", clips=100)) == HANDED_OUT
    assert bench.queue("b", clips=20) == []
    assert len(bench.take(["head.json"], "a")) == 1


def test_256_without_progress() -> None:
    """Then the box waits for the archive; progress, or 12 s, lets it go on."""
    bench = Bench()
    going = bench.queue(clips=600)
    count = len(going)
    while going:
        going = bench.take(going)
        count += len(going)
    assert count == WITHOUT_PROGRESS
    more = sends(bench.feed(ev.Progressed(0.0, R, frozenset(f"{n:06}.clip" for n in range(100)), "e", 1.0)))
    assert len(more) == HANDED_OUT
    while more:
        more = bench.take(more)
    assert len(sends(bench.feed(ev.Woke(RECEIPT_TIMEOUT_S, f"progress:{R}")))) == HANDED_OUT


def test_the_manifest_flies_alone() -> None:
    """It says "now judge": all others must have been taken before."""
    bench = Bench()
    going = bench.queue()
    assert MANIFEST not in going
    assert bench.take(going[:-1]) == []
    assert bench.take(going[-1:]) == [MANIFEST]


def test_the_manifest_is_last_however_the_disk_lists() -> None:
    """The order of names is not trusted for it."""
    bench = Bench()
    bench.queue()
    bench.feed(ev.Disconnected(0.0, ""), ev.Connected(0.0))
    fresh = Bench()
    fresh.queue("other", clips=0)
    listed = sends(fresh.feed(ev.FilesListed(0.0, "other", (MANIFEST, "head.json"))), "other")
    assert MANIFEST not in listed


def test_a_running_call_goes_before_the_backlog() -> None:
    """The next free place is for the clip of just now, whatever waits since yesterday."""
    bench = Bench()
    bench.queue("a", clips=200)
    bench.state, _ = release(bench.state, do.WriteKeys("z"), 0.0)
    bench.feed(ev.FileDurable(0.0, "z", "000000.clip", 1000))
    out = bench.feed(*(ev.FileSent(0.0, "a", name) for name in ("head.json", "000000.clip", "000001.clip")))
    assert [(x.recording, x.rank) for x in out if isinstance(x, do.Send)] == [
        ("z", do.Rank.LIVE),
        ("a", do.Rank.BACKLOG),
        ("a", do.Rank.BACKLOG),
    ]


def test_a_manifest_goes_before_both() -> None:
    """So the archive can judge what is there, and its receipt gives the next recording its place."""
    bench = Bench()
    going = bench.queue("b", clips=2)
    bench.queue("a", clips=200)
    bench.state, _ = release(bench.state, do.WriteKeys("z"), 0.0)
    bench.feed(ev.FileDurable(0.0, "z", "000000.clip", 1000))
    out = bench.feed(*(ev.FileSent(0.0, "b", name) for name in going))
    assert [x.rank for x in out if isinstance(x, do.Send)][len(going) - 1] is do.Rank.MANIFEST


def test_fourteen_days_offline_grow_nothing() -> None:
    """1,500 recordings wait, clock and disk talk on: no effect, no row, no entry, and not one thing more remembered."""
    bench = Bench()
    bench.feed(ev.Disconnected(0.0, ""))
    for number in range(1500):
        bench.queue(f"{number:04}")
    before = bench.state
    for hour in range(14 * 24):
        at = hour * 3600.0
        events = (
            ev.ClockTold(at, 1.7e9 + at, synced=True),
            ev.Woke(at, "delivery"),
            ev.SpaceTold(at, 1 << 40),
            ev.SendFailed(at, "0001", "000000.clip", "not connected", permanent=False),
        )
        assert bench.feed(*events) == []
    assert replace(bench.state, clock=before.clock) == before


# --- answers


def test_stored_moves_on_and_only_with_the_right_manifest() -> None:
    """A receipt for other bytes is nobody's receipt; the right one is kept, then ledgered once it is durable."""
    bench = Bench()
    bench.to_manifest()
    wrong = bench.feed(ev.Stored(0.0, R, "other", 1, b"r", "e", 1.0))
    assert not [x for x in wrong if isinstance(x, do.KeepReceipt)]
    right = bench.feed(ev.Stored(0.0, R, "m", 1, b"r", "e", 1.0))
    assert [x for x in right if isinstance(x, do.KeepReceipt)] == [do.KeepReceipt(R, b"r", "e")]
    assert not [x for x in bench.out if isinstance(x, do.Record)]
    bench.feed(ev.ReceiptDurable(0.0, R, "e"))
    assert [x.kind for x in bench.out if isinstance(x, do.Record)] == ["receipted"]
    assert not bench.state.active
    assert not bench.state.queue


def test_a_receipt_that_becomes_durable_late_still_counts() -> None:
    """The manifest was already queued again when the disk was done."""
    bench = Bench()
    bench.to_manifest()
    bench.feed(
        ev.Stored(0.0, R, "m", 1, b"r", "e", 1.0), ev.Woke(20.0, f"receipt:{R}"), ev.ReceiptDurable(20.0, R, "e")
    )
    assert [x.kind for x in bench.out if isinstance(x, do.Record)] == ["receipted"]
    assert not bench.state.active
    assert not bench.state.queue


def test_incomplete_repairs() -> None:
    """The missing names again, then the manifest; unknown or hostile names are not asked of the disk."""
    bench = Bench()
    bench.to_manifest()
    again = sends(
        bench.feed(ev.Missing(1.0, R, "m", ("000001.clip", "../../etc/passwd", "000001.clip", MANIFEST), "e", 1.0))
    )
    assert again == ["000001.clip"]
    assert bench.take(again) == [MANIFEST]


def test_incomplete_for_another_manifest_is_ignored() -> None:
    """Hashes decide."""
    bench = Bench()
    bench.to_manifest()
    assert sends(bench.feed(ev.Missing(1.0, R, "other", ("000001.clip",), "e", 1.0))) == []


def test_an_archive_that_always_misses_something_is_not_hammered() -> None:
    """Repairs that follow each other back off after a few."""
    bench = Bench()
    bench.to_manifest()
    at_once = 0
    for _ in range(12):
        going = sends(bench.feed(ev.Missing(1.0, R, "m", ("000001.clip",), "e", 1.0)))
        at_once += bool(going)
        while going:
            going = bench.take(going)
    assert at_once < 12


def test_refused_five_times_is_set_aside_and_blocks_nobody() -> None:
    """Alarmed on the lamp and in the ledger; the next recording goes through."""
    archive = Archive(refuses=1.0)
    world = connected(archive)
    bad = delivered(world)
    world.rest(4000.0)
    assert world.sent(bad).count(MANIFEST) == 5
    assert [r.fields["recording"] for r in world.records("fault")] == [bad]
    assert world.lamps().status is StatusLamp.WARNING
    archive.be_kind()
    good = delivered(world)
    world.wait(5.0)
    assert [r.fields["recording"] for r in world.records("receipted")] == [good]


def test_a_file_that_can_never_be_sent_sets_its_recording_aside() -> None:
    """Too big for the broker, say; and a restart does not try again."""
    bench = Bench()
    going = bench.queue()
    out = bench.feed(ev.SendFailed(0.0, R, going[0], "too big", permanent=True))
    assert [(x.state, x.reason) for x in out if isinstance(x, do.SaveRow)] == [("aside", "head.json: too big")]
    fresh = Bench()
    fresh.feed(ev.RowFound(0.0, R, "aside", 1, "head.json: too big"))
    assert fresh.queue() == []


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_back_off_has_full_jitter_within_its_bounds(seed: bytes) -> None:
    """Each wait is between nothing and a ceiling that doubles from 2 s to 15 min; manifests are never given up."""
    bench = Bench()
    bench.feed(ev.Booted(0.0, "b", seed))
    bench.to_manifest()
    waits = []
    for attempt in range(14):
        bench.feed(ev.Woke(bench.now, f"receipt:{R}"))
        due = bench.state.queue[R].due_at if R in bench.state.queue else bench.now
        waits.append(due - bench.now)
        assert 0.0 <= waits[-1] <= min(BACK_OFF_S[1], BACK_OFF_S[0] * 2.0**attempt)
        bench.now = due + 0.001
        assert sends(bench.feed(ev.Woke(bench.now, "delivery"))) == [MANIFEST]
        bench.take([MANIFEST])
    assert max(waits) > 10.0


def test_a_broker_that_refuses_is_tried_again_later() -> None:
    """A negative reason code is a failure with back-off, not a loss."""
    bench = Bench()
    going = bench.queue()
    out = bench.feed(ev.SendFailed(0.0, R, "head.json", "quota", permanent=False))
    assert "head.json" not in sends(out)
    bench.take(going[1:])
    due = bench.timers()["delivery"]
    assert due is not None
    assert due > 0.0
    assert sends(bench.feed(ev.Woke(due + 0.001, "delivery"))) == ["head.json"]


# --- ups and downs


@pytest.mark.parametrize("taken", range(6))
def test_a_broken_connection_in_any_state_loses_nothing(taken: int) -> None:
    """After each number of acknowledged files: disconnect, reconnect, and everything arrives."""
    bench = Bench()
    going = bench.queue()
    got: set[str] = set()
    for _ in range(taken):
        if going:
            got.add(going[0])
            going = going[1:] + bench.take(going[:1])
    assert sends(bench.feed(ev.Disconnected(1.0, "gone"), ev.Woke(2.0, "delivery"))) == []
    going = sends(bench.feed(ev.Connected(3.0)))
    while going:
        got.update(going)
        going = bench.take(going)
    assert got == {"head.json", "000000.clip", "000001.clip", "000002.clip", "keys.json", MANIFEST}


def test_a_reconnect_without_a_disconnect_takes_back_what_flew() -> None:
    """The end of the old connection was lost: its files must not block for ever."""
    bench = Bench()
    bench.queue(clips=100)
    assert len(sends(bench.feed(ev.Connected(1.0)))) == HANDED_OUT


def test_a_listing_that_fails_is_tried_again() -> None:
    """A disk error there holds no place for ever."""
    bench = Bench()
    bench.feed(ev.Disconnected(0.0, ""))
    bench.queue()
    bench.feed(ev.Connected(0.0))
    bench.feed(ev.DiskFailed(0.0, "list", R))
    due = bench.timers()["delivery"]
    assert due is not None
    out = bench.feed(ev.Woke(due + 0.001, "delivery"))
    assert do.ListFiles(R) in out


def test_only_so_many_at_a_time_oldest_first() -> None:
    """The backlog goes by age, and one that is closing holds no place."""
    bench = Bench()
    bench.feed(ev.Disconnected(0.0, ""))
    for recording in reversed("abcdefghij"):
        bench.queue(recording)
    out = bench.feed(ev.Connected(1.0))
    assert [x.recording for x in out if isinstance(x, do.ListFiles)] == list("abcdefghij"[:SENDING_AT_MOST])


def test_an_old_backlog_warns_although_it_is_tried_often() -> None:
    """A day without a receipt shows on the lamp."""
    world = connected(Archive(mute=1.0))
    delivered(world)
    world.rest(3600.0)
    assert world.lamps().status is StatusLamp.READY
    world.rest(90000.0)
    assert world.lamps().status is StatusLamp.WARNING


def test_the_ledger_is_synced_in_batches_and_only_its_durable_lines() -> None:
    """Each answer moves on; a foreign or an old number moves nothing, and is not answered with a storm."""
    bench = Bench()
    out = bench.feed(ev.EntryDurable(0.0, 2, 450, "h"))
    assert do.SendLedger(1, 200) in out
    assert not [x for x in bench.feed(ev.LedgerSynced(0.0, 9999, "h", "e", 1.0)) if isinstance(x, do.SendLedger)]
    assert not [x for x in bench.feed(ev.LedgerSynced(0.0, 0, "h", "e", 1.0)) if isinstance(x, do.SendLedger)]
    assert do.SendLedger(201, 400) in bench.feed(ev.LedgerSynced(0.0, 200, "h", "e", 1.0))
    out = bench.feed(ev.LedgerSynced(0.0, 400, "h", "e", 1.0))
    assert do.SendLedger(401, 450) in out
    assert do.SaveRow("ledger", "acked", 400, "h") in out
    assert do.SendLedger(401, 450) in bench.feed(ev.Woke(16.0, "delivery"))


def test_a_restart_goes_on_where_the_row_says() -> None:
    """Attempts and the ledger's acknowledged number come back from the catalog."""
    bench = Bench()
    bench.feed(ev.RowFound(0.0, "ledger", "acked", 40, ""), ev.RowFound(0.0, R, "queued", 7, ""))
    assert do.SendLedger(41, 50) in bench.feed(ev.EntryDurable(0.0, 2, 50, "h"))
    bench.queue()
    assert bench.state.active[R].attempts == 7


# --- everything arrives in the end


ARCHIVES = st.builds(
    Archive,
    rng=st.integers(0, 2**32).map(Random),
    loses=st.floats(0.0, 0.6),
    fails=st.floats(0.0, 0.6),
    mute=st.floats(0.0, 0.8),
    refuses=st.floats(0.0, 0.3),
    progress=st.booleans(),
)


@settings(deadline=None, max_examples=int(os.environ.get("CORE_EXAMPLES", "300")) // 10)
@given(ARCHIVES, st.lists(st.floats(1.0, 60.0), max_size=4))
def test_every_closed_recording_is_stored_in_the_end(archive: Archive, gaps: list[float]) -> None:
    """Whatever broker and archive do for a while: once they behave, all is stored, revoked, synced; then all rests."""
    world = connected(archive)
    kept = delivered(world, 12.0)
    for gap in gaps:
        world.feed(ev.Disconnected(world.now, "lost"))
        world.wait(gap)
        world.feed(ev.Connected(world.now))
        world.wait(gap)
    kept_too = delivered(world, 5.0)
    taken_back = world.record_by_key()
    world.wait(4.0)
    world.key("9")
    world.wait(3.0)
    world.hang_up()
    world.rest(200.0)
    archive.be_kind()
    world.rest(4000.0)
    aside = {str(r.fields["recording"]) for r in world.records("fault")}
    receipted = [str(r.fields["recording"]) for r in world.records("receipted")]
    assert sorted(receipted) == sorted({kept, kept_too} - aside)
    assert taken_back not in archive.stored
    assert world.did(do.DropRevoke) == [do.DropRevoke(taken_back)]
    assert archive.ledger == world.seq
    quiet = len(world.did(do.Send))
    world.rest(4000.0)
    assert len(world.did(do.Send)) == quiet
