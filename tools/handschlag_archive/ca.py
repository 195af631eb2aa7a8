"""A small certificate authority: who may speak with the broker, and under which name.

The broker takes a client's name from its certificate's common name, and all its rules hang on that name. So the
authority is what keeps one box out of another box's topics: it issues a box only a name that is a box's name, and
never one that stands for a service. Keys are P-256, which TLS 1.3, hardware security elements and every MQTT broker
know. Profile: RFC 5280; validity is set back by an hour because a freshly started box's clock may be slow (P11).
"""

import datetime as dt
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from handschlag.errors import HandschlagError

BOX_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
ARCHIVE_NAME: Final = "archive"
SERVICE_NAMES: Final = frozenset({ARCHIVE_NAME, "operator", "fleet", "broker"})
"""Names that services use at the broker; a box of that name would inherit their rights."""

_SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
_CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
_AUTHORITY_DAYS: Final = 20 * 365
_SLOW_CLOCK: Final = dt.timedelta(hours=1)


class BadName(HandschlagError, ValueError):
    """A name that no certificate may carry."""


class BadAuthority(HandschlagError, OSError):
    """The authority's own files are absent, damaged, or would be overwritten."""


@dataclass(frozen=True)
class Issued:
    """Where a certificate and its private key (mode 0600) were written."""

    certificate: Path
    key: Path


def box_name(name: str) -> str:
    """`name`, if a box may be called that; else `BadName`."""
    if not BOX_NAME.fullmatch(name):
        raise BadName(f"box name {name!r}: allowed are 1 to 32 of a-z, 0-9 and '-'")
    if name in SERVICE_NAMES:
        raise BadName(f"box name {name!r}: that is the name of a service; take another, e.g. {name}-box")
    return name


class Authority:
    """The certificate authority in one folder: `ca.pem`, `ca.key`, and what it issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"

    def init(self, *, now: dt.datetime | None = None) -> Issued:
        """Make the authority's own key and certificate; an existing one is never replaced."""
        for path in (self.certificate, self.key):
            if path.exists():
                raise BadAuthority(f"{path}: there is an authority already; remove it yourself if you mean it")
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Handschlag authority")])
        builder = (
            _certificate(name, name, key.public_key(), now, _AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return self._write(Issued(self.certificate, self.key), builder.sign(key, hashes.SHA256()), key)

    def issue_server(self, hosts: Sequence[str], *, days: int = 825, now: dt.datetime | None = None) -> Issued:
        """The broker's certificate for `hosts` (DNS names or IP addresses), as `server.pem` and `server.key`."""
        if not hosts:
            raise BadName("the broker's certificate needs at least one host name or address")
        alternatives = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        where = Issued(self.folder / "server.pem", self.folder / "server.key")
        return self._issue(where, hosts[0], purpose=_SERVER, days=days, now=now, alternatives=alternatives)

    def issue_box(self, name: str, *, days: int = 825, now: dt.datetime | None = None) -> Issued:
        """A box's client certificate, as `boxes/<name>.pem` and `boxes/<name>.key`."""
        box_name(name)
        where = Issued(self.folder / "boxes" / f"{name}.pem", self.folder / "boxes" / f"{name}.key")
        return self._issue(where, name, purpose=_CLIENT, days=days, now=now)

    def issue_archive(self, *, days: int = 825, now: dt.datetime | None = None) -> Issued:
        """The archive's client certificate (common name `archive`), as `archive.pem` and `archive.key`."""
        where = Issued(self.folder / "archive.pem", self.folder / "archive.key")
        return self._issue(where, ARCHIVE_NAME, purpose=_CLIENT, days=days, now=now)

    def _issue(
        self,
        where: Issued,
        common_name: str,
        *,
        purpose: x509.ObjectIdentifier,
        days: int,
        now: dt.datetime | None,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> Issued:
        authority, authority_key = self._read()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            _certificate(subject, authority.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return self._write(where, builder.sign(authority_key, hashes.SHA256()), key)

    def _read(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise BadAuthority(f"{error.filename}: no authority here; make one with: ca init --dir") from error
        except (ValueError, TypeError) as error:
            raise BadAuthority(f"{self.folder}: ca.pem or ca.key is damaged: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise BadAuthority(f"{self.folder}: ca.key does not belong to ca.pem")
        return certificate, key

    @staticmethod
    def _write(where: Issued, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
        where.certificate.parent.mkdir(parents=True, exist_ok=True)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(where.key, secret)
        where.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return where


def write_secret(path: Path, content: bytes) -> None:
    """Write a private key so that only this user can ever read it; an old one is replaced, never widened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: dt.datetime | None, days: int
) -> x509.CertificateBuilder:
    start = (now or dt.datetime.now(dt.UTC)) - _SLOW_CLOCK
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _SLOW_CLOCK + dt.timedelta(days=days))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not re.fullmatch(r"[A-Za-z0-9*]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", host):
        raise BadName(f"host {host!r}: neither a host name nor an IP address")
    return x509.DNSName(host)
