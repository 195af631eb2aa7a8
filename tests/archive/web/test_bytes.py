"""Bytes go out as they came in, to those who may, under their own names; and in only as far as they fit."""

from unittest.mock import patch

import pytest

from handschlag_archive.index import Which
from handschlag_archive.stores.port import StoreDown
from handschlag_archive.web.kept import INDEX_AT_MOST, NOTE_AT_MOST
from handschlag_archive.web.roles import Role
from handschlag_archive.web.routes import JSON_AT_MOST
from tests.archive.desk import OTHER_BOX, up
from tests.archive.web.house import Browser, House
from tests.archive.web.test_first_walk import entries
from tests.sealing.builder import BOX, OTHER_RECORDING, RECORDING

FILES = f"/api/recordings/{BOX}/{RECORDING}/files"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../index.sqlite",
        "..%2findex.sqlite",
        "..%2f..%2findex.sqlite",
        "%2e%2e%2f%2e%2e%2findex.sqlite",
        "..%5cindex.sqlite",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "000000.clip%00",
        "000000.clip/",
        "000000.clip.0000",
        "0.clip",
        "000009.clip",
        "keys.1.jws",
        "revoke.jws",
        "HEAD.JSON",
        "head.json%20",
    ],
)
def test_no_name_leads_to_anything_but_a_file_of_this_recording(listener: Browser, name: str) -> None:
    """Whatever is written into the path."""
    assert listener.exactly(f"{FILES}/000000.clip") == 200
    assert listener.exactly(f"{FILES}/{name}") == 404


@pytest.mark.parametrize(
    ("box", "recording"),
    [
        (OTHER_BOX, RECORDING),
        (BOX, OTHER_RECORDING),
        ("..", RECORDING),
        (BOX, ".."),
        (BOX.upper(), RECORDING),
        (BOX, RECORDING.upper()),
        ("x" * 33, RECORDING),
        (BOX, "%"),
        ("*", "*"),
    ],
)
def test_a_foreign_id_is_answered_as_one_that_never_was(
    shared: House, listener: Browser, box: str, recording: str
) -> None:
    """Another box's, one that is still coming in, one that nobody can have."""
    shared.desk.take(up("head.json", b"{}", recording=OTHER_RECORDING))
    for rest in ("", "/files/head.json", "/files/receipt.jws", "/notes"):
        assert listener.exactly(f"/api/recordings/{box}/{recording}{rest}") == 404
    assert listener.send(f"/api/recordings/{box}/{recording}/notes", b"note").status_code == 404


def test_of_what_is_over_nothing_is_given(house: House) -> None:
    """From the tombstone on: no file, no opening, no note; the list says that it is over."""
    house.store()
    house.store(OTHER_RECORDING)
    staff = house.person(Role.STAFF)
    assert staff.send(f"/api/recordings/{BOX}/{RECORDING}/notes", b"note").status_code == 201
    with house.desk.index.transaction() as transaction:
        transaction.entomb(Which(BOX, RECORDING), b"")
    for path in (f"/api/recordings/{BOX}/{RECORDING}", f"{FILES}/000000.clip", f"{FILES}/receipt.jws"):
        assert staff.get(path).status_code == 404
    assert staff.get(f"/api/recordings/{BOX}/{RECORDING}/notes").status_code == 404
    both = {"recordings": [[BOX, RECORDING], [BOX, OTHER_RECORDING]]}
    labels = {label.split("/")[1] for label in entries(staff.post("/api/openings", both).content)}
    assert labels == {OTHER_RECORDING}
    states = {one["recording"]: one["state"] for one in staff.get("/api/recordings").json()["rows"]}
    assert states == {RECORDING: "destroying", OTHER_RECORDING: "stored"}


def test_altered_and_lost_bytes_are_not_given_out(house: House) -> None:
    """A store that has changed a byte is not believed; the bundle says which file is lost."""
    house.store()
    staff = house.person(Role.STAFF)
    folder = house.folder / "clips" / BOX / RECORDING
    for name in ("000001.clip", "details.0"):
        (path,) = folder.glob(f"{name}.*")
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        answer = staff.get(f"{FILES}/{name}")
        assert (answer.status_code, answer.json()["error"]) == (500, "lost")
    assert staff.get(f"{FILES}/000002.clip").status_code == 200
    bundle = entries(staff.post("/api/openings", {"recordings": [[BOX, RECORDING]]}).content)
    assert bundle[f"{BOX}/{RECORDING}/details.0"] is None
    assert bundle[f"{BOX}/{RECORDING}/details.1"] is not None


