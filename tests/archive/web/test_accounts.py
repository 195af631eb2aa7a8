"""People: invited, let in, changed, let go; and their second factor."""

import base64
from datetime import datetime
from urllib.parse import unquote

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from handschlag.sealing.encoding import to_base64url
from handschlag_archive.web.limits import FREE_TRIES
from handschlag_archive.web.roles import Role
from tests.archive.web.house import NAMES, PASSWORD, Browser, House, login_of, salt_of

NEW = "Nina Neu"
WRAPPED = to_base64url(b"the workshop's key, wrapped")


def invite(owner: Browser, role: str = "staff", name: str = NEW, wrapped: str | None = WRAPPED) -> httpx.Response:
    """An owner invites somebody."""
    return owner.post("/api/invitations", {"name": name, "role": role, "wrapped": wrapped})


def accept(house: House, invitation: str, token: str, wrapped: str | None = WRAPPED) -> httpx.Response:
    """Somebody makes their account."""
    body = {"token": token, "salt": salt_of(NEW), "login": login_of(PASSWORD), "wrapped": wrapped}
    return house.browser().post(f"/api/invitations/{invitation}/accept", body)


def code_of(secret: str, at: datetime) -> str:
    """What an authenticator program shows then."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), 30).generate(int(at.timestamp())).decode()  # noqa: S303 - what the programs know


def test_an_invitation_is_opened_and_used_once(house: House) -> None:
    """The bundle that the owner's browser wrapped comes to the invited one, and to nobody without the token."""
    owner = house.person(Role.OWNER)
    made = invite(owner).json()
    path = f"/api/invitations/{made['id']}"
    stranger = house.browser()
    opened = stranger.post(f"{path}/open", {"token": made["token"]}).json()
    assert (opened["name"], opened["role"], opened["wrapped"]) == (NEW, "staff", WRAPPED)
    assert owner.get("/api/people").json()["invitations"] == [
        {"id": made["id"], "name": NEW, "role": "staff", "expires_at": made["expires_at"]}
    ]
    answer = accept(house, made["id"], made["token"], to_base64url(b"wrapped anew"))
    assert (answer.status_code, answer.json()["person"]) == (201, opened["person"])
    assert accept(house, made["id"], made["token"]).status_code == 404
    assert stranger.post(f"{path}/open", {"token": made["token"]}).status_code == 404
    assert stranger.login(NEW, PASSWORD).json()["wrapped"] == to_base64url(b"wrapped anew")
    assert {one["name"] for one in owner.get("/api/people").json()["people"]} == {NAMES[Role.OWNER], NEW}
    assert [one["what"] for one in owner.get("/api/audit").json()["entries"]][-3:] == ["invited", "joined", "login"]


def test_a_wrong_a_late_and_a_withdrawn_invitation_are_refused_alike(house: House) -> None:
    """As one that never was: nobody learns which ids there are."""
    owner = house.person(Role.OWNER)
    made = invite(owner).json()
    never = accept(house, "0" * 32, made["token"])
    assert never.status_code == 404
    answers = [accept(house, made["id"], "A" * 43)]
    house.wait(days=7)
    answers.append(accept(house, made["id"], made["token"]))
    assert owner.login(NAMES[Role.OWNER], PASSWORD).status_code == 200
    assert owner.get("/api/people").json()["invitations"] == []
    second = invite(owner).json()
    assert owner.change("DELETE", f"/api/invitations/{second['id']}").status_code == 204
    assert owner.change("DELETE", f"/api/invitations/{second['id']}").status_code == 404
    answers.append(accept(house, second["id"], second["token"]))
    assert [(one.status_code, one.content) for one in answers] == [(404, never.content)] * 3


