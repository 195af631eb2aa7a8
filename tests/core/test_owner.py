"""The owner's messages, and a ledger that is not trusted until the owner opens a new epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp
from handschlag.core.fold import fold
from handschlag.core.readiness import cannot
from tests.core.test_keeping import NOW, YEAR, R, box, folder, led_out, ready
from tests.core.world import STAFF, World

DAY = 86400.0
DOUBT = ev.LedgerDoubted(0.0, "the archive names entry 40, the ledger ends at entry 9", 40, "ab" * 32)


def say(world: World, name: str, counter: int = 1, recording: str = R, **more: object) -> ev.OwnerSaid:
    """The owner says something of a recording."""
    message = ev.OwnerSaid(world.now, f"{name}{counter}", name, counter, recording, **more)  # type: ignore[arg-type]
    world.feed(message)
    world.wait(0.5)
    return message


def replies(world: World) -> list[tuple[str, str]]:
    """What the box answered, in order."""
    return [(reply.id, reply.outcome) for reply in world.did(do.Reply)]


def test_an_erasure_is_in_the_ledger_before_it_begins_and_answered_when_it_is_there() -> None:
    """Without a revocation; unreceipted ones, too."""
    world = ready(box(folder(receipted=False, receipted_at=None)))
    world.adapters.ledger_s = 1.0
    say(world, "erase")
    assert world.did(do.DestroyRecording) == []
    assert replies(world) == []
    world.wait(2.0)
    assert replies(world) == [("erase1", "done")]
    assert [r.recording for r in world.did(do.RemoveGone)] == [R]
    assert world.did(do.SignRevoke) == []
    (entry,) = world.records("command")
    assert entry.fields == {
        "by": "owner",
        "id": "erase1",
        "name": "erase",
        "counter": 1,
        "recording": R,
        "outcome": "done",
    }


def test_an_erasure_waits_for_the_end_of_the_call() -> None:
    """It is answered at once, for its entry is durable; the folder goes when the line is idle."""
    world = ready(box(folder()))
    world.lift()
    say(world, "erase")
    world.wait(5.0)
    assert replies(world) == [("erase1", "done")]
    assert world.did(do.DestroyRecording) == []
    world.hang_up()
    world.wait(3.0)
    assert [r.recording for r in world.did(do.RemoveGone)] == [R]


def test_a_held_recording_is_not_erased_until_it_is_released() -> None:
    """Each message has its entry and its answer."""
    world = ready(box(folder(retain_until=NOW + DAY)))
    say(world, "hold", 1)
    say(world, "erase", 2)
    world.adapters.wall_offset += YEAR
    world.wait(3.0)
    assert led_out(world) == []
    say(world, "release", 3)
    world.wait(3.0)
    assert replies(world) == [("hold1", "done"), ("erase2", "held"), ("release3", "done")]
    assert led_out(world) == [("expired", R)]


@pytest.mark.parametrize(("kept_for", "expires"), [("inquiry", True), ("building", False)])
def test_a_class_change_counts_from_the_recordings_own_date(kept_for: str, expires: bool) -> None:  # noqa: FBT001
    """Closed 100 days ago: as an inquiry (90 days) it is over, as building work it is kept for 5 years."""
    world = ready(box(folder(closed_at=NOW - 100 * DAY, retain_until=NOW + DAY)))
    say(world, "class", kept_for=kept_for)
    world.wait(3.0)
    world.adapters.wall_offset += 10 * DAY
    world.wait(3.0)
    assert led_out(world) == ([("expired", R)] if expires else [])


def test_a_message_that_comes_again_is_answered_again_and_written_down_once() -> None:
    """And an older one changes nothing, and fills no ledger."""
    world = ready(box(folder()))
    say(world, "hold", 7)
    say(world, "hold", 7)
    for counter in (1, 6, 7):
        say(world, "erase", counter)
    assert replies(world) == [("hold7", "done"), ("hold7", "done"), *((f"erase{c}", "replayed") for c in (1, 6, 7))]
    assert len(world.records("command")) == 1


@pytest.mark.parametrize("name", ["erase", "hold", "release", "class"])
def test_what_is_not_here_or_still_runs_is_told(name: str) -> None:
    """With an entry, as every decision."""
    world = World().start()
    recording = world.record_by_key()
    more = {"kept_for": "order"} if name == "class" else {}
    say(world, name, 1, recording, **more)
    say(world, name, 2, R, **more)
    assert [outcome for _, outcome in replies(world)] == ["running", "not-here"]
    assert len(world.records("command")) == 2
    assert world.capturing()


def test_holds_classes_erasures_and_the_counter_survive_a_restart() -> None:
    """They are folded from the ledger."""
    world = ready(box(folder()))
    say(world, "hold", 3)
    say(world, "class", 4, kept_for="building")
    entries = [
        {"seq": n, "kind": r.kind, "at": "", "clock": "synced", **r.fields} for n, r in enumerate(world.did(do.Record))
    ]
    folded = fold(entries)
    assert (folded.held, folded.kept_for, folded.owner.counter) == ({R}, {R: "building"}, 4)
    say(world, "release", 5)
    say(world, "erase", 6)
    entries = [
        {"seq": n, "kind": r.kind, "at": "", "clock": "synced", **r.fields} for n, r in enumerate(world.did(do.Record))
    ]
    folded = fold(entries)
    assert folded.held == set()
    assert folded.ended[R][0] == "erased"
    again = box(folder(ended_by_ledger="erased", ended_seq=17, held=False))
    again.feed(replace(folder(ended_by_ledger="erased", ended_seq=17), at=again.now))
    again.wait(1.0)
    assert [r.recording for r in again.did(do.RemoveGone)] == [R]
    assert again.did(do.SignRevoke) == []


def test_a_doubted_ledger_records_nothing_and_the_telephone_goes_on() -> None:
    """Lamp, reason, entry; a call is seen and written down; after the owner's epoch all is as before."""
    world = World().start()
    world.feed(replace(DOUBT, at=world.now))
    assert world.lamps().status is StatusLamp.CANNOT_RECORD
    assert cannot(world.state.call) == "ledger-doubted"
    (entry,) = world.records("fault")
    assert entry.fields == {
        "what": "ledger:doubted",
        "why": DOUBT.why,
        "head_seq": DOUBT.seq,
        "head_hash": DOUBT.hash,
    }
    world.lift()
    world.wait(2.0)
    world.press()
    world.wait(1.0)
    assert not world.capturing()
    assert world.records("granted") == []
    assert len(world.records("call")) == 1
    world.hang_up()
    world.wait(1.0)
    say(world, "epoch", 1, "", epoch=1)
    assert replies(world) == [("epoch1", "done")]
    assert cannot(world.state.call) == ""
    assert world.record_by_key()


