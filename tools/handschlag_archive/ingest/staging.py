"""Staging: files become durable under their hash, as far as their recordings still take any.

First the bytes, then, in one transaction with a look at the recordings' states, the index. Between the two another
worker may have stored or destroyed a recording; what came too late for it is taken away again.
"""

from collections import Counter
from collections.abc import Mapping

from handschlag_archive.index import Index, Row, State, Transaction, Which
from handschlag_archive.ingest.messages import File
from handschlag_archive.ingest.names import Names
from handschlag_archive.ingest.shelves import Shelves
from handschlag_archive.stores.port import Place


class Staging:
    """Stages groups of files."""

    def __init__(self, *, index: Index, shelves: Shelves, names: Names) -> None:
        self._index = index
        self._shelves = shelves
        self._names = names
        self.staged: Counter[str] = Counter()
        self.staged_bytes: Counter[str] = Counter()

    def stage(self, files: Mapping[Place, File]) -> Mapping[Which, Row]:
        """Make `files` durable; how each recording that they are of stands then."""
        touched = list(dict.fromkeys(file.which for file in files.values()))
        with self._index.reading() as transaction:
            rows = transaction.rows(touched)
            known = transaction.known(files)
        fresh = {place for place in files if place not in known and _takes_files(rows.get(files[place].which))}
        copies = self._shelves.put([(place, files[place].payload) for place in files if place in fresh])
        with self._index.transaction() as transaction:
            rows = self._open(transaction, touched, rows)
            kept = {place for place in fresh if _takes_files(rows[files[place].which])}
            for places, number in copies:
                transaction.add_files(
                    [(place, len(files[place].payload)) for place in places if place in kept], copies=number
                )
            late = fresh - kept
            if late:
                late -= transaction.known(late)
        if late:
            self._shelves.remove(late)
        for place in kept:
            self._names.add(files[place].which, [place.name])
            self.staged[place.box] += 1
            self.staged_bytes[place.box] += len(files[place].payload)
        return rows

    @staticmethod
    def _open(transaction: Transaction, touched: list[Which], before: Mapping[Which, Row]) -> Mapping[Which, Row]:
        """The recordings as they are under the lock; those that were not there are opened."""
        new = [which for which in touched if which not in before]
        while True:
            transaction.open(new)
            rows = transaction.rows(touched, shared=True)
            new = [which for which in touched if which not in rows]  # forgotten meanwhile, as empty
            if not new:
                return rows


def _takes_files(row: Row | None) -> bool:
    return row is None or row.state is State.OPEN