def test_a_second_invitation_under_a_name_voids_the_first(house: House) -> None:
    """And a name that somebody has is nobody else's."""
    owner = house.person(Role.OWNER)
    first, second = invite(owner).json(), invite(owner, name=NEW.upper()).json()
    assert accept(house, first["id"], first["token"]).status_code == 404
    assert accept(house, second["id"], second["token"]).status_code == 201
    answer = invite(owner, name=f" {NEW.lower()} ")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("role", "wrapped", "status"),
    [
        ("owner", WRAPPED, 201),
        ("staff", WRAPPED, 201),
        ("data-protection", None, 201),
        ("technician", None, 201),
        ("owner", None, 400),
        ("staff", None, 400),
        ("data-protection", WRAPPED, 400),
        ("technician", WRAPPED, 400),
        ("admin", WRAPPED, 400),
        ("staff", "AB", 400),
    ],
)
def test_only_those_who_hear_get_a_bundle_of_keys(house: House, role: str, wrapped: str | None, status: int) -> None:
    """None lies here for anybody else, not even one that could not be opened."""
    answer = invite(house.person(Role.OWNER), role, wrapped=wrapped)
    assert answer.status_code == status
    if status == 201:
        made = answer.json()
        other = None if wrapped is not None else WRAPPED
        assert accept(house, made["id"], made["token"], other).status_code == 400
        assert accept(house, made["id"], made["token"], wrapped).status_code == 201


def test_a_name_that_cannot_be_seen_is_refused(house: House) -> None:
    """It is shown to others, and must not look like another's."""
    owner = house.person(Role.OWNER)
    for name in ("", " ", "x" * 65, "a\u0000b", "a\u202eb", "\u200b"):
        assert invite(owner, name=name).status_code == 400, ascii(name)


def test_whoever_is_let_go_is_out_at_once(house: House) -> None:
    """All their sessions end, their password opens nothing, what must be renewed is said; the name is free again."""
    owner = house.person(Role.OWNER)
    staff, phone = house.person(Role.STAFF), house.browser()
    assert phone.login(NAMES[Role.STAFF], PASSWORD).status_code == 200
    person = staff.about["person"]
    answer = owner.change("DELETE", f"/api/people/{person}")
    assert answer.json() == {"rotate": ["workshop"]}
    assert [one.get("/api/me").status_code for one in (staff, phone)] == [401, 401]
    assert staff.login(NAMES[Role.STAFF], PASSWORD).status_code == 401
    assert owner.change("DELETE", f"/api/people/{person}").status_code == 404
    assert invite(owner, name=NAMES[Role.STAFF]).status_code == 201
    lines = owner.get("/api/audit").json()["entries"]
    assert {one["name"] for one in lines if one["person"] == person} == {NAMES[Role.STAFF]}


def test_the_last_owner_stays(house: House) -> None:
    """Of two, one may go, and then the signing key must be renewed as well."""
    owner = house.person(Role.OWNER)
    me = owner.about["person"]
    answer = owner.change("DELETE", f"/api/people/{me}")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    made = invite(owner, "owner").json()
    other = accept(house, made["id"], made["token"]).json()["person"]
    assert owner.change("DELETE", f"/api/people/{other}").json() == {"rotate": ["workshop", "signing"]}
    assert owner.change("DELETE", f"/api/people/{me}").status_code == 409


def test_a_new_password_ends_all_other_sessions(house: House) -> None:
    """It needs the old one; this session goes on with a new token, and the old password is worth nothing."""
    staff, other = house.person(Role.STAFF), house.browser()
    assert other.login(NAMES[Role.STAFF], PASSWORD).status_code == 200
    body = {"old": login_of("wrong"), "salt": salt_of("new"), "login": login_of("new"), "wrapped": WRAPPED}
    assert staff.post("/api/password", body).status_code == 401
    assert other.get("/api/me").status_code == 200
    assert staff.post("/api/password", {**body, "old": login_of(PASSWORD), "wrapped": None}).status_code == 400
    thief = house.browser()
    thief.cookie = staff.cookie
    assert staff.post("/api/password", {**body, "old": login_of(PASSWORD)}).status_code == 204
    assert staff.cookie != thief.cookie
    assert thief.get("/api/me").status_code == 401
    assert (other.get("/api/me").status_code, staff.get("/api/me").json()["wrapped"]) == (401, WRAPPED)
    assert other.login(NAMES[Role.STAFF], PASSWORD).status_code == 401
    assert other.post("/api/login/begin", {"name": NAMES[Role.STAFF]}).json()["salt"] == salt_of("new")
    assert other.login(NAMES[Role.STAFF], "new").status_code == 200


