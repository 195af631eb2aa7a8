"""Retention: what is over is destroyed, by a clock that can be believed.

Whether a recording is over is a function of its row and the time: it is stored, nobody holds it, and its end has
passed. What is over gets its tombstone with the archive's signed note, and takes the way of all that is destroyed
(`destroying`): keys at once, clips when a lock allows.

Time can lie (P11), and an early end cannot be taken back. So nothing expires by a clock that shows less than what was
stored or looked at before, or less than the day this program was written, nor by one that has leapt ahead by more days
than the settings allow since anything was last stored or looked at: somebody must say that it is right. A late end does
little harm: all of this is looked at again each day.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from handschlag.errors import HandschlagError
from handschlag.sealing.keys import SigningKey
from handschlag_archive.age import Behind, check_age, mark
from handschlag_archive.destroying import Destroying, Gone
from handschlag_archive.expiry import Expiry, sign_expiry
from handschlag_archive.index import Index, Row, State, Tomb, Transaction, Why
from handschlag_archive.periods import moment, written

FLOOR: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that shows less can be right."""

SOON: Final = timedelta(days=30)
NOT_STORED: Final = "-"
"""In the place of a class, for what never had one here."""

_DAY: Final = timedelta(days=1)
_AGAIN_AFTER: Final = timedelta(hours=1)
_BEHIND: Final = timedelta(minutes=5)  # two servers of one archive need not agree to the second
_BATCH: Final = 256
_RAN, _CLAIMED = "retention_ran", "retention_claimed"
_CLOCK, _STUCK, _ENDLESS = "clock", "destroying", "no-end"

_log: Final = logging.getLogger(__name__)


class ClockDoubted(HandschlagError, RuntimeError):
    """Nothing may expire by this clock."""


def is_over(row: Row, now: datetime) -> bool:
    """Whether a recording's time is over."""
    return (
        row.state is State.STORED and not row.held and row.retain_until is not None and moment(row.retain_until) <= now
    )


def doubt(now: datetime, *, ran: str | None, stored: str | None, largest_jump: timedelta) -> str:
    """Why nothing may expire by a clock that shows `now`; "" if it may.

    `ran` is when retention last looked, `stored` when anything was last stored, both by the archive's own clock.
    """
    if now < FLOOR:
        return f"the clock shows {written(now)}, and this program was written after that"
    seen = max((moment(text) for text in (ran, stored) if text), default=None)
    if seen is None:
        return ""
    if now < seen - _BEHIND:
        return f"the clock shows {written(now)}, and showed {written(seen)} before"
    if now > seen + largest_jump:
        return f"the clock shows {written(now)}, {(now - seen).days} days after it last showed anything"
    return ""


@dataclass(frozen=True)
class Report:
    """What a run did, or would do, and what stands before it. Counts are by class."""

    at: str
    dry_run: bool
    expired: dict[str, int]
    ended: dict[str, dict[str, int]]
    """By class and reason: what ended since the run before, this one's included."""
    freed: int
    locked: int
    locked_bytes: int
    unfinished: int
    held: dict[str, int]
    soon: dict[str, int]
    endless: dict[str, int]
    recordings: tuple[str, ...] = field(default=(), repr=False)
    """Those that this run destroyed or would destroy, as box/recording."""


