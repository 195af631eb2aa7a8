"""The table of routes: every role, and nobody, against every route; what is not written down here is refused.

Handlers are replaced by one that notes that it was reached, so that nothing but the gate decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from handschlag_archive.web.asked import Answer, Asked, done
from handschlag_archive.web.gate import Gate
from handschlag_archive.web.roles import Role
from handschlag_archive.web.routes import Route
from tests.archive.web.house import Browser, House
from tests.sealing.builder import BOX, RECORDING

OWN, S, D, T = Role.OWNER, Role.STAFF, Role.DATA_PROTECTION, Role.TECHNICIAN
ANYBODY: Final = None

MAY: Final[Mapping[str, set[Role] | None]] = {
    "POST /api/login/begin": ANYBODY,
    "POST /api/login": ANYBODY,
    "POST /api/logout": {OWN, S, D, T},
    "GET /api/me": {OWN, S, D, T},
    "POST /api/password": {OWN, S, D, T},
    "POST /api/totp/begin": {OWN, S, D, T},
    "POST /api/totp/confirm": {OWN, S, D, T},
    "POST /api/totp/remove": {OWN, S, D, T},
    "GET /api/people": {OWN},
    "DELETE /api/people/{person}": {OWN},
    "POST /api/invitations": {OWN},
    "DELETE /api/invitations/{invitation}": {OWN},
    "POST /api/invitations/{invitation}/open": ANYBODY,
    "POST /api/invitations/{invitation}/accept": ANYBODY,
    "GET /api/months": {OWN, S, D},
    "GET /api/recordings": {OWN, S, D},
    "GET /api/recordings/{box}/{recording}": {OWN, S},
    "GET /api/recordings/{box}/{recording}/files/{name}": {OWN, S},
    "GET /api/recordings/{box}/{recording}/notes": {OWN, S},
    "POST /api/recordings/{box}/{recording}/notes": {OWN, S},
    "POST /api/openings": {OWN, S},
    "GET /api/indexes": {OWN, S},
    "GET /api/indexes/{month}": {OWN, S},
    "PUT /api/indexes/{month}": {OWN, S},
    "GET /api/ledger/{box}": {OWN, S, D},
    "GET /api/trust": {OWN, S, D},
    "GET /api/audit": {OWN, D},
    "POST /api/audit": {OWN, S},
    "GET /api/processing": {OWN, D},
    "GET /api/owner/{box}": {OWN},
    "POST /api/owner": {OWN},
}
"""Who may do what; None: everybody, logged in or not."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Hall(House):
    """A house in which it is only noted who came through the gate."""

    def __init__(self, folder: Path) -> None:
        self.reached: list[str] = []
        super().__init__(folder)
        true_gate = self.gate
        self.people = {role: self.person(role) for role in Role}
        routes = [replace(route, handler=self._noting(route)) for route in true_gate.routes]
        self.gate = Gate(routes, true_gate._logins, self.static, self.manners)

    def _noting(self, route: Route) -> "Noting":
        return Noting(self.reached, route.name)

    def tries(self, browser: Browser, route: Route) -> tuple[int, bool]:
        """Ask for a route as the browser does; the status, and whether the handler was reached."""
        self.reached.clear()
        path = route.path.format(
            box=BOX, recording=RECORDING, name="000000.clip", month="2026-11", person="0" * 32, invitation="0" * 32
        )
        how: dict[str, Any] = (
            {} if route.takes is None else {"content": b"{}", "headers": {"content-type": route.takes}}
        )
        answer = browser.change(route.method, path, **how)
        assert self.reached in ([], [route.name])
        return answer.status_code, bool(self.reached)


class Noting:
    """A handler that does nothing."""

    def __init__(self, reached: list[str], name: str) -> None:
        self._reached = reached
        self._name = name

    def __call__(self, _asked: Asked) -> Answer:
        """Note it."""
        self._reached.append(self._name)
        return done()


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """The hall, with one person of each role logged in."""
    made = Hall(tmp_path_factory.mktemp("hall"))
    yield made
    made.close()


def test_every_route_of_the_server_is_written_down_here(hall: Hall) -> None:
    """A new route without a line in this test's own table fails, and so does one that the server no longer has."""
    assert {route.name for route in hall.gate.routes} == set(MAY)
    assert len(hall.gate.routes) == len(MAY)


def test_the_router_knows_nothing_but_the_table_and_the_player(hall: Hall) -> None:
    """No path leads past the table."""
    paths = {getattr(one, "path", None) for one in hall.gate._router.routes}  # type: ignore[attr-defined]
    assert paths == {route.path for route in hall.gate.routes} | set(hall.static)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_what_it_may_and_nothing_else(hall: Hall, role: Role) -> None:
    """For every route of the server: the handler runs for those who are named, and for nobody else."""
    for route in hall.gate.routes:
        may = MAY[route.name]
        hall.wait(seconds=4)  # the open routes are throttled by address
        expected = (204, True) if may is ANYBODY or role in may else (403, False)
        assert hall.tries(hall.people[role], route) == expected, route.name


def test_somebody_who_has_not_logged_in_reaches_the_open_routes_only(hall: Hall) -> None:
    """Neither nobody, nor a cookie that the server never made."""
    stranger = hall.browser()
    forger = hall.browser()
    forger.cookie = "A" * 43
    for route in hall.gate.routes:
        expected = (204, True) if MAY[route.name] is ANYBODY else (401, False)
        for browser in (stranger, forger):
            hall.wait(seconds=4)
            assert hall.tries(browser, route) == expected, route.name


def test_every_change_needs_the_sessions_own_token(hall: Hall) -> None:
    """Without it, or with that of another session, no change is made; whoever may make it."""
    owner = hall.people[OWN]
    own = owner.csrf
    changes = [route for route in hall.gate.routes if route.method != "GET" and route.roles is not None]
    assert len(changes) >= 12
    try:
        for wrong in (None, "", hall.people[S].csrf, f"{own}x"):
            owner.csrf = wrong
            for route in changes:
                assert hall.tries(owner, route) == (403, False), route.name
    finally:
        owner.csrf = own


def test_no_method_but_those_of_the_table(hall: Hall) -> None:
    """Also for an owner; HEAD and OPTIONS are none of them."""
    owner = hall.people[OWN]
    listed = {(route.method, route.path) for route in hall.gate.routes}
    for path in {route.path for route in hall.gate.routes}:
        for method in METHODS:
            if (method, path) not in listed:
                hall.reached.clear()
                answer = owner.change(method, path.replace("{", "").replace("}", ""))
                assert (answer.status_code, hall.reached) == (405, []), (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/people/",
        "/API/people",
        "/api//people",
        "/api/people/../audit",
        "/api/me/../people",
        "/api/openings/../people",
        "/%61pi/../../etc/passwd",
        "/index.html",
        "/web.secret",
        "/assets/../../vault.py",
        "/assets/%2e%2e/%2e%2e/vault.py",
        "/..%2f..%2fweb.secret",
        "/api/recordings/werkstatt-1/x/files/..%2f..%2fweb.secret",
    ],
)
def test_what_is_not_in_the_table_is_not_there(hall: Hall, path: str) -> None:
    """For an owner as for anybody else."""
    hall.reached.clear()
    assert (hall.people[OWN].exactly("/api/people"), hall.reached) == (204, ["GET /api/people"])
    hall.reached.clear()
    assert (hall.people[OWN].exactly(path), hall.reached) == (404, []), path
