"""The walk through the house that a browser takes first: in, see, open, play, write, out."""

import struct

from handschlag.sealing.encoding import to_base64url
from handschlag_archive.web.roles import Role
from tests.archive.web.house import NAMES, House, salt_of
from tests.sealing.builder import BOX, RECORDING


def entries(bundle: bytes) -> dict[str, bytes | None]:
    """The entries of a bundle of openings."""
    assert bundle[:4] == b"HSB1"
    found: dict[str, bytes | None] = {}
    at = 4
    while at < len(bundle):
        (length,) = struct.unpack_from(">H", bundle, at)
        label = bundle[at + 2 : at + 2 + length].decode()
        at += 2 + length
        (size,) = struct.unpack_from(">I", bundle, at)
        at += 4
        found[label] = None if size == 0xFFFFFFFF else bundle[at : at + size]
        at += 0 if size == 0xFFFFFFFF else size
    return found


def test_somebody_logs_in_sees_a_recording_and_gets_its_sealed_bytes(house: House) -> None:
    """What comes out is byte by byte what came in; one playback is in the log, however many clips were taken."""
    built = house.store()
    staff = house.person(Role.STAFF)
    assert staff.about["name"] == NAMES[Role.STAFF]
    assert (staff.about["role"], staff.about["salt"]) == ("staff", salt_of(NAMES[Role.STAFF]))
    assert staff.about["wrapped"] == to_base64url(b"wrapped for staff")
    assert staff.get("/api/me").json() == staff.about

    (listed,) = staff.get("/api/recordings").json()["rows"]
    assert (listed["box"], listed["recording"], listed["state"], listed["notes"]) == (BOX, RECORDING, "stored", 0)
    sealed = {name: content for name, content in built.files.items() if name != "receipt.jws"}
    assert listed["size"] == sum(map(len, sealed.values()))

    answer = staff.post("/api/openings", {"recordings": [[BOX, RECORDING]]})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert entries(answer.content) == {
        f"{BOX}/{RECORDING}/{name}": content for name, content in sealed.items() if not name.endswith(".clip")
    }
    files = {one["name"]: one for one in staff.get(f"/api/recordings/{BOX}/{RECORDING}").json()["files"]}
    assert set(files) == {*sealed, "receipt.jws"}
    for name, content in sealed.items():
        assert staff.get(f"/api/recordings/{BOX}/{RECORDING}/files/{name}").content == content
        assert files[name]["size"] == len(content)
    row = house.desk.row()
    assert row is not None
    assert staff.get(f"/api/recordings/{BOX}/{RECORDING}/files/receipt.jws").content == row.receipt

    owner = house.person(Role.OWNER)
    told = owner.get("/api/audit").json()["entries"]
    assert [(one["name"], one["what"]) for one in told if one["what"] == "playback"] == [
        (NAMES[Role.STAFF], "playback")
    ]
    assert staff.post("/api/logout").status_code == 204
    assert staff.cookie is None
    assert staff.get("/api/me").status_code == 401


def test_notes_come_back_as_they_were_sealed(house: House) -> None:
    """Notes are numbered, never replaced, and travel with the openings."""
    house.store()
    staff = house.person(Role.STAFF)
    path = f"/api/recordings/{BOX}/{RECORDING}/notes"
    assert staff.send(path, b"sealed one").json()["id"] == 1
    assert staff.send(path, b"sealed two").json()["id"] == 2
    told = staff.get(path).json()["notes"]
    assert [(one["id"], one["data"], one["person"]) for one in told] == [
        (1, to_base64url(b"sealed one"), staff.about["person"]),
        (2, to_base64url(b"sealed two"), staff.about["person"]),
    ]
    bundle = entries(staff.post("/api/openings", {"recordings": [[BOX, RECORDING]]}).content)
    assert bundle[f"{BOX}/{RECORDING}/note.2"] == b"sealed two"
    assert staff.get("/api/recordings").json()["rows"][0]["notes"] == 2


def test_an_index_is_stored_over_the_one_it_was_made_from(house: House) -> None:
    """Two browsers that store at the same time do not lose what the other has found."""
    house.store()
    staff = house.person(Role.STAFF)
    (month,) = staff.get("/api/months").json()["months"]
    path = f"/api/indexes/{month['month']}"
    assert (month["stored"], month["ended"]) == (1, 0)
    assert staff.get(path).status_code == 404
    assert staff.put(f"{path}?ended=0", b"first").status_code == 428
    first = staff.put(f"{path}?ended=0", b"first", if_none_match="*")
    assert first.status_code == 204
    assert staff.put(f"{path}?ended=0", b"other", if_none_match="*").status_code == 412
    assert staff.put(f"{path}?ended=1", b"other", if_match=first.headers["etag"]).status_code == 412
    assert staff.put(f"{path}?ended=0", b"second", if_match=first.headers["etag"]).status_code == 204
    assert staff.put(f"{path}?ended=0", b"third", if_match=first.headers["etag"]).status_code == 412
    answer = staff.get(path)
    assert answer.content == b"second"
    assert [one["etag"] for one in staff.get("/api/indexes").json()["indexes"]] == [answer.headers["etag"].strip('"')]
