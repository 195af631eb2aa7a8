"""The commands around evidence: one clear line for bad input, nothing personal on the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence.exports import OWNER_KEY, STAFF_KEY, recording


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handschlag", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, its ledger, keys and a trust file."""
    folder = tmp_path_factory.mktemp("place")
    built = recording()
    for name, files in (("recording", built.files), ("ledger", built.ledger)):
        (folder / name).mkdir()
        for file, data in files.items():
            (folder / name / file).write_bytes(data)
    (folder / "trust.json").write_bytes(built.trust_file)
    (folder / "owner.key").write_bytes(OWNER_KEY)
    (folder / "staff.key").write_bytes(STAFF_KEY)
    return folder


def test_export_and_verify(place: Path, tmp_path: Path) -> None:
    """Exported, verified as folder and as zip, with and without a trust file; the number is on no terminal (P9)."""
    out = tmp_path / "case"
    asked = ("--key", place / "owner.key", "--ledger", place / "ledger", "-o", out)
    printed = []
    done = _run("export", place / "recording", *asked)
    assert done.returncode == 0, done.stderr
    printed.append(done)
    for command in ((out, "--json"), (f"{out}.zip", "--trust", place / "trust.json")):
        done = _run("verify", *command)
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done)
    assert not any("12345" in each.stdout + each.stderr for each in printed)
    (out / "details.json").write_text("[]")
    done = _run("verify", out, "--json")
    assert done.returncode == 1
    assert "details.json" in json.loads(done.stdout)["wrong"]


def test_staff_are_told_that_nobody_signed(place: Path, tmp_path: Path) -> None:
    """The command says in both languages that the export is not signed, and that there is no extract."""
    done = _run("export", place / "recording", "--key", place / "staff.key", "-o", tmp_path / "case")
    assert done.returncode == 0, done.stderr
    assert "NOT signed | NICHT unterschrieben" in done.stdout
    assert "ohne Protokollauszug" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "nowhere", "--key", "owner.key", "-o", "x"), "nowhere: is no folder"),
        (("export", "recording", "--key", "trust.json", "-o", "x"), "trust.json: found no key of this product"),
        (("export", "recording", "--key", "owner.key", "-o", "recording"), "recording: is there already"),
        (("export", "recording", "--key", "owner.key", "-o", "no/where/x"), "cannot be written"),
        (("export", "recording", "--key", "owner.key", "--ledger", "recording", "-o", "x"), "no part of a ledger"),
        (("verify", "owner.key"), "the zip cannot be read"),
        (("verify", "nowhere.zip"), "nowhere.zip: is no folder"),
        (("stamp", "recording", "-o", "x"), "no part of a ledger"),
    ],
)
def test_bad_input_is_one_line(place: Path, arguments: tuple[str, ...], said: str) -> None:
    """What, where, what is allowed; exit 2, and nothing left behind."""
    here = [
        str(place / each) if "." in each or each in {"nowhere", "recording", "x", "no/where/x"} else each
        for each in arguments
    ]
    before = sorted(place.iterdir())
    done = _run(*here)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(place.iterdir()) == before


def test_stamp_query(place: Path, tmp_path: Path) -> None:
    """The query holds the hash of the ledger's last line."""
    pytest.importorskip("rfc3161_client", reason="get it with: pip install rfc3161-client")
    done = _run("stamp", place / "ledger", "-o", tmp_path / "query.tsq")
    assert done.returncode == 0, done.stderr
    assert "ledger entry" in done.stdout
    assert (tmp_path / "query.tsq").read_bytes().startswith(b"\x30")
