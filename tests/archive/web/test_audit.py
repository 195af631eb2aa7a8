"""The audit log: written by the server itself, before what it tells of; nobody can leave a line out or change one."""

import json
from contextlib import closing
from unittest.mock import patch

import pytest
import sqlalchemy as sql

from handschlag.sealing.encoding import canonical, sha256_hex
from handschlag_archive.index import IndexBroken, IndexBusy
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.audit import Entry, first_wrong
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.roles import Role
from handschlag_archive.web.tables import audit
from tests.archive.web.house import NAMES, House
from tests.sealing.builder import BOX, OTHER_RECORDING, RECORDING

REASON = "Auskunft für Herrn Geheimnis"


def _entries(house: House) -> list[Entry]:
    with house.desk.index.speaking(Books, reading=True) as books:
        return list(books.audit(0, 1000))


def test_a_playback_is_in_the_log_before_the_clip_goes_out(house: House) -> None:
    """When the line cannot be written there is no clip; once it is, one line per recording and session."""
    house.store()
    house.store(OTHER_RECORDING)
    staff = house.person(Role.STAFF)
    path = f"/api/recordings/{BOX}/{RECORDING}/files/000000.clip"
    with patch.object(Journal, "write", side_effect=IndexBusy("no room")):
        assert staff.get(path).status_code == 503
    assert [one for one in _entries(house) if one.read().what == "playback"] == []
    for _ in range(3):
        assert staff.get(path).status_code == 200
    house.gate = house.new_gate()
    assert staff.get(path.replace("000000", "000001")).status_code == 200
    assert staff.get(path.replace(RECORDING, OTHER_RECORDING)).status_code == 200
    played = [one.read() for one in _entries(house) if one.read().what == "playback"]
    assert [(one.recording, one.person) for one in played] == [
        (RECORDING, staff.about["person"]),
        (OTHER_RECORDING, staff.about["person"]),
    ]
    staff.login(NAMES[Role.STAFF], "Heizung-im-Keller")
    assert staff.get(path).status_code == 200
    assert [one.read().what for one in _entries(house)][-1] == "playback"


def test_what_a_browser_does_by_itself_is_told_with_a_reason(house: House) -> None:
    """An export names its recording, a search for a person names nothing but the reason, which is kept sealed."""
    house.store()
    staff, officer = house.person(Role.STAFF), house.person(Role.DATA_PROTECTION)
    export = {"what": "export", "reason": REASON, "box": BOX, "recording": RECORDING}
    assert staff.post("/api/audit", export).status_code == 201
    assert staff.post("/api/audit", {"what": "search-person", "reason": REASON}).status_code == 201
    for bad in (
        {**export, "reason": "x"},
        {**export, "reason": "x" * 501},
        {**export, "what": "playback"},
        {"what": "export", "reason": REASON},
        {**export, "what": "search-person"},
        {**export, "recording": OTHER_RECORDING},
    ):
        assert staff.post("/api/audit", bad).status_code in {400, 404}
    told = officer.get("/api/audit").json()
    assert [(one["what"], one["name"], one["recording"], one["reason"]) for one in told["entries"]][-2:] == [
        ("export", NAMES[Role.STAFF], RECORDING, REASON),
        ("search-person", NAMES[Role.STAFF], None, REASON),
    ]
    assert not any(REASON.encode() in one.line for one in _entries(house))


def test_the_log_is_a_chain_that_anybody_can_follow(house: House) -> None:
    """Each line is its own canonical JSON, holds the hash of the one before, and the head says where it ends."""
    owner = house.person(Role.OWNER)
    for _ in range(3):
        owner.post("/api/audit", {"what": "search-person", "reason": REASON})
    pages, after = [], 0
    while True:
        page = owner.get(f"/api/audit?after={after}&limit=2").json()
        pages += page["entries"]
        if page["next"] is None:
            break
        after = page["next"]
    prev = "0" * 64
    for number, one in enumerate(pages, start=1):
        line = json.loads(one["line"])
        assert canonical(line) == one["line"].encode()
        assert (line["seq"], line["prev"], one["sha256"]) == (number, prev, sha256_hex(one["line"].encode()))
        prev = one["sha256"]
    assert page["head"] == {"seq": len(pages), "sha256": prev}
    assert first_wrong(_entries(house)) is None


def test_a_changed_a_missing_and_a_moved_line_are_found(house: House) -> None:
    """Whatever somebody with all power over the database does to the middle of it."""
    owner = house.person(Role.OWNER)
    for _ in range(3):
        owner.post("/api/audit", {"what": "search-person", "reason": REASON})
    true = _entries(house)
    assert first_wrong(true) is None
    assert first_wrong(true[3:], true[2]) is None
    line = true[3].line.replace(b"search-person", b"nothing-at-all")
    for wrong, says in (
        ([*true[:2], *true[3:]], "line 4 does not follow line 2"),
        ([true[0], true[2], true[1], *true[3:]], "line 3 does not follow line 1"),
        (true[1:], "line 2 does not follow line 0"),
        ([*true[:3], Entry(4, true[3].sha256, line), *true[4:]], "line 4 was altered"),
        ([*true[:3], Entry(4, sha256_hex(line), line), *true[4:]], "line 5 does not follow line 4"),
    ):
        assert first_wrong(wrong) == says


@pytest.mark.parametrize("change", [sql.delete(audit), sql.update(audit).values(line=b"{}")], ids=["delete", "update"])
def test_the_database_itself_keeps_the_log_from_shrinking(
    tmp_path_factory: pytest.TempPathFactory, database: str, change: sql.Delete | sql.Update
) -> None:
    """On either kind of database a line can neither be changed nor removed."""
    with closing(House(tmp_path_factory.mktemp("log"), database=database)) as house:
        house.account(Role.OWNER, "x")
        before = _entries(house)
        assert len(before) == 2
        with (
            pytest.raises((IndexBroken, IndexBusy), match="the audit log only grows"),
            house.desk.index.speaking(Books) as books,
        ):
            books._connection.execute(change)
        assert _entries(house) == before


def test_a_walk_over_either_database(tmp_path_factory: pytest.TempPathFactory, database: str) -> None:
    """Log in, list, play, write, store an index, look at the log and the processing: on SQLite and on PostgreSQL."""
    with closing(House(tmp_path_factory.mktemp("walk"), database=database)) as house:
        house.store()
        owner = house.person(Role.OWNER)
        (month,) = owner.get("/api/months").json()["months"]
        path = f"/api/recordings/{BOX}/{RECORDING}"
        assert owner.get(f"{path}/files/000000.clip").status_code == 200
        assert owner.send(f"{path}/notes", b"note").json()["id"] == 1
        assert owner.put(f"/api/indexes/{month['month']}?ended=0", b"index", if_none_match="*").status_code == 204
        assert owner.get(f"/api/indexes/{month['month']}").content == b"index"
        assert owner.get("/api/recordings?limit=1").json()["rows"][0]["notes"] == 1
        processing = owner.get("/api/processing").json()
        assert (processing["stored"], processing["people"]) == ({"standard": 1}, {"owner": 1})
        assert [one["stored"] for one in processing["months"]] == [1]
        house.wait(minutes=20)
        assert owner.get("/api/me").status_code == 200
        assert owner.change("DELETE", f"/api/people/{owner.about['person']}").status_code == 409
        assert owner.login(NAMES[Role.OWNER], "wrong").status_code == 401
        assert first_wrong(_entries(house)) is None
