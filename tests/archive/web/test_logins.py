"""Logging in: names cannot be found out, passwords cannot be tried out."""

import asyncio
from datetime import timedelta
from unittest.mock import patch

import httpx
import pytest

from handschlag_archive.periods import written
from handschlag_archive.web.books.people import Failures
from handschlag_archive.web.limits import (
    FREE_TRIES,
    LONGEST_LOCK_S,
    TRIES,
    Throttle,
    locked_for_s,
    one_less,
    one_more,
)
from handschlag_archive.web.roles import Role
from handschlag_archive.web.vault import Vault
from tests.archive.web.house import BEGIN, HOST, NAMES, PASSWORD, House, login_of

OWNER = NAMES[Role.OWNER]
NOBODY = "Niemand Unbekannt"


def _bare(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.content, sorted(answer.headers.multi_items())


def test_a_name_that_nobody_has_looks_like_any_other(house: House) -> None:
    """Salt, refusal and lock-out are alike in status, body and headers; a salt is the same each time."""
    house.account(Role.OWNER, PASSWORD)
    browser = house.browser()
    salts = {}
    for name in (OWNER, NOBODY):
        first, again = (browser.post("/api/login/begin", {"name": name}).json() for _ in range(2))
        assert first == again
        salts[name] = first.pop("salt")
        assert (len(salts[name]), first) == (22, {"memory_kib": 65536, "passes": 3})
    assert salts[OWNER] != salts[NOBODY]
    for count in range(FREE_TRIES + 2):
        house.wait(seconds=10)
        answers = [_bare(browser.login(name, "wrong")) for name in (OWNER, NOBODY)]
        assert answers[0] == answers[1]
        assert answers[0][0] == (401 if count < FREE_TRIES else 429)


def test_a_login_does_the_same_work_for_a_name_that_nobody_has(house: House) -> None:
    """One hash over as much memory, whether there is somebody or not."""
    house.account(Role.OWNER, PASSWORD)
    for name in (OWNER, NOBODY):
        with patch.object(Vault, "hash_login", autospec=True, side_effect=Vault.hash_login) as hashing:
            assert house.browser().login(name, "wrong").status_code == 401
        assert hashing.call_count == 1


def test_names_are_the_same_however_they_are_typed(house: House) -> None:
    """Capitals, spaces and composed letters make no other name."""
    house.account(Role.OWNER, PASSWORD)
    for name in ("olga inhaberin", "  OLGA   INHABERIN ", "Olga Inhaberin"):
        assert house.browser().login(name, PASSWORD).status_code == 200


def test_a_locked_name_takes_no_password_not_even_the_right_one(house: House) -> None:
    """After five wrong ones it is locked, longer each time, a quarter of an hour at most; the log says so."""
    house.account(Role.OWNER, PASSWORD)
    browser = house.browser()
    for _ in range(FREE_TRIES):
        assert browser.login(OWNER, "wrong").status_code == 401
    locks = []
    for _ in range(8):
        answer = browser.login(OWNER, PASSWORD)
        assert (answer.status_code, answer.json()["error"]) == (429, "too-many")
        locks.append(int(answer.headers["retry-after"]))
        house.wait(seconds=locks[-1] + 1)
        assert browser.login(OWNER, "wrong").status_code == 401
    assert locks == [30, 60, 120, 240, 480, 900, 900, 900]
    house.wait(seconds=LONGEST_LOCK_S + 1)
    assert browser.login(OWNER, PASSWORD).status_code == 200
    lines = browser.get("/api/audit").json()["entries"]
    assert [one["what"] for one in lines if one["name"] == OWNER][1:] == ["lock-out"] * 9 + ["login"]
    assert lines[-1]["subject"] == "after 13 failed"


def test_many_tries_at_once_are_no_way_round_the_count(house: House) -> None:
    """Of thirty guesses that are under way together the server looks at five."""
    house.account(Role.OWNER, PASSWORD)

    async def guess(number: int) -> int:
        transport = httpx.ASGITransport(house.gate, client=(f"192.0.2.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{HOST}") as client:
            body = {"name": OWNER, "login": login_of(f"guess {number}")}
            return (await client.post("/api/login", json=body)).status_code

    async def guesses() -> list[int]:
        return await asyncio.gather(*(guess(number) for number in range(30)))

    with patch.object(Vault, "hash_login", autospec=True, return_value=b"wrong") as hashing:
        answers = house.runner.run(guesses())
    assert (answers.count(401), answers.count(429), hashing.call_count) == (FREE_TRIES, 30 - FREE_TRIES, FREE_TRIES)


def test_a_right_password_starts_the_count_anew(house: House) -> None:
    """Somebody who mistypes now and then is never locked."""
    house.account(Role.OWNER, PASSWORD)
    browser = house.browser()
    for _ in range(3):
        for _ in range(FREE_TRIES - 1):
            assert browser.login(OWNER, "wrong").status_code == 401
        assert browser.login(OWNER, PASSWORD).status_code == 200
        house.wait(minutes=2)


def test_one_address_cannot_try_many_names(house: House) -> None:
    """Over all open routes together; others are not kept waiting, and after a while it may go on."""
    browser, other = house.browser("192.0.2.66"), house.browser("192.0.2.67")
    for number in range(TRIES):
        assert browser.post("/api/login/begin", {"name": f"guess {number}"}).status_code == 200
    for path in ("/api/login/begin", "/api/login", "/api/invitations/0/open"):
        answer = browser.post(path, {"name": "guess"})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (429, 3)
    assert other.post("/api/login/begin", {"name": "x"}).status_code == 200
    house.wait(seconds=4)
    assert browser.post("/api/login/begin", {"name": "x"}).status_code == 200


def test_a_trusted_proxy_says_who_calls_and_nobody_else_does(house: House) -> None:
    """What a caller writes into X-Forwarded-For by itself does not count, not even through the proxy."""
    for number in range(TRIES):
        forged = {"x-forwarded-for": f"203.0.113.{number}"}
        house.browser("192.0.2.9").change("POST", "/api/login/begin", json={"name": "x"}, headers=forged)
    lying = {"x-forwarded-for": "203.0.113.99"}
    answer = house.browser("192.0.2.9").change("POST", "/api/login/begin", json={"name": "x"}, headers=lying)
    assert answer.status_code == 429
    proxy = house.browser("10.0.0.1")
    for number in range(TRIES + 1):
        said = {"x-forwarded-for": f"198.51.100.{number}, 203.0.113.5"}
        answer = proxy.change("POST", "/api/login/begin", json={"name": "x"}, headers=said)
    assert answer.status_code == 429
    said = {"x-forwarded-for": "203.0.113.5, 203.0.113.6"}
    assert proxy.change("POST", "/api/login/begin", json={"name": "x"}, headers=said).status_code == 200


def test_a_network_of_addresses_counts_as_one_and_memory_is_bounded() -> None:
    """Whoever has an IPv6 network has 2^64 addresses."""
    throttle = Throttle()
    waits = [throttle.wait_s(f"2001:db8::{number:x}", BEGIN) for number in range(TRIES + 1)]
    assert (waits[:TRIES], waits[TRIES] > 0) == ([0] * TRIES, True)
    assert throttle.wait_s("2001:db8:0:1::1", BEGIN) == 0
    for number in range(30_000):
        throttle.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", BEGIN)
    assert len(throttle._buckets) == 10_000


def test_failures_are_forgotten_after_a_day_and_given_back_one_by_one() -> None:
    """A try that was none takes one back and, where that ends the lock, the lock."""
    failures = None
    for _ in range(FREE_TRIES):
        failures = one_more(failures, BEGIN)
    assert failures is not None
    assert locked_for_s(failures, BEGIN) > 0
    fewer = one_less(failures)
    assert fewer == Failures(FREE_TRIES - 1, written(BEGIN), None)
    assert one_more(failures, BEGIN + timedelta(days=1, seconds=1)).count == 1
    assert one_less(Failures(1, written(BEGIN), None)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1, "login": "x"}',
        b'{"name": "", "login": ""}',
        b'{"name": "x"}',
        b'{"name": "x", "login": "short"}',
        b'{"name": "x", "login": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"}',
        b'{"name": "\\ud800", "login": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
        b'{"name": "x", "login": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "role": "owner"}',
        b"\xff\xfe{}",
        b"[" * 4000,
    ],
)
def test_a_bad_body_is_refused_in_words(shared: House, body: bytes) -> None:
    """Whatever it is: 400, and no value of it in the answer."""
    house = shared
    headers = {"content-type": "application/json"}
    answer = house.browser().change("POST", "/api/login", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad-request")
    assert "AAAA" not in answer.text
