"""What can be asked and changed in the tables of the web; in one transaction with the index.

Times are texts in UTC with milliseconds, as everywhere in the archive. Locks are taken in the index's order, the web's
tables behind it, and the audit log last.
"""

from handschlag_archive.index import Transaction
from handschlag_archive.web.books.audit import AuditLog
from handschlag_archive.web.books.people import People
from handschlag_archive.web.books.sealed import Sealed
from handschlag_archive.web.books.sessions import Sessions


class Books(Transaction, People, Sessions, Sealed, AuditLog):
    """All of it, by subject."""


__all__ = ["Books"]
