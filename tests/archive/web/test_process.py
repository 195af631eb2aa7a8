"""The server as a process of its own, on a real socket: started, walked through, knocked at, stopped."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from handschlag.sealing.encoding import to_base64url
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import write_trust
from handschlag_archive.ca import Authority
from handschlag_archive.cli import app
from handschlag_archive.settings import BadSetting, read_settings
from tests.archive.stand import PATIENCE_S, free_port
from tests.archive.web.house import PASSWORD, login_of, salt_of
from tests.sealing.builder import trust

NAME = "Olga Inhaberin"

LOGIN = b"POST /api/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
SMUGGLED = b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    LOGIN + SMUGGLED,
    LOGIN + b"content-length: 99999999999999999999\r\n\r\n",
)


class Kit:
    """A settings file with all that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "archive.toml"
        for name in ("ca.pem", "archive.pem", "archive.key"):
            (folder / name).touch()
        (folder / "trust.json").write_bytes(write_trust(trust()))
        (folder / "archive-signing.key").write_bytes(SigningKey.new().to_file())
        self.write()

    def write(self, *, host: str = "127.0.0.1", more: str = "") -> None:
        """Write the settings."""
        self.config.write_text(
            '[broker]\nca = "ca.pem"\ncertificate = "archive.pem"\nkey = "archive.key"\n'
            f'[web]\nhost = "{host}"\nport = {self.port}\n{more}\n'
        )

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command of the archive, in this process; what it says."""
        done = CliRunner().invoke(app, ["web", *words, "--config", str(self.config), "--json"])
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """The server, from ready until the end of the block; then it stops kindly."""
        command = [sys.executable, "-m", "handschlag_archive", "web", "--config", str(self.config), "--json"]
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert json.loads(line or "{}").get("ready") is True, (self.folder / "log").read_text()
            yield process
            process.send_signal(signal.SIGTERM)
            assert json.loads(process.stdout.readline()) == {"stopped": True}
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            watchdog.cancel()
            process.kill()
            process.wait(timeout=PATIENCE_S)
            process.stdout.close()

    def join(self, client: httpx.Client, link: str) -> httpx.Response:
        """Make the owner's account by the link, and log in."""
        invitation, _, token = link.partition("#/invite/")[2].partition(".")
        body = {
            "token": token,
            "salt": salt_of(NAME),
            "login": login_of(PASSWORD),
            "wrapped": to_base64url(b"wrapped"),
        }
        assert client.post(f"/api/invitations/{invitation}/accept", json=body).status_code == 201
        return client.post("/api/login", json={"name": NAME, "login": login_of(PASSWORD)})


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """A settings file, and what it names."""
    return Kit(tmp_path)


def _knock(port: int, request: bytes) -> bytes:
    """Send bytes as they are; what comes back until the other side closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer


def test_the_first_owner_comes_in_by_the_printed_link_and_the_server_stops_when_told(kit: Kit) -> None:
    """Plain, on this machine only; whatever is knocked at the socket, it goes on; its log tells nothing."""
    made = kit.run("invite-owner", "--name", NAME)
    assert made["link"].startswith(f"http://127.0.0.1:{kit.port}/#/invite/")
    with kit.serving(), httpx.Client(base_url=f"http://127.0.0.1:{kit.port}") as client:
        answer = kit.join(client, made["link"])
        assert answer.status_code == 200
        assert answer.headers["set-cookie"].startswith("handschlag=")
        assert "Secure" not in answer.headers["set-cookie"]
        assert client.get("/api/me").json()["name"] == NAME
        assert client.get("/api/trust").content == (kit.folder / "trust.json").read_bytes()
        assert "server" not in answer.headers
        for rubbish in RUBBISH:
            status = _knock(kit.port, rubbish).partition(b"\r\n")[0]
            assert status[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 421", b"HTTP/1.1 431"}, (
                rubbish[:60],
                status,
            )
        assert client.get("/api/me").status_code == 200
        secrets = [made["link"].rpartition(".")[2], client.cookies["handschlag"], login_of(PASSWORD), NAME]
    log = (kit.folder / "log").read_text()
    assert "POST /api/login 200" in log
    assert [secret for secret in secrets if secret in log] == []
    assert kit.run("check-audit")["lines"] == 3
    assert (kit.folder / "web.secret").stat().st_mode & 0o777 == 0o600


def test_with_a_certificate_it_speaks_tls_and_nothing_else(kit: Kit) -> None:
    """The cookie is then for TLS only, and an old TLS is refused."""
    authority = Authority(kit.folder / "ca")
    authority.init()
    issued = authority.issue_server(["localhost", "127.0.0.1"])
    kit.write(host="0.0.0.0", more=f'certificate = "{issued.certificate}"\nkey = "{issued.key}"\nnames = ["localhost"]')  # noqa: S104 - with TLS
    made = kit.run("invite-owner", "--name", NAME)
    assert made["link"].startswith(f"https://localhost:{kit.port}/#/invite/")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with kit.serving(), httpx.Client(base_url=f"https://localhost:{kit.port}", verify=context) as client:
        cookie = kit.join(client, made["link"]).headers["set-cookie"]
        assert cookie.startswith("__Host-handschlag=")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
        assert client.get("/api/me").status_code == 200
        assert client.get("/", headers={"host": "127.0.0.1"}).status_code == 421
        assert _knock(kit.port, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n") == b""


@pytest.mark.parametrize(
    ("host", "more", "says"),
    [
        ("0.0.0.0", "", "passwords would travel in clear"),  # noqa: S104 - that is what is refused
        ("192.0.2.1", "", "passwords would travel in clear"),
        ("127.0.0.1", 'certificate = "ca.pem"', "allowed are both or none"),
        ("127.0.0.1", 'certificate = "ca.pem"\nkey = "nowhere"', "web.key = 'nowhere': no such file"),
        ("127.0.0.1", "secure = false", "web.secure = False: no such setting; allowed here: host, port"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(kit: Kit, host: str, more: str, says: str) -> None:
    """Without a certificate, or a proxy that has one, only this machine itself is served."""
    kit.write(host=host, more=more)
    with pytest.raises(BadSetting, match=says):
        read_settings(kit.config)


def test_behind_a_proxy_it_may_listen_anywhere(kit: Kit) -> None:
    """The proxy speaks TLS; links name it without a port."""
    kit.write(host="0.0.0.0", more='trusted_proxies = ["10.0.0.1"]\nnames = ["archiv.example"]')  # noqa: S104 - behind a proxy
    assert kit.run("invite-owner", "--name", NAME)["link"].startswith("https://archiv.example/#/invite/")
