"""An archive restored from a backup: what it may have lost is offered again, and kept until it is confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.delivery import MANIFEST, SENDING_AT_MOST, backlog
from handschlag.core.events import ArchiveWord
from tests.core.archive import CLOCK, Archive
from tests.core.restart import restart
from tests.core.test_delivery import Bench, R, connected, delivered, sends
from tests.core.test_keeping import DAY, NOW, box, folder, jump, led_out, name, ready
from tests.core.world import STAFF, World


def stored_world(count: int = 2) -> tuple[World, list[str]]:
    """Some recordings, all receipted in epoch e1."""
    world = connected(Archive())
    recordings = [delivered(world, 6.0) for _ in range(count)]
    world.wait(2.0)
    assert len(world.records("receipted")) == count
    return world, recordings


def archive_of(world: World) -> Archive:
    """The world's archive."""
    assert world.archive is not None
    return world.archive


def speaks(world: World) -> None:
    """Any receipt tells the epoch, also one that says nothing else."""
    world.feed(ev.Progressed(world.now, R, frozenset(), archive_of(world).epoch, CLOCK + world.now))


def test_what_a_restored_archive_lost_is_sent_again_manifest_first() -> None:
    """The manifest asks; of what is still there no file moves, of what is lost all do; then both are receipted anew."""
    world, (kept, lost) = stored_world()
    archive_of(world).restore("e2", keeps=1, ledger=0)
    before = len(world.did(do.Send))
    speaks(world)
    world.wait(10.0)
    again = world.did(do.Send)[before:]
    assert [send.name for send in again if send.recording == kept] == [MANIFEST]
    names = [send.name for send in again if send.recording == lost]
    assert names[0] == names[-1] == MANIFEST
    assert set(names) == set(world.files[lost])
    assert {kept, lost} <= archive_of(world).stored
    assert [entry.fields["recording"] for entry in world.records("receipted")[2:]] == [kept, lost]
    assert world.spool.receipts[kept][0] == world.spool.receipts[lost][0] == "e2"
    assert backlog(world.state.delivery) == 0


def test_the_ledger_goes_from_its_beginning_and_jumps_to_what_the_archive_has() -> None:
    """The archive's answer to the first lines is its head; from behind it on the rest goes."""
    world, _ = stored_world()
    archive_of(world).restore("e2", keeps=2, ledger=5)
    before = len(world.did(do.SendLedger))
    speaks(world)
    world.wait(40.0)
    assert world.did(do.SendLedger)[before].first == 1
    assert archive_of(world).ledger == world.seq
    assert do.SaveRow("ledger", "acked", 0) in world.did(do.SaveRow)


def test_the_change_is_in_the_ledger_once() -> None:
    """A fault that names both epochs, and no more, however many receipts follow."""
    world, _ = stored_world()
    archive_of(world).restore("e2", keeps=0, ledger=0)
    speaks(world)
    world.wait(10.0)
    faults = [r.fields for r in world.records("fault")]
    assert [(f["what"], f["before"], f["epoch"]) for f in faults] == [("archive:epoch", "e1", "e2")]


@pytest.mark.parametrize("lucky", [True, False])
def test_a_restart_between_the_change_and_the_new_receipts_forgets_nothing(lucky: bool) -> None:  # noqa: FBT001 - both
    """Whether or not the entry reached the disk: at the next receipt, or at once, everything is offered again."""
    world, recordings = stored_world()
    archive = archive_of(world)
    archive.restore("e2", keeps=0, ledger=0)
    archive.mute = 1.0
    speaks(world)
    restart(world, crew=STAFF, lucky=lucky)
    archive.be_kind()
    world.wait(3.0)
    speaks(world)
    world.wait(30.0)
    assert {epoch for epoch, _ in world.spool.receipts.values()} == {"e2"}
    assert archive.stored == set(recordings)


def test_a_rebuilt_catalog_changes_nothing() -> None:
    """The truth is the receipt beside each recording."""
    world, recordings = stored_world()
    archive_of(world).restore("e2", keeps=0, ledger=0)
    world.spool.rows.clear()
    restart(world, crew=STAFF)
    world.wait(3.0)
    speaks(world)
    world.wait(30.0)
    assert archive_of(world).stored == set(recordings)


