"""What is done beside requests: at the start, and now and then."""

from datetime import datetime
from typing import Final

from handschlag_archive.index import Index
from handschlag_archive.periods import written
from handschlag_archive.web.books import Books
from handschlag_archive.web.limits import FORGOTTEN_AFTER
from handschlag_archive.web.vault import BadVault, Vault

_MARK: Final = "web secret"


def check_vault(index: Index, vault: Vault) -> None:
    """Raise BadVault unless the secret is the one that the accounts were made with; the first start notes which."""
    with index.transaction() as transaction:
        known = transaction.about(_MARK, vault.mark)
    if known != vault.mark:
        raise BadVault("the web's secret is not the one that the accounts were made with; put the right file back")


def tidy(index: Index, now: datetime) -> None:
    """Let go of what is over: indexes and notes of ended recordings, and tries of long ago."""
    before = written(now - FORGOTTEN_AFTER)
    with index.speaking(Books, reading=True) as books:
        if not (books.stale_months() or books.has_notes_of_ended() or books.has_failures(before)):
            return
    with index.speaking(Books) as books:
        books.drop_stale_indexes()
        books.drop_notes_of_ended()
        books.forget_failures(before)
