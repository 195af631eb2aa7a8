"""The command line: what it makes, what it lists, and how it says no."""

import json
import sys
from pathlib import Path

import pytest

from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import write_trust
from handschlag_archive import cli
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, Desk, all_up, two_boxes, up
from tests.sealing.builder import ARCHIVE_KEY, BOX, OTHER_RECORDING, RECORDING, build


def _call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code and what was printed: on stdout, or on stderr when it failed."""
    monkeypatch.setattr(sys, "argv", ["handschlag-archive", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, err if code else out


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of an archive that has one recording of each kind."""
    desk = Desk(_data(tmp_path))
    desk.take(*all_up(build(receipt=False).files))
    desk.take(*all_up(build(receipt=False, box=OTHER_BOX, box_key=OTHER_BOX_KEY).files, box=OTHER_BOX))
    desk.take(up("head.json", b"x", recording=OTHER_RECORDING))
    desk.close()
    for name in ("ca.pem", "archive.pem", "archive.key", "archive-signing.key"):
        (tmp_path / name).touch()
    (tmp_path / "trust.json").write_bytes(write_trust(two_boxes()))
    path = tmp_path / "archive.toml"
    path.write_text('[broker]\nca = "ca.pem"\ncertificate = "archive.pem"\nkey = "archive.key"\n')
    return path


def _data(folder: Path) -> Path:
    (folder / "data").mkdir()
    return folder / "data"


def test_the_signing_key_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call shows the same key instead of making another, and the file is for this user only."""
    first = _call(monkeypatch, capsys, "keys", "--dir", tmp_path, "--json")
    assert first == _call(monkeypatch, capsys, "keys", "--dir", tmp_path, "--json")
    said = json.loads(first[1])
    path = Path(said["key"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.from_file(path.read_bytes()).kid == said["kid"]


def test_what_is_no_key_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that holds something else in the key's place is refused and left alone."""
    path = tmp_path / "archive-signing.key"
    path.write_text("precious")
    code, said = _call(monkeypatch, capsys, "keys", "--dir", tmp_path)
    assert (code, path.read_text()) == (2, "precious")
    assert said.count("\n") == 1
    assert "not a key file" in said


def test_the_recordings_are_listed(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each, with box, id, state and size."""
    _, said = _call(monkeypatch, capsys, "list", "--config", config, "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert [(row["box"], row["recording"], row["state"]) for row in rows] == [
        (BOX, RECORDING, "stored"),
        (BOX, OTHER_RECORDING, "open"),
        (OTHER_BOX, RECORDING, "stored"),
    ]
    assert rows[1]["bytes"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--recording", RECORDING), "more than one box has it"),
        (("--recording", RECORDING, "--box", "nobody"), "not known here"),
        (("--recording", OTHER_RECORDING), "is open; only stored ones"),
        (("--recording", "../../etc"), "not known here"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    """Unknown, ambiguous and unfinished recordings give one line and no folder."""
    out = config.parent / "out"
    code, said = _call(monkeypatch, capsys, "export", "--config", config, "--out", out, *arguments)
    assert code == 2
    assert said.count("\n") == 1
    assert says in said
    assert not out.exists()


@pytest.mark.parametrize("how", [(), ("--json",)], ids=["in words", "as JSON"])
def test_what_a_restore_did_is_said(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: tuple[str, ...]
) -> None:
    """`restored` says the new epoch and its counts, one of which is called `words`, in words and as JSON."""
    (config.parent / "archive-signing.key").write_bytes(ARCHIVE_KEY.to_file())
    code, said = _call(monkeypatch, capsys, "restored", "--config", config, *how)
    assert code == 0, said
    if how:
        assert json.loads(said)["words"] == 0
    else:
        assert said.startswith("Epoche / epoch ")
        assert len(said.splitlines()) == 5


def test_an_export_never_mixes_with_what_is_there(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing folder is refused; a new one is filled with private files."""
    command = ("export", "--config", config, "--recording", RECORDING, "--box", BOX, "--out")
    code, said = _call(monkeypatch, capsys, *command, config.parent)
    assert code == 2
    assert "is there already" in said
    code, said = _call(monkeypatch, capsys, *command, config.parent / "out")
    assert code == 0
    assert "handschlag verify" in said
    assert {path.stat().st_mode & 0o777 for path in (config.parent / "out").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ca", "issue", "box", "--dir", "."), "needs --name"),
        (("ca", "issue", "server", "--name", "x", "--dir", "."), "takes no --name"),
        (("ca", "issue", "client", "--dir", "."), "allowed are server, box, archive, operator, fleet"),
        (("ca", "issue", "archive", "--dir", "nowhere"), "no authority here"),
        (("ca", "issue", "fleet", "--name", "x", "--dir", "."), "takes no --name"),
        (("ca", "revoke", "box-1", "--dir", "nowhere"), "no authority here"),
        (("ca", "crl", "--dir", "nowhere"), "no authority here"),
        (("broker-config", "--dir", "nowhere"), "make it with: ca init, then ca issue server"),
        (("broker-config", "--dir", ".", "--port", "70000"), "allowed is 1 to 65535"),
        (("ingest", "--config", "nowhere.toml"), "nowhere.toml: cannot be read"),
    ],
)
def test_every_mistake_is_said_and_ends_with_two(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    """Wrong names, kinds, ports and files: exit code 2 and words that help."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    code, said = _call(monkeypatch, capsys, *arguments)
    assert code == 2
    assert says in said


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"boxes": 3}'])
def test_a_wrong_trust_file_is_said_before_anything_starts(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """A trust file that is none ends the start; an empty object trusts nobody and fails on the next bad file."""
    (config.parent / "trust.json").write_bytes(content)
    code, said = _call(monkeypatch, capsys, "ingest", "--config", config)
    assert code == 2
    assert ("archive-signing.key" if content == b"{}" else "trust.json") in said
