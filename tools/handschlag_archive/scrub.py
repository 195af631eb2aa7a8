"""The scrub: reads again what the archive keeps, compares the copies, repairs, and says what cannot be repaired.

Each run lists every store: what the index names and a store lacks is looked at in this run; what no index names, and
no worker can be writing any more, is garbage of a cut and goes. Then it reads recordings byte by byte in every store,
the longest unread first, so many that each has its turn within a quarter however few there are each day, and some by
chance, so that a fault of a whole disk does not wait for its turn. A recording is verified from these bytes as anyone
could. Equal hashes are equal bytes: a copy is good when its bytes have the hash that the index names.

A bad copy is replaced by a good one, never the other way round: what is written has been read with the right hash,
and is written only where that read has failed. The index is asked again afterwards: a recording that was destroyed
meanwhile is cleared once more, so that no key comes back (P7). What no copy has right is an alarm, and stays one until
a later run finds it right.
"""

import itertools
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from handschlag.sealing.manifest import MANIFEST, rewrap_counter
from handschlag_archive.index import Index, Row, State, Which
from handschlag_archive.ingest import is_key
from handschlag_archive.judge import Judge, Refusal
from handschlag_archive.periods import moment, written
from handschlag_archive.stores.open import each
from handschlag_archive.stores.port import Kept, LostBytes, Place, Store

QUARTER: Final = timedelta(days=90)
TURNS: Final = 80
"""In so many daily runs everything is read: some days fewer than a quarter has, for those that are missed."""
YOUNG: Final = timedelta(days=1)
"""Longer than any worker takes from writing an object to naming it in the index."""

LOST, DOUBTFUL, UNKNOWN, STORE = "lost", "doubtful", "unknown", "store"
"""Kinds of alarms: bytes lost in every store; does not verify; something that no index names; a store that fails."""

_log: Final = logging.getLogger(__name__)


class What(StrEnum):
    """What was found."""

    REPAIRED = "repaired"
    """A copy was lost or altered, and has been put right from a good one."""
    NOT_REPAIRED = "not repaired"
    """A copy is lost or altered; there is a good one, but its store does not take it."""
    LOST = "lost"
    """No copy is right."""
    DOUBTFUL = "doubtful"
    """All bytes are as the index names them, and the recording does not verify."""
    UNREACHED = "unreached"
    """A store did not answer."""
    GARBAGE = "garbage"
    """An object that nothing names; removed."""
    LEFTOVER = "leftover"
    """An object of a destroyed recording; removed, unless a lock still keeps it."""
    UNKNOWN = "unknown"
    """A manifest or a rewrap that no index names: no garbage, but perhaps an index from an old backup."""


BAD: Final = frozenset({What.NOT_REPAIRED, What.LOST, What.DOUBTFUL, What.UNREACHED, What.UNKNOWN})
"""What somebody must see to."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found. Empty where it is about more than one."""

    what: What
    store: str = ""
    box: str = ""
    recording: str = ""
    name: str = ""
    text: str = ""


