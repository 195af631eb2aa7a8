"""The archive's page: its own unit tests, and what it is built from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from handschlag_archive.web.static_files import FOLDER, read_static

CLIENT = FOLDER.parent / "client"


def test_the_pages_own_tests_pass() -> None:
    """Sealed library over the committed vectors and altered copies, player, search, notes, people's keys."""
    node = shutil.which("node")
    if node is None or not (CLIENT / "node_modules" / "esbuild").is_dir():
        pytest.skip("node or its packages are absent; get them with: tools/build-player")
    command = [node, str(CLIENT / "tests" / "run.mjs"), "--test-reporter=tap"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"^# pass ([0-9]+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 30


def test_the_lock_names_no_host() -> None:
    """Whoever builds it takes the packages from the registry that he has chosen."""
    assert "http" not in (CLIENT / "package-lock.json").read_text(encoding="utf-8")


def test_versions_are_pinned() -> None:
    """What is built tomorrow is what was tried today."""
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}", version), name


def test_what_was_built_asks_nobody_else_and_holds_no_code_in_the_page() -> None:
    """The page has no inline script or style, and loads from its own server only."""
    if not (FOLDER / "index.html").is_file():
        pytest.skip("the archive's page has not been built; build it with: tools/build-player")
    files = read_static()
    page = files["/"].content.decode()
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) <= set(files)
    for path, file in files.items():
        if file.type.startswith(("text/javascript", "text/css", "text/html")):
            known = (b"http://www.w3.org/2000/svg",)
            found = set(re.findall(rb"https?://[a-zA-Z0-9./_-]+", file.content)) - set(known)
            assert {url for url in found if b"vite.dev" not in url} == set(), path
