"""Power cuts at every step that touches the disk: what was answered stays true, what was destroyed stays gone."""

import itertools

import pytest

from handschlag.sealing.receipt import Destroyed, LedgerSynced, Progress, Receipt, Stored
from handschlag.sealing.revoke import sign_revoke
from handschlag_archive.index import State
from handschlag_archive.ingest import Message
from tests.archive.conftest import Folders
from tests.archive.desk import Desk, PowerCut, all_up, up
from tests.sealing.builder import AT, BOX, BOX_KEY, RECORDING, LedgerBuilder, build

BUILT = build(clips=2, receipt=False)
SENT = all_up(BUILT.files)
REVOKE = up(
    "revoke.jws",
    sign_revoke(box=BOX, recording=RECORDING, reason="withdrawn", at=AT, ledger_seq=5, key=BOX_KEY),
)


def _take_until_cut(desk: Desk, groups: list[list[Message]], cut_at: int) -> tuple[list[Receipt], bool]:
    """The receipts that went out before the cut, and whether it came at all."""
    desk.cut.steps, desk.cut.at = 0, cut_at
    receipts: list[Receipt] = []
    try:
        for group in groups:
            receipts += desk.take(*group)
    except PowerCut:
        return receipts, True
    finally:
        desk.cut.at = None
        desk.close()
    return receipts, False


def _assert_true(desk: Desk, receipts: list[Receipt]) -> None:
    """What these receipts say, the disk still says."""
    for receipt in receipts:
        if isinstance(receipt, Progress) and desk.state() is State.OPEN:
            assert set(receipt.every_name) <= desk.on_disk()
        if isinstance(receipt, Stored):
            assert desk.state() is State.STORED
            assert desk.on_disk() >= set(BUILT.files)


@pytest.mark.parametrize("group", [2, len(SENT)])
def test_nothing_answered_is_lost_and_the_box_can_always_go_on(folders: Folders, group: int) -> None:
    """Cut at every step of taking a recording in: receipts given stay true, and sending all again stores it."""
    for cut_at in itertools.count(1):
        desk = Desk(folders())
        desk.take(up("000001.clip", b"rubbish that came first"))
        groups = [SENT[at : at + group] for at in range(0, len(SENT), group)]
        receipts, was_cut = _take_until_cut(desk, groups, cut_at)
        desk.start()
        _assert_true(desk, receipts)
        again = desk.take(*SENT)
        assert any(isinstance(one, Stored) for one in again)
        assert {name: data for name, data in desk.export(desk.folder / "out").items() if name != "receipt.jws"} == (
            BUILT.files
        )
        desk.close()
        if not was_cut:
            assert cut_at > 10
            return


@pytest.mark.parametrize("before", [0, 3, len(SENT) - 1])
def test_a_withdrawal_that_was_begun_is_finished(folders: Folders, before: int) -> None:
    """Cut at every step of a withdrawal: once the tombstone stands the next start finishes it, before any message."""
    for cut_at in itertools.count(1):
        desk = Desk(folders())
        desk.take(*SENT[:before])
        receipts, was_cut = _take_until_cut(desk, [[REVOKE, *SENT[before:]]], cut_at)
        desk.start()
        assert desk.state() in {State.DESTROYED, State.OPEN, None}
        if desk.state() is State.DESTROYED:
            assert desk.on_disk() == set()
        else:
            assert not receipts
        assert all(isinstance(one, Destroyed) for one in desk.take(REVOKE, *SENT))
        assert (desk.state(), desk.on_disk()) == (State.DESTROYED, set())
        desk.close()
        if not was_cut:
            assert receipts
            return


def test_ledger_lines_that_were_answered_are_kept(folders: Folders) -> None:
    """Cut at every step of taking ledger lines in: the answered head is there after the cut."""
    builder = LedgerBuilder()
    for _ in range(4):
        builder.add("clock")
    groups = [
        [Message(f"handschlag/1/{BOX}/up/ledger/{seq}", line + b"\n")]
        for seq, line in enumerate(builder.lines, start=1)
    ]
    for cut_at in itertools.count(1):
        desk = Desk(folders())
        receipts, was_cut = _take_until_cut(desk, groups, cut_at)
        desk.start()
        answered = max((one.seq for one in receipts if isinstance(one, LedgerSynced)), default=0)
        with desk.index.transaction() as transaction:
            assert [line.seq for line in transaction.ledger(BOX, 1, 10)][:answered] == list(range(1, answered + 1))
        (head,) = desk.take(*itertools.chain.from_iterable(groups))
        assert isinstance(head, LedgerSynced)
        assert (head.seq, head.hash) == (4, builder.position.hash)
        desk.close()
        if not was_cut:
            return
