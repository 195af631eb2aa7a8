"""Every answer has every header, whatever it is; errors and logs tell nothing."""

import logging
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from handschlag_archive.index import IndexBusy
from handschlag_archive.web.archive import Archive
from handschlag_archive.web.gate import HEADERS
from handschlag_archive.web.roles import Role
from tests.archive.web.house import HOST, PASSWORD, Browser, House, login_of, salt_of
from tests.sealing.builder import BOX, RECORDING

CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECRET_TEXT = "geheim: Frau Meier, 030 1234567"  # noqa: S105 - looked for in logs


class Broken(Exception):
    """A fault in a handler, with something personal in its words."""


def _answers(house: House, staff: Browser) -> dict[str, tuple[int, dict[str, str]]]:
    """One answer of each kind."""
    path = f"/api/recordings/{BOX}/{RECORDING}"
    index = staff.get("/")
    asked = {
        "page": index,
        "page again": staff.get("/", headers={"if-none-match": index.headers["etag"]}),
        "head": staff.ask("HEAD", "/"),
        "json": staff.get("/api/me"),
        "bytes": staff.get(f"{path}/files/head.json"),
        "stream": staff.post("/api/openings", {"recordings": [[BOX, RECORDING]]}),
        "not there": staff.get("/nowhere"),
        "no route": staff.get("/api/nowhere"),
        "no method": staff.change("PUT", "/api/me"),
        "post to the page": staff.change("POST", "/"),
        "not allowed": staff.get("/api/people"),
        "no session": house.browser().get("/api/me"),
        "no token": staff.ask("POST", "/api/logout"),
        "bad login": house.browser().login("x", "y"),
        "bad body": staff.post("/api/openings", {}),
        "wrong type": staff.change("POST", "/api/openings", content=b"{}"),
        "too large": staff.post("/api/openings", "x" * 70_000),
        "another host": staff.get("/", headers={"host": "evil.example"}),
        "another site": staff.get("/api/me", headers={"origin": "https://evil.example"}),
    }
    with patch.object(Archive, "_read", side_effect=Broken(SECRET_TEXT)):
        asked["fault"] = staff.get(f"{path}/files/head.json")
    with patch.object(Archive, "_read", side_effect=IndexBusy(SECRET_TEXT)):
        asked["busy"] = staff.get(f"{path}/files/head.json")
    for _ in range(30):
        asked["throttled"] = house.browser().post("/api/login/begin", {"name": "x"})
    asked["out"] = staff.post("/api/logout")
    assert not any(SECRET_TEXT in one.text or "Broken" in one.text for one in asked.values())
    return {what: (one.status_code, dict(one.headers)) for what, one in asked.items()}


def test_every_kind_of_answer_has_every_header(house: House) -> None:
    """Of pages, data, refusals and faults; only the player's own files may be kept by a browser."""
    house.store()
    answers = _answers(house, house.person(Role.STAFF))
    assert {what: status for what, (status, _) in answers.items()} == {
        "page": 200,
        "page again": 304,
        "head": 200,
        "json": 200,
        "bytes": 200,
        "stream": 200,
        "not there": 404,
        "no route": 404,
        "no method": 405,
        "post to the page": 405,
        "not allowed": 403,
        "no session": 401,
        "no token": 403,
        "bad login": 401,
        "bad body": 400,
        "wrong type": 415,
        "too large": 413,
        "another host": 421,
        "another site": 403,
        "fault": 500,
        "busy": 503,
        "throttled": 429,
        "out": 204,
    }
    for what, (_, headers) in answers.items():
        assert headers["content-security-policy"] == CSP, what
        assert headers["strict-transport-security"] == "max-age=63072000", what
        assert headers["x-content-type-options"] == "nosniff", what
        assert headers["referrer-policy"] == "no-referrer", what
        assert headers["x-frame-options"] == "DENY", what
        for name in ("opener", "resource"):
            assert headers[f"cross-origin-{name}-policy"] == "same-origin", what
        assert headers["cross-origin-embedder-policy"] == "require-corp", what
        kept = "no-cache" if what in {"page", "page again", "head"} else "no-store"
        assert headers["cache-control"] == kept, what
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(headers), what
    assert set(HEADERS) <= set(answers["json"][1])


def test_the_log_says_which_route_and_nothing_else(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """No name, password, token, id, reason or sealed byte, and of a fault only where it is; at the lowest level."""
    caplog.set_level(logging.DEBUG)
    house.store()
    staff = house.person(Role.STAFF)
    tokens = [staff.cookie, staff.csrf]
    staff.post("/api/audit", {"what": "search-person", "reason": SECRET_TEXT})
    staff.send(f"/api/recordings/{BOX}/{RECORDING}/notes", b"a sealed note")
    staff.get("/api/recordings?after=" + SECRET_TEXT.replace(" ", "+"))
    _answers(house, staff)
    others = ("httpx", "handschlag_archive.ingest")  # the test's own browser, and what came before
    log = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith(others))
    assert "POST /api/openings 200" in log
    assert "Broken at " in log
    for secret in (
        *tokens,
        SECRET_TEXT,
        "Meier",
        "Stefan",
        PASSWORD,
        login_of(PASSWORD),
        salt_of("Stefan Geselle"),
        RECORDING,
        "a sealed note",
        "192.0.2.7",
    ):
        assert secret is not None
        assert secret not in log, secret


@pytest.fixture
def player(tmp_path: Path) -> Path:
    """A player as it is built, with something beside it that is none of the browser's business."""
    folder = tmp_path / "static"
    (folder / "assets" / "deeper").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>player</title>")
    (folder / "manifest.webmanifest").write_text("{}")
    (folder / "assets" / "index-abc.js").write_text("let one = 1")
    (folder / "assets" / "argon2-abc.wasm").write_bytes(b"\0asm")
    for hidden in ("assets/index-abc.js.map", ".hidden", "notes.py", "assets/deeper/a.js"):
        (folder / hidden).write_text("hidden")
    (tmp_path / "beside.txt").write_text("beside")
    return folder


def test_the_players_files_are_served_and_no_others(tmp_path: Path, player: Path) -> None:
    """With their types; what has its hash in its name may be kept, the page is asked for each time."""
    house = House(tmp_path, static=player)
    try:
        browser = house.browser()
        page, script = browser.get("/"), browser.get("/assets/index-abc.js")
        assert (page.text, page.headers["content-type"]) == (
            "<!doctype html><title>player</title>",
            "text/html; charset=utf-8",
        )
        assert (script.text, script.headers["content-type"]) == ("let one = 1", "text/javascript; charset=utf-8")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert browser.get("/assets/argon2-abc.wasm").headers["content-type"] == "application/wasm"
        assert browser.exactly("/manifest.webmanifest") == 200
        for path in (
            "/index.html",
            "/assets",
            "/assets/",
            "/assets/index-abc.js.map",
            "/.hidden",
            "/notes.py",
            "/assets/deeper/a.js",
            "/assets/../../beside.txt",
            "/assets/..%2f..%2fbeside.txt",
            "//beside.txt",
        ):
            assert browser.exactly(path) == 404, path
    finally:
        house.close()


def test_another_kind_of_request_is_closed(house: House) -> None:
    """A WebSocket is not opened."""
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    async def run() -> None:
        await house.gate({"type": "websocket", "path": "/", "headers": [(b"host", HOST.encode())]}, receive, send)

    house.runner.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert replace(house.manners, plain=True).cookie == "handschlag"
