"""The index: what is kept of which recording, in SQL.

Every change happens in one transaction, so that whoever commits a file also decides, in the same breath, whether its
recording has been withdrawn meanwhile. A commit is durable when it returns. The index holds hashes, sizes and states;
bytes are in the stores, but for revocations and ledger lines, which outlive the recordings and contain nothing
personal (P9).

`values` are what goes in and out, `tables` how it lies in the database, `transaction` what can be asked and changed,
`engine` the database itself, `migrations` how an older database becomes one of today.
"""

from handschlag_archive.index.alarms import Alarm
from handschlag_archive.index.engine import Index
from handschlag_archive.index.transaction import Transaction
from handschlag_archive.index.values import (
    BadIndex,
    Epoch,
    Head,
    IndexBroken,
    IndexBusy,
    Line,
    Row,
    State,
    StoredReceipt,
    Summary,
    Tomb,
    Which,
    Why,
    Word,
)

__all__ = [
    "Alarm",
    "BadIndex",
    "Epoch",
    "Head",
    "Index",
    "IndexBroken",
    "IndexBusy",
    "Line",
    "Row",
    "State",
    "StoredReceipt",
    "Summary",
    "Tomb",
    "Transaction",
    "Which",
    "Why",
    "Word",
]
