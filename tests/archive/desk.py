"""The archive's ingest without a broker: a test puts messages on the desk and reads the receipts that come back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.receipt import Receipt, read_receipt
from handschlag.sealing.trust import Trust, TrustedKey
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.erasures import Erasures
from handschlag_archive.export import export_recording
from handschlag_archive.index import Index, Row, State, Transaction, Which
from handschlag_archive.ingest import Bounds, Ingest, Message
from handschlag_archive.judge import Judge
from handschlag_archive.owner import Owner
from handschlag_archive.periods import moment, written
from handschlag_archive.relay import Relay
from handschlag_archive.stores.files import RealFiles
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.port import Place
from tests.sealing.builder import ARCHIVE_KEY, BOX, RECORDING, trust

OTHER_BOX = "werkstatt-2"
OTHER_BOX_KEY = SigningKey.from_seed(b"another box" + bytes(21))
SETTLE_S = 5.0


class PowerCut(BaseException):
    """The process ends here, as by kill -9: nothing after it runs, nothing is tidied up."""


def two_boxes() -> Trust:
    """The builder's trust file, with a second box."""
    known = trust()
    return Trust(
        boxes=(*known.boxes, TrustedKey.of(OTHER_BOX_KEY.verify_key, box=OTHER_BOX)),
        archive=known.archive,
        owner=known.owner,
        operator=known.operator,
        workshop=known.workshop,
    )


def up(name: str, payload: bytes, *, box: str = BOX, recording: str = RECORDING) -> Message:
    """A file on its way up."""
    return Message(f"handschlag/1/{box}/up/{recording}/{name}", payload)


def all_up(files: Mapping[str, bytes], *, box: str = BOX, recording: str = RECORDING) -> list[Message]:
    """All files of a recording that a box sends, by name, the manifest last."""
    names = sorted(set(files) - {"receipt.jws", "manifest.jws"})
    return [up(name, files[name], box=box, recording=recording) for name in [*names, "manifest.jws"]]


class Cut:
    """Counts the steps that touch the disk, and cuts the power at one of them."""

    def __init__(self) -> None:
        self.at: int | None = None
        self.steps = 0

    def step(self) -> None:
        """A step is about to be made."""
        self.steps += 1
        if self.at is not None and self.steps >= self.at:
            raise PowerCut


class CuttableStore(FolderStore):
    """A folder store whose power can be cut between any two files, that can be away, and that has a lock."""

    def __init__(self, root: Path, cut: Cut) -> None:
        super().__init__(root, files=RealFiles(syncing=1))
        self.away = False
        self.locked: Callable[[Place], bool] = lambda _place: False
        self._cut = cut

    def put(self, objects: Sequence[tuple[Place, bytes]]) -> int:
        """Keep the objects one by one."""
        for one in objects:
            self._step()
            super().put([one])
        return 1

    def remove(self, places: Iterable[Place]) -> Sequence[Place]:
        """Remove the objects one by one; what is locked stays."""
        left = []
        for place in places:
            self._step()
            if self.locked(place):
                left.append(place)
            else:
                super().remove([place])
        return left

    def clear(self, box: str, recording: str) -> Sequence[Place]:
        """Remove everything, object by object; what is locked stays."""
        left = self.remove(self.places(box, recording))
        self._step()
        return left or super().clear(box, recording)

    def _step(self) -> None:
        if self.away:
            raise OSError(f"{self.root.name}: away")
        self._cut.step()


