"""For everybody: on a telephone, in the dark, by keyboard, for screen readers (axe-core); and for long calls."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from handschlag.adapters.flac import FlacCodec
from handschlag_archive.web.static_files import FOLDER
from tests.archive.web.browser.walking import join, log_in, open_all, open_boiler
from tests.archive.web.browser.webdriver import Browser
from tests.archive.web.browser.workshop import BOILER_AT, RATE, Workshop, voices
from tests.sealing.builder import BOX

AXE = FOLDER.parent / "client" / "node_modules" / "axe-core" / "axe.min.js"


def faults(browser: Browser) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    if not AXE.is_file():
        pytest.skip("axe-core is absent; get it with: tools/build-player")
    browser.run(AXE.read_text(encoding="utf-8") + "; window.axe = axe;")
    found = browser.run_async(
        """const done = arguments[0];
        const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
        axe.run(document, {runOnly: tags}).then((all) => done(JSON.stringify(all.violations)))"""
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}" for one in json.loads(found) for node in one["nodes"]
    ]


def test_every_page_is_accessible_in_light_and_dark_and_fits_a_telephone(
    browser: Browser, workshop: Workshop, pictures: Path, tmp_path: Path
) -> None:
    """Axe finds nothing against WCAG 2.2 AA; nothing is wider than a telephone of 360 pixels."""

    def look(name: str) -> None:
        for dark in (False, True):
            browser.dark(on=dark)
            assert faults(browser) == [], name
            browser.resize(360, 740)
            wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert browser.run(wide) <= 0, name
            browser.screenshot(pictures / f"{name}-{'dark' if dark else 'light'}-phone.png")
            browser.resize(1200, 950)
            browser.screenshot(pictures / f"{name}-{'dark' if dark else 'light'}.png")
        browser.dark(on=False)

    join(browser, workshop, "Olga schaut", tmp_path)
    browser.find("input[name=name]")
    look("20-login")
    log_in(browser, "Olga schaut")
    browser.find(".list[data-done=true]")
    look("21-list")
    open_boiler(browser, workshop)
    browser.find("#play").click()
    browser.find(".listen[data-clips='11']")
    browser.find("#play").click()
    browser.find("#verify").click()
    browser.find("#verdict")
    look("22-call")
    browser.run("location.hash = '#/about'")
    browser.find("article")
    look("23-about")
    browser.run("location.hash = '#/people'")
    browser.find("#invite")
    look("24-people")
    browser.find(".foot button").click()
    assert browser.find("h1").text == "People"


def test_the_keyboard_is_enough(browser: Browser, workshop: Workshop, tmp_path: Path) -> None:
    """Space plays and pauses, arrows jump ten seconds, 1 and 2 mute a leg, N goes to the note."""
    open_all(browser, workshop, "Olga tippt", tmp_path)
    open_boiler(browser, workshop)
    listen = browser.find(".listen")

    def position() -> int:
        return int(listen.attribute("data-position") or -1)

    browser.press("Right")
    browser.wait("ten seconds on", lambda: position() == 10 * RATE)
    browser.press("Left")
    browser.wait("back", lambda: position() == 0)
    browser.press("1")
    legs = browser.all(".leg")
    assert [leg.attribute("aria-pressed") for leg in legs] == ["false", "true"]
    browser.press("1")
    browser.press(" ")
    browser.find(".listen[data-playing=true]")
    browser.press(" ")
    browser.find(".listen[data-playing=false]")
    browser.press("n")
    assert browser.run("return document.activeElement.name") == "note"
    browser.press("1")
    assert browser.run("return document.activeElement.value") == "1"


def test_a_jump_into_a_long_call_fetches_what_is_heard_and_no_more(
    browser: Browser, workshop: Workshop, tmp_path: Path
) -> None:
    """Twenty minutes, played from minute fifteen: a few clips are fetched, none of those before."""
    flac = FlacCodec().encode(voices(2, 99), RATE)
    built = workshop.store(
        BOILER_AT - timedelta(days=2, minutes=1),
        900,
        clips=600,
        flacs=[flac] * 600,
        opening={"direction": "incoming", "numbers": {"caller": {"number": "+4940777"}}},
    )
    open_all(browser, workshop, "Olga hört lange", tmp_path)
    workshop.spoiler.asked.clear()
    browser.run("location.hash = arguments[0]", f"#/call/{BOX}/{built.manifest.recording}")
    browser.find("#play")
    browser.run(
        """const canvas = document.querySelector(".wave"), box = canvas.getBoundingClientRect();
        const at = {clientX: box.left + box.width * 0.75, clientY: box.top + 50, pointerId: 1, bubbles: true};
        canvas.setPointerCapture = () => undefined;
        canvas.dispatchEvent(new PointerEvent("pointerdown", at));
        window.pressed = performance.now();"""
    )
    begin = 900 * RATE
    browser.find("#play").click()
    browser.wait("sound", lambda: int(browser.find(".listen").attribute("data-position") or 0) > begin + RATE)
    browser.find("#play").click()
    clips = [path for path in workshop.spoiler.asked if path.endswith(".clip")]
    assert 1 <= len(clips) <= 20
    assert all(int(path[-11:-5]) >= 449 for path in clips)
