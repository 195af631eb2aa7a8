"""Completing: a manifest and the files that it names become a stored recording.

The receipt rests on bytes on disk, not on the index's word and not on the hash taken when a file came: once all is
there, every file of the recording is read again from the stores, compared with its hash, and the whole is checked as
anyone could check it, before `stored` is committed. The commit itself looks once more that nothing was taken away
meanwhile. Clips are locked until the end of their retention before that, where the store can: a lock with no receipt
does no harm, a receipt without the lock would say too much.

A manifest whose files are not all here waits. When nothing new came for a while `incomplete` names what is missing.
That a manifest waits is known to the worker that took it in, and can be read from the index by any other: each looks
around from time to time, and takes over what its owner, who may be dead, has not brought further.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing.manifest import rewrap_counter
from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.index import Index, IndexBusy, Row, State, StoredReceipt, Which
from handschlag_archive.ingest.counts import Counts
from handschlag_archive.ingest.names import Names
from handschlag_archive.ingest.shelves import Shelves
from handschlag_archive.judge import Judge, Judged, Refusal
from handschlag_archive.periods import moment
from handschlag_archive.stores.port import LostBytes, Place
from handschlag_archive.wishes import when_stored


class TooFewCopies(HandschlagError, OSError):
    """A file is in fewer stores than a receipt may say; tried again like every other trouble of a store."""


LOOK_AROUND_S: Final = 30.0
_MOST_JUDGED: Final = 256
_MOST_LISTED: Final = 32
_MOST_WAITING: Final = 10_000
_PAGE: Final = 100
_STUCK: Final = -1
"""No number of files: what could not be completed is looked at again as if something new had come."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Waiting:
    """A manifest whose files are not all here: when to say so, unless something comes until then."""

    due: float
    files: int


