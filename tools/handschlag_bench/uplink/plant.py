"""A broker, an archive and boxes in one folder, as shipped: made ready here, and run as processes of their own.

Nothing is left out between them: TLS 1.3 with client certificates, the access rules, receipts by pinned keys. The boxes
have neither line nor sound nor lamps: what they have to deliver is put into their folders (`handschlag_bench.backlog`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sim.demo.place import DemoFailed, archive_program, box_program
from handschlag.sim.demo.processes import Child, wait_for
from handschlag_archive.broker import write_broker_configuration
from handschlag_archive.ca import Authority, Issued, write_secret

START_S = 30.0


@dataclass(frozen=True, slots=True)
class BoxPlace:
    """A box's folder: its settings, what it keeps, its key and its certificate."""

    name: str
    folder: Path
    key: SigningKey
    issued: Issued

    @property
    def settings(self) -> Path:
        """Its `box.toml`."""
        return self.folder / "box.toml"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"


class Plant:
    """Everything in `folder`, made ready when it is made; the broker on a free port, or the one that is given."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder.resolve()
        self.owner = OwnerSecret.new()
        self.archive_key = SigningKey.new()
        self.boxes: dict[str, BoxPlace] = {}
        self.port = port or _free_port()
        self.logs.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(self.folder / "ca")
        self.authority.init()
        self.authority.issue_server(["localhost", "127.0.0.1"])
        self.authority.issue_archive()
        self.configuration = write_broker_configuration(
            self.folder / "broker", authority=self.authority.folder, port=self.port, bind="127.0.0.1"
        ).configuration
        write_secret(self.archive / "archive-signing.key", self.archive_key.to_file())
        self.archive_settings.write_text(self.settings_of_archive())
        self.write_trust()

    @property
    def logs(self) -> Path:
        """Where the processes' errors go."""
        return self.folder / "logs"

    @property
    def archive(self) -> Path:
        """The archive's folder."""
        return self.folder / "archive"

    @property
    def archive_settings(self) -> Path:
        """Its `archive.toml`."""
        return self.archive / "archive.toml"

    @property
    def trust(self) -> Trust:
        """Whose word counts, of everybody here."""
        return Trust(
            boxes=tuple(TrustedKey.of(box.key.verify_key, box=box.name) for box in self.boxes.values()),
            archive=(TrustedKey.of(self.archive_key.verify_key),),
            owner=(TrustedKey.of(self.owner.signing().verify_key),),
            workshop=(TrustedRecipient.of(self.owner.workshop().public),),
        )

    def settings_of_archive(self, *, data: str = "data", more: str = "", settle_s: float = 5.0) -> str:
        """Text of an `archive.toml`, with its data in that folder; `more` goes before the first table.

        The erasure list lies beside the data: an archive that found another one's would refuse its own index.
        """
        ca = self.authority.folder
        return f"""data = "{data}"
erasures = "{data}-erased"
trust = "trust.json"
signing_key = "archive-signing.key"
{more}
[broker]
host = "localhost"
port = {self.port}
ca = "{ca / "ca.pem"}"
certificate = "{ca / "archive.pem"}"
key = "{ca / "archive.key"}"

[ingest]
settle_s = {settle_s}
"""

    def add_box(self, name: str) -> BoxPlace:
        """Make a box ready: its certificate, its key, its settings; `write_trust` tells the archive of its key."""
        box = BoxPlace(name, self.folder / "boxes" / name, SigningKey.new(), self.authority.issue_box(name))
        self.boxes[name] = box
        write_secret(box.folder / "box.key", box.key.to_file())
        (box.folder / "trust.json").write_bytes(write_trust(self.trust_of_box(box)))
        box.settings.write_text(
            f"""[box]
name = "{name}"
data = "data"
key = "box.key"
trust = "trust.json"
accepted = true
reserve_mib = 16

[line]
kind = "absent"

[audio]
kind = "absent"

[panel]
kind = "absent"

[uplink]
kind = "mqtt"
host = "localhost"
port = {self.port}
ca = "{self.authority.certificate}"
certificate = "{box.issued.certificate}"
key = "{box.issued.key}"
"""
        )
        return box

    def trust_of_box(self, box: BoxPlace) -> Trust:
        """Whose word counts at a box, which knows no other box."""
        whole = self.trust
        mine = TrustedKey.of(box.key.verify_key, box=box.name)
        return Trust(boxes=(mine,), archive=whole.archive, owner=whole.owner, workshop=whole.workshop)

    def write_trust(self) -> None:
        """Tell the archive of every box that was added."""
        (self.archive / "trust.json").write_bytes(write_trust(self.trust))

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        """Processes may be started; all are ended afterwards."""
        running = Running(self)
        try:
            yield running
        finally:
            running.end()


@dataclass(slots=True)
class Running:
    """The processes of a plant."""

    plant: Plant
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: list[str]) -> Child:
        """Start a program; its errors go to `logs/<name>.log`."""
        child = Child(name, command, self.plant.logs / f"{name}.log")
        self.children.append(child)
        return child

    def broker(self) -> Child:
        """Mosquitto, listening."""
        child = self.start("broker", [find_mosquitto(), "-c", str(self.plant.configuration)])
        wait_for("the broker", self._listens, child, within_s=START_S)
        return child

    def archive(self, name: str = "archive", settings: Path | None = None) -> Child:
        """`handschlag-archive ingest`, subscribed."""
        config = settings or self.plant.archive_settings
        child = self.start(name, archive_program("ingest", "--config", str(config), "--json"))
        wait_for("the archive", child.heard.is_set, child, within_s=START_S)
        return child

    def box(self, box: BoxPlace) -> Child:
        """`handschlag run`; it says its status, but may not have connected yet."""
        return self.start(box.name, box_program("run", "--config", str(box.settings), "--json"))

    def module(self, name: str, module: str, *arguments: str) -> Child:
        """A Python module as a program."""
        return self.start(name, [sys.executable, "-m", module, *arguments])

    def stop(self, child: Child) -> None:
        """End one of them."""
        child.end()
        self.children.remove(child)

    def end(self) -> None:
        """End all of them, the youngest first."""
        while self.children:
            self.children.pop().end()

    def alive(self) -> None:
        """Raise DemoFailed, with its last words, when one of them has ended."""
        for child in self.children:
            child.alive()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.plant.port), timeout=1):
            return True
        return False


def find_mosquitto() -> str:
    """The broker's program; raises DemoFailed where there is none."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise DemoFailed("mosquitto is missing: sudo apt-get install mosquitto")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
