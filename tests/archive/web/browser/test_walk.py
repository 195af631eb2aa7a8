"""The owner comes in, finds the call about the boiler, hears it, proves it, writes a note, and leaves."""

import wave
from pathlib import Path

import numpy as np

from tests.archive.web.browser.walking import PASSWORD, owner_key
from tests.archive.web.browser.webdriver import Browser
from tests.archive.web.browser.workshop import BOILER_AT, CLIP, Samples, Workshop


def test_the_whole_walk(browser: Browser, workshop: Workshop, pictures: Path, tmp_path: Path) -> None:
    """Invited, logged in, found, played sample by sample as it was recorded, verified, noted, saved, logged out."""
    key = owner_key(tmp_path)
    browser.open(workshop.invite("Olga"))
    browser.find("input[name=password]").type(PASSWORD)
    browser.find("input[name=repeat]").type(PASSWORD)
    browser.find("input[name=owner]").type(str(key))
    browser.screenshot(pictures / "1-invited.png")
    browser.find("button.main").click()
    code = browser.find("#device-code").text
    browser.screenshot(pictures / "2-device-code.png")
    browser.find("#to-login").click()

    browser.find("input[name=name]").type("Olga")
    browser.find("input[name=password]").type(PASSWORD)
    browser.screenshot(pictures / "3-login.png")
    browser.find("button.main").click()
    browser.find(".list[data-done=true]")
    assert len(code) == 34
    assert int(browser.find(".list").attribute("data-found") or 0) >= 40
    browser.screenshot(pictures / "4-list.png")

    browser.find("#search").type("kessler 901820")
    browser.find(".list[data-found='1']")
    assert float(browser.find(".list").attribute("data-search-ms") or 999) < 100
    browser.screenshot(pictures / "5-found.png")
    browser.find(".calls a").click()
    assert browser.find("h1").text == "Familie Kessler"
    browser.screenshot(pictures / "6-call.png")

    browser.find("#play").click()
    browser.find(".listen[data-playing=true]")
    browser.find(".listen[data-clips='11']")
    browser.wait("two seconds heard", lambda: int(browser.find(".listen").attribute("data-position") or 0) > 2 * 8000)
    browser.find("#play").click()
    _compare(browser, workshop.boiler_sound)
    browser.screenshot(pictures / "7-heard.png")

    browser.find("#verify").click()
    verdict = browser.find("#verdict")
    assert "Echt und vollständig" in verdict.text, verdict.text
    browser.run("arguments[0].scrollIntoView()", verdict)
    browser.screenshot(pictures / "8-verified.png")

    browser.find("textarea[name=note]").type("Preis 4800 zugesagt <b>fest</b>")
    browser.find("input[name=tags]").type("Therme, Auftrag 4711")
    browser.find("#note-save").click()
    assert browser.find(".note-text").text == "Preis 4800 zugesagt <b>fest</b>"
    browser.run("window.scrollTo(0, 0)")
    browser.screenshot(pictures / "9-noted.png")

    browser.find(".save summary").click()
    browser.find("#save-reason").type("Streit um den Preis")
    browser.find("#save-go").click()
    saved = browser.wait("the WAV file", lambda: next(iter(browser.downloads.glob("*.wav")), None))
    assert saved.name.startswith(f"{BOILER_AT:%Y-%m-%d_%H-%M}")
    with wave.open(str(saved)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.array_equal(samples, workshop.boiler_sound)

    browser.find(".back a").click()
    browser.find("#search").type("#therme", over=True)
    browser.find(".list[data-found='1']")
    browser.find("#logout").click()
    assert "abgemeldet" in browser.find(".notice").text
    browser.screenshot(pictures / "10-out.png")
    assert browser.run("return document.title") != "hit"
    assert _refusals(browser) == []


def _compare(browser: Browser, original: Samples) -> None:
    """Every sample that went to the audio thread is the one that was recorded."""
    heard = browser.run("return window.heard")
    assert len(heard) >= 3
    for chunk in heard:
        first = chunk["first"]
        given = np.array(chunk["legs"]).T * 32768
        assert given.shape == (CLIP, 2)
        assert np.array_equal(given, original[first : first + CLIP])


def _refusals(browser: Browser) -> list[str]:
    return [line for line in browser.complaints() if "401" not in line]
