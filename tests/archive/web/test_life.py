"""A whole life of a workshop's archive; afterwards everything that it has written down is searched for plain text.

What a thief gets who copies the database, or database and stores: no name, no password, no login secret, no token, no
reason, no second factor, no key; and without the web's secret no way even to try passwords out.
"""

import base64
import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from handschlag.sealing.encoding import from_base64url, to_base64url
from handschlag.sealing.owner import OwnerMessage, sign_owner
from handschlag_archive.web.roles import Role
from handschlag_archive.web.vault import BadVault, Vault, token_hash
from tests.archive.web.house import NAMES, PASSWORD, Browser, House, login_of
from tests.archive.web.test_accounts import code_of, invite
from tests.sealing.builder import AT, BOX, OTHER_RECORDING, OWNER, RECORDING

REASON = "Kündigung durch Familie Sonnenschein"
NUMBER = "+493012345678"
CALLER = "Ottokar Sonnenschein"


def _live(house: House) -> dict[str, bytes]:
    """Live it; everything that nobody may find afterwards, by what it is."""
    opening = {"number": NUMBER, "name": CALLER, "direction": "incoming"}
    house.store(opening=opening)
    house.store(OTHER_RECORDING, opening=opening)
    people = {role: house.person(role, f"{PASSWORD}-{role}") for role in Role}
    owner, staff = people[Role.OWNER], people[Role.STAFF]
    known = {f"name of {role}": name.encode() for role, name in NAMES.items()}
    for role, browser in people.items():
        known |= _of_browser(browser, f"{PASSWORD}-{role}", f"{role}")
    totp = staff.post("/api/totp/begin", {"login": login_of(f"{PASSWORD}-staff")}).json()["secret"]
    assert staff.post("/api/totp/confirm", {"code": code_of(totp, house.now)}).status_code == 204
    known |= {"second factor": totp.encode(), "second factor, raw": base64.b32decode(totp)}
    made = invite(owner, name="Nina Neu").json()
    known |= {"invited": b"Nina Neu", "invitation": made["token"].encode()}
    known |= {"invitation, raw": from_base64url(made["token"], "token")}
    for recording in (RECORDING, OTHER_RECORDING):
        assert staff.get(f"/api/recordings/{BOX}/{recording}/files/000000.clip").status_code == 200
        assert staff.send(f"/api/recordings/{BOX}/{recording}/notes", secrets.token_bytes(200)).status_code == 201
    assert owner.post("/api/audit", {"what": "search-person", "reason": f"{REASON} {CALLER}"}).status_code == 201
    (month,) = owner.get("/api/months").json()["months"]
    assert staff.put(f"/api/indexes/{month['month']}?ended=0", secrets.token_bytes(5000), if_none_match="*").is_success
    house.wait(minutes=20)
    token = sign_owner(OwnerMessage(box=BOX, name="erase", counter=1, at=AT, recording=RECORDING), OWNER.signing())
    assert owner.post("/api/owner", {"message": token.decode(), "reason": REASON}).json()["outcome"] == "done"
    known |= {"new cookie": (owner.cookie or "").encode()}
    body = {"old": login_of(f"{PASSWORD}-owner"), "salt": to_base64url(bytes(16)), "login": login_of("Neues-Passwort")}
    assert owner.post("/api/password", {**body, "wrapped": to_base64url(b"wrapped anew")}).status_code == 204
    known |= {"new password": b"Neues-Passwort", "new login": login_of("Neues-Passwort").encode()}
    assert owner.change("DELETE", f"/api/people/{people[Role.TECHNICIAN].about['person']}").status_code == 200
    assert staff.post("/api/logout").status_code == 204
    return {
        **known,
        "reason": b"Sonnenschein",
        "number": NUMBER.encode(),
        "number without its country": NUMBER[3:].encode(),
        "workshop's seed": OWNER.workshop().seed,
        "owner's signing seed": OWNER.signing().seed,
        "owner's secret": bytes(range(32)),
        "recording's key": bytes(range(100, 132)),
        "sound": b"fLaC",
    }


def _of_browser(browser: Browser, password: str, whose: str) -> dict[str, bytes]:
    cookie, csrf = browser.cookie or "", browser.csrf or ""
    return {
        f"password of {whose}": password.encode(),
        f"login secret of {whose}": login_of(password).encode(),
        f"login secret of {whose}, raw": from_base64url(login_of(password), "login"),
        f"login secret of {whose}, hashed once": hashlib.sha256(from_base64url(login_of(password), "login")).digest(),
        f"cookie of {whose}": cookie.encode(),
        f"cookie of {whose}, raw": from_base64url(cookie, "cookie"),
        f"token of {whose}": csrf.encode(),
    }


def _spellings(secret: bytes) -> Iterator[bytes]:
    """As it is, in hex, in base64, and as JSON would escape it."""
    yield secret
    yield secret.hex().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")
    text = secret.decode("utf-8", errors="ignore")
    if not text.isascii():
        yield text.encode("ascii", "backslashreplace")


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[tuple[House, dict[str, bytes]]]:
    """A house, and what nobody may find in it."""
    house = House(tmp_path)
    known = _live(house)
    yield house, known
    house.close()


def test_nothing_in_the_database_or_the_stores_can_be_read(lived: tuple[House, dict[str, bytes]]) -> None:
    """Every byte of every file but the web's own secret, and a dump of every row; not one of them is found."""
    house, known = lived
    files = [path for path in house.folder.rglob("*") if path.is_file() and path.name != "web.secret"]
    assert {"index.sqlite", "index.sqlite-wal"} <= {path.name for path in files}
    everything = {str(path.relative_to(house.folder)): path.read_bytes() for path in files}
    with closing(sqlite3.connect(house.folder / "index.sqlite")) as database:
        everything["the dump"] = "\n".join(database.iterdump()).encode()
    assert len(known) >= 40
    assert all(len(secret) >= 4 for secret in known.values())
    found = [
        (what, where)
        for what, secret in known.items()
        for spelling in _spellings(secret)
        for where, content in everything.items()
        if spelling.lower() in content.lower()
    ]
    assert found == []


def test_the_search_would_find_what_is_there(lived: tuple[House, dict[str, bytes]]) -> None:
    """What the database does hold in clear (roles, ids, hashes of tokens) is found by the same search."""
    house, known = lived
    with closing(sqlite3.connect(house.folder / "index.sqlite")) as database:
        dump = "\n".join(database.iterdump()).lower()
    assert "data-protection" in dump
    assert RECORDING in dump
    assert token_hash(known["new cookie"].decode()) not in dump  # the password's change has renewed it
    assert b"wrapped anew".hex() in dump


def test_a_database_without_its_secret_is_refused(lived: tuple[House, dict[str, bytes]]) -> None:
    """Another file, or an altered one, is said at the start, not at the first login."""
    house, _ = lived
    house.vault = Vault.at(house.folder / "another.secret")
    with pytest.raises(BadVault, match="put the right file back"):
        house.new_gate()
    assert (house.folder / "another.secret").stat().st_mode & 0o777 == 0o600
    (house.folder / "another.secret").write_text("c2hvcnQ\n")
    with pytest.raises(BadVault, match="are needed"):
        Vault.at(house.folder / "another.secret")
    with pytest.raises(BadVault, match="cannot be made"):
        Vault.at(house.folder / "nowhere" / "web.secret")
