"""`handschlag staff` and `handschlag exclude`: the registers at the command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from handschlag.sealing.keys import OwnerSecret
from handschlag.sealing.trust import Trust, TrustedRecipient, write_trust
from tests.support.settings import NO_PARTS

SETTINGS = (
    """[box]
name = "box-1"
data = "data"
key = "box.key"
trust = "trust.json"

[consent]
line_users = [1]

"""
    + NO_PARTS
)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The folder of a box that pins an owner's workshop key."""
    owner = OwnerSecret.new()
    (tmp_path / "owner.key").write_bytes(owner.to_file())
    (tmp_path / "box.key").touch()
    trust = Trust(workshop=(TrustedRecipient.of(owner.workshop().public),))
    (tmp_path / "trust.json").write_bytes(write_trust(trust))
    (tmp_path / "box.toml").write_text(SETTINGS)
    (tmp_path / "form.pdf").write_bytes(b"signed")
    return tmp_path


def staff(box: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the box's folder."""
    command = [sys.executable, "-m", "handschlag", "staff", *arguments, "--config", "box.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=box)


def add(box: Path, name: str = "Anna Beispiel", *more: str) -> subprocess.CompletedProcess[str]:
    """Take in a consent."""
    return staff(box, "add", "--document", "form.pdf", "--version", "2026-1", "--name", name, *more)


def listed(box: Path, *more: str) -> list[dict[str, object]]:
    """What `list --json` says."""
    done = staff(box, "list", "--json", *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_consent_is_taken_in_and_its_name_sealed(box: Path) -> None:
    """The number, the form's hash and its version stand there; the name only for who has the owner's key (P4)."""
    assert add(box).returncode == 0
    (line,) = listed(box)
    assert (line["number"], line["holds"], line["on_line"], line["name"]) == (1, True, True, "")
    assert line["document"] == hashlib.sha256(b"signed").hexdigest()
    assert listed(box, "--key", "owner.key")[0]["name"] == "Anna Beispiel"
    written = (box / "data" / "staff.json").read_bytes()
    assert b"Anna" not in written
    assert (box / "data" / "staff.json").stat().st_mode & 0o777 == 0o600


def test_a_person_beyond_the_settings_is_pointed_out(box: Path) -> None:
    """The second person gets the next number, and the technician is told that the settings do not name it yet."""
    add(box)
    done = add(box, "Ben Beispiel")
    assert "2: taken in" in done.stdout
    assert "consent.line_users does not name 2 yet" in done.stdout


def test_a_consent_is_taken_back(box: Path) -> None:
    """After `withdraw` it does not hold; a second time is refused with the time of the first."""
    add(box)
    assert staff(box, "withdraw", "1").returncode == 0
    assert listed(box)[0]["holds"] is False
    again = staff(box, "withdraw", "1")
    assert again.returncode == 2
    assert "withdrawn already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("withdraw", "7"), "person 7: is not in the register; there are: nobody"),
        (("add", "--document", "none.pdf", "--version", "1", "--name", "A"), "--document none.pdf: cannot be read"),
        (("add", "--document", "form.pdf", "--version", "a b", "--name", "A"), "--version 'a b'"),
        (("add", "--document", "form.pdf", "--version", "1", "--name", " "), "name: 0 bytes"),
        (("add", "--document", "form.pdf", "--version", "1", "--name", "A", "--until", "soon"), "--until soon"),
        (("add", "--document", "form.pdf", "--version", "1", "--name", "A", "--until", "2020-01-01"), "lies before"),
        (("add", "--document", "form.pdf", "--version", "1", "--name", "A", "--number", "0"), "--number 0"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(box: Path, arguments: tuple[str, ...], says: str) -> None:
    """What is wrong and what is allowed, exit 2, and no register was made."""
    done = staff(box, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (box / "data" / "staff.json").exists()


def exclude(box: Path, action: str, number: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command; the number comes on its standard input."""
    command = [sys.executable, "-m", "handschlag", "exclude", action, "--config", "box.toml"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=box, input=number + "\n"
    )


def test_a_number_goes_on_the_list_and_off_again(box: Path) -> None:
    """Twice on, or off what is not there, is refused; spelling does not matter; nothing stands in clear."""
    assert exclude(box, "add", "030 23125042").returncode == 0
    again = exclude(box, "add", "+49 30 23125042")
    assert again.returncode == 2
    assert "already" in again.stderr
    assert len(exclude(box, "list").stdout.splitlines()) == 1
    assert b"23125042" not in (box / "data" / "excluded.json").read_bytes()
    assert exclude(box, "remove", "03023125042").returncode == 0
    assert exclude(box, "list").stdout == ""
    assert exclude(box, "remove", "03023125042").returncode == 2


@pytest.mark.parametrize("number", ["", "23125042", "hello", "+", "030\x00123"])
def test_what_is_no_number_is_refused(box: Path, number: str) -> None:
    """One line that says what is allowed; the number itself is not repeated."""
    done = exclude(box, "add", number)
    assert done.returncode == 2
    assert "allowed is a number with area code" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
