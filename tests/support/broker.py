"""A real Mosquitto on a free port, in clear or with certificates made on the spot."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import ipaddress
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE_S = 20.0


def free_port() -> int:
    """A TCP port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Certificates:
    """PEM files of one authority, a broker at 127.0.0.1, and clients by name."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> Path:
        """Somebody's certificate."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Somebody's private key."""
        return self.folder / f"{name}.key"


def make_certificates(folder: Path, *clients: str) -> Certificates:
    """An authority, `broker`, and each of `clients`, in `folder`."""
    made = Certificates(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(made.ca, None, authority, _certificate("authority", authority.public_key(), authority, is_ca=True))
    for name in ("broker", *clients):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(
            made.certificate(name), made.key(name), key, _certificate(name, key.public_key(), authority, is_ca=False)
        )
    return made


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, authority: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(authority, hashes.SHA256())
    )


def _write(
    certificate_path: Path, key_path: Path | None, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    if key_path is not None:
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Broker:
    """One Mosquitto that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, *options: str, certificates: Certificates | None = None) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.skip("mosquitto is absent; get it with: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._program = program
        self._configuration = folder / "mosquitto.conf"
        lines = [f"user {getpass.getuser()}", "persistence false", f"listener {self.port} 127.0.0.1", *options]
        if certificates is None:
            lines.append("allow_anonymous true")
        else:
            lines += [
                f"cafile {certificates.ca}",
                f"certfile {certificates.certificate('broker')}",
                f"keyfile {certificates.key('broker')}",
                "tls_version tlsv1.3",
                "require_certificate true",
                "use_identity_as_username true",
            ]
        self._configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        log = self._configuration.with_suffix(".log")
        with log.open("ab") as out:
            self._process = subprocess.Popen([self._program, "-c", self._configuration], stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"mosquitto did not start: {log.read_text(encoding='utf-8')}")

    def kill(self) -> None:
        """Cut its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_broker(folder: Path, *options: str, certificates: Certificates | None = None) -> Iterator[Broker]:
    """A started broker; gone afterwards."""
    broker = Broker(folder, *options, certificates=certificates)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
