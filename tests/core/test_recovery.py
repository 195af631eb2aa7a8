"""After a restart: the first rule that fits each folder decides (record.md, "Recovery")."""

from __future__ import annotations

import pytest

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp
from handschlag.core.events import Leg
from tests.core.archive import Archive
from tests.core.world import STAFF, World, order_of

R = "018bcfe7-0000-7000-8000-000000000001"


def folder(**changes: object) -> ev.FolderFound:
    """A folder with keys and manifest, closed in the ledger, without receipt; some facts changed."""
    facts: dict[str, object] = {
        "boot": "t1",
        "seizure": 3,
        "gone": False,
        "has_keys": True,
        "has_manifest": True,
        "manifest_hash": f"hash of {R}",
        "consented": True,
        "ended_by_ledger": "",
        "ended_seq": 0,
        "closed_in_ledger": True,
        "receipted": False,
    }
    return ev.FolderFound(100.0, R, **(facts | changes))  # type: ignore[arg-type] # facts by name


def restarted(found: ev.FolderFound, *, seizure: int = 3, off_hook: bool = False, ledger_s: float = 0.005) -> World:
    """A box that finds a folder while its line is idle, or still in a call."""
    world = World(archive=Archive())
    world.adapters.ledger_s = ledger_s
    names = ["head.json", "details.0", "000000.clip", "keys.json", "clips.0.json", "manifest.jws"]
    world.files[R] = names if found.has_manifest else names[:4]
    world.line.seizure = seizure
    world.line.off_hook = off_hook
    world.feed(ev.Booted(world.now, "b2", b"x" * 16, staff=STAFF))
    world.feed(found)
    world.feed(ev.Connected(world.now))
    world.feed(ev.AudioCame(world.now))
    return world


def go_on(world: World) -> World:
    """The tap comes, and some seconds pass."""
    world.hello()
    world.post(ev.LineTold(world.now, world.line.off_hook, False, world.line.seizure))
    for second in range(1, 30):
        world.post(ev.LineTold(world.now + second, world.line.off_hook, False, world.line.seizure))
    world.wait(5.0)
    return world


@pytest.mark.parametrize("has_keys", [True, False])
def test_rule_1_a_gone_folder_is_finished(has_keys: bool) -> None:  # noqa: FBT001 -- a table of cases
    """Ledger, revocation if a key had been written, removal."""
    world = go_on(restarted(folder(gone=True, has_keys=has_keys, has_manifest=False)))
    assert len(world.did(do.RemoveGone)) == 1
    assert len(world.did(do.SignRevoke)) == has_keys
    assert world.records("withdrawn" if has_keys else "destroyed")
    assert order_of(world.flat(), ev.RecordingGone, do.RemoveGone) == [ev.RecordingGone, do.RemoveGone]
    assert set(world.sent(R)) <= {"revoke.jws"}


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize(
    ("kind", "has_keys", "revoked"),
    [
        ("withdrawn", True, True),
        ("withdrawn", False, True),
        ("destroyed", False, False),
        ("destroyed", True, True),
        ("purged", True, False),
        ("expired", True, False),
    ],
)
def test_rule_2_what_the_ledger_ended_is_destroyed(kind: str, has_keys: bool, revoked: bool, gone: bool) -> None:  # noqa: FBT001 -- a table
    """Without a second entry; the revocation names the first."""
    world = go_on(restarted(folder(gone=gone, has_keys=has_keys, ended_by_ledger=kind, ended_seq=17)))
    assert [d.recording for d in world.did(do.DestroyRecording)] == [R]
    assert not world.records(kind)
    assert [s.ledger_seq for s in world.did(do.SignRevoke)] == ([17] if revoked else [])
    assert len(world.did(do.RemoveGone)) == 1
    assert set(world.sent(R)) <= {"revoke.jws"}


def test_rule_3_neither_keys_nor_manifest() -> None:
    """Never confirmed: destroyed, nothing to revoke."""
    world = go_on(restarted(folder(has_keys=False, has_manifest=False)))
    assert len(world.did(do.DestroyRecording)) == 1
    assert world.records("destroyed")
    assert not world.did(do.SignRevoke)


