"""Puts the parts together, and serves them with uvicorn."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import uvicorn

from handschlag.sealing.trust import Trust
from handschlag_archive.index import Index
from handschlag_archive.owner import Owner
from handschlag_archive.periods import written
from handschlag_archive.stores.port import Store
from handschlag_archive.web.accounts import Accounts
from handschlag_archive.web.archive import Archive
from handschlag_archive.web.books import Books
from handschlag_archive.web.gate import Gate, Manners
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.kept import Kept
from handschlag_archive.web.limits import FORGOTTEN_AFTER
from handschlag_archive.web.logins import Logins
from handschlag_archive.web.oversight import Oversight
from handschlag_archive.web.owners import Owners
from handschlag_archive.web.routes import Desks, table
from handschlag_archive.web.static_files import StaticFile, read_static
from handschlag_archive.web.vault import BadVault, Vault

_HEADERS_AT_MOST: Final = 32 * 1024
_AT_ONCE: Final = 128
_MARK: Final = "web secret"
_log: Final = logging.getLogger(__name__)


def make_gate(
    index: Index,
    vault: Vault,
    *,
    clips: Store,
    keys: Store,
    owner: Owner,
    trust: Callable[[], Trust],
    manners: Manners,
    static: Mapping[str, StaticFile] | None = None,
) -> Gate:
    """The application. Raises BadVault when the database was written with another secret."""
    check_vault(index, vault)
    journal = Journal(vault)
    logins = Logins(index, vault, journal)
    desks = Desks(
        accounts=Accounts(index, vault, journal, logins),
        invitations=Invitations(index, vault, journal),
        archive=Archive(index, clips=clips, keys=keys, trust=trust, journal=journal),
        kept=Kept(index),
        oversight=Oversight(index, vault, journal),
        owners=Owners(index, owner, journal),
    )
    return Gate(table(desks), logins, read_static() if static is None else static, manners)


def check_vault(index: Index, vault: Vault) -> None:
    """Compare the secret with the one that the accounts were made with, which the first start notes."""
    with index.transaction() as transaction:
        known = transaction.about(_MARK, vault.mark)
    if known != vault.mark:
        raise BadVault("the web's secret is not the one that the accounts were made with; put the right file back")


def tidy(index: Index, now: datetime) -> None:
    """Let go of what is over: indexes and notes of ended recordings, and tries of long ago."""
    with index.speaking(Books) as books:
        books.drop_stale_indexes()
        books.drop_notes_of_ended()
        books.forget_failures(written(now - FORGOTTEN_AFTER))


def make_server(
    gate: Gate, *, host: str, port: int, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Server:
    """A server for it, which logs nothing by itself: its access log would hold whole addresses."""
    return uvicorn.Server(
        uvicorn.Config(
            gate,
            host=host,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=_HEADERS_AT_MOST,
            limit_concurrency=_AT_ONCE,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=5,
        )
    )
