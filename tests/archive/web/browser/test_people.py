"""Who comes in, and who does not: wrong passwords, new devices, other roles; and what is left after leaving."""

from pathlib import Path

from handschlag_archive.web.roles import Role
from tests.archive.web.browser.walking import PASSWORD, join, log_in
from tests.archive.web.browser.webdriver import Browser
from tests.archive.web.browser.workshop import Workshop


def test_a_new_device_needs_the_code_from_paper(
    browser: Browser, workshop: Workshop, pictures: Path, tmp_path: Path
) -> None:
    """A wrong password says so; without the device secret the code is asked for; a wrong one opens nothing."""
    code = join(browser, workshop, "Olga unterwegs", tmp_path)
    log_in(browser, "Olga unterwegs", "falsch geraten, leider")
    browser.wait("the refusal", lambda: "stimmt nicht" in browser.find(".message:not(:empty)").text)

    browser.run_async(
        """const done = arguments[0], removal = indexedDB.deleteDatabase("handschlag");
        removal.onsuccess = removal.onblocked = () => done()"""
    )
    browser.open(workshop.address + "/?fresh")
    log_in(browser, "Olga unterwegs")
    browser.wait("the question", lambda: "kennt Sie noch nicht" in browser.find(".message:not(:empty)").text)
    browser.screenshot(pictures / "14-device-code-asked.png")
    browser.find("input[name=device]").type(("A" if code[0] != "A" else "B") + code[1:])
    log_in(browser, "Olga unterwegs")
    browser.wait("the slip", lambda: "verschrieben" in browser.find(".message:not(:empty)").text)
    browser.find("input[name=device]").type(code.lower().replace("-", " "), over=True)
    log_in(browser, "Olga unterwegs")
    browser.find(".list[data-done=true]")


def test_an_owner_invites_a_colleague_who_hears_the_same(
    browser: Browser, workshop: Workshop, pictures: Path, tmp_path: Path
) -> None:
    """The link brings the keys; staff see all calls, and cannot invite."""
    join(browser, workshop, "Olga lädt ein", tmp_path)
    log_in(browser, "Olga lädt ein")
    browser.find(".list[data-done=true]")
    browser.find("#people").click()
    browser.find("input[name=person]").type("Stefan Geselle")
    browser.find("#invite").click()
    link = browser.find("#link").text
    browser.screenshot(pictures / "15-people.png")
    assert link.startswith(f"{workshop.address}/#/invite/")
    browser.find("#logout").click()
    browser.find(".notice")

    browser.open(link)
    browser.find("input[name=password]").type(PASSWORD)
    browser.find("input[name=repeat]").type(PASSWORD)
    browser.find("button.main").click()
    browser.find("#to-login").click()
    log_in(browser, "Stefan Geselle")
    browser.find(".list[data-done=true]")
    assert int(browser.find(".list").attribute("data-found") or 0) >= 40
    assert browser.all("#people") == []


def test_roles_without_keys_see_no_call(browser: Browser, workshop: Workshop) -> None:
    """A data protection officer logs in, and is shown no recording and no way to one."""
    browser.open(workshop.invite("Dora", Role.DATA_PROTECTION))
    browser.find("input[name=password]").type(PASSWORD)
    browser.find("input[name=repeat]").type(PASSWORD)
    browser.find("button.main").click()
    log_in(browser, "Dora")
    browser.find("#logout")
    assert browser.all(".call") == []
    browser.run("location.hash = arguments[0]", f"#/call/{workshop.boiler_path}")
    browser.wait("no player", lambda: not browser.all("#play") and browser.all("#logout"))


def test_nothing_is_left_after_leaving(browser: Browser, workshop: Workshop, tmp_path: Path) -> None:
    """After logging out the page has no call, storage has the device secret only, and going back shows nothing."""
    join(browser, workshop, "Olga geht", tmp_path)
    log_in(browser, "Olga geht")
    browser.find(".list[data-done=true]")
    browser.run("location.hash = arguments[0]", f"#/call/{workshop.boiler_path}")
    browser.find("#play")
    browser.find("#logout").click()
    browser.find(".notice")
    assert "Kessler" not in str(browser.run("return document.documentElement.outerHTML"))
    assert "Kessler" not in str(browser.run("return document.title"))
    browser.ask("POST", "back", {})
    browser.find("input[name=password]")
    assert "Kessler" not in str(browser.run("return document.documentElement.outerHTML"))
    kept = browser.run("return [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]")
    assert kept == [[], [], ""]
