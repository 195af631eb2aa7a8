"""The owner's signed word through the browser: carried out, told in the log, and nothing of the erased is left."""

from typing import Any

import httpx
import pytest

from handschlag.sealing.encoding import to_base64url
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.owner import OwnerMessage, message_id, sign_owner
from handschlag_archive.index import State
from handschlag_archive.web.roles import Role
from handschlag_archive.web.upkeep import tidy
from tests.archive.web.house import Browser, House
from tests.sealing.builder import AT, BOX, OTHER_RECORDING, OWNER, RECORDING

REASON = "Wunsch des Kunden vom 3. November"


def send(
    owner: Browser, name: str = "erase", *, key: SigningKey | None = None, counter: int = 1, **fields: Any
) -> httpx.Response:
    """Sign a message and send it."""
    values = {"box": BOX, "recording": RECORDING, **fields}
    message = OwnerMessage(name=name, counter=counter, at=AT, **values)  # type: ignore[arg-type]  # tests name only real ones
    token = sign_owner(message, key or OWNER.signing())
    return owner.post("/api/owner", {"message": token.decode(), "reason": REASON})


def test_an_erasure_takes_index_and_notes_with_it(house: House) -> None:
    """The keys are gone, and so is what browsers had stored about the recording; the log has reason and outcome."""
    house.store()
    house.store(OTHER_RECORDING)
    owner = house.person(Role.OWNER)
    (month,) = owner.get("/api/months").json()["months"]
    index = f"/api/indexes/{month['month']}"
    etag = owner.put(f"{index}?ended=0", b"tells of both", if_none_match="*").headers["etag"]
    for recording in (RECORDING, OTHER_RECORDING):
        owner.send(f"/api/recordings/{BOX}/{recording}/notes", b"note")
    answer = send(owner)
    assert (answer.status_code, answer.json()["outcome"], answer.json()["waits"]) == (200, "done", False)
    assert house.desk.state() is State.DESTROYED
    assert house.desk.on_disk() == set()
    assert owner.get(index).status_code == 404
    assert owner.put(f"{index}?ended=0", b"from before", if_match=etag).status_code == 412
    assert owner.put(f"{index}?ended=0", b"from before", if_none_match="*").status_code == 412
    assert owner.put(f"{index}?ended=1", b"anew", if_none_match="*").status_code == 204
    rows = {one["recording"]: (one["state"], one["notes"]) for one in owner.get("/api/recordings").json()["rows"]}
    assert rows == {RECORDING: ("destroyed", 0), OTHER_RECORDING: ("stored", 1)}
    lines = owner.get("/api/audit").json()["entries"][-2:]
    assert [(one["what"], one["reason"], one["recording"]) for one in lines] == [
        ("owner-message", REASON, None),
        ("erase", None, RECORDING),
    ]
    assert lines[1]["subject"] == f"done {lines[0]['subject']}"


def test_what_expires_by_itself_leaves_no_index_and_no_note_either(house: House) -> None:
    """Whoever ends a recording, the web's upkeep clears after it; an index of another month stays."""
    house.store()
    owner = house.person(Role.OWNER)
    (month,) = owner.get("/api/months").json()["months"]
    owner.put(f"/api/indexes/{month['month']}?ended=0", b"index", if_none_match="*")
    owner.put("/api/indexes/2020-01?ended=0", b"index", if_none_match="*")
    owner.send(f"/api/recordings/{BOX}/{RECORDING}/notes", b"note")
    tidy(house.desk.index, house.now)
    assert len(owner.get("/api/indexes").json()["indexes"]) == 2
    row = house.desk.row()
    assert row is not None
    with house.desk.index.transaction() as transaction:
        transaction.entomb(row.which, b"")
    tidy(house.desk.index, house.now)
    assert [one["month"] for one in owner.get("/api/indexes").json()["indexes"]] == ["2020-01"]
    with house.desk.index.transaction() as transaction:
        assert transaction._connection.exec_driver_sql("SELECT count(*) FROM notes").scalar() == 0


def test_hold_class_and_release_are_carried_out_and_shown(house: House) -> None:
    """The list says so, and the next counter lies behind all that were."""
    house.store()
    owner = house.person(Role.OWNER)
    counter = owner.get(f"/api/owner/{BOX}").json()["next_counter"]
    assert counter == int(house.now.timestamp() * 1000)
    assert send(owner, "hold", counter=counter).json()["outcome"] == "done"
    assert send(owner, counter=counter + 1).json()["outcome"] == "held"
    assert send(owner, "class", counter=counter + 2, kept_for="building").json()["outcome"] == "done"
    (row,) = owner.get("/api/recordings").json()["rows"]
    assert (row["held"], row["kept_for"]) == (True, "building")
    assert send(owner, "release", counter=counter + 3).json()["outcome"] == "done"
    told = owner.get(f"/api/owner/{BOX}").json()
    assert told["next_counter"] == counter + 4
    assert [(one["name"], one["outcome"]) for one in told["messages"]] == [
        ("hold", "done"),
        ("erase", "held"),
        ("class", "done"),
        ("release", "done"),
    ]
    assert owner.get("/api/owner/..").status_code == 404


def test_a_session_of_the_owner_alone_erases_nothing(house: House) -> None:
    """Without the owner's signature: forged, replayed, and for a box that nobody knows; the log has the attempt."""
    house.store()
    owner = house.person(Role.OWNER)
    assert send(owner, "hold", counter=5).status_code == 200
    for answer in (
        send(owner, key=SigningKey.from_seed(b"x" * 32), counter=6),
        send(owner, "release", counter=4),
        send(owner, counter=7, box="fremde-box"),
        owner.post("/api/owner", {"message": "a.b.c", "reason": REASON}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (409, "not-taken")
    assert owner.post("/api/owner", {"message": "ä", "reason": REASON}).status_code == 400
    assert owner.post("/api/owner", {"message": "a.b.c", "reason": "x"}).status_code == 400
    assert house.desk.state() is State.STORED
    lines = [one["what"] for one in owner.get("/api/audit").json()["entries"]]
    assert lines[-8:] == ["owner-message", "owner-message-refused"] * 4


@pytest.mark.parametrize("role", [Role.STAFF, Role.DATA_PROTECTION, Role.TECHNICIAN])
def test_a_genuine_message_in_another_role_is_not_taken(house: House, role: Role) -> None:
    """The signature does not help somebody who has no business here."""
    house.store()
    answer = send(house.person(role))
    assert answer.status_code == 403
    assert house.desk.state() is State.STORED


def test_an_id_in_the_log_is_the_messages_own(house: House) -> None:
    """So that whoever has the message finds it."""
    house.store()
    owner = house.person(Role.OWNER)
    token = sign_owner(OwnerMessage(box=BOX, name="hold", counter=1, at=AT, recording=RECORDING), OWNER.signing())
    answer = owner.post("/api/owner", {"message": token.decode(), "reason": REASON})
    assert answer.json()["id"] == message_id(token)
    assert to_base64url(token) not in answer.text