@dataclass(frozen=True)
class Report:
    """What a run has done. `oldest`: since when nothing stored has gone unread."""

    stored: int
    read: int
    bytes: int
    oldest: str | None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nobody need see to anything."""
        return not any(self.counts.get(what) for what in BAD)


@dataclass
class _Looked:
    """One file as the stores have it: its bytes, and which stores have them, have them not, or do not answer."""

    content: bytes | None = None
    good: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)


class Scrub:
    """Looks at an archive's stores. `pause` is given the bytes of each recording that was read, and may wait."""

    def __init__(
        self,
        *,
        index: Index,
        clips: Store,
        keys: Store,
        judge: Judge,
        say: Callable[[Finding], None] = lambda _finding: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[int], None] = lambda _bytes: None,
        draw: random.Random | None = None,
        side_by_side: int = 8,
    ) -> None:
        self._index = index
        self._stores: Final = {True: tuple(each(keys)), False: tuple(each(clips))}  # by whether they hold keys
        self._judge = judge
        self._say = say
        self._now = now
        self._pause = pause
        self._draw = draw or random.Random()
        self._pool = ThreadPoolExecutor(max_workers=side_by_side, thread_name_prefix="scrub")
        self._counts: Counter[str] = Counter()
        self._down: dict[str, str] = {}
        self._unknown: dict[Which, str] = {}
        self._bytes = 0

    def run(self, *, sample: int = 20, everything: bool = False) -> Report:
        """One run: `sample` recordings by chance beside those whose turn it is, or all."""
        self._counts.clear()
        self._down.clear()
        self._bytes = 0
        lacking = self._list_stores()
        ages = self._ages()
        due = list(ages) if everything else self._due(ages, lacking, sample)
        for which in due:
            before = self._bytes
            self._recording(which)
            self._pause(self._bytes - before)
        self._note_stores()
        ages = self._ages()
        return Report(
            stored=len(ages),
            read=len(due),
            bytes=self._bytes,
            oldest=min(ages.values(), default=None),
            counts=dict(sorted(self._counts.items())),
        )

    # Whose turn it is.

    def _ages(self) -> dict[Which, str]:
        with self._index.reading() as transaction:
            ages = dict(transaction.last_read())
        now = written(self._now())
        return {which: at if at <= now else "" for which, at in ages.items()}  # a clock that was ahead read nothing

    def _due(self, ages: Mapping[Which, str], lacking: Collection[Which], sample: int) -> list[Which]:
        most = max(len(stores) for stores in self._stores.values())
        with self._index.reading() as transaction:
            alarmed = {Which(one.box, one.subject) for one in transaction.alarms() if one.kind in {LOST, DOUBTFUL}}
            short = {
                Which(place.box, place.recording)
                for place, copies in transaction.short_of(most)
                if copies < len(self._stores[is_key(place.name)])
            }
        oldest = sorted(ages, key=lambda which: (ages[which], which))
        turn = oldest[: math.ceil(len(oldest) / TURNS)]
        late = written(self._now() - QUARTER + timedelta(days=1))
        overdue = itertools.takewhile(lambda which: ages[which] < late, oldest)
        chosen = dict.fromkeys((*sorted({*lacking, *alarmed, *short} & ages.keys()), *turn, *overdue))
        others = [which for which in oldest if which not in chosen]
        return [*chosen, *self._draw.sample(others, min(sample, len(others)))]

    # One recording.

    def _recording(self, which: Which) -> None:
        with self._index.reading() as transaction:
            row = transaction.row(which)
            copies = transaction.copies(which)
        if row is None or not _is_stored(row):
            return
        looked = dict(zip(copies, self._pool.map(self._look, copies), strict=True))
        self._repair(which, looked)
        lost = [place for place, found in looked.items() if found.content is None and not found.down]
        unsure = any(found.content is None and found.down for found in looked.values())
        wrong = "" if lost or unsure else self._wrong(which, row, looked)
        with self._index.transaction() as transaction:
            row = transaction.row(which)
            if not _is_stored(row):
                return  # destroyed, or taken in anew, while we read
            if lost:
                text = f"{len(lost)} files, {lost[0].name} among them"
                transaction.raise_alarm(LOST, which.box, which.recording, text)
            elif wrong:
                transaction.raise_alarm(DOUBTFUL, which.box, which.recording, wrong)
            elif not unsure:
                transaction.clear_alarm(LOST, which.box, which.recording)
                transaction.clear_alarm(DOUBTFUL, which.box, which.recording)
                transaction.checked(which, written(self._now()))
            for number, places in _recounted(copies, looked).items():
                transaction.set_copies(places, number)
        for place in lost:
            self._found(Finding(What.LOST, "", which.box, which.recording, place.name, "no copy is right"))
        if wrong:
            self._found(Finding(What.DOUBTFUL, "", which.box, which.recording, "", wrong))
        self._lock(row, [place for place, found in looked.items() if found.content is not None])

    def _look(self, place: Place) -> _Looked:
        """Read one file in every store."""
        found = _Looked()
        for number, store in enumerate(self._stores[is_key(place.name)]):
            try:
                found.content = store.get(place)
                found.good.append(number)
            except LostBytes as error:
                _log.warning("%s", error)
                found.bad.append(number)
            except OSError as error:
                self._down[store.name] = str(error)
                found.down.append(number)
        self._bytes += len(found.content or b"") * len(found.good)
        return found

    def _repair(self, which: Which, looked: Mapping[Place, _Looked]) -> None:
        """Put the good bytes where they are not, and look whether they are there then."""
        for kind, stores in self._stores.items():
            for number, store in enumerate(stores):
                missing = {
                    place: found
                    for place, found in looked.items()
                    if is_key(place.name) is kind and number in found.bad and found.content is not None
                }
                if missing:
                    self._put_right(which, number, store, missing)

    def _put_right(self, which: Which, number: int, store: Store, missing: Mapping[Place, _Looked]) -> None:
        try:
            store.put([(place, found.content or b"") for place, found in missing.items()])
        except OSError as error:
            self._down[store.name] = str(error)
        if self._is_over(which):
            store.clear(which.box, which.recording)  # it was destroyed meanwhile; nothing may come back
            return
        for place, found in missing.items():
            try:
                store.get(place)
            except OSError as error:
                what, text = What.NOT_REPAIRED, str(error)
            else:
                what, text = What.REPAIRED, "from another copy"
                found.bad.remove(number)
                found.good.append(number)
            self._found(Finding(what, store.name, which.box, which.recording, place.name, text))

    def _wrong(self, which: Which, row: Row, looked: Mapping[Place, _Looked]) -> str:
        """Why the recording does not verify; "" if it does."""
        manifest = looked.get(Place(which.box, which.recording, MANIFEST, row.manifest_sha256 or ""))
        if manifest is None or manifest.content is None:
            return "the index names no manifest of it"
        contents = {place.name: found.content or b"" for place, found in looked.items()}
        try:
            judged = self._judge.manifest(which, manifest.content)
            self._judge.recording(judged, {name: _gives(content) for name, content in contents.items()})
        except Refusal as refusal:
            return str(refusal)
        return ""

    def _lock(self, row: Row | None, places: Iterable[Place]) -> None:
        """Lock the clips until their day; mostly they are."""
        if row is None or row.retain_until is None:
            return
        clips = [place for place in places if not is_key(place.name)]
        for store in self._stores[False]:
            try:
                store.protect(clips, moment(row.retain_until))
            except OSError as error:
                self._down[store.name] = str(error)

    def _is_over(self, which: Which) -> bool:
        with self._index.reading() as transaction:
            row = transaction.row(which)
        return row is None or row.state.withdrawn

    # The stores as such.

    def _list_stores(self) -> set[Which]:
        """List every store; the recordings of which one lacks something. Garbage goes."""
        lacking: set[Which] = set()
        self._unknown.clear()
        stored = set(self._ages())
        for kind, stores in self._stores.items():
            for store in stores:
                seen: set[Which] = set()
                try:
                    for which, kept in _by_recording(store.inventory()):
                        seen.add(which)
                        if self._listed(store, which, kept, holds_keys=kind):
                            lacking.add(which)
                except OSError as error:
                    self._down[store.name] = str(error)
                    continue  # what was not listed is not therefore absent
                lacking |= stored - seen
        self._note_unknown()
        return lacking

    def _listed(self, store: Store, which: Which, kept: Sequence[Kept], *, holds_keys: bool) -> bool:
        """Look at what a store has of one recording; whether something is lacking there."""
        with self._index.reading() as transaction:
            row = transaction.row(which)
            named = {place for place in transaction.files(which) if is_key(place.name) is holds_keys}
        here = {one.place for one in kept}
        over = row is not None and row.state.withdrawn
        if any(one.place not in named and (over or self._is_old(one)) for one in kept):
            self._not_named(store, which)
        return row is not None and row.state is State.STORED and bool(named - here)

    def _not_named(self, store: Store, which: Which) -> None:
        """Remove what nothing names, as far as it is neither young nor something that somebody may miss.

        The recording is locked in the index, and the store listed again under that lock. A worker that writes the
        same object now makes it young; one that has written it and not named it yet waits for us, and verifies the
        whole recording from the stores before it says `stored`.
        """
        try:
            with self._index.transaction() as transaction:
                row = transaction.row(which)
                if row is None:
                    transaction.open([which])  # nobody else can, until we are done
                named = transaction.files(which)
                over = row is not None and row.state.withdrawn
                spare = [
                    one.place
                    for one in store.inventory_of(which.box, which.recording)
                    if one.place not in named and (over or self._is_old(one))
                ]
                if over:
                    self._remove(store, which, spare, What.LEFTOVER)
                elif any(_may_be_missed(place, row) for place in spare):
                    self._unknown[which] = store.name
                elif self._may_go(which, row, spare):
                    self._remove(store, which, spare, What.GARBAGE)
                _undo(if_=row is None)
        except _Undone:
            pass  # nothing was to be left of it

    def _may_go(self, which: Which, row: Row | None, spare: Collection[Place]) -> bool:
        """Whether a stored recording can do without these: its manifest does not name them."""
        if row is None or row.state is not State.STORED:
            return True
        manifest = Place(which.box, which.recording, MANIFEST, row.manifest_sha256 or "")
        for store in self._stores[False]:
            try:
                judged = self._judge.manifest(which, store.get(manifest))
                wanted = {judged.place, *judged.files}
                for place in judged.lists:
                    wanted |= self._judge.clip_list(which, store.get(place))
            except (OSError, Refusal):
                continue
            return wanted.isdisjoint(spare)
        return False

    def _note_unknown(self) -> None:
        """Raise or clear the alarms of manifests that no index names."""
        text = "a manifest or a rewrap lies here that the index does not name: is the index from an old backup?"
        with self._index.transaction() as transaction:
            for which in self._unknown:
                transaction.raise_alarm(UNKNOWN, which.box, which.recording, text)
            for one in transaction.alarms():
                if one.kind == UNKNOWN and Which(one.box, one.subject) not in self._unknown and not self._down:
                    transaction.clear_alarm(UNKNOWN, one.box, one.subject)
        for which, name in self._unknown.items():
            self._found(Finding(What.UNKNOWN, name, which.box, which.recording, text=text))

    def _is_old(self, one: Kept) -> bool:
        return one.at < self._now() - YOUNG

    def _remove(self, store: Store, which: Which, places: Sequence[Place], what: What) -> None:
        if not places:
            return
        left = set(store.remove(places))
        for place in places:
            if place not in left:
                self._found(Finding(what, store.name, which.box, which.recording, place.name, "removed"))

    def _note_stores(self) -> None:
        """Raise or clear each store's alarm."""
        names = [store.name for stores in self._stores.values() for store in stores]
        with self._index.transaction() as transaction:
            for name in names:
                if name in self._down:
                    transaction.raise_alarm(STORE, "", name[-128:], self._down[name])
                else:
                    transaction.clear_alarm(STORE, "", name[-128:])
        for name, text in self._down.items():
            self._found(Finding(What.UNREACHED, name, text=text))

    def _found(self, finding: Finding) -> None:
        self._counts[finding.what] += 1
        level = logging.ERROR if finding.what in BAD else logging.WARNING
        subject = f"{finding.box}/{finding.recording}/{finding.name} " if finding.recording else ""
        _log.log(level, "%s: %s%s %s", finding.what, subject, finding.store, finding.text)
        self._say(finding)


class _Undone(Exception):
    """The transaction shall leave nothing behind."""


def _undo(*, if_: bool) -> None:
    if if_:
        raise _Undone


def _recounted(copies: Mapping[Place, int], looked: Mapping[Place, _Looked]) -> dict[int, list[Place]]:
    """The files that are in another number of stores than the index says, by that number."""
    changed: dict[int, list[Place]] = {}
    for place, found in looked.items():
        if not found.down and len(found.good) != copies[place]:
            changed.setdefault(len(found.good), []).append(place)
    return changed


def _gives(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _is_stored(row: Row | None) -> bool:
    return row is not None and row.state is State.STORED


def _may_be_missed(place: Place, row: Row | None) -> bool:
    """Whether an object that the index does not name is more than the rest of a cut: an old index may not know it."""
    return rewrap_counter(place.name) is not None or (place.name == MANIFEST and not _is_stored(row))


def _by_recording(inventory: Iterator[Kept]) -> Iterator[tuple[Which, list[Kept]]]:
    for (box, recording), kept in itertools.groupby(inventory, key=lambda one: (one.place.box, one.place.recording)):
        yield Which(box, recording), list(kept)