def test_a_store_that_is_away_is_no_loss(house: House) -> None:
    """The browser is told to come again."""
    house.store()
    staff = house.person(Role.STAFF)
    with patch.object(house.desk.clips, "get", side_effect=StoreDown("the store is away")):
        answer = staff.get(f"{FILES}/000000.clip")
    assert (answer.status_code, answer.json()["error"], answer.headers["retry-after"]) == (503, "busy", "2")


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/api/login", 4096),
        ("POST", "/api/openings", JSON_AT_MOST),
        ("POST", f"/api/recordings/{BOX}/{RECORDING}/notes", NOTE_AT_MOST),
        ("PUT", "/api/indexes/2026-11?ended=0", INDEX_AT_MOST),
    ],
)
def test_a_body_that_is_too_large_is_not_read(listener: Browser, method: str, path: str, most: int) -> None:
    """Neither one that says so, nor one that comes in pieces without saying how many."""
    kind = "application/octet-stream" if "notes" in path or "indexes" in path else "application/json"
    headers = {"content-type": kind, "if-none-match": "*"}
    answer = listener.change(method, path, content=b"[" + b" " * most, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (413, "too-large")
    read = 0

    async def pieces() -> object:
        nonlocal read
        for _ in range(64):
            read += most // 8
            yield b" " * (most // 8)

    answer = listener.change(method, path, content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert read <= most + 2 * (most // 8)
    answer = listener.change(method, path, content=b"x" * most, headers=headers)
    assert answer.status_code != 413


def test_an_index_of_the_largest_size_fits(house: House) -> None:
    """8 MiB, and comes back whole."""
    house.store()
    staff = house.person(Role.STAFF)
    (month,) = staff.get("/api/months").json()["months"]
    content = b"\x00\xff" * (INDEX_AT_MOST // 2)
    path = f"/api/indexes/{month['month']}"
    assert staff.put(f"{path}?ended=0", content, if_none_match="*").status_code == 204
    assert staff.get(path).content == content


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_page_is_of_no_type_that_is_taken(listener: Browser, kind: str) -> None:
    """What pages can send elsewhere without being asked is refused."""
    for path in ("/api/login", "/api/openings", f"/api/recordings/{BOX}/{RECORDING}/notes"):
        answer = listener.change("POST", path, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=1e3",
        "limit=x",
        "limit=%D9%A3",
        "after=x",
        f"after={RECORDING}",
        f"after={RECORDING}.%27",
        "order=sideways",
        "month=2026",
        "month=2026-13",
        "month=2026-00",
        "month=1969-12",
        "month=%D9%A2026-11",
    ],
)
def test_a_bad_query_is_refused_in_words(listener: Browser, query: str) -> None:
    """Never guessed at."""
    answer = listener.get(f"/api/recordings?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "bad-request")


def test_the_list_goes_through_every_recording_once_in_either_order(house: House) -> None:
    """Also where two boxes have recordings of one id; and by month."""
    ids = [f"0190{number:04x}-ac96-774b-bcce-b302099a8057" for number in range(0x1000, 0xF000, 0x2000)]
    with house.desk.index.transaction() as transaction:
        transaction.open([Which(box, one) for one in ids for box in (BOX, OTHER_BOX)])
    staff = house.person(Role.STAFF)
    for order in ("newest", "oldest"):
        seen, after = [], ""
        while True:
            page = staff.get(f"/api/recordings?limit=3&order={order}{after}").json()
            seen += [(one["recording"], one["box"]) for one in page["rows"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == sorted({(one, box) for one in ids for box in (BOX, OTHER_BOX)}, reverse=order == "newest")
    months = staff.get("/api/months").json()["months"]
    by_month = {
        one["month"]: {row["recording"] for row in staff.get(f"/api/recordings?month={one['month']}").json()["rows"]}
        for one in months
    }
    assert sorted(one for some in by_month.values() for one in some) == sorted(ids)
    assert len(by_month) > 1
