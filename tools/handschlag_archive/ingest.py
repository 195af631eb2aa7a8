"""What happens to what the boxes send; no broker in here: messages in, receipts out.

Bytes go into the stores under their hash, then the index is committed, and only then receipts come out (P5). A
recording's files may come in any order, any number of times, through any number of workers: whether a recording is
complete is always asked of the index after the commit, so whichever commit completes the set answers `stored`.
What counts is what the box's signed manifest names by hash; everything else is garbage that stays beside it and goes
once the recording is stored.

A withdrawal goes before everything else of its group: the tombstone is durable first, then the keys go, then the rest,
and whatever comes later is dropped and answered `destroyed` again (P7).

Times given to `take` and `due` are seconds of one monotonic clock.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from handschlag.sealing.encoding import MAX_FILE_BYTES, RecordingId, check
from handschlag.sealing.errors import BadFile
from handschlag.sealing.manifest import KEYS, MANIFEST, RECEIPT, REVOKE, is_name, rewrap_counter
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.index import Head, Index, Line, Row, State, Tomb, Transaction, Which, Why
from handschlag_archive.judge import FIRST_SEQ, GENESIS, Judge, Judged, Refusal
from handschlag_archive.periods import written
from handschlag_archive.stores.port import LostBytes, Place, Store

_TOPIC: Final = re.compile(r"handschlag/1/(?P<box>[a-z0-9-]{1,32})/up/(?P<what>[^/]+)/(?P<name>[^/]+)")
_LEDGER_STEP: Final = 1000
_MOST_JUDGED: Final = 256

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One message as the broker hands it over."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class _File:
    which: Which
    name: str
    payload: bytes
    place: Place


@dataclass(frozen=True)
class _Waiting:
    """A manifest whose files are not all here: when to say so, unless something comes until then."""

    due: float
    files: int


class Ingest:
    """Takes groups of messages in and gives the receipts that may go out once the group is durable."""

    def __init__(
        self,
        *,
        index: Index,
        clips: Store,
        keys: Store,
        destroying: Destroying,
        judge: Judge,
        clerk: Clerk,
        settle_s: float = 5.0,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._index = index
        self._clips = clips
        self._keys = keys
        self._destroying = destroying
        self._judge = judge
        self._clerk = clerk
        self._settle_s = settle_s
        self._waiting: dict[Which, _Waiting] = {}
        self._unfinished: dict[Which, float] = {}
        self._judged: dict[Place, Judged] = {}
        self._listed: dict[Place, frozenset[Place]] = {}

    @property
    def next_due(self) -> float | None:
        """When `due` has something to look at."""
        return min((*(waiting.due for waiting in self._waiting.values()), *self._unfinished.values()), default=None)

    def recover(self) -> None:
        """Finish what a cut left half done: destroying, and bytes that came in beside it."""
        for tomb in self._destroying.unfinished():
            self._destroy(tomb, 0.0)
        self._destroying.settle(datetime.now(UTC))

    def resume(self, now: float) -> Sequence[Answer]:
        """Say where every open recording stands; for after a start or a new connection."""
        with self._index.transaction() as transaction:
            rows = transaction.in_state(State.OPEN)
        return [self._progress_or_stored(row.which, now) for row in rows]

    def take(self, messages: Sequence[Message], now: float) -> Sequence[Answer]:
        """Make a group of messages durable; the receipts for it.

        Raises:
            OSError: stores or index cannot take it; nothing may be acknowledged, the group may be given again.

        """
        files: list[_File] = []
        ledgers: dict[str, list[tuple[str, bytes]]] = {}
        for message in messages:
            match self._sort(message):
                case _File() as file:
                    files.append(file)
                case (str(box), str(first)):
                    ledgers.setdefault(box, []).append((first, message.payload))
        revokes = [file for file in files if file.name == REVOKE]
        answers = [answer for file in revokes for answer in self._revoke(file, now)]
        answers += self._files([file for file in files if file.name != REVOKE], now)
        for box, batches in ledgers.items():
            answers += self._ledger(box, batches)
        return answers

    def due(self, now: float) -> Sequence[Answer]:
        """`incomplete` for the manifests for which nothing new came in time; `destroyed` for what took longer."""
        answers = self._finish(now)
        for which in [which for which, waiting in self._waiting.items() if waiting.due <= now]:
            waiting = self._waiting.pop(which)
            with self._index.transaction() as transaction:
                row = transaction.row(which)
                have = transaction.files(which)
            if row is None or row.state is not State.OPEN:
                continue
            if len(have) != waiting.files:
                answers.append(self._progress_or_stored(which, now))  # another worker took something in
                continue
            for judged in self._manifests(which, have):
                wanted = self._wanted(judged, have)
                missing = {place.name for place in wanted - self._have(which)}  # looked at again: some may be lost
                if missing:
                    answers.append(self._clerk.incomplete(which, judged.place.sha256, missing))
        return answers

    # What a message is.

    def _sort(self, message: Message) -> _File | tuple[str, str] | None:
        topic = _TOPIC.fullmatch(message.topic)
        why = _foreign(topic, message.payload)
        if topic is None or why:
            self._count(why)
            return None
        box, what, name = topic["box"], topic["what"], topic["name"]
        if what == "ledger":
            return box, name
        sha256 = hashlib.sha256(message.payload).hexdigest()
        return _File(Which(box, what), name, message.payload, Place(box, what, name, sha256))

    def _count(self, what: str) -> None:
        """Count, and log the 1st, 2nd, 4th, 8th, ...: whoever sends much rubbish does not fill the log with it."""
        self.counts[what] += 1
        number = self.counts[what]
        if number & (number - 1) == 0:
            _log.info("dropped: %s (%d so far)", what, number)

    # Files of recordings.

    def _files(self, files: Sequence[_File], now: float) -> list[Answer]:
        answers: list[Answer] = []
        good: dict[Place, _File] = {}
        for file in files:
            if file.name == MANIFEST:
                try:
                    self._remember(file.place, self._judge.manifest(file.which, file.payload))
                except Refusal as refusal:
                    answers.append(self._refused(file.which, file.place, refusal))
                    continue
            good[file.place] = file
        if not good:
            return answers
        rows = self._stage(good)
        for which in dict.fromkeys(file.which for file in good.values()):
            manifests = [place for place in good if place.name == MANIFEST and _of(place) == which]
            answers += self._answers(which, rows[which], manifests, now)
        return answers

    def _stage(self, files: Mapping[Place, _File]) -> Mapping[Which, Row]:
        """Make `files` durable as far as their recordings still take any; how each recording stands then."""
        touched = list(dict.fromkeys(file.which for file in files.values()))
        with self._index.transaction() as transaction:
            rows = transaction.rows(touched)
            known = transaction.known(files.keys())
        fresh = [place for place in files if place not in known and _takes_files(rows.get(_of(place)))]
        for store in (self._clips, self._keys):
            store.put([(place, files[place].payload) for place in fresh if self._store_of(place) is store])
        with self._index.transaction() as transaction:
            # Asked again under the lock: another worker may have stored or destroyed it while we wrote.
            transaction.open(touched)
            rows = transaction.rows(touched)
            kept = [place for place in fresh if _takes_files(rows[_of(place)])]
            transaction.add_files((place, len(files[place].payload)) for place in kept)
            late = set(fresh) - set(kept)
            late -= transaction.known(late)
        self._remove(late)
        return rows

    def _answers(self, which: Which, row: Row, manifests: Sequence[Place], now: float) -> list[Answer]:
        match row.state:
            case State.DESTROYING | State.DESTROYED:
                self._count("after its end")
                return self._after_its_end(row, now)
            case State.OPEN:
                return [self._progress_or_stored(which, now)]
            case State.STORED:
                return [self._again(row, place, now) for place in manifests] or [self._progress(which)]

    def _again(self, row: Row, manifest: Place, now: float) -> Answer:
        if row.manifest_sha256 != manifest.sha256 or row.receipt is None:
            return self._refused(row.which, manifest, Refusal("another manifest of this recording is stored"))
        if row.epoch != self._clerk.epoch:
            return self._renew(row, manifest, now)
        return self._clerk.repeat(row.which, row.receipt)

    def _renew(self, row: Row, manifest: Place, now: float) -> Answer:
        """The receipt of an earlier epoch anew; but a restored archive may know more than it has."""
        which = row.which
        if self._forget_lost(self._have(which)):
            with self._index.transaction() as transaction:
                transaction.reopen(which)
            return self._progress_or_stored(which, now)
        receipt = self._clerk.still_stored(row, manifest.sha256)
        with self._index.transaction() as transaction:
            still = transaction.row(which)
            here = still is not None and still.state is State.STORED
            if here:
                transaction.stored(which, receipt)
        return self._clerk.repeat(which, receipt.text) if here else self._progress(which)

    def _progress(self, which: Which) -> Answer:
        return self._clerk.progress(which, {place.name for place in self._have(which)})

    def _progress_or_stored(self, which: Which, now: float) -> Answer:
        """Store the recording if it is complete; otherwise say what is here, and wait for what a manifest misses."""
        have = self._have(which)
        manifests = self._manifests(which, have)
        for judged in manifests:
            try:
                answer = self._complete(which, judged, have, now)
            except Refusal as refusal:
                answer = self._refused(which, judged.place, refusal)
            if answer is not None:
                self._waiting.pop(which, None)
                return answer
        if manifests:
            have = self._have(which)
            waiting = self._waiting.get(which)
            if waiting is None or waiting.files != len(have):  # what comes twice is nothing new
                self._waiting[which] = _Waiting(now + self._settle_s, len(have))
        return self._clerk.progress(which, {place.name for place in have})

    def _complete(self, which: Which, judged: Judged, have: frozenset[Place], now: float) -> Answer | None:
        """Check the whole recording as anyone could, from the stores' bytes; None while something is missing.

        Raises:
            Refusal: complete, and wrong.

        """
        wanted = self._wanted(judged, have)
        if not wanted <= have:
            return None
        try:
            self._judge.recording(judged, {place.name: partial(self._read, place) for place in wanted})
        except LostBytes:
            self._forget_lost(wanted)
            return None
        receipt = self._clerk.stored(which, judged)
        with self._index.transaction() as transaction:
            row = transaction.row(which)
            here = row is not None and row.state is State.OPEN
            if here:
                transaction.stored(which, receipt)
                transaction.remove_files(transaction.files(which) - wanted)
        if row is not None and not here:
            again = self._after_its_end(row, now) if row.state.withdrawn else [self._again(row, judged.place, now)]
            return next(iter(again), None) or self._progress(which)
        lying = {place for store in (self._clips, self._keys) for place in store.places(which.box, which.recording)}
        self._remove(lying - wanted)
        self._forget(judged)
        _log.info("stored %s of %s", which.recording, which.box)
        return self._clerk.repeat(which, receipt.text)

    def _forget_lost(self, wanted: Collection[Place]) -> bool:
        """Take what the stores have lost out of the index, so that the box is asked for it; whether there is any."""
        lost = []
        for place in wanted:
            try:
                self._read(place)
            except LostBytes as error:
                _log.error("lost: %s", error)
                lost.append(place)
        self.counts["lost bytes"] += len(lost)
        if lost:
            with self._index.transaction() as transaction:
                transaction.remove_files(lost)
        return bool(lost)

    def _manifests(self, which: Which, have: frozenset[Place]) -> Sequence[Judged]:
        """Every manifest of the box for this recording.

        Only good ones were kept; one whose key has lost the trust meanwhile, or whose bytes are lost, waits until the
        box sends it again.
        """
        found = []
        for place in sorted(place for place in have if place.name == MANIFEST):
            judged = self._judged.get(place)
            if judged is None:
                try:
                    judged = self._judge.manifest(which, self._read(place))
                except LostBytes:
                    self._forget_lost([place])
                    continue
                except Refusal as refusal:
                    _log.warning(
                        "a manifest kept for %s of %s no longer counts: %s", which.recording, which.box, refusal
                    )
                    continue
                self._remember(place, judged)
            found.append(judged)
        return found

    def _wanted(self, judged: Judged, have: frozenset[Place]) -> frozenset[Place]:
        """The manifest, all it names, and the clips its lists name, as far as the lists are here and are lists."""
        wanted = {judged.place, *judged.files}
        for place in judged.lists:
            if place in have and place not in self._listed:
                try:
                    self._listed[place] = self._judge.clip_list(_of(place), self._read(place))
                except LostBytes:
                    self._forget_lost([place])
                except Refusal:
                    self._listed[place] = frozenset()  # checking the whole recording will name what is wrong
            wanted.update(self._listed.get(place, ()))
        return frozenset(wanted)

    def _remember(self, place: Place, judged: Judged) -> None:
        if len(self._judged) >= _MOST_JUDGED:
            self._judged.clear()
            self._listed.clear()
        self._judged[place] = judged

    def _forget(self, judged: Judged) -> None:
        self._judged.pop(judged.place, None)
        for place in judged.lists:
            self._listed.pop(place, None)

    def _refused(self, which: Which, manifest: Place | None, refusal: Refusal) -> Answer:
        self.counts["refused"] += 1
        _log.warning("refused %s of %s: %s", which.recording, which.box, refusal)
        return self._clerk.refused(which, manifest.sha256 if manifest else None, str(refusal))

    # Withdrawals.

    def _revoke(self, file: _File, now: float) -> list[Answer]:
        which = file.which
        with self._index.transaction() as transaction:
            row = transaction.row(which)
        if row is None or not row.state.withdrawn:
            try:
                self._judge.revoke(which, file.payload)
            except Refusal as refusal:
                return [self._refused(which, None, refusal)]
            with self._index.transaction() as transaction:
                row = transaction.row(which)
                stored = row is not None and row.state is State.STORED
                if not stored and (row is None or not row.state.withdrawn):
                    transaction.entomb(which, file.payload, why=Why.WITHDRAWN, at=written(datetime.now(UTC)))
            if stored:
                return [self._refused(which, None, Refusal("the recording is stored; only its owner can erase it"))]
        with self._index.transaction() as transaction:
            tomb = transaction.tomb(which)
        return self._destroy(tomb, now) if tomb is not None else []

    def _destroy(self, tomb: Tomb, now: float) -> list[Answer]:
        """`destroyed`, once it is; a store that cannot do it now holds nobody else up: it is tried again."""
        which = tomb.which
        self._waiting.pop(which, None)
        if tomb.state is State.DESTROYING:
            try:
                self._destroying.finish([tomb])
            except OSError as error:
                self.counts["destroying waits"] += 1
                _log.error("%s of %s is not destroyed yet: %s", which.recording, which.box, error)
                self._unfinished[which] = now + self._settle_s
                return []
        self._unfinished.pop(which, None)
        return [self._clerk.destroyed(which)]

    def _after_its_end(self, row: Row, now: float) -> list[Answer]:
        """`destroyed`, if it is; otherwise whoever destroys it says so, or this worker, if that one has died."""
        if row.state is State.DESTROYED:
            return [self._clerk.destroyed(row.which)]
        self._unfinished.setdefault(row.which, now + self._settle_s)
        return []

    def _finish(self, now: float) -> list[Answer]:
        answers: list[Answer] = []
        for which in [which for which, due in self._unfinished.items() if due <= now]:
            with self._index.transaction() as transaction:
                tomb = transaction.tomb(which)
            if tomb is not None:
                answers += self._destroy(tomb, now)
        return answers

    # Ledgers.

    def _ledger(self, box: str, batches: Sequence[tuple[str, bytes]]) -> list[Answer]:
        lines: list[Line] = []
        for first, payload in batches:
            try:
                lines += self._judge.ledger_lines(first, payload)
            except Refusal as refusal:
                _log.warning("ledger lines of %s dropped: %s", box, refusal)
                self.counts["bad ledger lines"] += 1
        if not lines:
            return []
        with self._index.transaction() as transaction:
            transaction.add_ledger(box, lines)
            numbers = [line.seq for line in lines]
            for seq in transaction.note_forks(box, min(numbers), max(numbers)):
                self.counts["ledger forks"] += 1
                _log.critical("ALARM: the ledger of %s has two lines with number %d", box, seq)
            forked = bool(transaction.forks(box))
            head = transaction.ledger_head(box) if forked else self._move_head(transaction, box)
        if forked or head is None:
            return []
        return [self._clerk.ledger(box, head.seq, head.sha256)]

    def _move_head(self, transaction: Transaction, box: str) -> Head | None:
        """Follow the chain as far as it goes without a gap."""
        start = head = transaction.ledger_head(box)
        while True:
            lines = transaction.ledger(box, head.seq + 1 if head else FIRST_SEQ, _LEDGER_STEP)
            for line in lines:
                if line.seq != (head.seq + 1 if head else FIRST_SEQ):
                    break  # a gap: what lies behind it waits
                if line.prev != (head.sha256 if head else GENESIS):
                    self.counts["ledger breaks"] += 1
                    _log.critical("ALARM: the ledger of %s does not continue at number %d", box, line.seq)
                    break
                head = Head(line.seq, line.sha256)
            else:
                if len(lines) == _LEDGER_STEP:
                    continue
            break
        if head is not None and head != start:
            transaction.set_ledger_head(box, head)
        return head

    # Places.

    def _store_of(self, place: Place) -> Store:
        return self._keys if is_key(place.name) else self._clips

    def _read(self, place: Place) -> bytes:
        return self._store_of(place).get(place)

    def _remove(self, places: Collection[Place]) -> None:
        for store in (self._keys, self._clips):
            store.remove(place for place in places if self._store_of(place) is store)

    def _have(self, which: Which) -> frozenset[Place]:
        with self._index.transaction() as transaction:
            return transaction.files(which)


def _foreign(topic: re.Match[str] | None, payload: bytes) -> str:
    """Why a message is not for us; "" if it is."""
    if topic is None:
        return "foreign topic"
    if len(payload) > MAX_FILE_BYTES:
        return "too large"
    if topic["what"] == "ledger":
        return ""
    if topic["what"] == "reply":
        return "reply"  # nobody here has sent a command
    try:
        check(topic["what"], RecordingId, "recording id")
    except BadFile:
        return "foreign recording id"
    # Receipts are the archive's own; rewraps come from the owner, not from a box.
    a_box_sends_it = is_name(topic["name"]) and topic["name"] != RECEIPT and rewrap_counter(topic["name"]) is None
    return "" if a_box_sends_it else "foreign file name"


def is_key(name: str) -> bool:
    """Whether a file holds wrapped keys, and so belongs where nothing is versioned or locked."""
    return name == KEYS or rewrap_counter(name) is not None


def _of(place: Place) -> Which:
    return Which(place.box, place.recording)


def _takes_files(row: Row | None) -> bool:
    return row is None or row.state is State.OPEN
