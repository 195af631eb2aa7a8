"""The staff register on disk: absent, damaged, hostile, cut off while it was written; and the names in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from handschlag.adapters.files import RealFiles
from handschlag.adapters.registers import (
    EXCLUSION_FILE,
    STAFF_FILE,
    BadRegister,
    Excluded,
    ExclusionList,
    FileRegisters,
    Person,
    StaffRegister,
    read_staff,
    write_register,
)
from handschlag.core.events import NumberMatched, RegisterTold
from handschlag.sealing.errors import BadFile, BadKey
from handschlag.sealing.keys import OwnerSecret
from handschlag.sealing.names import open_name, seal_name
from handschlag.sim.files import Operation, WatchedFiles
from handschlag.sim.worker import InlineWorker
from tests.support.clock import HandClock
from tests.support.inbox import Inbox

ANNA = Person(number=1, document="a" * 64, version="2026-1", valid_from="2026-05-28T20:26:40Z")


def test_an_absent_register_is_an_empty_one(tmp_path: Path) -> None:
    """A new box has nobody's consent, which is no fault."""
    assert read_staff(tmp_path / STAFF_FILE) == StaffRegister()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b'{"people":[{"number":0}],"version":1}', "number"),
        (b'{"people":[],"version":2}', "version"),
        (b'{"people":[],"version":1,"more":1}', "more"),
        (b"\xff\xfe", "staff.json"),
    ],
)
def test_a_damaged_register_is_told_and_named(tmp_path: Path, content: bytes, says: str) -> None:
    """Whatever is wrong is said with the file's name, and told to the core as damage, not as an empty register."""
    path = tmp_path / STAFF_FILE
    path.write_bytes(content)
    with pytest.raises(BadRegister, match=says):
        read_staff(path)
    inbox = Inbox()
    registers = FileRegisters(tmp_path, worker=InlineWorker(on_error=lambda e: pytest.fail(str(e))), clock=HandClock())
    registers.start(inbox.post)
    (told,) = inbox.of(RegisterTold)
    assert told.damaged
    assert told.consents == ()


def test_a_number_is_known_however_it_was_dialled(tmp_path: Path) -> None:
    """The list has one form of a number; local, national, international and with a hidden own number it is the same."""
    empty = ExclusionList.new()
    entry = Excluded(hash=empty.hash_of("493023125042"), added_at="2026-05-28T20:26:40Z")
    write_register(tmp_path / EXCLUSION_FILE, replace(empty, numbers=(entry,)), RealFiles())
    inbox = Inbox()
    worker = InlineWorker(on_error=lambda e: pytest.fail(str(e)))
    registers = FileRegisters(tmp_path, worker=worker, clock=HandClock(), area_code="030")
    registers.start(inbox.post)
    dialled = ("03023125042", "+49 30 23125042", "*31#03023125042", "23125042", "110", "P")
    for ticket, number in enumerate(dialled):
        registers.match(number, ticket)
    assert [matched.excluded for matched in inbox.of(NumberMatched)] == [True] * 4 + [False] * 2
    assert b"23125042" not in (tmp_path / EXCLUSION_FILE).read_bytes()


def test_a_damaged_list_stops_recording(tmp_path: Path) -> None:
    """Whose numbers must not be recorded is not known any more: told as damage."""
    (tmp_path / EXCLUSION_FILE).write_bytes(b"{}")
    inbox = Inbox()
    registers = FileRegisters(tmp_path, worker=InlineWorker(on_error=lambda e: pytest.fail(str(e))), clock=HandClock())
    registers.start(inbox.post)
    assert "excluded.json" in inbox.of(RegisterTold)[0].damaged


def test_a_number_given_twice_is_refused(tmp_path: Path) -> None:
    """Whose consent a number means must be one person's."""
    path = tmp_path / STAFF_FILE
    write_register(path, StaffRegister(people=(ANNA, ANNA)), RealFiles())
    with pytest.raises(BadRegister, match="twice"):
        read_staff(path)


def test_a_cut_leaves_the_old_register_or_the_new_one(tmp_path: Path) -> None:
    """Whichever operation the disk refuses, what can be read is whole."""
    path = tmp_path / STAFF_FILE
    old, new = StaffRegister(people=(ANNA,)), StaffRegister()
    write_register(path, old, RealFiles())

    class Cut(OSError):
        pass

    for kind in ("write", "fsync", "rename"):
        files = WatchedFiles(RealFiles())

        def refuse(operation: Operation, *, wanted: str = kind) -> None:
            if operation.kind == wanted:
                raise Cut

        files.fail = refuse
        with pytest.raises(Cut):
            write_register(path, new, files)
        assert read_staff(path) == old


def test_names_open_with_the_owners_key_and_at_their_place_only() -> None:
    """Another person's number, another box or another key opens nothing; every name has the same size."""
    owner, other = OwnerSecret.new().workshop(), OwnerSecret.new().workshop()
    names = seal_name("Änne Ölsen", [owner.public], box="box-1", number=3)
    assert open_name(names, owner, box="box-1", number=3) == "Änne Ölsen"
    for box, number in (("box-2", 3), ("box-1", 4)):
        with pytest.raises(BadKey, match="does not open"):
            open_name(names, owner, box=box, number=number)
    with pytest.raises(BadFile, match="not sealed for"):
        open_name(names, other, box="box-1", number=3)
    assert len(seal_name("B", [owner.public], box="box-1", number=3)[0].sealed) == len(names[0].sealed)


@pytest.mark.parametrize("name", ["", "   ", "x" * 97, "a\0b"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    """Empty, too long, or with a zero byte: said before anything is sealed."""
    with pytest.raises(BadFile, match="1 to 96"):
        seal_name(name, [OwnerSecret.new().workshop().public], box="box-1", number=1)
