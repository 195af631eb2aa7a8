"""Withdrawals: they go before everything else of their group, and what comes after one is answered `destroyed` (P7)."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from handschlag_archive.clerk import Answer, Clerk
from handschlag_archive.destroying import Destroying
from handschlag_archive.index import Index, Row, State, Tomb, Why
from handschlag_archive.index.values import Which
from handschlag_archive.ingest.completing import Completing
from handschlag_archive.ingest.counts import Counts
from handschlag_archive.ingest.messages import File
from handschlag_archive.judge import Judge, Refusal
from handschlag_archive.periods import written

_log: Final = logging.getLogger(__name__)


class Withdrawals:
    """Takes withdrawals, and finishes what was begun to be destroyed."""

    def __init__(
        self,
        *,
        index: Index,
        destroying: Destroying,
        completing: Completing,
        judge: Judge,
        clerk: Clerk,
        counts: Counts,
        settle_s: float,
    ) -> None:
        self._index = index
        self._destroying = destroying
        self._completing = completing
        self._judge = judge
        self._clerk = clerk
        self._counts = counts
        self._settle_s = settle_s
        self._unfinished: dict[Which, float] = {}

    @property
    def next_due(self) -> float | None:
        """When `due` has something to look at."""
        return min(self._unfinished.values(), default=None)

    def recover(self) -> None:
        """Finish what a cut left half done: destroying, and bytes that came in beside it."""
        for tomb in self._destroying.unfinished():
            self._destroy(tomb, 0.0)
        self._destroying.settle(datetime.now(UTC))

    def take(self, file: File, now: float) -> Sequence[Answer]:
        """A withdrawal came."""
        which = file.which
        with self._index.reading() as transaction:
            row = transaction.row(which)
        if row is None or not row.state.withdrawn:
            try:
                self._judge.revoke(which, file.payload)
            except Refusal as refusal:
                return [self._completing.refused(which, None, refusal)]
            with self._index.transaction() as transaction:
                row = transaction.row(which)
                stored = row is not None and row.state is State.STORED
                if not stored and (row is None or not row.state.withdrawn):
                    transaction.entomb(which, file.payload, why=Why.WITHDRAWN, at=written(datetime.now(UTC)))
            if stored:
                too_late = Refusal("the recording is stored; only its owner can erase it")
                return [self._completing.refused(which, None, too_late)]
        with self._index.reading() as transaction:
            tomb = transaction.tomb(which)
        return self._destroy(tomb, now) if tomb is not None else []

    def after_its_end(self, row: Row, now: float) -> Sequence[Answer]:
        """`destroyed`, if it is; otherwise whoever destroys it says so, or this worker, if that one has died."""
        self._counts.drop("after its end")
        if row.state is State.DESTROYED:
            return [self._clerk.destroyed(row.which)]
        self._unfinished.setdefault(row.which, now + self._settle_s)
        return []

    def due(self, now: float) -> Sequence[Answer]:
        """`destroyed` for what took longer."""
        answers: list[Answer] = []
        for which in [which for which, due in self._unfinished.items() if due <= now]:
            with self._index.reading() as transaction:
                tomb = transaction.tomb(which)
            if tomb is not None:
                answers += self._destroy(tomb, now)
            else:
                self._unfinished.pop(which)
        return answers

    def _destroy(self, tomb: Tomb, now: float) -> Sequence[Answer]:
        """`destroyed`, once it is; a store that cannot do it now holds nobody else up: it is tried again."""
        which = tomb.which
        self._completing.forget(which)
        if tomb.state is State.DESTROYING:
            try:
                self._destroying.finish([tomb])
            except OSError as error:
                self._counts["destroying waits"] += 1
                _log.error("%s of %s is not destroyed yet: %s", which.recording, which.box, error)
                self._unfinished[which] = now + self._settle_s
                return []
        self._unfinished.pop(which, None)
        return [self._clerk.destroyed(which)]
