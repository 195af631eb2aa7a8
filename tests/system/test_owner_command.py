"""`handschlag owner`: the owner signs a message, and a box that pins the owner's key can read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from handschlag.sealing.keys import OwnerSecret
from handschlag.sealing.owner import message_id, read_owner
from handschlag.sealing.trust import Trust, TrustedKey

RECORDING = "0190a5b0-7c1e-7abc-8def-0123456789ab"
OWNER = OwnerSecret.from_bytes(bytes(range(32)))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The owner's key file."""
    path = tmp_path / "owner.key"
    path.write_bytes(OWNER.to_file())
    return path


def _owner(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handschlag", "owner", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (("erase", RECORDING), "recording", RECORDING),
        (("hold", RECORDING), "recording", RECORDING),
        (("release", RECORDING), "recording", RECORDING),
        (("class", RECORDING, "building"), "kept_for", "building"),
        (("epoch", "2"), "epoch", 2),
    ],
)
def test_message_is_read_by_its_box(
    key: Path, tmp_path: Path, arguments: tuple[str, ...], field: str, value: object
) -> None:
    """Each command makes one message, signed, for one box; what is printed names it in both languages."""
    out = tmp_path / "said.jws"
    done = _owner(*arguments, "--box", "box-1", "--key", str(key), "--out", str(out), "--counter", "5")
    assert done.returncode == 0, done.stderr
    token = out.read_bytes()
    said = read_owner(token, Trust(owner=(TrustedKey.of(OWNER.signing().verify_key),)).keys("owner"))
    assert (said.box, said.name, said.counter, getattr(said, field)) == ("box-1", arguments[0], 5, value)
    assert message_id(token) in done.stdout
    assert "für" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("class", RECORDING, "forever"), "kept_for"),
        (("hold", "yesterday's call"), "recording"),
        (("epoch", "0"), "epoch"),
    ],
)
def test_what_no_box_would_take_is_not_signed(
    key: Path, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    """The error is one line that names the value's place, with exit 2, and nothing is written."""
    out = tmp_path / "said.jws"
    done = _owner(*arguments, "--box", "box-1", "--key", str(key), "--out", str(out))
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    """No key, no message."""
    done = _owner("epoch", "2", "--box", "b", "--key", str(tmp_path / "none"), "--out", str(tmp_path / "o"))
    assert done.returncode == 2
    assert str(tmp_path / "none") in done.stderr