class CuttableIndex(Index):
    """An index whose power can be cut before each transaction and before each commit."""

    def __init__(self, url: str, cut: Cut) -> None:
        self._cut = cut
        super().__init__(url)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction between two steps."""
        return _CuttableTransaction(super().transaction(), self._cut)


class _CuttableTransaction(AbstractContextManager[Transaction]):
    def __init__(self, inner: AbstractContextManager[Transaction], cut: Cut) -> None:
        self._inner = inner
        self._cut = cut

    def __enter__(self) -> Transaction:
        self._cut.step()
        return self._inner.__enter__()

    def __exit__(self, *error: object) -> None:
        try:
            self._cut.step()
        except PowerCut as cut:
            self._inner.__exit__(PowerCut, cut, None)  # rolled back, as a database does when its process is gone
            raise
        self._inner.__exit__(*error)  # type: ignore[arg-type]  # handed on as it came


class Desk:
    """One archive in a folder, with an ingest that can be started anew."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        trust_of: Callable[[], Trust] = two_boxes,
        epoch: str | None = None,
        bounds: Bounds | None = None,
        copies: int = 1,
    ) -> None:
        self.folder = folder
        self.database = database or f"sqlite:///{folder / 'index.sqlite'}"
        self.now = 100.0
        self.told: list[tuple[str, bytes]] = []
        self.wall = moment(written(datetime.now(UTC)))
        self.cut = Cut()
        self._trust_of = trust_of
        self._epoch = epoch
        self._bounds = bounds
        self._copies = copies
        self._let_go: Callable[[], None] = lambda: None
        self.start()

    def start(self) -> list[Receipt]:
        """Start as after a cut: nothing is known but what is on the disk; the receipts it gives by itself."""
        self.cut.at = None
        self.close()
        self.index = CuttableIndex(self.database, self.cut)
        self._let_go = self.index.close
        self.clips = CuttableStore(self.folder / "clips", self.cut)
        self.keys = CuttableStore(self.folder / "keys", self.cut)
        self.erasures = Erasures(CuttableStore(self.folder / "erasures", self.cut))
        self.destroying = Destroying(index=self.index, clips=self.clips, keys=self.keys, erasures=self.erasures)
        self.owner = Owner(
            index=self.index,
            clips=self.clips,
            erasures=self.erasures,
            destroying=self.destroying,
            trust=self._trust_of,
            clock=lambda: self.wall,
        )
        self.ingest = Ingest(
            index=self.index,
            clips=self.clips,
            keys=self.keys,
            destroying=self.destroying,
            relay=Relay(self.index, clock=lambda: self.wall),
            judge=Judge(self._trust_of),
            clerk=Clerk(ARCHIVE_KEY, epoch=self._epoch or self.index.epoch, copies=self._copies),
            settle_s=SETTLE_S,
            bounds=self._bounds,
        )
        self.ingest.recover(self.now)
        self.clips.sweep()
        self.keys.sweep()
        return self._read(self.ingest.resume(self.now))

    def colleague(self) -> Desk:
        """A second worker on the same archive."""
        return Desk(self.folder, database=self.database, trust_of=self._trust_of, epoch=self._epoch)

    def new_epoch(self, epoch: str) -> None:
        """Start as an archive that was restored from a backup."""
        self._epoch = epoch
        self.start()

    def close(self) -> None:
        """Let go of the database."""
        self._let_go()

    def take(self, *messages: Message) -> list[Receipt]:
        """Put one group on the desk; the receipts."""
        return self._read(self.ingest.take(messages, self.now))

    def take_each(self, messages: Iterable[Message]) -> list[Receipt]:
        """Put messages on the desk, each as a group of its own; the receipts."""
        return list(itertools.chain.from_iterable(self.take(message) for message in messages))

    def wait(self, seconds: float) -> list[Receipt]:
        """Let time go by; the receipts that it brings."""
        self.now += seconds
        self.wall += timedelta(seconds=seconds)
        return self._read(self.ingest.due(self.now))

    def row(self, box: str = BOX, recording: str = RECORDING) -> Row | None:
        """What the index says."""
        with self.index.transaction() as transaction:
            return transaction.row(Which(box, recording))

    def state(self, box: str = BOX, recording: str = RECORDING) -> State | None:
        """The recording's state."""
        row = self.row(box, recording)
        return row.state if row else None

    def on_disk(self, box: str = BOX, recording: str = RECORDING) -> set[str]:
        """The names of everything that lies in the stores of this recording, however it got there."""
        folders = [self.folder / place / box / recording for place in ("clips", "keys")]
        return {path.name.rsplit(".", 1)[0] for folder in folders if folder.is_dir() for path in folder.iterdir()}

    def export(self, out: Path, *, box: str | None = None, recording: str = RECORDING) -> dict[str, bytes]:
        """The recording as it is laid out by `export`."""
        export_recording(self.index, self.clips, self.keys, recording=recording, box=box, out=out)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    def _read(self, answers: Iterable[Answer]) -> list[Receipt]:
        """The receipts; what goes to a box in the owner's name is put aside in `told`."""
        receipts = []
        for answer in answers:
            if answer.topic.endswith("/down/owner"):
                self.told.append((answer.topic.split("/")[2], answer.receipt))
            else:
                receipts.append(read_receipt(answer.receipt, ARCHIVE_KEY.verify_key))
        return receipts
