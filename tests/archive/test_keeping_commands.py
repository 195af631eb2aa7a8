"""`retention`, `owner`, `rewrap` and `restored` at the command line: what they say, and how they say no."""

import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest

from handschlag.sealing.keys import RecordingKey
from handschlag.sealing.rewrap import sign_rewrap
from handschlag.sealing.trust import write_trust
from handschlag_archive import cli
from handschlag_archive.index import Index, State
from tests.archive.desk import Desk, all_up, two_boxes
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, BOX, OTHER_RECORDING, OWNER, RECORDING, RECORDING_KEY, build

OVER = {"retention_class": "inquiry", "retain_until": "2026-11-02T12:00:00Z"}


class Shell:
    """Calls the program in this process, and reads what it says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """The exit code and what was printed: on stdout, or on stderr when it failed."""
        config = ("--config", self.folder / "archive.toml")
        self._monkeypatch.setattr(sys, "argv", ["handschlag-archive", *map(str, (*arguments, *config))])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return code, err if code else out

    def json(self, *arguments: object) -> list[dict[str, object]]:
        """What it says as JSON; it must succeed."""
        code, said = self(*arguments, "--json")
        assert code == 0
        return [json.loads(line) for line in said.splitlines()]

    def state(self, recording: str = RECORDING) -> State:
        """What the index says."""
        with closing(Index.in_folder(self.folder / "data")) as index, index.transaction() as transaction:
            (row,) = transaction.named(recording)
        return row.state


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """An archive that has one recording whose time is over, and one that is kept."""
    (tmp_path / "data").mkdir()
    with closing(Desk(tmp_path / "data")) as desk:
        desk.take(*all_up(build(receipt=False, changes=OVER).files))
        other = build(recording=OTHER_RECORDING, receipt=False, changes={"retention_class": "order"})
        desk.take(*all_up(other.files, recording=OTHER_RECORDING))
    shutil.rmtree(tmp_path / "data" / "erasures")
    for name in ("ca.pem", "archive.pem", "archive.key"):
        (tmp_path / name).touch()
    (tmp_path / "archive-signing.key").write_bytes(ARCHIVE_KEY.to_file())
    (tmp_path / "trust.json").write_bytes(write_trust(two_boxes()))
    (tmp_path / "archive.toml").write_text(
        '[broker]\nca = "ca.pem"\ncertificate = "archive.pem"\nkey = "archive.key"\n'
    )
    return Shell(tmp_path, monkeypatch, capsys)


def _file(shell: Shell, name: str, content: bytes) -> Path:
    path = shell.folder / name
    path.write_bytes(content)
    return path


def test_retention_says_what_would_be_and_then_does_it(shell: Shell) -> None:
    """The dry run names the recording and leaves it; the run destroys it; both in words and as JSON."""
    code, said = shell("retention", "--dry-run")
    assert code == 0
    assert f"{BOX}/{RECORDING}" in said
    assert "1 wären abgelaufen / would expire (inquiry 1)" in said
    assert shell.state() is State.STORED
    (report,) = shell.json("retention")
    assert (report["expired"], report["dry_run"], report["recordings"]) == (
        {"inquiry": 1},
        False,
        [f"{BOX}/{RECORDING}"],
    )
    assert shell.state() is State.DESTROYED
    assert shell.state(OTHER_RECORDING) is State.STORED
    assert "0 abgelaufen und vernichtet / expired, destroyed" in shell("retention")[1]


def test_a_message_is_taken_shown_and_told_as_taken_before(shell: Shell) -> None:
    """What came of it is said each time, and without a message all are listed with the boxes' answers."""
    path = _file(shell, "hold.jws", word("hold", counter=5) + b"\n")
    assert shell.json("owner", path)[0]["outcome"] == "done"
    assert "taken before" in shell("owner", path)[1]
    (row,) = shell.json("owner")
    assert (row["name"], row["counter"], row["recording"], row["reply"], row["sent"]) == ("hold", 5, RECORDING, None, 0)
    assert "hold" in shell("owner")[1]


@pytest.mark.parametrize(
    ("command", "content", "says"),
    [
        ("owner", word("hold", box="nobody"), "the trust file does not know"),
        ("owner", b"rubbish", "allowed is a message or a revocation signed by the owner"),
        ("owner", b"x" * 200_000, "larger than"),
        ("owner", None, "cannot be read"),
        ("rewrap", b"rubbish", "allowed is a rewrap"),
        ("rewrap", None, "cannot be read"),
    ],
)
def test_what_cannot_be_taken_is_said_in_one_line(shell: Shell, command: str, content: bytes | None, says: str) -> None:
    """Wrong and missing files: exit code 2, one line, nothing changed."""
    path = shell.folder / "given.jws"
    if content is not None:
        path.write_bytes(content)
    code, said = shell(command, path)
    assert code == 2
    assert said.count("\n") == 1
    assert says in said
    assert shell.json("owner") == []


def test_a_rewrap_is_taken_and_laid_out(shell: Shell) -> None:
    """The recording is exported with the keys for the other people."""
    token = sign_rewrap(
        recording_key=RecordingKey(RECORDING_KEY),
        recipients=(OWNER.workshop(2).public,),
        box=BOX,
        recording=RECORDING,
        counter=4,
        key=OWNER.signing(),
    )
    assert shell.json("rewrap", _file(shell, "any-name.jws", token))[0]["name"] == "keys.4.jws"
    out = shell.folder / "out"
    shell.json("export", "--recording", RECORDING, "--out", out)
    assert (out / "keys.4.jws").read_bytes() == token


def test_a_restored_database_is_refused_until_restored_was_run(shell: Shell) -> None:
    """Ingest, retention, owner and rewrap all say what to do; after `restored` the erased recording is gone again."""
    shutil.copytree(shell.folder / "data", shell.folder / "backup")
    shell.json("owner", _file(shell, "erase.jws", word("erase")))
    assert shell.state() is State.DESTROYED
    shutil.rmtree(shell.folder / "data")
    (shell.folder / "backup").rename(shell.folder / "data")
    assert shell.state() is State.STORED
    hold = _file(shell, "hold.jws", word("hold", counter=9))
    for command in (("ingest",), ("retention",), ("owner", hold), ("rewrap", hold)):
        code, said = shell(*command)
        assert code == 2
        assert "run: handschlag-archive restored" in said
    (report,) = shell.json("restored")
    assert (report["entries"], report["back"], report["words"]) == (1, 1, 1)
    assert shell.state() is State.DESTROYED
    assert shell.json("owner", hold)[0]["outcome"] == "gone"