def test_an_old_receipt_repeated_turns_nothing_back() -> None:
    """Of an earlier epoch, by its own time older than the newest: counted, and nothing else; not even as `stored`."""
    world, (first, second) = stored_world()
    told = CLOCK + world.now
    world.wait(5.0)
    archive_of(world).restore("e2", keeps=0, ledger=0)
    archive_of(world).mute = 1.0
    speaks(world)
    world.wait(1.0)
    state = world.state.delivery
    for event in (
        ev.Stored(world.now, first, f"hash of {first}", 1, b"old", "e1", told),
        ev.Progressed(world.now, second, frozenset({MANIFEST}), "e1", told),
        ev.Missing(world.now, second, f"hash of {second}", ("000000.clip",), "e1", told),
        ev.Refused(world.now, second, "x", "", "e1", told),
        ev.ArchiveDestroyed(world.now, second, "e1", told),
        ev.LedgerSynced(world.now, world.seq, "h", "e1", told),
    ):
        world.feed(event)
    assert world.state.delivery.stale_receipts == state.stale_receipts + 6
    assert world.state.delivery.archive.epoch == "e2"
    assert world.spool.receipts[first][0] == "e1"
    assert len(world.records("fault")) == 1


def test_a_receipt_of_the_far_future_is_none() -> None:
    """By a trusted clock, a day ahead at most: else one wrong hour would outrank all that follows."""
    world, _ = stored_world()
    world.feed(ev.LedgerSynced(world.now, 1, "line 1", "e9", world.adapters.wall_offset + world.now + 2 * DAY))
    assert world.state.delivery.archive.epoch == "e1"
    world.feed(ev.LedgerSynced(world.now, 1, "line 1", "e9", world.adapters.wall_offset + world.now + DAY / 2))
    assert world.state.delivery.archive.epoch == "e9"


def test_what_came_from_the_future_while_the_clock_was_wrong_outranks_nothing_for_ever() -> None:
    """Heard on an unsynced clock; when that is set, the next receipt of the present counts."""
    bench = Bench()
    bench.feed(ev.LedgerSynced(1.0, 1, "h", "e1", 4e9), ev.ClockTold(2.0, 1.7e9, synced=True))
    bench.feed(ev.LedgerSynced(3.0, 1, "h", "e2", 1.7e9 + 1.0))
    assert bench.state.archive == ArchiveWord("e2", 1.7e9 + 1.0)


def test_nothing_is_purged_before_the_restored_archive_has_confirmed_it() -> None:
    """Not after 14 days, not when space is short; once it is confirmed, its 14 days begin anew."""
    world = ready(box(folder(), folder(name(2), receipt_epoch="e2", receipt_said_at=2.0)))
    archive = archive_of(world)
    archive.epoch, archive.mute = "e2", 1.0
    world.adapters.free_bytes = 1 << 30
    jump(world, 13 * DAY)
    assert led_out(world) == [("purged", name(2))]
    archive.be_kind()
    archive.has[R] = {"head.json", "keys.json", MANIFEST}
    world.files[R] = ["head.json", "keys.json", MANIFEST]
    world.adapters.free_bytes = 1 << 40
    world.feed(ev.Connected(world.now))
    world.rest(2000.0)
    assert [entry.fields["recording"] for entry in world.records("receipted")] == [R]
    jump(world, 13 * DAY)
    assert led_out(world) == [("purged", name(2))]
    jump(world, 2 * DAY)
    assert led_out(world) == [("purged", name(2)), ("purged", R)]


def test_what_has_expired_or_was_taken_back_is_never_offered() -> None:
    """It goes, and needs no archive any more."""
    over = folder(retain_until=NOW - DAY)
    taken = folder(name(2), ended_by_ledger="withdrawn", ended_seq=4)
    fresh = folder(name(3), receipt_epoch="e2", receipt_said_at=2.0)
    world = box(over, taken, fresh)
    archive_of(world).epoch = "e2"
    world.feed(ev.ClockTold(world.now, NOW, synced=True))
    world.lift()
    world.feed(ev.Connected(world.now))
    world.wait(30.0)
    assert [send for send in world.did(do.Send) if send.name == MANIFEST] == []


def test_thousands_are_offered_a_few_at_a_time_after_what_was_never_stored() -> None:
    """No step touches them all; what the archive never had goes before what it may have lost."""
    bench = Bench()
    bench.feed(ev.Disconnected(0.0, ""))
    for number in range(3000):
        bench.feed(found(f"{number:04}"))
    bench.feed(found("9998", receipted=False, receipt_epoch=""), found("9999", receipt_epoch="e2", receipt_said_at=2.0))
    assert backlog(bench.state) == 3001
    out = bench.feed(ev.Connected(1.0))
    assert [effect.recording for effect in out if isinstance(effect, do.ListFiles)] == ["9998"]
    offered = [effect.recording for effect in out if isinstance(effect, do.Send)]
    assert offered == [f"{number:04}" for number in range(SENDING_AT_MOST - 1)]
    assert backlog(bench.state) == 3001


