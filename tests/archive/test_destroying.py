"""Destroying over the stores of a grown archive: copies, buckets, object lock."""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handschlag.sealing.receipt import Destroyed, Receipt, Stored, read_receipt
from handschlag.sealing.revoke import sign_revoke
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Erasures
from handschlag_archive.index import Index, State
from handschlag_archive.ingest import Ingest, Message
from handschlag_archive.judge import Judge
from handschlag_archive.owner import Owner
from handschlag_archive.relay import Relay
from handschlag_archive.retention import Report, Retention
from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.open import ERASED
from handschlag_archive.stores.port import Store
from handschlag_archive.stores.s3 import S3Store
from tests.archive.desk import all_up, two_boxes, up
from tests.archive.stores.faulty import FaultyStore
from tests.archive.stores.test_contract import s3
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, RECORDING, build
from tests.support.s3_servers import S3Server

ORDER = {"retention_class": "order", "retain_until": "2030-01-01T00:00:00Z"}
BUILT = build(receipt=False, changes=ORDER)
SENT = all_up(BUILT.files)
REVOKE = up(
    "revoke.jws", sign_revoke(box=BOX, recording=RECORDING, reason="withdrawn", at=AT, ledger_seq=5, key=BOX_KEY)
)
LOCKED = set(BUILT.files) - {"keys.json"}


@dataclass
class Archive:
    """An archive on stores of one's choice."""

    index: Index
    clips: Store
    keys: Store
    erasures: Erasures
    now: float = 100.0

    def __post_init__(self) -> None:
        self.destroying = Destroying(index=self.index, clips=self.clips, keys=self.keys, erasures=self.erasures)
        self.owner = Owner(
            index=self.index, clips=self.clips, erasures=self.erasures, destroying=self.destroying, trust=two_boxes
        )
        self.ingest = Ingest(
            index=self.index,
            clips=self.clips,
            keys=self.keys,
            destroying=self.destroying,
            relay=Relay(self.index),
            judge=Judge(two_boxes),
            clerk=Clerk(ARCHIVE_KEY, epoch="e", copies=1),
        )

    def take(self, *messages: Message) -> list[Receipt]:
        """The receipts for a group."""
        return self._receipts(self.ingest.take(messages, self.now))

    def wait(self, seconds: float) -> list[Receipt]:
        """The receipts that time brings."""
        self.now += seconds
        return self._receipts(self.ingest.due(self.now))

    def state(self) -> State:
        """What the index says."""
        with self.index.reading() as transaction:
            (row,) = transaction.named(RECORDING)
        return row.state

    def retention(self, now: datetime) -> Report:
        """A run of it, by a clock that is right."""
        retention = Retention(index=self.index, destroying=self.destroying, key=ARCHIVE_KEY)
        return retention.run(now, clock_is_right=True)

    @staticmethod
    def _receipts(answers: Iterable[Answer]) -> list[Receipt]:
        ours = [answer.receipt for answer in answers if answer.topic.endswith("/down/receipt")]
        return [read_receipt(receipt, ARCHIVE_KEY.verify_key) for receipt in ours]


def _names(store: Store) -> set[str]:
    return {place.name for place in store.places(BOX, RECORDING)}


@pytest.fixture
def grown(moto_server: S3Server, tmp_path: Path) -> Iterator[Archive]:
    """Clips in a bucket with object lock, keys in one without, and the erasure list beside the keys."""
    clips, keys = s3(moto_server, locked=True), s3(moto_server, locked=False)
    beside = S3Store(dataclasses.replace(keys.where, prefix=f"{keys.where.prefix}{ERASED}/"))
    with closing(Index.in_folder(tmp_path)) as index:
        yield Archive(index, clips, keys, Erasures(beside))


