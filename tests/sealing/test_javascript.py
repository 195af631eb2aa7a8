"""The committed vectors open in JavaScript, by a reader that was written from the format document."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sealing.make_vectors import VECTORS

HERE = Path(__file__).parent / "js"


def _read(vectors: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "@hpke").is_dir():
        pytest.skip(
            "node or its packages are absent; get them with: apt-get install nodejs npm; cd tests/sealing/js; npm ci"
        )
    command = [node, str(HERE / "read.mjs"), str(vectors)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_javascript_opens_the_vectors() -> None:
    """Key, clips and details come out as they were sealed in Python."""
    done = _read(VECTORS)
    assert done.returncode == 0, done.stderr
    known = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert json.loads(done.stdout) == {name: known[name] for name in ("recording_key_hex", "flacs_base64", "details")}


@pytest.mark.parametrize("name", ["head.json", "keys.json", "details.1", "000001.clip", "manifest.jws", "receipt.jws"])
def test_javascript_refuses_what_was_altered(tmp_path: Path, name: str) -> None:
    """One character of any file: an error, so the reader above does check what it prints."""
    known: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    text = known["files_base64"][name]
    known["files_base64"][name] = text[:200] + ("A" if text[200] != "A" else "B") + text[201:]
    (tmp_path / "vectors.json").write_text(json.dumps(known))
    assert _read(tmp_path / "vectors.json").returncode != 0


def test_the_lock_names_no_host() -> None:
    """Whoever installs it does so from the registry that he has chosen."""
    assert "http" not in (HERE / "package-lock.json").read_text()
