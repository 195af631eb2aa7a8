"""What every store must do: the same tests over a folder, two S3 services, and copies over several of them."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import LostBytes, Place, Store
from handschlag_archive.stores.s3 import Bucket, Credentials, S3Store
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server

BOX = "werkstatt-1"
RECORDING = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8058"
Object = tuple[Place, bytes]


def an_object(name: str = "000001.clip", *, recording: str = RECORDING, box: str = BOX, size: int = 300) -> Object:
    """An object with random bytes."""
    content = os.urandom(size)
    return Place(box, recording, name, hashlib.sha256(content).hexdigest()), content


def s3(server: S3Server, *, locked: bool, bucket: str | None = None) -> S3Store:
    """A store in a new bucket of the server."""
    store = S3Store(
        Bucket(
            bucket=bucket or server.fresh_bucket(),
            locked=locked,
            prefix="archive/",
            endpoint=server.endpoint,
            region="eu-central-1",
            path_style=True,
            credentials=Credentials(ACCESS_KEY, SECRET_KEY),
        )
    )
    store.create()
    return store


@pytest.fixture(
    params=["folder", "rclone", "moto keys", "moto clips", "folder + folder", "folder + moto clips", "moto + rclone"]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""

    def of(kind: str, number: int = 0) -> Store:
        match kind.split():
            case ["folder"]:
                return FolderStore(tmp_path / f"store-{number}")
            case ["rclone"]:
                return s3(request.getfixturevalue("rclone_server"), locked=False)
            case ["moto", *rest]:
                return s3(request.getfixturevalue("moto_server"), locked=rest == ["clips"])
        raise AssertionError(kind)

    kinds = str(request.param).split(" + ")
    if len(kinds) == 1:
        return of(kinds[0])
    return Copies([of(kind, number) for number, kind in enumerate(kinds)], required=2)


def test_what_was_put_can_be_got(store: Store) -> None:
    """Bytes come back as they were, of any size and under any of our names."""
    objects = [
        an_object("000000.clip", size=28 * 1024),
        an_object("keys.json"),
        an_object("empty", size=0),
        an_object(recording=OTHER),
        an_object(box="werkstatt-2"),
    ]
    assert store.put(objects) == (len(store.stores) if isinstance(store, Copies) else 1)
    for place, content in objects:
        assert store.get(place) == content


def test_nothing_to_put_is_no_error(store: Store) -> None:
    """An empty group is kept at once."""
    assert store.put([]) >= 1


def test_what_is_not_there_is_lost(store: Store) -> None:
    """A place where nothing lies gives LostBytes, which has the box send again; not an outage, which has it wait."""
    place, _ = an_object()
    with pytest.raises(LostBytes, match="no longer in the store"):
        store.get(place)


def test_the_same_name_with_other_bytes_lies_beside_it(store: Store) -> None:
    """Garbage that came first cannot keep the true bytes out, nor the other way round."""
    first, second = an_object(), an_object()
    store.put([first])
    store.put([second])
    assert store.get(first[0]) == first[1]
    assert store.get(second[0]) == second[1]
    assert store.places(BOX, RECORDING) == sorted([first[0], second[0]])


def test_putting_again_changes_nothing(store: Store) -> None:
    """A group that comes twice (two workers, a retry) lies there once."""
    place, content = an_object()
    store.put([(place, content)])
    store.put([(place, content)])
    assert store.places(BOX, RECORDING) == [place]
    assert store.get(place) == content
    assert store.remove([place]) == []
    assert not store.places(BOX, RECORDING)


def test_removed_objects_are_gone_and_their_neighbours_stay(store: Store) -> None:
    """Removing names exactly what goes; what is absent is no error."""
    gone, stays, other = an_object("keys.json"), an_object("000002.clip"), an_object(recording=OTHER)
    store.put([gone, stays, other])
    assert store.remove([gone[0], an_object("000009.clip")[0]]) == []
    with pytest.raises(LostBytes):
        store.get(gone[0])
    assert store.places(BOX, RECORDING) == [stays[0]]
    assert store.get(other[0]) == other[1]


def test_clearing_takes_one_recording_only(store: Store) -> None:
    """Everything of one recording goes, nothing of the next one or of another box under the same id."""
    mine = [an_object(f"{number:06}.clip") for number in range(5)]
    others = [an_object(recording=OTHER), an_object(box="werkstatt-2"), an_object(box=f"{BOX}1")]
    store.put([*mine, *others])
    assert store.clear(BOX, RECORDING) == []
    assert store.clear(BOX, RECORDING) == []
    assert not store.places(BOX, RECORDING)
    for place, content in others:
        assert store.get(place) == content


def test_the_inventory_names_everything(store: Store) -> None:
    """What a scrub goes by: every object with its size and its time."""
    objects = [an_object(size=100 + number, recording=recording) for number, recording in enumerate((RECORDING, OTHER))]
    store.put(objects)
    found = list(store.inventory())
    assert {kept.place: kept.size for kept in found} == {place: len(content) for place, content in objects}
    assert {kept.place for kept in store.inventory_of(BOX, OTHER)} == {objects[1][0]}
    assert all(abs(kept.at - datetime.now(UTC)) < timedelta(minutes=5) for kept in found)


def test_more_objects_than_one_answer_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists come in pages: none is left out, in listing as in clearing."""
    objects = [an_object(f"{number:06}.clip", size=10) for number in range(25)]
    monkeypatch.setattr("handschlag_archive.stores.s3._MOST_AT_ONCE", 10)
    store.put(objects)
    assert store.places(BOX, RECORDING) == sorted(place for place, _ in objects)
    store.clear(BOX, RECORDING)
    assert not store.places(BOX, RECORDING)


def test_protecting_a_store_without_locks_is_no_error(store: Store) -> None:
    """Whoever protects need not know what the store can do; where it can, removing then says what stays."""
    place, content = an_object()
    store.put([(place, content)])
    store.protect([place], datetime.now(UTC) + timedelta(days=1))
    locks = any(
        isinstance(one, S3Store) and one.where.locked
        for one in (store.stores if isinstance(store, Copies) else [store])
    )
    assert store.remove([place]) == ([place] if locks else [])