def test_what_is_stored_is_locked_and_an_erasure_takes_its_keys_at_once(grown: Archive, moto_server: S3Server) -> None:
    """Object lock keeps the clips until their day; not one version of the keys is left, only the word why."""
    assert isinstance(grown.take(*SENT)[-1], Stored)
    assert grown.owner.take(word("erase")).waits == ""
    assert grown.state() is State.DESTROYED
    assert _names(grown.clips) == LOCKED
    assert _objects(moto_server, grown.keys) == {f"archive/.erased/{BOX}/{RECORDING}/erase.jws"}
    assert all(isinstance(receipt, Destroyed) for receipt in grown.take(*SENT))
    report = grown.retention(datetime.now(UTC))
    assert (report.locked, report.freed) == (len(LOCKED), 0)
    for place in grown.clips.places(BOX, RECORDING):
        _end_lock(grown.clips, moto_server, f"archive/{place.box}/{place.recording}/{place.name}.{place.sha256}")
    last = grown.retention(datetime.now(UTC) + timedelta(days=1))
    assert (last.locked, last.freed) == (0, report.locked_bytes)
    assert _names(grown.clips) == set()


def test_a_withdrawal_before_the_receipt_leaves_nothing_in_a_bucket(grown: Archive, moto_server: S3Server) -> None:
    """Nothing is locked before it is stored: not a version stays, neither of clips nor of keys."""
    grown.take(*SENT[:-1])
    assert any(isinstance(receipt, Destroyed) for receipt in grown.take(REVOKE))
    assert all(isinstance(receipt, Destroyed) for receipt in grown.take(*SENT))
    assert _objects(moto_server, grown.clips) == set()
    assert _objects(moto_server, grown.keys) == {f"archive/.erased/{BOX}/{RECORDING}/revoke.jws"}


def test_the_list_is_no_garbage_among_the_keys(grown: Archive) -> None:
    """It lies below the keys' own prefix; whoever goes through the keys passes over it."""
    grown.erasures.add([], 4)
    assert list(grown.keys.inventory()) == []
    assert grown.erasures.number() == 4


@pytest.mark.parametrize("stored", [False, True])
def test_keys_go_where_they_can_and_destroyed_is_said_when_they_are_gone_everywhere(
    tmp_path: Path, *, stored: bool
) -> None:
    """One of two key stores is away: the other's keys go at once; `destroyed` is said once both are empty."""
    near, far = FaultyStore("near"), FaultyStore("far")
    places = FaultyStore("near list"), FaultyStore("far list")
    with closing(Index.in_folder(tmp_path)) as index:
        erasures = Erasures(Copies(places, required=1, clock=lambda: 0.0))
        archive = Archive(index, FaultyStore("clips"), Copies([near, far], required=1), erasures)
        archive.take(*(SENT if stored else SENT[:-1]))
        far.down = places[1].down = True
        if stored:
            assert "far" in archive.owner.take(word("erase")).waits
        else:
            assert archive.take(REVOKE) == []
        assert near.kept == {}
        assert far.kept != {}
        assert archive.state() is State.DESTROYING
        assert archive.take(*SENT) == []
        assert not any(isinstance(receipt, Destroyed) for receipt in archive.wait(10))
        far.down = places[1].down = False
        assert any(isinstance(receipt, Destroyed) for receipt in archive.wait(10))
        assert (near.kept, far.kept) == ({}, {})
        assert archive.state() is State.DESTROYED


def _objects(server: S3Server, store: Store) -> set[str]:
    """Every version in a store's bucket, by key without its hash; markers of removal are none. Marks are left out."""
    assert isinstance(store, S3Store)
    found = server.client().list_object_versions(Bucket=store.where.bucket).get("Versions", [])
    return {one["Key"].rpartition(".")[0] for one in found if "/_marks/" not in one["Key"]}


def _end_lock(store: Store, server: S3Server, key: str) -> None:
    """Let the day of a locked object be over."""
    assert isinstance(store, S3Store)
    server.client().put_object_retention(
        Bucket=store.where.bucket,
        Key=key,
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) - timedelta(days=1)},
    )