class Retention:
    """Looks at what is over."""

    def __init__(
        self, *, index: Index, destroying: Destroying, key: SigningKey, largest_jump: timedelta = timedelta(days=14)
    ) -> None:
        self._index = index
        self._destroying = destroying
        self._key = key
        self._largest_jump = largest_jump

    def run(self, now: datetime, *, dry_run: bool = False, clock_is_right: bool = False) -> Report:
        """Destroy what is over.

        Raises:
            ClockDoubted: nothing was done; `clock_is_right` is a person's word against it.
            Behind: nothing was done; the index comes from a backup.

        """
        check_age(self._index, self._destroying.erasures)
        since = self._ran()
        if not clock_is_right:
            self._check_clock(now, dry_run=dry_run)
        if dry_run:
            return self._preview(now, since)
        expired: Counter[str] = Counter()
        names: list[str] = []
        gone = self._finish(self._destroying.unfinished())
        gone = _and(gone, self._expire_all(now, expired, names))
        gone = _and(gone, self._destroying.retry_locked())
        with self._index.transaction() as transaction:
            transaction.note(_RAN, written(now))
        mark(self._index, self._destroying.erasures)
        self._alarm()
        return self._report(now, since, expired=expired, freed=gone.freed, names=names)

    def daily(self, now: datetime) -> Report | None:
        """Run once a day, whoever of several workers comes first; None when it is not the time, or the clock not right.

        What cannot be done because a store is away is tried again after an hour.
        """
        with self._index.transaction() as transaction:
            if not transaction.claim(_CLAIMED, written(now), unless_since=written(now - _DAY)):
                return None
        try:
            return self.run(now)
        except (ClockDoubted, Behind) as error:
            _log.critical("ALARM: %s", error)
        except OSError as error:
            _log.error("retention was not finished: %s", error)
            with self._index.transaction() as transaction:
                transaction.note(_CLAIMED, written(now - _DAY + _AGAIN_AFTER))
        return None

    def _ran(self) -> str | None:
        with self._index.transaction() as transaction:
            return transaction.about(_RAN, "") or None

    def _check_clock(self, now: datetime, *, dry_run: bool) -> None:
        with self._index.transaction() as transaction:
            ran, stored = transaction.about(_RAN, "") or None, transaction.newest_stored_at()
            why = doubt(now, ran=ran, stored=stored, largest_jump=self._largest_jump)
            if why and not dry_run:
                transaction.raise_alarm(_CLOCK, "", "retention", why)
            elif not dry_run:
                transaction.clear_alarm(_CLOCK, "", "retention")
        if why:
            raise ClockDoubted(
                f"nothing expires: {why}; set the clock, or if it is right, say so: retention --clock-is-right"
            )

    def _expire_all(self, now: datetime, expired: Counter[str], names: list[str]) -> Gone:
        gone = Gone()
        while True:
            with self._index.transaction() as transaction:
                tombs, classes = self._entomb(transaction, now)
            if not tombs:
                return gone
            gone = _and(gone, self._finish(tombs))
            expired.update(classes)
            names += [f"{tomb.which.box}/{tomb.which.recording}" for tomb in tombs]

    def _entomb(self, transaction: Transaction, now: datetime) -> tuple[list[Tomb], list[str]]:
        """Put up the next tombstones; a recording that another run took meanwhile is none of ours."""
        found = transaction.over(written(now), _BATCH)
        rows = [row for row in transaction.rows(row.which for row in found).values() if is_over(row, now)]
        at = written(now)
        epoch = transaction.about("epoch", "")
        for row in rows:
            note = Expiry(
                box=row.which.box,
                recording=row.which.recording,
                at=at,
                epoch=epoch,
                kept_for=row.kept_for,
                retain_until=row.retain_until or at,
                manifest_hash=row.manifest_sha256,
            )
            transaction.entomb(row.which, sign_expiry(note, self._key), why=Why.EXPIRED, at=at)
        tombs = [tomb for row in rows if (tomb := transaction.tomb(row.which)) is not None]
        return tombs, [row.kept_for or NOT_STORED for row in rows]

    def _finish(self, tombs: Sequence[Tomb]) -> Gone:
        """Destroy them; where a store is away, raise the alarm and leave them to the next run."""
        gone = Gone()
        for start in range(0, len(tombs), _BATCH):
            try:
                gone = _and(gone, self._destroying.finish(tombs[start : start + _BATCH]))
            except OSError as error:
                with self._index.transaction() as transaction:
                    transaction.raise_alarm(_STUCK, "", "retention", str(error))
                raise
        return gone

    def _alarm(self) -> None:
        with self._index.transaction() as transaction:
            transaction.clear_alarm(_STUCK, "", "retention")
            endless = transaction.endless()
            if endless:
                number = sum(endless.values())
                transaction.raise_alarm(_ENDLESS, "", "retention", f"{number} recordings have no end that is known")
            else:
                transaction.clear_alarm(_ENDLESS, "", "retention")

    def _preview(self, now: datetime, since: str | None) -> Report:
        with self._index.transaction() as transaction:
            rows = [row for row in transaction.over(written(now), None) if is_over(row, now)]
            freed = sum(transaction.size(row.which) for row in rows)
        expired = Counter(row.kept_for or NOT_STORED for row in rows)
        names = [f"{row.which.box}/{row.which.recording}" for row in rows]
        return self._report(now, since, expired=expired, freed=freed, names=names, dry_run=True)

    def _report(
        self,
        now: datetime,
        since: str | None,
        *,
        expired: Counter[str],
        freed: int,
        names: Sequence[str],
        dry_run: bool = False,
    ) -> Report:
        at = written(now)
        with self._index.transaction() as transaction:
            locked = list(transaction.locked())
            return Report(
                at=at,
                dry_run=dry_run,
                expired=dict(sorted(expired.items())),
                ended={each or NOT_STORED: dict(by) for each, by in transaction.ended(since or "", at).items()},
                freed=freed,
                locked=len(locked),
                locked_bytes=sum(size for _, size in locked),
                unfinished=len(transaction.tombs(State.DESTROYING)),
                held=dict(transaction.ends_by_class("", at, held=True)),
                soon=dict(transaction.ends_by_class(at, written(now + SOON))),
                endless=dict(transaction.endless()),
                recordings=tuple(names),
            )


def _and(first: Gone, second: Gone) -> Gone:
    return Gone(first.freed + second.freed, (*first.left, *second.left))
