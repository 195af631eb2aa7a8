"""Puts the parts together, and serves them with uvicorn."""

import socket
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from handschlag.sealing.trust import Trust
from handschlag_archive.index import Index
from handschlag_archive.owner import Owner
from handschlag_archive.stores.port import Store
from handschlag_archive.web.accounts import Accounts
from handschlag_archive.web.archive import Archive
from handschlag_archive.web.gate import Gate, Manners
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.kept import Kept
from handschlag_archive.web.logins import Logins
from handschlag_archive.web.oversight import Oversight
from handschlag_archive.web.owners import Owners
from handschlag_archive.web.routes import Desks, table
from handschlag_archive.web.static_files import StaticFile, read_static
from handschlag_archive.web.upkeep import check_vault
from handschlag_archive.web.vault import Vault

_HEADERS_AT_MOST: Final = 32 * 1024
_AT_ONCE: Final = 128


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


class Server(uvicorn.Server):
    """Says when it listens, and can be stopped from another thread."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @property
    def port(self) -> int:
        """Where it listens; another than was asked for where that was 0."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Finish what is under way, and end."""
        self.should_exit = True


def make_server(
    gate: ASGIApp,
    *,
    host: str,
    port: int,
    certificate: str | None = None,
    key: str | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Server:
    """A server for it, which logs nothing by itself: its access log would hold whole addresses."""
    return Server(
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
        ),
        on_ready,
    )
