"""Where a demonstration keeps its things, and how its folder is made ready: keys, certificates, settings.

What the archive needs is made with the archive's own program, as a technician would.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from handschlag.calibration_file import as_json
from handschlag.errors import HandschlagError
from handschlag.sealing.encoding import from_base64url
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sim.tap_bench import measure

BOX = "demo-box"
TAP_SERIAL = "sim-1"
CABLE_KM = 2.5
MARKER = ".handschlag-demo"


class DemoFailed(HandschlagError, RuntimeError):
    """A step of the demonstration did not work; the message says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one demonstration. `sockets` is a short path, for UNIX sockets have no room for long ones."""

    folder: Path
    sockets: Path
    port: int

    @property
    def sound(self) -> Path:
        """The private sound server's folder, in a live demonstration."""
        return self.sockets / "pulse"

    @property
    def owner_key(self) -> Path:
        """The owner's secret."""
        return self.folder / "keys" / "owner.key"

    @property
    def trust(self) -> Path:
        """Whose word counts."""
        return self.folder / "keys" / "trust.json"

    @property
    def box(self) -> Path:
        """The box's folder."""
        return self.folder / "box"

    @property
    def spool(self) -> Path:
        """The recordings on the box."""
        return self.box / "data" / "spool"

    @property
    def ledger(self) -> Path:
        """The box's ledger."""
        return self.box / "data" / "ledger"

    @property
    def archive(self) -> Path:
        """The archive's folder."""
        return self.folder / "archive"

    @property
    def opened(self) -> Path:
        """What was opened with the owner's key."""
        return self.folder / "opened"

    def ledger_entries(self) -> list[dict[str, object]]:
        """All entries of the box's ledger."""
        files = sorted(self.ledger.glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def make(folder: Path, *, audio: str, device: str = "") -> Place:
    """Make the folder ready; one of a former demonstration is replaced, anything else refused."""
    _clear(folder)
    for name in ("keys", "box", "archive", "opened", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    place = Place(folder, Path(tempfile.mkdtemp(prefix="hs-")), _free_port())
    _make_keys(place)
    _make_certificates(place)
    _write_settings(place, audio, device)
    _sign_consent(place)
    return place


def archive_program(*arguments: str) -> list[str]:
    """The archive's command line."""
    return [sys.executable, "-m", "handschlag_archive", *arguments]


def box_program(*arguments: str) -> list[str]:
    """The box's command line."""
    return [sys.executable, "-m", "handschlag", *arguments]


def call(command: list[str]) -> str:
    """Run a program to its end; what it printed. Raises DemoFailed with its last words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise DemoFailed(f"{' '.join(command[2:5])} ended with {done.returncode}: {' '.join(words)}")
    return done.stdout


def _clear(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARKER).exists():
        raise DemoFailed(f"{folder}: holds something else than a former demonstration; name an empty folder with --dir")
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_keys(place: Place) -> None:
    owner = OwnerSecret.new()
    box = SigningKey.new()
    archive = json.loads(call(archive_program("keys", "--dir", str(place.archive), "--json")))
    place.owner_key.write_bytes(owner.to_file())
    place.owner_key.chmod(0o600)
    box_key = place.box / "box.key"
    box_key.write_bytes(box.to_file())
    box_key.chmod(0o600)
    trust = Trust(
        boxes=(TrustedKey.of(VerifyKey(box.public), box=BOX),),
        archive=(TrustedKey.of(VerifyKey(from_base64url(archive["public"], "archive key"))),),
        owner=(TrustedKey.of(VerifyKey(owner.signing().public)),),
        workshop=(TrustedRecipient.of(owner.workshop().public),),
    )
    for path in (place.trust, place.box / "trust.json", place.archive / "trust.json"):
        path.write_bytes(write_trust(trust))


def _make_certificates(place: Place) -> None:
    authority = place.folder / "broker"
    call(archive_program("ca", "init", "--dir", str(authority)))
    call(archive_program("ca", "issue", "server", "--dir", str(authority)))
    call(archive_program("ca", "issue", "archive", "--dir", str(authority)))
    call(archive_program("ca", "issue", "box", "--name", BOX, "--dir", str(authority)))
    call(archive_program("broker-config", "--dir", str(authority), "--port", str(place.port), "--bind", "127.0.0.1"))
    (place.archive / "archive.toml").write_text(
        f"""data = "data"
trust = "trust.json"
signing_key = "archive-signing.key"

[broker]
host = "127.0.0.1"
port = {place.port}
ca = "{authority / "ca.pem"}"
certificate = "{authority / "archive.pem"}"
key = "{authority / "archive.key"}"

[ingest]
settle_s = 1.0
"""
    )


def _sign_consent(place: Place) -> None:
    """The workshop's one employee has agreed in writing."""
    form = place.folder / "keys" / "consent.txt"
    form.write_text("Ich bin einverstanden, dass Gespräche auf diesem Anschluss aufgezeichnet werden.\n")
    consent = ["--document", str(form), "--version", "2026-1", "--name", "Petra Muster"]
    call(box_program("staff", "add", "--config", str(place.box / "box.toml"), *consent))


def _write_settings(place: Place, audio: str, device: str) -> None:
    authority = place.folder / "broker"
    (place.box / "calibration.json").write_bytes(as_json(measure(CABLE_KM), tap=TAP_SERIAL, bench="demo"))
    channel = f'socket = "{place.sockets / "audio"}"' if audio == "pipe" else f'device = "{device}"'
    (place.box / "box.toml").write_text(
        f"""[box]
name = "{BOX}"
data = "data"
key = "box.key"
trust = "trust.json"
accepted = true
reserve_mib = 64

[consent]
language = "de"
way = "key"
ask = "button"
line_users = [1]
retention = "order"

[line]
kind = "tap"
port = "{place.sockets / "tap"}"
proven = "{TAP_SERIAL}"
calibration = "calibration.json"

[audio]
kind = "{audio}"
{channel}

[panel]
kind = "pipe"
socket = "{place.sockets / "panel"}"

[uplink]
kind = "mqtt"
host = "127.0.0.1"
port = {place.port}
ca = "{authority / "ca.pem"}"
certificate = "{authority / "boxes" / f"{BOX}.pem"}"
key = "{authority / "boxes" / f"{BOX}.key"}"
"""
    )
