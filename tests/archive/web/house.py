"""A workshop's house for the web's tests: an archive with recordings, its server, people with browsers, and a clock.

Browsers speak to the server without a socket. Their crypto is as simple as the server may see: a login secret is a hash
of the password, a bundle of keys is some bytes; nothing in the server could tell the difference, which is the point.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import httpx

from handschlag.sealing.encoding import to_base64url
from handschlag_archive.owner import Owner
from handschlag_archive.web.gate import Gate, Manners
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.roles import HOLD_KEYS, Role
from handschlag_archive.web.serving import make_gate
from handschlag_archive.web.static_files import StaticFile, read_static
from handschlag_archive.web.vault import Vault
from tests.archive.desk import Desk, all_up, two_boxes
from tests.sealing.builder import BOX, RECORDING, Built, build

NAMES: Final[Mapping[Role, str]] = {
    Role.OWNER: "Olga Inhaberin",
    Role.STAFF: "Stefan Geselle",
    Role.DATA_PROTECTION: "Dora Datenschutz",
    Role.TECHNICIAN: "Tom Techniker",
}
PASSWORD: Final = "Heizung-im-Keller"  # noqa: S105 - nobody's
HOST: Final = "archiv.example"
BEGIN: Final = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def login_of(password: str) -> str:
    """What stands for a login secret."""
    return to_base64url(hashlib.sha256(password.encode()).digest())


def salt_of(name: str) -> str:
    """What stands for a salt."""
    return to_base64url(hashlib.sha256(name.encode()).digest()[:16])


class House:
    """The archive with its server."""

    def __init__(self, folder: Path, *, database: str | None = None, static: Path | None = None) -> None:
        self.folder = folder
        self.now = BEGIN
        self.runner = asyncio.Runner()
        self.desk = Desk(folder, database=database)
        self.vault = Vault.at(folder / "web.secret")
        self.static: Mapping[str, StaticFile] = read_static(static or folder / "no-player")
        self.manners = Manners(hosts=frozenset({HOST}), trusted_proxies=frozenset({"10.0.0.1"}), clock=self.clock)
        self.gate = self.new_gate()

    def new_gate(self, manners: Manners | None = None) -> Gate:
        """The server, started anew."""
        desk = self.desk
        owner = Owner(
            index=desk.index,
            clips=desk.clips,
            erasures=desk.erasures,
            destroying=desk.destroying,
            trust=two_boxes,
            clock=self.clock,
        )
        return make_gate(
            desk.index,
            self.vault,
            clips=desk.clips,
            keys=desk.keys,
            owner=owner,
            trust=two_boxes,
            manners=manners or self.manners,
            static=self.static,
        )

    def clock(self) -> datetime:
        """The time in this house."""
        return self.now

    def wait(self, **how_long: float) -> None:
        """Let time go by."""
        self.now += timedelta(**how_long)

    def store(self, recording: str = RECORDING, **how: Any) -> Built:
        """A recording comes in and is stored."""
        built = build(recording=recording, receipt=False, **how)
        box = how.get("box", BOX)
        self.desk.take(*all_up(built.files, box=box, recording=recording))
        return built

    def browser(self, address: str = "192.0.2.7") -> Browser:
        """A browser that nobody has logged in with."""
        return Browser(self, address)

    def person(self, role: Role, password: str = PASSWORD) -> Browser:
        """Somebody of that role, invited by the command line, with an account, logged in."""
        browser = self.browser()
        self.account(role, password)
        assert browser.login(NAMES[role], password).status_code == 200
        return browser

    def account(self, role: Role, password: str) -> None:
        """An account."""
        invitations = Invitations(self.desk.index, self.vault, Journal(self.vault))
        invitation, token = invitations.make(NAMES[role], role, self.now)
        answer = self.browser().post(
            f"/api/invitations/{invitation.invitation}/accept",
            {
                "token": token,
                "salt": salt_of(NAMES[role]),
                "login": login_of(password),
                "wrapped": to_base64url(b"wrapped for " + role.encode()) if role in HOLD_KEYS else None,
            },
        )
        assert answer.status_code == 201, answer.text

    def close(self) -> None:
        """Leave."""
        self.runner.close()
        self.desk.close()


class Browser:
    """Keeps its cookie, and sends the session's token with every change."""

    def __init__(self, house: House, address: str) -> None:
        self.house = house
        self.address = address
        self.cookie: str | None = None
        self.csrf: str | None = None
        self.about: dict[str, Any] = {}

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One request, as it is; `address` is whom the server sees."""
        transport = httpx.ASGITransport(self.house.gate, raise_app_exceptions=False, client=(self.address, 50_000))
        headers = {"host": HOST, **how.pop("headers", {})}
        if self.cookie is not None:
            headers.setdefault("cookie", f"{self.house.manners.cookie}={self.cookie}")

        async def run() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url=f"https://{HOST}") as client:
                return await client.request(method, path, headers=headers, **how)

        answer = self.house.runner.run(run())
        for name, value in answer.headers.multi_items():
            if name == "set-cookie":
                self.cookie = value.partition(";")[0].partition("=")[2] or None
        return answer

    def exactly(self, path: str) -> int:
        """Ask for a path as it is, which httpx would tidy up; the status."""
        statuses: list[int] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", HOST.encode()), (b"cookie", f"{self.house.manners.cookie}={self.cookie}".encode())],
            "client": (self.address, 50_000),
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        async def run() -> None:
            await self.house.gate(scope, receive, send)

        self.house.runner.run(run())
        (status,) = statuses
        return status

    def get(self, path: str, **how: Any) -> httpx.Response:
        """Ask for something."""
        return self.ask("GET", path, **how)

    def change(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **how: Any) -> httpx.Response:
        """A change, with the session's token."""
        token = {} if self.csrf is None else {"x-handschlag-csrf": self.csrf}
        return self.ask(method, path, headers={**token, **(headers or {})}, **how)

    def post(self, path: str, value: Any = None) -> httpx.Response:
        """Send JSON."""
        return self.change("POST", path, json={} if value is None else value)

    def put(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        """Store bytes."""
        those = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.change("PUT", path, content=content, headers={"content-type": "application/octet-stream", **those})

    def send(self, path: str, content: bytes) -> httpx.Response:
        """Send bytes."""
        return self.change("POST", path, content=content, headers={"content-type": "application/octet-stream"})

    def login(self, name: str, password: str, **more: Any) -> httpx.Response:
        """Log in."""
        answer = self.post("/api/login", {"name": name, "login": login_of(password), **more})
        if answer.status_code == 200 and "csrf" in answer.json():
            self.about = answer.json()
            self.csrf = self.about["csrf"]
        return answer
