"""The owner's rewraps at the archive: kept beside the keys, the newest alone, and gone with the recording."""

import itertools
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from handschlag.sealing.keys import OwnerSecret, RecordingKey, SigningKey
from handschlag.sealing.receipt import Stored
from handschlag.sealing.rewrap import sign_rewrap
from handschlag.sealing.verify import HeldFiles, verify_recording
from handschlag_archive.owner import Refused
from handschlag_archive.rewraps import Rewraps
from handschlag_archive.stores.port import Place
from tests.archive.conftest import Folders, over_sqlite
from tests.archive.desk import Desk, PowerCut, all_up, two_boxes
from tests.archive.words import word
from tests.sealing.builder import BOX, BOX_KEY, OTHER_RECORDING, OWNER, RECORDING, RECORDING_KEY, build

BUILT = build(receipt=False)
SENT = all_up(BUILT.files)
SECOND = OWNER.workshop(2)


def _rewrap(
    counter: int,
    *,
    recipients: tuple[bytes, ...] = (SECOND.public,),
    recording: str = RECORDING,
    key: SigningKey | None = None,
) -> bytes:
    return sign_rewrap(
        recording_key=RecordingKey(RECORDING_KEY),
        recipients=recipients,
        box=BOX,
        recording=recording,
        counter=counter,
        key=key or OWNER.signing(),
    )


FIRST, NEXT, LAST = _rewrap(1), _rewrap(2), _rewrap(7)


def _rewraps(desk: Desk) -> Rewraps:
    return Rewraps(index=desk.index, keys=desk.keys, trust=two_boxes)


def test_the_newest_is_laid_out_and_verifies(desk: Desk, tmp_path: Path) -> None:
    """Two rewraps, one after the other: the second replaces the first, and the export verifies with it."""
    desk.take(*SENT)
    _rewraps(desk).take(FIRST)
    place = _rewraps(desk).take(LAST)
    assert place.name == "keys.7.jws"
    files = desk.export(tmp_path / "out")
    assert set(files) == {*BUILT.files, "keys.7.jws", "receipt.jws"}
    verdict = verify_recording(HeldFiles(files), two_boxes())
    assert verdict.ok
    assert "last with counter 7" in verdict.checked["keys"]
    assert "keys.1.jws" not in desk.on_disk()


def test_the_same_again_changes_nothing(desk: Desk) -> None:
    """Given twice, it is there once."""
    desk.take(*SENT)
    assert _rewraps(desk).take(NEXT) == _rewraps(desk).take(NEXT)
    assert desk.on_disk() == {*BUILT.files, "keys.2.jws"}


@over_sqlite
@pytest.mark.parametrize(
    ("token", "says"),
    [
        (_rewrap(3, key=SigningKey.from_seed(b"stranger" + bytes(24))), "knows no key"),
        (_rewrap(3, key=BOX_KEY), "knows no key"),
        (_rewrap(3, recipients=(OwnerSecret.from_bytes(bytes(32)).workshop().public,)), "no workshop key"),
        (_rewrap(3, recording=OTHER_RECORDING), "not known here"),
        (FIRST, "counter 2 is here"),
        (_rewrap(2), "counter 2 is here"),
        (word("hold"), "rewrap"),
        (b"rubbish", "not a compact JWS"),
    ],
    ids=["stranger", "box", "foreign recipient", "not here", "older", "same counter", "message", "rubbish"],
)
def test_what_does_not_count_is_refused_and_changes_nothing(desk: Desk, token: bytes, says: str) -> None:
    """Forged ones, other people's keys, old counters: refused in words."""
    desk.take(*SENT)
    _rewraps(desk).take(NEXT)
    before = desk.on_disk()
    with pytest.raises(Refused, match=says):
        _rewraps(desk).take(token)
    assert desk.on_disk() == before == {*BUILT.files, "keys.2.jws"}


@over_sqlite
@pytest.mark.parametrize("sent", [0, 3])
def test_only_stored_recordings_are_rewrapped(desk: Desk, sent: int) -> None:
    """Before it is stored the manifest's own keys are not even checked."""
    desk.take(*SENT[:sent])
    with pytest.raises(Refused, match="only stored ones"):
        _rewraps(desk).take(FIRST)


def test_a_rewrap_is_destroyed_with_the_recording_and_never_taken_again(desk: Desk) -> None:
    """Every wrapped key goes: one rewrap left behind would open what locks still keep."""
    desk.take(*SENT)
    _rewraps(desk).take(FIRST)
    desk.clips.locked = lambda _place: True
    desk.owner.take(word("erase"))
    assert not {name for name in desk.on_disk() if name.startswith("keys")}
    with pytest.raises(Refused, match="is destroyed here"):
        _rewraps(desk).take(NEXT)
    assert not {name for name in desk.on_disk() if name.startswith("keys")}


def test_an_erasure_beside_it_leaves_no_rewrap_behind(desk: Desk) -> None:
    """The owner erases while a rewrap is being written: whoever commits after the tombstone takes it away again."""
    desk.take(*SENT)
    rewraps, put = _rewraps(desk), desk.keys.put

    def late(objects: Sequence[tuple[Place, bytes]]) -> int:
        desk.owner.take(word("erase"))
        return put(objects)

    desk.keys.put = late  # type: ignore[method-assign]
    with pytest.raises(Refused, match="only stored ones"):
        rewraps.take(FIRST)
    assert desk.on_disk() == set()


def test_a_recording_that_is_taken_in_again_keeps_its_rewrap(desk: Desk, tmp_path: Path) -> None:
    """Lost bytes make it open again; the box sends them, and the owner's rewrap is no garbage."""
    desk.take(*SENT)
    _rewraps(desk).take(FIRST)
    with desk.index.transaction() as transaction:
        (which,) = {row.which for row in transaction.named(RECORDING)}
        transaction.reopen(which)
    assert isinstance(desk.take(*SENT)[-1], Stored)
    assert desk.export(tmp_path / "out")["keys.1.jws"] == FIRST


def test_after_a_cut_at_any_step_it_can_be_given_again(folders: Folders) -> None:
    """Cut while the second replaces the first: one of them always counts, and to give it again leaves it alone."""
    for cut_at in itertools.count(1):
        with closing(Desk(folders())) as desk:
            desk.take(*SENT)
            _rewraps(desk).take(FIRST)
            desk.cut.steps, desk.cut.at = 0, cut_at
            try:
                _rewraps(desk).take(NEXT)
            except PowerCut:
                was_cut = True
            else:
                was_cut = False
            desk.cut.at = None
            desk.start()
            files = desk.export(desk.folder / "out")
            assert {"keys.1.jws", "keys.2.jws"} & set(files)
            assert verify_recording(HeldFiles(files), two_boxes()).ok
            _rewraps(desk).take(NEXT)
            assert desk.on_disk() == {*BUILT.files, "keys.2.jws"}
        if not was_cut:
            assert cut_at > 5
            return
