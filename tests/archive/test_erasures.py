"""The erasure list: durable, only added to, never set back, and each entry a proof that stands by itself."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.revoke import sign_revoke
from handschlag_archive.erasures import OWNERS_WORD, Entry, Erasures, check, entry_of
from handschlag_archive.expiry import Expiry, sign_expiry
from handschlag_archive.index import State, Tomb, Which, Why
from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import Place
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, Cut, CuttableStore, PowerCut, two_boxes
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, OPERATOR_KEY, OTHER_RECORDING, OWNER, RECORDING

WHICH = Which(BOX, RECORDING)


def _revoke(key: SigningKey, *, box: str = BOX, recording: str = RECORDING) -> bytes:
    return sign_revoke(box=box, recording=recording, reason="withdrawn", at=AT, ledger_seq=5, key=key)


def _expiry(key: SigningKey, *, recording: str = RECORDING) -> bytes:
    note = Expiry(
        box=BOX, recording=recording, at=AT, epoch="e", kept_for="order", retain_until=AT, manifest_hash="0" * 64
    )
    return sign_expiry(note, key)


def _entry(why: Why, proof: bytes) -> Entry:
    return entry_of(Tomb(WHICH, State.DESTROYING, why, proof))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (_entry(Why.WITHDRAWN, _revoke(BOX_KEY)), Why.WITHDRAWN),
        (_entry(Why.REVOKED, _revoke(OWNER.signing())), Why.REVOKED),
        (_entry(Why.ERASED, word("erase")), Why.ERASED),
        (_entry(Why.EXPIRED, _expiry(ARCHIVE_KEY)), Why.EXPIRED),
        (Entry(WHICH, OWNERS_WORD, word("hold")), None),
        (Entry(Which(BOX, ""), OWNERS_WORD, word("epoch", epoch=2)), None),
    ],
)
def test_each_entry_proves_itself(entry: Entry, why: Why | None) -> None:
    """With the trust file alone anybody can check on whose word a recording went."""
    assert check(entry, two_boxes(), ARCHIVE_KEY.verify_key) is why


def test_an_expiry_by_the_archives_former_key_counts() -> None:
    """The archive has a new key since; the old one stands in the trust file."""
    entry = _entry(Why.EXPIRED, _expiry(ARCHIVE_KEY))
    assert check(entry, two_boxes(), SigningKey.new().verify_key) is Why.EXPIRED


@pytest.mark.parametrize(
    "entry",
    [
        _entry(Why.WITHDRAWN, _revoke(OTHER_BOX_KEY)),
        _entry(Why.WITHDRAWN, _revoke(BOX_KEY, recording=OTHER_RECORDING)),
        _entry(Why.WITHDRAWN, _revoke(OTHER_BOX_KEY, box=OTHER_BOX)),
        _entry(Why.WITHDRAWN, _revoke(ARCHIVE_KEY)),
        _entry(Why.ERASED, word("hold")),
        _entry(Why.ERASED, word("erase", recording=OTHER_RECORDING)),
        _entry(Why.ERASED, word("erase", box=OTHER_BOX)),
        _entry(Why.ERASED, word("erase", key=BOX_KEY)),
        _entry(Why.EXPIRED, _expiry(OPERATOR_KEY)),
        _entry(Why.EXPIRED, _expiry(ARCHIVE_KEY, recording=OTHER_RECORDING)),
        _entry(Why.EXPIRED, _revoke(BOX_KEY)),
        Entry(WHICH, OWNERS_WORD, word("hold", key=BOX_KEY)),
        Entry(Which(BOX, ""), OWNERS_WORD, word("hold")),
        Entry(WHICH, "revoke.jws", None),
        Entry(WHICH, "revoke.jws", b""),
    ],
)
def test_what_proves_nothing_is_named(entry: Entry) -> None:
    """Another signer, another recording, another box, another kind of word, lost bytes."""
    with pytest.raises(SealingError):
        check(entry, two_boxes(), ARCHIVE_KEY.verify_key)


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    """A cut is finished by doing it all again: the list has each proof once."""
    erasures = Erasures(FolderStore(tmp_path))
    entries = [_entry(Why.ERASED, word("erase")), Entry(WHICH, OWNERS_WORD, word("hold", counter=2))]
    erasures.add(entries, 3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    erasures.add(entries, 3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert sorted(Erasures(FolderStore(tmp_path)).entries(), key=lambda entry: entry.name) == entries


@settings(max_examples=20)
@given(numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_the_mark_is_never_set_back(tmp_path_factory: pytest.TempPathFactory, numbers: list[int]) -> None:
    """Workers write their numbers in any order: what stands is the highest."""
    erasures = Erasures(FolderStore(tmp_path_factory.mktemp("list")))
    assert erasures.number() == 0
    for number in numbers:
        erasures.add([], number)
    assert erasures.number() == max(numbers)
    assert list(erasures.entries()) == []


def test_no_cut_sets_the_mark_back(tmp_path: Path) -> None:
    """The higher mark is durable before the lower one goes."""
    cut = Cut()
    erasures = Erasures(CuttableStore(tmp_path, cut))
    for number in range(1, 6):
        for steps in (1, 2, 99):
            cut.at = cut.steps + steps
            with suppress(PowerCut):
                erasures.add([], number)
            assert erasures.number() >= number - 1
    assert erasures.number() == 5


class _Away(FolderStore):
    """A store that cannot take anything at the moment."""

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        raise OSError(f"{len(objects)} objects: away")


def test_every_place_has_the_whole_list_when_all_answer(tmp_path: Path) -> None:
    """In each key store; and one that was away has what was added again."""
    stores = [FolderStore(tmp_path / "a"), FolderStore(tmp_path / "b")]
    Erasures(Copies([stores[0], _Away(tmp_path / "b")], required=1)).add([_entry(Why.ERASED, word("erase"))], 1)
    both = Erasures(Copies(stores, required=1))
    assert len(list(both.entries())) == 1
    assert list(Erasures(stores[1]).entries()) == []
    both.add([_entry(Why.ERASED, word("erase"))], 1)
    assert [len(list(Erasures(store).entries())) for store in stores] == [1, 1]


def test_bytes_that_changed_are_an_entry_without_a_proof(tmp_path: Path) -> None:
    """The place and the name still say what was destroyed."""
    erasures = Erasures(FolderStore(tmp_path))
    erasures.add([_entry(Why.ERASED, word("erase"))], 1)
    sha256 = hashlib.sha256(word("erase")).hexdigest()
    (tmp_path / BOX / RECORDING / f"erase.jws.{sha256}").write_bytes(b"x")
    assert list(erasures.entries()) == [Entry(WHICH, "erase.jws", None)]
