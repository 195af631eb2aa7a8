"""What can be asked and changed; everything in one transaction takes effect together, or not at all.

Locks are taken in one order everywhere, recordings before files before ledgers before alarms before facts, rows in the
order of their keys, so that no two workers ever wait for each other crosswise.
"""

from handschlag_archive.index.alarms import Alarms
from handschlag_archive.index.endings import Endings
from handschlag_archive.index.ledgers import Ledgers
from handschlag_archive.index.words import Words


class Transaction(Endings, Words, Ledgers, Alarms):
    """All of it, by subject."""