def found(recording: str, **changes: Any) -> ev.FolderFound:
    """A folder with a receipt of epoch e1, in short."""
    facts = {"receipted": True, "receipt_epoch": "e1", "receipt_said_at": 1.0, **changes}
    return ev.FolderFound(
        0.0,
        recording,
        boot="t1",
        seizure=1,
        gone=False,
        has_keys=True,
        has_manifest=True,
        manifest_hash="m",
        consented=True,
        ended_by_ledger="",
        ended_seq=0,
        closed_in_ledger=True,
        **facts,
    )


# --- receipts that are said again, within one epoch


def test_incomplete_for_what_is_stored_sends_nothing() -> None:
    """A replay of what was true before the receipt."""
    bench = Bench()
    bench.to_manifest()
    bench.feed(ev.Stored(0.0, R, "m", 1, b"r", "e", 5.0), ev.ReceiptDurable(0.0, R, "e"))
    assert sends(bench.feed(ev.Missing(1.0, R, "m", ("000001.clip",), "e", 4.0))) == []
    assert not bench.state.active


@pytest.mark.parametrize("answer", ["incomplete", "refused", "destroyed"])
def test_a_verdict_counts_only_while_one_is_awaited(answer: str) -> None:
    """While its files are still going out no manifest was judged: whatever verdict comes is an old one."""
    bench = Bench()
    bench.queue(clips=200)
    before = bench.state.active[R]
    bench.feed(verdict(answer, 9.0))
    assert bench.state.active[R] == before


def verdict(answer: str, said_at: float) -> ev.Event:
    """One of those that are not `stored`."""
    if answer == "incomplete":
        return ev.Missing(1.0, R, "m", ("000001.clip",), "e", said_at)
    if answer == "refused":
        return ev.Refused(1.0, R, "x", "m", "e", said_at)
    return ev.ArchiveDestroyed(1.0, R, "e", said_at)


def test_one_refusal_said_five_times_sets_nothing_aside() -> None:
    """Each counts once, in the order of the archive's time, over every offering; five of its own do."""
    bench = Bench()
    bench.to_manifest()
    for said_at in (9.0, 9.0, 8.0, 9.0, 9.0, 9.0):
        bench.feed(verdict("refused", said_at))
        offer_again(bench)
    assert not bench.state.aside
    for said_at in (10.0, 11.0, 12.0, 13.0):
        bench.feed(verdict("refused", said_at))
        if not bench.state.aside:
            offer_again(bench)
    assert bench.state.aside == {R}


def offer_again(bench: Bench) -> None:
    """Time passes until the manifest was sent again."""
    bench.feed(ev.Woke(bench.now, f"receipt:{R}"))
    if R in bench.state.queue:
        bench.now = max(bench.now, bench.state.queue[R].due_at + 0.001)
        bench.feed(ev.Woke(bench.now, "delivery"))
    names = ("head.json", "000000.clip", "keys.json", MANIFEST)
    out = bench.feed(ev.FilesListed(bench.now, R, names))
    going = sends(out) or [MANIFEST]
    while going:
        going = bench.take(going)


def test_a_refusal_of_another_manifest_is_nobodys() -> None:
    """Hashes decide."""
    bench = Bench()
    bench.to_manifest()
    before = bench.state.active[R]
    bench.feed(ev.Refused(1.0, R, "x", "other", "e", 9.0))
    assert bench.state.active[R] == before


def test_what_the_archive_destroyed_unasked_is_set_aside() -> None:
    """It would take nothing any more, for ever; the box keeps what it has, and a person is told."""
    bench = Bench()
    bench.to_manifest()
    out = bench.feed(verdict("destroyed", 9.0))
    assert bench.state.aside == {R}
    assert not [effect for effect in out if isinstance(effect, do.DestroyRecording | do.KeepReceipt)]


def test_progress_repeated_lets_more_be_sent_and_nothing_else() -> None:
    """The receipts that count come later."""
    bench = Bench()
    bench.take(bench.queue(clips=300))
    before = bench.state.active[R]
    names = frozenset(f"{number:06}.clip" for number in range(300))
    bench.feed(*(ev.Progressed(0.0, R, names, "e", 1.0) for _ in range(3)))
    after = bench.state.active[R]
    assert (after.stage, after.to_send, after.attempts) == (before.stage, before.to_send, before.attempts)
