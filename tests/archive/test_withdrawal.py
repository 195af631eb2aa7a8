"""Withdrawals at the archive: whenever they come, keys and clips are gone, and nothing comes back."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.receipt import Destroyed, Receipt, Refused
from handschlag.sealing.revoke import sign_revoke
from handschlag_archive.index import State, Which
from handschlag_archive.ingest import Message
from handschlag_archive.stores.port import Place
from tests.archive.conftest import Folders
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, SETTLE_S, CuttableStore, Desk, all_up, up
from tests.sealing.builder import AT, BOX, BOX_KEY, OTHER_RECORDING, OWNER, RECORDING, build

BUILT = build(receipt=False)
SENT = all_up(BUILT.files)


def _revoke(*, box: str = BOX, recording: str = RECORDING, key: SigningKey = BOX_KEY, topic_box: str = BOX) -> Message:
    token = sign_revoke(box=box, recording=recording, reason="withdrawn", at=AT, ledger_seq=5, key=key)
    return up("revoke.jws", token, box=topic_box)


def _only_destroyed(receipts: Iterable[Receipt]) -> bool:
    found = list(receipts)
    return bool(found) and all(isinstance(one, Destroyed) for one in found)


def _assert_gone(desk: Desk) -> None:
    assert desk.state() is State.DESTROYED
    assert desk.on_disk() == set()
    with desk.index.transaction() as transaction:
        assert transaction.files(Which(BOX, RECORDING)) == frozenset()


@pytest.mark.parametrize("before", range(len(SENT)))
def test_a_withdrawal_destroys_at_every_moment_before_the_receipt(desk: Desk, before: int) -> None:
    """After any number of files: all gone, what comes later is dropped and answered `destroyed`, for good."""
    desk.take_each(SENT[:before])
    assert _only_destroyed(desk.take(_revoke()))
    _assert_gone(desk)
    assert _only_destroyed(desk.take_each(SENT))
    desk.close()
    desk.start()
    assert _only_destroyed(desk.take(*SENT))
    assert _only_destroyed(desk.take(_revoke()))
    assert desk.wait(10 * SETTLE_S) == []
    _assert_gone(desk)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_withdrawal_goes_before_everything_else_of_its_group(folders: Folders, data: st.DataObject) -> None:
    """Wherever it stands in a group, with whatever beside it: nothing of the group is kept, nothing is `stored`."""
    with closing(Desk(folders())) as desk:
        earlier = data.draw(st.integers(0, len(SENT) - 1))
        desk.take(*SENT[:earlier])
        assert _only_destroyed(desk.take(*data.draw(st.permutations([*SENT[earlier:], _revoke()]))))
        _assert_gone(desk)


def test_what_is_stored_only_the_owner_can_erase(desk: Desk, tmp_path: Path) -> None:
    """A box may withdraw until its recording is stored; afterwards the archive refuses and keeps every byte."""
    desk.take(*SENT)
    (receipt,) = desk.take(_revoke())
    assert isinstance(receipt, Refused)
    assert receipt.manifest_hash is None
    assert "only its owner" in receipt.why
    assert set(desk.export(tmp_path / "out")) == {*BUILT.files, "receipt.jws"}


@pytest.mark.parametrize(
    "revoke",
    [
        _revoke(key=SigningKey.from_seed(b"stranger" + bytes(24))),
        _revoke(key=OTHER_BOX_KEY),
        _revoke(key=OWNER.signing()),
        _revoke(recording=OTHER_RECORDING),
        _revoke(box=OTHER_BOX, key=OTHER_BOX_KEY),
        up("revoke.jws", b"rubbish"),
        up("revoke.jws", BUILT.files["manifest.jws"]),
    ],
    ids=["stranger", "other-box", "owner", "other-recording", "other-topic", "rubbish", "a-manifest"],
)
def test_a_withdrawal_that_does_not_count_destroys_nothing(desk: Desk, tmp_path: Path, revoke: Message) -> None:
    """Only the very box's signature on this very recording withdraws; the rest is refused and changes nothing."""
    desk.take(*SENT[:-1])
    (receipt,) = desk.take(revoke)
    assert isinstance(receipt, Refused)
    desk.take(SENT[-1])
    assert set(desk.export(tmp_path / "out")) == {*BUILT.files, "receipt.jws"}


def test_one_box_cannot_withdraw_the_other_ones_recording(desk: Desk) -> None:
    """Two boxes with the same recording id: a withdrawal reaches its own only."""
    theirs = build(box=OTHER_BOX, box_key=OTHER_BOX_KEY, receipt=False)
    desk.take(*SENT[:-1], *all_up(theirs.files, box=OTHER_BOX)[:-1])
    assert _only_destroyed(desk.take(_revoke(box=OTHER_BOX, key=OTHER_BOX_KEY, topic_box=OTHER_BOX)))
    assert desk.on_disk(OTHER_BOX) == set()
    assert desk.on_disk() == set(BUILT.files) - {"manifest.jws"}


def test_the_tombstone_stands_and_keys_go_before_clips(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of destroying: tombstone durable, then the word in the erasure list, then keys, then the rest."""
    desk.take(*SENT[:-1])
    seen: list[tuple[str, State | None, int]] = []
    clear = CuttableStore.clear

    def noted(store: CuttableStore, box: str, recording: str) -> Sequence[Place]:
        seen.append((store.root.name, desk.state(), len(list(desk.erasures.entries()))))
        return clear(store, box, recording)

    monkeypatch.setattr(CuttableStore, "clear", noted)
    desk.take(_revoke())
    assert seen == [("keys", State.DESTROYING, 1), ("clips", State.DESTROYING, 1)]


def test_a_file_written_beside_the_withdrawal_is_removed(desk: Desk) -> None:
    """Another worker writes keys while this one destroys: whoever commits after the tombstone cleans up."""
    second = desk.colleague()
    put = second.keys.put

    def late(objects: list[tuple[Place, bytes]]) -> None:
        assert _only_destroyed(desk.take(_revoke()))
        put(objects)
        assert "keys.json" in desk.on_disk()

    second.keys.put = late  # type: ignore[method-assign, assignment]
    assert _only_destroyed(second.take(up("keys.json", BUILT.files["keys.json"])))
    _assert_gone(desk)
    second.close()


def test_keys_written_beside_a_withdrawal_and_a_cut_are_removed_at_the_next_start(desk: Desk) -> None:
    """Bytes that a killed worker left of a destroyed recording, torn ones too, do not outlive the next start."""
    desk.take(_revoke())
    folder = desk.folder / "keys" / BOX / RECORDING
    folder.mkdir(parents=True)
    (folder / ("keys.json." + "0" * 64)).write_bytes(b"wrapped")
    (folder / ("keys.json." + "1" * 64 + ".77.tmp")).write_bytes(b"wrap")
    desk.close()
    desk.start()
    _assert_gone(desk)


def test_torn_keys_are_destroyed_with_the_rest(desk: Desk) -> None:
    """A temporary file with wrapped keys is no file of the recording, and is destroyed all the same."""
    desk.take(*SENT[:-1])
    (desk.folder / "keys" / BOX / RECORDING / ("keys.json." + "1" * 64 + ".77.tmp")).write_bytes(b"wrap")
    desk.take(_revoke())
    _assert_gone(desk)
