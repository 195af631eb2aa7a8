"""Steps that several walks begin with."""

from pathlib import Path

from tests.archive.web.browser.webdriver import Browser
from tests.archive.web.browser.workshop import Workshop
from tests.sealing.builder import OWNER

PASSWORD = "Rohrzange Lötlampe Muffe"  # noqa: S105 - nobody's


def owner_key(folder: Path) -> Path:
    """The owner's key file."""
    path = folder / "owner.key"
    path.write_bytes(OWNER.to_file())
    return path


def join(browser: Browser, workshop: Workshop, name: str, folder: Path) -> str:
    """Accept an owner's invitation; gives the device code."""
    browser.open(workshop.invite(name))
    browser.find("input[name=password]").type(PASSWORD)
    browser.find("input[name=repeat]").type(PASSWORD)
    browser.find("input[name=owner]").type(str(owner_key(folder)))
    browser.find("button.main").click()
    code = browser.find("#device-code").text
    browser.find("#to-login").click()
    return code


def log_in(browser: Browser, name: str, password: str = PASSWORD) -> None:
    """Type name and password, and press the button."""
    browser.find("input[name=name]").type(name, over=True)
    browser.find("input[name=password]").type(password, over=True)
    browser.find("button.main").click()


def open_all(browser: Browser, workshop: Workshop, name: str, folder: Path) -> None:
    """A new owner, logged in, with all calls opened."""
    join(browser, workshop, name, folder)
    log_in(browser, name)
    browser.find(".list[data-done=true]")


def open_boiler(browser: Browser, workshop: Workshop) -> None:
    """Look at the call about the boiler."""
    browser.run("location.hash = arguments[0]", f"#/call/{workshop.boiler_path}")
    browser.find("#play")
