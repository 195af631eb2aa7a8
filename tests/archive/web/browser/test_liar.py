"""A server that is not honest: whatever it alters is refused, loudly, and by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archive.web.browser.walking import open_all, open_boiler
from tests.archive.web.browser.webdriver import Browser
from tests.archive.web.browser.workshop import Workshop


@pytest.fixture
def files(workshop: Workshop) -> Iterator[str]:
    """The path of the boiler call's files; the server is honest again afterwards."""
    yield f"/api/recordings/{workshop.boiler_path}/files/"
    workshop.spoiler.paths.clear()


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit is another."""

    def flip(data: bytes) -> bytes:
        place = at % len(data)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return flip


def test_altered_files_are_refused_and_named(
    browser: Browser, workshop: Workshop, files: str, pictures: Path, tmp_path: Path
) -> None:
    """A clip with one other bit is not played; verifying is red, and names each file that was altered."""
    open_all(browser, workshop, "Olga bei Lügnern", tmp_path)
    workshop.spoiler.paths[f"{files}000001.clip"] = flipped(-30)
    open_boiler(browser, workshop)
    browser.find("#play").click()
    told = browser.wait("the refusal", lambda: browser.find(".listen .message:not(:empty)").text)
    assert "000001.clip: is not the file that was signed" in told
    assert browser.run("return window.heard.every((chunk) => chunk.first !== 16000)")
    browser.screenshot(pictures / "11-clip-refused.png")

    for name in ("000001.clip", "000011.clip", "manifest.jws", "head.json", "details.1", "receipt.jws", "keys.json"):
        workshop.spoiler.paths.clear()
        workshop.spoiler.paths[f"{files}{name}"] = flipped(-3)
        browser.run("document.querySelector('#verdict')?.remove()")
        browser.find("#verify").click()
        verdict = browser.find("#verdict").text
        assert "NICHT in Ordnung" in verdict
        assert f"{name}:" in verdict
    browser.screenshot(pictures / "12-red.png")


def test_another_recordings_openings_are_refused(
    browser: Browser, workshop: Workshop, pictures: Path, tmp_path: Path
) -> None:
    """Openings with one bit altered: the list says what does not open, and the call is not shown."""
    workshop.spoiler.paths["/api/indexes"] = lambda _: b'{"indexes":[]}'  # or nothing needs to be opened
    workshop.spoiler.paths["/api/openings"] = flipped(-40)
    try:
        open_all(browser, workshop, "Olga ohne Liste", tmp_path)
        broken = browser.find("details.warn")
        assert "1 Aufnahme lässt sich nicht öffnen" in broken.text
        browser.run("location.hash = arguments[0]", f"#/call/{workshop.boiler_path}")
        verdict = browser.find(".verdict.bad")
        assert "manifest.jws" in verdict.text
        browser.screenshot(pictures / "13-not-opened.png")
    finally:
        workshop.spoiler.paths.clear()