def test_a_stolen_session_cannot_try_out_the_password(house: House) -> None:
    """Wrong ones are counted as at a login, wherever they are asked for."""
    staff = house.person(Role.STAFF)
    for number in range(FREE_TRIES):
        path = ("/api/totp/begin", "/api/password")[number % 2]
        body = {"login": login_of("guess")}
        if path == "/api/password":
            body.update(old=login_of("guess"), salt=salt_of("x"), wrapped=WRAPPED)
        assert staff.post(path, body).status_code == 401
    assert staff.post("/api/totp/begin", {"login": login_of(PASSWORD)}).status_code == 429
    assert house.browser().login(NAMES[Role.STAFF], PASSWORD).status_code == 429


def test_a_second_factor_is_asked_for_and_each_code_is_good_once(house: House) -> None:
    """No session without it; the same code again, an old one and a wrong one are refused."""
    staff = house.person(Role.STAFF)
    secret = staff.post("/api/totp/begin", {"login": login_of(PASSWORD)}).json()
    assert f"secret={secret['secret']}&" in secret["uri"]
    assert unquote(secret["uri"]).startswith(f"otpauth://totp/Handschlag:{NAMES[Role.STAFF]}?")
    assert staff.post("/api/totp/confirm", {"code": "000000"}).status_code == 401
    assert staff.get("/api/me").json()["totp"] is False
    code = code_of(secret["secret"], house.now)
    assert staff.post("/api/totp/confirm", {"code": code}).status_code == 204
    assert staff.get("/api/me").json()["totp"] is True
    assert staff.post("/api/totp/begin", {"login": login_of(PASSWORD)}).status_code == 409

    other = house.browser()
    answer = other.login(NAMES[Role.STAFF], PASSWORD)
    assert (answer.json(), answer.headers.get("set-cookie")) == ({"second_factor_needed": True}, None)
    assert other.login(NAMES[Role.STAFF], PASSWORD, code=code).status_code == 401
    house.wait(seconds=30)
    code = code_of(secret["secret"], house.now)
    assert other.login(NAMES[Role.STAFF], "wrong", code=code).status_code == 401
    assert other.login(NAMES[Role.STAFF], PASSWORD, code=code).status_code == 200
    house.wait(seconds=90)
    third = house.browser()
    old = code_of(secret["secret"], house.now.replace(minute=house.now.minute - 1))
    assert third.login(NAMES[Role.STAFF], PASSWORD, code=old).json()["error"] == "bad-code"

    body = {"login": login_of(PASSWORD), "code": "123456"}
    assert staff.post("/api/totp/remove", body).json()["error"] == "bad-code"
    house.wait(seconds=90)
    code = code_of(secret["secret"], house.now)
    assert staff.post("/api/totp/remove", {**body, "code": code}).status_code == 204
    assert third.login(NAMES[Role.STAFF], PASSWORD).json()["totp"] is False


def test_codes_cannot_be_tried_out_by_whoever_has_the_password(house: House) -> None:
    """Asking without a code takes back nothing but its own try."""
    staff = house.person(Role.STAFF)
    secret = staff.post("/api/totp/begin", {"login": login_of(PASSWORD)}).json()["secret"]
    staff.post("/api/totp/confirm", {"code": code_of(secret, house.now)})
    other = house.browser()
    statuses = []
    for _ in range(FREE_TRIES + 1):
        house.wait(seconds=3)
        assert other.login(NAMES[Role.STAFF], PASSWORD, code="000000").status_code in {401, 429}
        statuses.append(other.login(NAMES[Role.STAFF], PASSWORD).status_code)
    assert statuses[-1] == 429