def test_a_yes_that_is_running_ends_as_usual_when_the_ledger_is_doubted() -> None:
    """Its own entry was durable before: it is kept, closed, and sent."""
    world = World().start()
    world.record_by_key()
    world.feed(replace(DOUBT, at=world.now))
    world.wait(1.0)
    assert world.capturing()
    world.hang_up()
    world.wait(2.0)
    assert len(world.did(do.CloseRecording)) == 1
    assert world.records("closed")


def test_a_doubt_found_at_the_start_is_the_first_entry() -> None:
    """What follows stands behind it; it lasts over restarts until the epoch, and an old epoch does not lift it."""
    world = World()
    word = ev.LastWord(5, "x", "done")
    world.feed(ev.Booted(world.now, "b1", b"x" * 16, staff=STAFF, owner=word, epoch=3, doubted_now=DOUBT))
    assert [r.kind for r in world.did(do.Record)][:2] == ["fault", "boot"]
    entries = [{"seq": n, "kind": r.kind, **r.fields} for n, r in enumerate(world.did(do.Record))]
    assert fold(entries).ledger_doubt == DOUBT.why
    world.wait(1.0)
    say(world, "epoch", 6, "", epoch=3)
    assert world.state.call.ledger_doubt
    say(world, "epoch", 7, "", epoch=4)
    assert not world.state.call.ledger_doubt
    assert replies(world) == [("epoch6", "old-epoch"), ("epoch7", "done")]


def test_the_same_doubt_is_written_down_once_and_a_later_line_once_more() -> None:
    """So that the chain goes on behind the newest that is known, and a repeated answer fills no ledger."""
    world = World().start()
    for seq in (40, 40, 12, 41):
        world.feed(replace(DOUBT, at=world.now, seq=seq))
    assert [r.fields["head_seq"] for r in world.records("fault")] == [40, 41]


def test_what_the_archive_says_of_the_ledger_is_held_against_it() -> None:
    """Whatever number it names; and the catalog's own row at the start."""
    world = World().start()
    world.feed(ev.RowFound(world.now, "ledger", "acked", 7, "h7"))
    world.feed(ev.LedgerSynced(world.now, 99, "h99", "e1", 1.7e9 + world.now))
    asked = [(check.seq, check.hash) for check in world.did(do.CheckLedger)]
    assert asked == [(7, "h7"), (99, "h99")]


def test_a_doubt_that_comes_while_the_new_epoch_is_being_written_does_not_undo_it() -> None:
    """It was asked before the owner spoke: an entry behind the epoch's would doubt the ledger again after a restart."""
    world = World().start()
    world.feed(replace(DOUBT, at=world.now))
    world.adapters.ledger_s = 1.0
    say(world, "epoch", 1, "", epoch=1)
    world.feed(replace(DOUBT, at=world.now, seq=99))
    world.wait(2.0)
    assert cannot(world.state.call) == ""
    assert len(world.records("fault")) == 1
