"""The one table of routes: who may do what. Whatever is not in it is refused, to everybody.

`roles` None is open to people who have not logged in, and then throttled by address. The body of a request is read only
after its sender was found to be allowed, up to `at_most` bytes, and only of the type `takes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from handschlag_archive.web.accounts import Accounts
from handschlag_archive.web.archive import Archive
from handschlag_archive.web.asked import BYTES, JSON, Answer, Asked
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.kept import INDEX_AT_MOST, NOTE_AT_MOST, Kept
from handschlag_archive.web.oversight import Oversight
from handschlag_archive.web.owners import Owners
from handschlag_archive.web.roles import EVERYBODY, Role

JSON_AT_MOST: Final = 64 * 1024

OWNER: Final = frozenset({Role.OWNER})
LISTENERS: Final = frozenset({Role.OWNER, Role.STAFF})
OVERSEERS: Final = frozenset({Role.OWNER, Role.DATA_PROTECTION})
VIEWERS: Final = frozenset({Role.OWNER, Role.STAFF, Role.DATA_PROTECTION})


@dataclass(frozen=True)
class Desks:
    """Who answers, by subject."""

    accounts: Accounts
    invitations: Invitations
    archive: Archive
    kept: Kept
    oversight: Oversight
    owners: Owners


@dataclass(frozen=True)
class Route:
    """One line of the table."""

    method: str
    path: str
    roles: frozenset[Role] | None
    handler: Callable[[Asked], Answer]
    takes: str | None = None
    at_most: int = 0

    @property
    def name(self) -> str:
        """As the log calls it: no ids, nothing of anybody."""
        return f"{self.method} {self.path}"


_RECORDING: Final = "/api/recordings/{box}/{recording}"


def table(desks: Desks) -> tuple[Route, ...]:
    """All routes."""
    return (
        *_accounts(desks),
        *_people(desks.invitations),
        *_recordings(desks),
        *_oversight(desks.oversight),
        *_owner(desks.owners),
    )


def _json(
    method: str,
    path: str,
    roles: frozenset[Role] | None,
    handler: Callable[[Asked], Answer],
    at_most: int = JSON_AT_MOST,
) -> Route:
    return Route(method, path, roles, handler, JSON, at_most)


def _accounts(desks: Desks) -> tuple[Route, ...]:
    accounts = desks.accounts
    return (
        _json("POST", "/api/login/begin", None, accounts.begin, 4096),
        _json("POST", "/api/login", None, accounts.login, 4096),
        Route("POST", "/api/logout", EVERYBODY, accounts.logout),
        Route("GET", "/api/me", EVERYBODY, accounts.me),
        _json("POST", "/api/password", EVERYBODY, accounts.password),
        _json("POST", "/api/totp/begin", EVERYBODY, accounts.totp_begin, 4096),
        _json("POST", "/api/totp/confirm", EVERYBODY, accounts.totp_confirm, 4096),
        _json("POST", "/api/totp/remove", EVERYBODY, accounts.totp_remove, 4096),
    )


def _people(invitations: Invitations) -> tuple[Route, ...]:
    return (
        Route("GET", "/api/people", OWNER, invitations.people),
        Route("DELETE", "/api/people/{person}", OWNER, invitations.remove),
        _json("POST", "/api/invitations", OWNER, invitations.invite),
        Route("DELETE", "/api/invitations/{invitation}", OWNER, invitations.withdraw),
        _json("POST", "/api/invitations/{invitation}/open", None, invitations.open, 4096),
        _json("POST", "/api/invitations/{invitation}/accept", None, invitations.accept),
    )


def _recordings(desks: Desks) -> tuple[Route, ...]:
    archive, kept = desks.archive, desks.kept
    return (
        Route("GET", "/api/months", VIEWERS, archive.months),
        Route("GET", "/api/recordings", VIEWERS, archive.recordings),
        Route("GET", _RECORDING, LISTENERS, archive.recording),
        Route("GET", _RECORDING + "/files/{name}", LISTENERS, archive.file),
        Route("GET", _RECORDING + "/notes", LISTENERS, kept.notes),
        Route("POST", _RECORDING + "/notes", LISTENERS, kept.add_note, BYTES, NOTE_AT_MOST),
        _json("POST", "/api/openings", LISTENERS, archive.openings),
        Route("GET", "/api/indexes", LISTENERS, kept.indexes),
        Route("GET", "/api/indexes/{month}", LISTENERS, kept.index),
        Route("PUT", "/api/indexes/{month}", LISTENERS, kept.put_index, BYTES, INDEX_AT_MOST),
        Route("GET", "/api/ledger/{box}", VIEWERS, archive.ledger),
        Route("GET", "/api/trust", VIEWERS, archive.trust),
    )


def _oversight(oversight: Oversight) -> tuple[Route, ...]:
    return (
        Route("GET", "/api/audit", OVERSEERS, oversight.audit),
        _json("POST", "/api/audit", LISTENERS, oversight.tell),
        Route("GET", "/api/processing", OVERSEERS, oversight.processing),
    )


def _owner(owners: Owners) -> tuple[Route, ...]:
    return (
        Route("GET", "/api/owner/{box}", OWNER, owners.messages),
        _json("POST", "/api/owner", OWNER, owners.take),
    )
