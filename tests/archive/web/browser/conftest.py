"""A workshop and a browser, made once for the folder; screenshots are kept where pytest says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag_archive.web.static_files import FOLDER
from tests.archive.web.browser.webdriver import Browser, missing_parts
from tests.archive.web.browser.workshop import Workshop

HEARD = """
window.heard = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message && message.chunk) {
    window.heard.push({first: message.chunk.first, legs: message.chunk.legs.map((leg) => Array.from(leg))});
  }
  return post.call(this, message, ...rest);
};
"""
"""Keeps what the page hands to the audio thread: the samples that are played."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    folder = tmp_path_factory.mktemp("pictures")
    print(f"screenshots: {folder}")  # noqa: T201 - to be looked at
    return folder


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The archive on this machine."""
    if not (FOLDER / "index.html").is_file():
        pytest.skip("the archive's page has not been built; build it with: tools/build-player")
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all: starting it costs more than most walks."""
    missing = missing_parts()
    if missing:
        pytest.skip(missing)
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        made.before_each_page(HEARD)
        yield made


@pytest.fixture
def browser(chromium: Browser, workshop: Workshop) -> Browser:
    """A browser that knows nothing any more: no cookie, no device secret, no window but the first."""
    chromium.forget(workshop.address)
    return chromium
