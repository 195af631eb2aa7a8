"""An archive with two copies of everything, in stores that a test can damage, and its scrub."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from handschlag.sealing.receipt import Stored, read_receipt
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Erasures
from handschlag_archive.index import Index, State, Which, Why
from handschlag_archive.index.alarms import Alarm
from handschlag_archive.ingest import Ingest, Message, is_key
from handschlag_archive.judge import Judge
from handschlag_archive.periods import written
from handschlag_archive.relay import Relay
from handschlag_archive.scrub import Finding, Report, Scrub
from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import Place
from tests.archive.desk import all_up
from tests.archive.stores.faulty import FaultyStore
from tests.sealing.builder import ARCHIVE_KEY, BOX, RECORDING, Built, build, trust

BUILT = build(clips=3, receipt=False)


class Scrubbed:
    """The archive. `later` moves the scrub's clock; `found` is what the last run found."""

    def __init__(self, folder: Path, *, database: str | None = None) -> None:
        self.index = Index(database or f"sqlite:///{folder / 'index.sqlite'}")
        self.clips = [FaultyStore("clips-a"), FaultyStore("clips-b")]
        self.keys = [FaultyStore("keys-a"), FaultyStore("keys-b")]
        clips, keys = Copies(self.clips, required=1), Copies(self.keys, required=1)
        judge = Judge(trust)
        self.destroying = Destroying(
            index=self.index, clips=clips, keys=keys, erasures=Erasures(FolderStore(folder / "erasures"))
        )
        self.ingest = Ingest(
            index=self.index,
            clips=clips,
            keys=keys,
            destroying=self.destroying,
            relay=Relay(self.index),
            judge=judge,
            clerk=Clerk(ARCHIVE_KEY, epoch=self.index.epoch, copies=1),
        )
        self.later = timedelta(0)
        self.found: list[Finding] = []
        self.read: list[int] = []
        self.draw = random.Random(7)
        self.scrub = Scrub(
            index=self.index,
            clips=clips,
            keys=keys,
            judge=judge,
            say=self.found.append,
            now=lambda: datetime.now(UTC) + self.later,
            pause=self.read.append,
            draw=self.draw,
            side_by_side=1,
        )

    def store(self, built: Built = BUILT, *, recording: str = RECORDING) -> Which:
        """Take a recording in."""
        receipts = [
            read_receipt(one.receipt, ARCHIVE_KEY.verify_key)
            for one in self.take(*all_up(built.files, recording=recording))
        ]
        assert any(isinstance(one, Stored) for one in receipts), receipts
        return Which(BOX, recording)

    def take(self, *messages: Message) -> list[Answer]:
        """Take messages in."""
        return list(self.ingest.take(messages, 0.0))

    def run(self, *, sample: int = 0, everything: bool = True) -> Report:
        """Scrub."""
        self.found.clear()
        self.read.clear()
        return self.scrub.run(sample=sample, everything=everything)

    def stores_of(self, place: Place) -> list[FaultyStore]:
        """Where a file's copies lie."""
        return self.keys if is_key(place.name) else self.clips

    def places(self, which: Which) -> list[Place]:
        """The files of a recording, as the index names them."""
        with self.index.reading() as transaction:
            return sorted(transaction.files(which))

    def place(self, which: Which, name: str) -> Place:
        """One file."""
        return next(place for place in self.places(which) if place.name == name)

    def copies(self, which: Which) -> set[int]:
        """In how many stores the index says the files are."""
        with self.index.reading() as transaction:
            return set(transaction.copies(which).values())

    def alarms(self) -> list[Alarm]:
        """The alarms that stand."""
        with self.index.reading() as transaction:
            return list(transaction.alarms())

    def checked_at(self, which: Which) -> str | None:
        """When the recording was last read."""
        with self.index.reading() as transaction:
            row = transaction.row(which)
        return None if row is None else row.checked_at

    def destroy(self, which: Which) -> None:
        """Destroy a recording as its owner's word does."""
        with self.index.transaction() as transaction:
            transaction.entomb(which, b"proof", why=Why.ERASED, at=written(datetime.now(UTC)))
        with self.index.reading() as transaction:
            tombs = transaction.tombs(State.DESTROYING)
        self.destroying.finish(tombs)

    def all_copies_are_good(self) -> bool:
        """Whether every file of every stored recording lies in every store, byte for byte."""
        with self.index.reading() as transaction:
            stored = [which for which, _ in transaction.last_read()]
        return all(
            _is_good(store, place)
            for which in stored
            for place in self.places(which)
            for store in self.stores_of(place)
        )

    def close(self) -> None:
        """Let go of the database."""
        self.index.close()


def _is_good(store: FaultyStore, place: Place) -> bool:
    try:
        store.get(place)
    except OSError:
        return False
    return True


Damage = Callable[[FaultyStore, Place], None]


def missing(store: FaultyStore, place: Place) -> None:
    """The file is gone."""
    del store.kept[place]


def truncated(store: FaultyStore, place: Place) -> None:
    """The file ends too early."""
    store.kept[place] = store.kept[place][:-1]


def emptied(store: FaultyStore, place: Place) -> None:
    """The file has nothing in it."""
    store.kept[place] = b""


def flipped(store: FaultyStore, place: Place) -> None:
    """One bit is another."""
    content = bytearray(store.kept[place])
    content[len(content) // 2] ^= 4
    store.kept[place] = bytes(content)


def exchanged(store: FaultyStore, place: Place) -> None:
    """Another file lies under this one's name, in itself whole: as long as this one, and as well made."""
    store.kept[place] = bytes(reversed(store.kept[place]))


DAMAGES: tuple[Damage, ...] = (missing, truncated, emptied, flipped, exchanged)
