"""A browser, driven over the WebDriver protocol (W3C) that Debian's chromedriver speaks; as much of it as we need.

`wait` asks again and again until something is so, and says what was not when it never is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

WAIT_S: Final = 30.0
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_KEYS: Final = {"Enter": "\ue007", "Left": "\ue012", "Right": "\ue014", "Tab": "\ue004", "Escape": "\ue00c"}


class WebDriverError(Exception):
    """The browser could not do it."""


def missing_parts() -> str | None:
    """What is absent, and how to get it."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return "chromium or chromedriver is absent; get them with: apt-get install chromium chromium-driver"
    return None


class StaleElement(WebDriverError):
    """What was found is in the page no more."""


class Element:
    """Something in the page."""

    def __init__(self, browser: Browser, ident: str) -> None:
        self._browser = browser
        self._ident = ident

    def click(self) -> None:
        """Press it."""
        self._do("POST", "click", {})

    def type(self, text: str, *, over: bool = False) -> None:
        """Write into it; `over` what stood there."""
        if over:
            self._do("POST", "clear", {})
        self._do("POST", "value", {"text": text})

    @property
    def text(self) -> str:
        """What is to be read."""
        return str(self._do("GET", "text"))

    def attribute(self, name: str) -> str | None:
        """An attribute of it."""
        value = self._do("GET", f"attribute/{name}")
        return None if value is None else str(value)

    def _do(self, method: str, what: str, body: dict[str, Any] | None = None) -> Any:
        return self._browser.ask(method, f"element/{self._ident}/{what}", body)


class Browser:
    """One headless Chromium with a profile of its own in `folder`; downloads go there, too."""

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        self._log = (folder / "chromedriver.log").open("wb")
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}", "--allowed-ips=127.0.0.1"], stdout=self._log, stderr=self._log
        )
        self._base = f"http://127.0.0.1:{port}/session"
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=de-DE",
            "--no-proxy-server", "--disable-background-networking", "--window-size=1200,950",
            f"--user-data-dir={folder / 'profile'}",
        ]  # fmt: skip
        options = {
            "args": arguments,
            "prefs": {"download.default_directory": str(self.downloads), "intl.accept_languages": "de-DE,de"},
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.wait("chromedriver", lambda: self._start(wanted))
        self._base += f"/{made['sessionId']}"

    def _start(self, wanted: dict[str, Any]) -> Any:
        try:
            return _ask("POST", self._base, {"capabilities": {"alwaysMatch": wanted}})
        except OSError:
            return None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        with contextlib.suppress(OSError, WebDriverError):
            _ask("DELETE", self._base)
        self._driver.terminate()
        self._driver.wait(10)
        self._log.close()

    def ask(self, method: str, what: str, body: dict[str, Any] | None = None) -> Any:
        """One command."""
        return _ask(method, f"{self._base}/{what}", body)

    def open(self, address: str) -> None:
        """Go there."""
        self.ask("POST", "url", {"url": address})

    def find(self, selector: str) -> Element:
        """What a CSS selector names, once it is there to be seen."""
        return self.wait(selector, lambda: self._seen(selector))

    def all(self, selector: str) -> list[Element]:
        """Everything that a CSS selector names at the moment."""
        found = self.ask("POST", "elements", {"using": "css selector", "value": selector})
        return [Element(self, one[_ELEMENT]) for one in found]

    def _seen(self, selector: str) -> Element | None:
        with contextlib.suppress(StaleElement):  # the page has drawn it anew meanwhile
            for element in self.all(selector):
                if self.run("return arguments[0].checkVisibility()", element):
                    return element
        return None

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of JavaScript in the page."""
        given = [{_ELEMENT: each._ident} if isinstance(each, Element) else each for each in arguments]
        return self.ask("POST", "execute/sync", {"script": script, "args": given})

    def run_async(self, script: str, *arguments: Any) -> Any:
        """The value that JavaScript hands to its last argument."""
        return self.ask("POST", "execute/async", {"script": script, "args": list(arguments)})

    def before_each_page(self, script: str) -> None:
        """Run JavaScript in every page before its own."""
        self.devtools("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """A command of the DevTools protocol."""
        return self.ask("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def forget(self, origin: str) -> None:
        """Everything that pages of `origin` and walks before have left."""
        self.open("about:blank")
        self.devtools("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self.devtools("Network.clearBrowserCookies", {})
        self.dark(on=False)
        self.resize(1200, 950)
        self.complaints()
        for left in self.downloads.iterdir():
            left.unlink()

    def press(self, key: str) -> None:
        """One key, wherever the focus is."""
        value = _KEYS.get(key, key)
        actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self.ask("POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        """Another window, or a telephone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, *, on: bool) -> None:
        """What the device prefers."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.devtools("Emulation.setEmulatedMedia", {"features": [feature]})

    def screenshot(self, path: Path) -> None:
        """The page as it is seen."""
        path.write_bytes(base64.b64decode(self.ask("GET", "screenshot")))

    def complaints(self) -> list[str]:
        """What the browser wrote into its console since it was last asked: errors, refusals of the policy."""
        return [f"{line['level']}: {line['message']}" for line in self.ask("POST", "se/log", {"type": "browser"})]

    def wait(self, what: str, question: Callable[[], T | None]) -> T:
        """The first answer that is not empty."""
        until = time.monotonic() + WAIT_S
        while True:
            answer = question()
            if answer:
                return answer
            if time.monotonic() > until:
                raise WebDriverError(f"{what}: not there within {WAIT_S:.0f} s")
            time.sleep(0.05)  # a real browser; there is nothing to be woken by


def _ask(method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"}, method=method)  # noqa: S310 - our own
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=90) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        told = json.load(error)["value"]
        kind = StaleElement if told["error"] == "stale element reference" else WebDriverError
        raise kind(f"{told['error']}: {told['message'].splitlines()[0]}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
