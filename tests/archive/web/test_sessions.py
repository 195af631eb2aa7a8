"""Sessions: made by the server only, renewed, ended; a cookie that is seen elsewhere is of little use."""

from dataclasses import replace

import pytest

from handschlag_archive.web.roles import Role
from tests.archive.web.house import NAMES, PASSWORD, Browser, House

OWNER = NAMES[Role.OWNER]


def test_a_cookie_fixed_beforehand_is_never_taken_on(house: House) -> None:
    """The login makes a token of its own, and that of before is worth nothing afterwards."""
    house.account(Role.OWNER, PASSWORD)
    browser, attacker = house.browser(), house.browser()
    browser.cookie = attacker.cookie = "F" * 43
    assert browser.login(OWNER, PASSWORD).status_code == 200
    assert browser.cookie not in {None, "F" * 43}
    assert attacker.get("/api/me").status_code == 401


def test_a_second_login_in_a_browser_ends_the_session_it_had(house: House) -> None:
    """Whoever had logged somebody in with their own account does not stay in."""
    browser = house.person(Role.OWNER)
    copy = house.browser()
    copy.cookie = browser.cookie
    assert copy.get("/api/me").status_code == 200
    assert browser.login(OWNER, PASSWORD).status_code == 200
    assert browser.cookie != copy.cookie
    assert copy.get("/api/me").status_code == 401
    assert browser.get("/api/me").status_code == 200


def test_the_cookie_is_for_this_host_alone_and_no_script_can_read_it(house: House) -> None:
    """__Host-, HttpOnly, Secure, SameSite=Strict, Path=/, no Domain, gone with the browser."""
    house.account(Role.OWNER, PASSWORD)
    browser = house.browser()
    (cookie,) = browser.login(OWNER, PASSWORD).headers.get_list("set-cookie")
    assert cookie == f"__Host-handschlag={browser.cookie}; Path=/; HttpOnly; SameSite=Strict; Secure"
    (gone,) = browser.post("/api/logout").headers.get_list("set-cookie")
    assert gone == "__Host-handschlag=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"


def test_a_token_is_renewed_and_the_old_one_lasts_a_minute(house: House) -> None:
    """Requests that were under way are still answered; only one of them gets the new token."""
    browser = house.person(Role.OWNER)
    old = browser.cookie
    house.wait(minutes=14)
    browser.get("/api/me")
    assert browser.cookie == old
    house.wait(minutes=2)
    assert browser.get("/api/me").status_code == 200
    assert browser.cookie not in {None, old}
    late = house.browser()
    late.cookie = old
    house.wait(seconds=50)
    answer = late.get("/api/me")
    assert (answer.status_code, answer.headers.get("set-cookie")) == (200, None)


def test_an_old_token_used_later_ends_the_session_for_both(house: House) -> None:
    """Somebody has kept a copy; the log says so."""
    browser = house.person(Role.OWNER)
    thief = house.browser()
    thief.cookie = browser.cookie
    house.wait(minutes=16)
    browser.get("/api/me")
    house.wait(minutes=2)
    assert thief.get("/api/me").status_code == 401
    assert browser.get("/api/me").status_code == 401
    assert browser.login(OWNER, PASSWORD).status_code == 200
    assert "session-ended" in [one["what"] for one in browser.get("/api/audit").json()["entries"]]


def test_a_renewed_token_comes_with_a_refusal_too(house: House) -> None:
    """Otherwise the browser would go on with the old one, and lose its session."""
    browser = house.person(Role.STAFF)
    old = browser.cookie
    house.wait(minutes=16)
    assert browser.get("/api/people").status_code == 403
    assert browser.cookie not in {None, old}
    house.wait(minutes=5)
    assert browser.get("/api/me").status_code == 200


def test_a_session_ends_when_nobody_uses_it_and_at_the_end_of_the_day(house: House) -> None:
    """One hour without a request; twelve hours in all."""
    browser = house.person(Role.OWNER)
    house.wait(minutes=61)
    assert browser.get("/api/me").status_code == 401
    assert browser.login(OWNER, PASSWORD).status_code == 200
    for _ in range(24):
        house.wait(minutes=29)
        assert browser.get("/api/me").status_code == 200
    house.wait(minutes=29)
    assert browser.get("/api/me").status_code == 401


def test_a_restart_of_the_server_keeps_sessions_and_ends_none(house: House) -> None:
    """They are in the database."""
    browser = house.person(Role.OWNER)
    house.gate = house.new_gate()
    assert browser.get("/api/me").status_code == 200
    assert browser.post("/api/logout").status_code == 204
    assert browser.get("/api/me").status_code == 401


def test_logging_out_ends_the_session_on_the_server(house: House) -> None:
    """A copy of the cookie is worth nothing then."""
    browser, copy = house.person(Role.OWNER), house.browser()
    copy.cookie = browser.cookie
    assert browser.post("/api/logout").status_code == 204
    assert copy.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://archiv.example.evil.example"},
    ],
)
def test_nothing_is_taken_from_another_site(listener: Browser, headers: dict[str, str]) -> None:
    """Not even with cookie and token, and not a login either; and no answer allows another site to read it."""
    browser = listener
    for method, path in (("POST", "/api/logout"), ("GET", "/api/me"), ("POST", "/api/login")):
        answer = browser.change(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "cross-site")
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert browser.get("/api/me", headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "archiv.example.evil.example", "127.0.0.1", ""])
def test_a_host_that_is_not_ours_is_not_answered(shared: House, host: str) -> None:
    """A name of somebody else that leads here would make their page one of ours."""
    answer = shared.browser().get("/", headers={"host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "misdirected")


def test_without_tls_only_this_machine_is_served(house: House) -> None:
    """The cookie then has no prefix and is not for TLS only; everything else stays."""
    house.manners = replace(house.manners, plain=True)
    house.gate = house.new_gate()
    browser = house.browser()
    for host, status in (("localhost:8443", 200), ("127.0.0.1", 200), ("[::1]:8443", 200), ("archiv.example", 421)):
        assert browser.get("/", headers={"host": host}).status_code == status
    answer = browser.ask("POST", "/api/logout", headers={"host": "localhost"})
    assert answer.status_code == 401
    assert house.manners.set_cookie("t") == "handschlag=t; Path=/; HttpOnly; SameSite=Strict"