class Completing:
    """Answers for recordings that are open, and for manifests of stored ones."""

    def __init__(
        self,
        *,
        index: Index,
        shelves: Shelves,
        names: Names,
        judge: Judge,
        clerk: Clerk,
        counts: Counts,
        settle_s: float,
    ) -> None:
        self._index = index
        self._shelves = shelves
        self._names = names
        self._judge = judge
        self._clerk = clerk
        self._counts = counts
        self._settle_s = settle_s
        self._waiting: OrderedDict[Which, _Waiting] = OrderedDict()
        self._asked: OrderedDict[Which, int] = OrderedDict()
        self._look_after: Which | None = None
        self._look_due: float | None = None
        self._resume_after: Which | None = None
        self._resuming = False
        self._judged: OrderedDict[Place, Judged] = OrderedDict()
        self._listed: OrderedDict[Place, frozenset[Place]] = OrderedDict()

    @property
    def next_due(self) -> float | None:
        """When `due` has something to look at."""
        if self._resuming:
            return 0.0
        dues = [waiting.due for waiting in self._waiting.values()]
        return min(dues if self._look_due is None else [*dues, self._look_due], default=None)

    def judge(self, which: Which, payload: bytes) -> Judged:
        """Check a manifest that came in. Raises Refusal."""
        judged = self._judge.manifest(which, payload)
        self._remember(judged)
        return judged

    def refused(self, which: Which, manifest: Place | None, refusal: Refusal) -> Answer:
        """The answer to what does not count."""
        self._counts["refused"] += 1
        _log.warning("refused %s of %s: %s", which.recording, which.box, refusal)
        return self._clerk.refused(which, manifest.sha256 if manifest else None, str(refusal))

    def forget(self, which: Which) -> None:
        """A recording is over."""
        self._waiting.pop(which, None)
        self._names.forget(which)

    # What is open.

    def stand(self, recordings: Sequence[Which], now: float) -> list[Answer]:
        """Where these open recordings stand: stored if complete, otherwise what is here, and waited for the rest."""
        if not recordings:
            return []
        with self._index.reading() as transaction:
            manifests = transaction.manifests(recordings)
            self._names.learn(transaction.names(self._names.unknown(recordings)))
        answers = []
        for which in recordings:
            if which in manifests:
                answers += self._unless_stuck(which, partial(self._progress_or_stored, which, manifests[which]), now)
            else:
                answers.append(self._clerk.progress(which, self._names.of(which)))
        return answers

    def _unless_stuck(self, which: Which, work: Callable[[float], list[Answer]], now: float) -> list[Answer]:
        """Do `work`; where a store cannot do its part for this recording, later: it must not hold the others up."""
        try:
            return work(now)
        except IndexBusy:
            self._wait(which, _Waiting(now + self._settle_s, _STUCK))
            raise
        except OSError as error:
            self._counts["completing waits"] += 1
            _log.error("%s of %s cannot be completed yet: %s", which.recording, which.box, error)
            self._wait(which, _Waiting(now + self._settle_s, _STUCK))
            return [self._clerk.progress(which, self._names.of(which))]

    def _progress_or_stored(self, which: Which, manifests: Sequence[Place], now: float) -> list[Answer]:
        have = self._have(which)
        judged_ones = self.judge_all(which, manifests)
        for judged in judged_ones:
            try:
                answers = self._complete(judged, have, now)
            except Refusal as refusal:
                answers = [self.refused(which, judged.place, refusal)]
            if answers is not None:
                self.forget(which)
                return answers
        have = self._have(which)  # looked at again: some may be lost
        if judged_ones:
            waiting = self._waiting.get(which)
            if waiting is None or waiting.files != len(have):  # what comes twice is nothing new
                self._wait(which, _Waiting(now + self._settle_s, len(have)))
        return [self._clerk.progress(which, {place.name for place in have})]

    def _complete(self, judged: Judged, have: Mapping[Place, int], now: float) -> list[Answer] | None:
        """Store the recording that a manifest names; None while something is missing.

        Raises:
            Refusal: complete, and wrong.

        """
        wanted = self.wanted(judged, have)
        if not wanted <= have.keys():
            return None
        which = _of(judged.place)
        try:
            self._judge.recording(judged, {place.name: partial(self._shelves.read, place) for place in wanted})
        except LostBytes:
            self.forget_lost(which, wanted)
            return None
        fewest = self._enough_copies({place: have[place] for place in wanted})
        receipt = self._clerk.stored(which, judged, copies=fewest)
        if receipt.retain_until is not None:
            self._shelves.protect(wanted, moment(receipt.retain_until))
        row, garbage = self._commit(judged, receipt, wanted)
        if row is None:
            return None
        if row.state is State.STORED:
            return self.again(row, judged.place, now)
        if row.state is not State.OPEN:
            return []  # whoever destroys it says so
        self._shelves.remove(_no_rewraps(self._shelves.lying(which) | garbage) - wanted)
        self._judged.pop(judged.place, None)
        _log.info("stored %s of %s", which.recording, which.box)
        return [self._clerk.repeat(which, receipt.text)]

    def _commit(
        self, judged: Judged, receipt: StoredReceipt, wanted: frozenset[Place]
    ) -> tuple[Row | None, frozenset[Place]]:
        """Note it as stored if it is still open and nothing of it was taken away meanwhile.

        The row as it was before, None if something is missing; and the files that no longer count.
        """
        which = _of(judged.place)
        with self._index.transaction() as transaction:
            row = transaction.row(which)
            if row is None or row.state is not State.OPEN:
                return row, frozenset()
            files = transaction.files(which)
            if not wanted <= files:
                return None, frozenset()
            transaction.stored(which, receipt)
            when_stored(transaction, which, judged.manifest)
            garbage = _no_rewraps(files - wanted)
            transaction.remove_files(garbage)
        return row, garbage

    def _enough_copies(self, copies: Mapping[Place, int]) -> int:
        """In how many stores each of these files is at least; those that are in too few are kept once more."""
        few = [place for place, number in copies.items() if number < self._clerk.copies]
        fewest = min((number for number in copies.values() if number >= self._clerk.copies), default=self._clerk.copies)
        if not few:
            return fewest
        for place in few:
            ((_, number),) = self._shelves.put([(place, self._shelves.read(place))])
            if number < self._clerk.copies:
                raise TooFewCopies(f"{place}: is in {number} stores, {self._clerk.copies} are wanted")
            with self._index.transaction() as transaction:
                transaction.set_copies([place], number)
            fewest = min(fewest, number)
        return fewest

    # What is stored.

    def again(self, row: Row, manifest: Place, now: float) -> list[Answer]:
        """The answer to a manifest of a recording that is stored."""
        if row.manifest_sha256 != manifest.sha256 or row.receipt is None:
            return [self.refused(row.which, manifest, Refusal("another manifest of this recording is stored"))]
        if row.epoch != self._clerk.epoch:
            return self._renew(row, manifest, now)
        return [self._clerk.repeat(row.which, row.receipt)]

    def _renew(self, row: Row, manifest: Place, now: float) -> list[Answer]:
        """The receipt of an earlier epoch anew; but a restored archive may know more than it has."""
        which = row.which
        have = self._have(which)
        if self.forget_lost(which, have):
            with self._index.transaction() as transaction:
                transaction.reopen(which)
            return self.stand([which], now)
        receipt = self._clerk.still_stored(row, manifest.sha256, copies=self._enough_copies(have))
        with self._index.transaction() as transaction:
            still = transaction.row(which)
            here = still is not None and still.state is State.STORED
            if here:
                transaction.stored(which, receipt)
        return [self._clerk.repeat(which, receipt.text) if here else self.progress(which)]

    def progress(self, which: Which) -> Answer:
        """What the index has of a recording."""
        return self._clerk.progress(which, {place.name for place in self._have(which)})

    # What waits.

    def due(self, now: float) -> list[Answer]:
        """`incomplete` for the manifests for which nothing new came in time, and what a look around brings."""
        answers: list[Answer] = []
        ripe = [which for which, waiting in self._waiting.items() if waiting.due <= now][:_PAGE]
        for which in ripe:
            answers += self._unless_stuck(which, partial(self._settle, which, self._waiting.pop(which)), now)
        if self._resuming:
            answers += self._resume_page(now)
        if self._look_due is None or self._look_due <= now:
            self._look_around(now)
        return answers

    def resume(self, now: float) -> list[Answer]:
        """Begin to say where every open recording stands, page by page; `due` goes on with it."""
        self._resuming, self._resume_after = True, None
        return self._resume_page(now)

    def _resume_page(self, now: float) -> list[Answer]:
        with self._index.reading() as transaction:
            page = transaction.open_after(self._resume_after, _PAGE)
        self._resuming = len(page) == _PAGE
        self._resume_after = page[-1] if page else None
        return self.stand(page, now)

    def _settle(self, which: Which, waiting: _Waiting, now: float) -> list[Answer]:
        with self._index.reading() as transaction:
            row = transaction.row(which)
            manifests = transaction.manifests([which]).get(which, [])
        if row is None or row.state is not State.OPEN:
            return []
        have = self._have(which)
        if len(have) != waiting.files:
            return self._progress_or_stored(which, manifests, now)  # another worker took something in
        self._note_asked(which, len(have))
        answers = []
        for judged in self.judge_all(which, manifests):
            missing = {place.name for place in self.wanted(judged, have) - self._have(which).keys()}
            if missing:
                answers.append(self._clerk.incomplete(which, judged.place.sha256, missing))
            else:  # whoever took the last file in has died before saying so
                answers += self._progress_or_stored(which, [judged.place], now)
        return answers

    def _look_around(self, now: float) -> None:
        """Wait with the owners of waiting manifests: longer than they do, and once for each new file.

        As many as there is room for; the next look goes on behind them.
        """
        self._look_due = now + LOOK_AROUND_S
        room = _MOST_WAITING - len(self._waiting)
        if room <= 0:
            return
        with self._index.reading() as transaction:
            found = transaction.waiting_manifests(self._look_after, room)
        self._look_after = max(found) if len(found) == room else None
        for which, files in found.items():
            if which not in self._waiting and self._asked.get(which) != files:
                self._wait(which, _Waiting(now + 3 * self._settle_s, files))

    def _note_asked(self, which: Which, files: int) -> None:
        """So many files were here when it was last asked for the rest: not again before there are more."""
        self._asked.pop(which, None)
        self._asked[which] = files
        if len(self._asked) > _MOST_WAITING:
            self._asked.popitem(last=False)

    def _wait(self, which: Which, waiting: _Waiting) -> None:
        """The oldest is forgotten when there are too many: a look around, or the box, comes back to it."""
        self._waiting.pop(which, None)
        self._waiting[which] = waiting
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)

    # Manifests and what they name.

    def wanted(self, judged: Judged, have: Collection[Place]) -> frozenset[Place]:
        """The manifest, all it names, and the clips its lists name, as far as the lists are here and are lists."""
        wanted = {judged.place, *judged.files}
        for place in judged.lists:
            if place not in have:
                continue
            clips = self._listed.get(place)
            if clips is None:
                try:
                    clips = self._judge.clip_list(_of(place), self._shelves.read(place))
                except LostBytes:
                    self.forget_lost(_of(place), [place])
                    continue
                except Refusal:
                    clips = frozenset()  # checking the whole recording will name what is wrong
                self._listed[place] = clips
                if len(self._listed) > _MOST_LISTED:
                    self._listed.popitem(last=False)
            wanted.update(clips)
        return frozenset(wanted)

    def judge_all(self, which: Which, manifests: Iterable[Place]) -> list[Judged]:
        """Every manifest of the box for this recording.

        Only good ones were kept; one whose key has lost the trust meanwhile, or whose bytes are lost, waits until the
        box sends it again.
        """
        found = []
        for place in manifests:
            judged = self._judged.get(place)
            if judged is None:
                try:
                    judged = self._judge.manifest(which, self._shelves.read(place))
                except LostBytes:
                    self.forget_lost(which, [place])
                    continue
                except Refusal as refusal:
                    _log.warning(
                        "a manifest kept for %s of %s no longer counts: %s", which.recording, which.box, refusal
                    )
                    continue
                self._remember(judged)
            found.append(judged)
        return found

    def forget_lost(self, which: Which, places: Iterable[Place]) -> bool:
        """Take what the stores have lost out of the index, so that the box is asked for it; whether there is any."""
        lost = self._shelves.lost(places)
        if lost:
            self._counts["lost bytes"] += len(lost)
            self._names.forget(which)
            with self._index.transaction() as transaction:
                transaction.row(which)
                transaction.remove_files(lost)
        return bool(lost)

    def _remember(self, judged: Judged) -> None:
        self._judged[judged.place] = judged
        if len(self._judged) > _MOST_JUDGED:
            self._judged.popitem(last=False)

    def _have(self, which: Which) -> dict[Place, int]:
        with self._index.reading() as transaction:
            return transaction.copies(which)


def _of(place: Place) -> Which:
    return Which(place.box, place.recording)


def _no_rewraps(places: Iterable[Place]) -> frozenset[Place]:
    """Without the owner's rewraps: no manifest names them, and no box sends them."""
    return frozenset(place for place in places if rewrap_counter(place.name) is None)