@pytest.mark.parametrize(
    "facts", [{"has_keys": False}, {"consented": False}, {"consented": False, "has_manifest": False}]
)
def test_rule_4_what_fits_no_story_is_set_aside(facts: dict[str, object]) -> None:
    """Kept, untouched, alarmed, never sent."""
    world = go_on(restarted(folder(**facts)))
    assert [s.recording for s in world.did(do.SetAside)] == [R]
    assert not world.did(do.DestroyRecording)
    assert world.sent(R) == []
    assert world.lamps().status is StatusLamp.WARNING


def test_rule_5_an_interrupted_recording_is_closed_and_sent() -> None:
    """The line is idle: `interrupted`, closed, `closed`, sent, receipted."""
    world = go_on(restarted(folder(has_manifest=False, closed_in_ledger=False)))
    assert [f.recording for f in world.did(do.FinishInterrupted)] == [R]
    kinds = world.kinds()
    assert kinds.index("interrupted") < kinds.index("closed") < kinds.index("receipted")
    assert world.sent(R)[-1] == "manifest.jws"


def test_rule_6_closed_but_not_in_the_ledger() -> None:
    """The entry is written and durable before anything of it is sent."""
    world = restarted(folder(closed_in_ledger=False), ledger_s=1.0)
    world.wait(0.9)
    assert world.records("closed")
    assert world.sent(R) == []
    world.wait(3.0)
    assert world.sent(R)[0] == "manifest.jws"
    assert world.sent(R)[-1] == "manifest.jws"
    assert world.records("receipted")


def test_a_receipted_recording_is_left_alone() -> None:
    """Nothing to do."""
    world = go_on(restarted(folder(receipted=True, receipt_epoch="e1", receipt_said_at=1.0)))
    assert world.sent(R) == []
    assert not world.did(do.DestroyRecording)


def test_an_interrupted_recording_waits_for_its_call_to_end() -> None:
    """The same call is still running: nothing is signed; it is barred; at its end the recording is closed."""
    world = restarted(folder(has_manifest=False), off_hook=True)
    world.start()
    world.wait(5.0)
    assert not world.did(do.FinishInterrupted)
    world.press()
    world.wait(2.0)
    assert world.sounds() == []
    world.hang_up()
    world.wait(1.0)
    assert [f.recording for f in world.did(do.FinishInterrupted)] == [R]


@pytest.mark.parametrize("how", ["key", "button"])
def test_it_can_still_be_withdrawn_while_its_call_runs(how: str) -> None:
    """A 9, or the held button, after the restart: destroyed and revoked, never sent."""
    world = restarted(folder(has_manifest=False), off_hook=True)
    world.start()
    if how == "key":
        world.key("9", Leg.FAR, 0.2)
    else:
        world.press(3.0)
    world.wait(4.0)
    assert [d.recording for d in world.did(do.DestroyRecording)] == [R]
    assert len(world.did(do.SignRevoke)) == 1
    world.hang_up()
    world.wait(3.0)
    assert not world.did(do.FinishInterrupted)
    assert set(world.sent(R)) == {"revoke.jws"}


@pytest.mark.parametrize("seizure", [2, 4])
def test_another_seizure_means_that_its_call_is_over(seizure: int) -> None:
    """Off-hook, but it is another call: closed, and a 9 there does not reach it."""
    world = restarted(folder(has_manifest=False), seizure=seizure, off_hook=True)
    world.start()
    assert [f.recording for f in world.did(do.FinishInterrupted)] == [R]
    world.key("9", Leg.FAR, 0.2)
    world.wait(1.0)
    assert not world.did(do.DestroyRecording)


def test_a_held_button_keeps_an_interrupted_recording_open() -> None:
    """Nothing is signed while it is held."""
    world = restarted(folder(has_manifest=False))
    world.edge(down=True)
    world.start()
    assert not world.did(do.FinishInterrupted)
    world.edge(down=False)
    world.wait(2.0)
    assert world.did(do.FinishInterrupted)


def test_a_folder_told_twice_is_decided_once() -> None:
    """Effects and events are safe to repeat."""
    world = restarted(folder(has_manifest=False))
    world.feed(folder(has_manifest=False))
    go_on(world)
    assert len(world.did(do.FinishInterrupted)) == 1
