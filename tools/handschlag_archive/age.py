"""Whether the index is of today, or older than what was destroyed: a database that was restored from a backup.

It shows itself. The erasure list, outside of the database, has a mark that runs with the index's number of ends, and
an index behind its mark is refused until `restored` was run. So that a mark is never far behind, each start of a worker
and each daily look of the retention counts one up, too.
"""

import logging
from typing import Final

from handschlag.errors import HandschlagError
from handschlag_archive.erasures import Erasures, entry_of
from handschlag_archive.index import Index
from handschlag_archive.index.endings import ENDS

RESTORING: Final = "restoring"

_log: Final = logging.getLogger(__name__)


class Behind(HandschlagError, RuntimeError):
    """The index is older than what was destroyed."""


def check_age(index: Index, erasures: Erasures) -> None:
    """Raise Behind if the index was restored and not brought up to date since."""
    mark = erasures.number()  # before the index is asked: it is always written after it
    with index.reading() as transaction:
        number, restoring = transaction.number(ENDS), transaction.number(RESTORING)
    how = "run: handschlag-archive restored --config ..., while no worker runs"
    if restoring:
        raise Behind(f"the index was restored, and bringing it up to date was not finished; {how}")
    if number < mark:
        raise Behind(
            f"the index is older than the erasure list (it counts {number}, the list {mark}): it comes from a backup, "
            f"and knows nothing of what was destroyed since; {how}"
        )


def mark(index: Index, erasures: Erasures) -> None:
    """Count one up, in the index and then in the list, which is made anew from the index if it is lost."""
    with index.transaction() as transaction:
        number = transaction.count_up(ENDS)
    entries = []
    if number > 1 and erasures.number() == 0:
        with index.reading() as transaction:
            entries = [entry_of(tomb) for tomb in transaction.tombs()]
        if entries:
            _log.critical("ALARM: the erasure list was empty; its %d entries are written anew", len(entries))
    erasures.add(entries, number)
