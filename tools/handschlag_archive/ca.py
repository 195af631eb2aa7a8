"""A small certificate authority: who may speak with the broker, and under which name.

The broker takes a client's name from its certificate's common name, and all its rules hang on that name. So the
authority is what keeps one box out of another box's topics: it issues a box only a name that is a box's name, and
never one that stands for a service. Keys are P-256, which TLS 1.3, hardware security elements and every MQTT broker
know. Profile: RFC 5280; validity is set back by an hour because a freshly started box's clock may be slow (P11).

What was issued is written down (`issued.jsonl`), so that everything that ever bore a name can be revoked by that name.
The list of revoked certificates (`crl.pem`) is made with the authority and is valid as long as it: the broker reads it
from its own disk, where a short validity would keep nobody out but, once run out, everybody. Of several lists OpenSSL
takes the newest by its date, in seconds, so each new list is dated at least a second after the last.
"""

import contextlib
import datetime as dt
import fcntl
import ipaddress
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
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
CLIENT_SERVICES: Final = (ARCHIVE_NAME, "operator", "fleet")
"""Who has a client certificate besides boxes: the archive takes in, the operator commands, the fleet's view reads."""
SERVICE_NAMES: Final = frozenset({*CLIENT_SERVICES, "broker"})
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
class _Client:
    """One line of what was issued to clients."""

    name: str
    serial: int


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
    """The certificate authority in one folder: `ca.pem`, `ca.key`, `crl.pem`, and what it issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"
        self.revoked_list = folder / "crl.pem"
        self._log = folder / "issued.jsonl"

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
        issued = self._write(Issued(self.certificate, self.key), builder.sign(key, hashes.SHA256()), key)
        self.renew_revoked_list(now=now)
        return issued

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
        return self.issue_service(ARCHIVE_NAME, days=days, now=now)

    def issue_service(self, name: str, *, days: int = 825, now: dt.datetime | None = None) -> Issued:
        """The client certificate of one of `CLIENT_SERVICES`, as `<name>.pem` and `<name>.key`."""
        if name not in CLIENT_SERVICES:
            raise BadName(f"service name {name!r}: allowed are {', '.join(CLIENT_SERVICES)}")
        where = Issued(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return self._issue(where, name, purpose=_CLIENT, days=days, now=now)

    def revoke(self, name: str, *, now: dt.datetime | None = None) -> int:
        """Revoke every client certificate that was ever issued to `name`; how many that added to the list.

        Raises:
            BadName: nothing was ever issued to that name.

        """
        with self._alone():
            serials = {client.serial for client in self._clients() if client.name == name}
            if not serials:
                raise BadName(f"{name!r}: no certificate was ever issued to that name by {self.folder}")
            fresh = serials - self._revoked().keys()
            self._write_revoked_list(fresh, now)
        return len(fresh)

    def revoked_names(self) -> Sequence[str]:
        """The names for which no certificate is left that counts."""
        revoked = self._revoked()
        clients = self._clients()
        return sorted({c.name for c in clients} - {c.name for c in clients if c.serial not in revoked})

    def renew_revoked_list(self, *, now: dt.datetime | None = None) -> None:
        """Write the list of revoked certificates anew, with what it names; an empty one when there was none."""
        with self._alone():
            self._write_revoked_list((), now)

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
            .add_extension(_issued_by(authority_key), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        if purpose == _CLIENT:
            with self._alone():
                self._note(_client(certificate))
        return self._write(where, certificate, key)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else changes what was issued or revoked here."""
        if not self.folder.is_dir():
            raise BadAuthority(f"{self.folder}: no authority here; make one with: ca init --dir")
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _note(self, client: _Client) -> None:
        """Before the certificate leaves the house: what is not written down could never be revoked by name."""
        with self._log.open("a", encoding="ascii") as log:
            log.write(json.dumps({"name": client.name, "serial": f"{client.serial:x}"}) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def _clients(self) -> Sequence[_Client]:
        """Every client certificate that was issued; those from before it was written down, as far as they lie here."""
        found: set[_Client] = set()
        try:
            for line in self._log.read_text(encoding="ascii").splitlines() if self._log.exists() else ():
                noted = json.loads(line)
                found.add(_Client(noted["name"], int(noted["serial"], 16)))
            services = (self.folder / f"{name}.pem" for name in CLIENT_SERVICES)
            for path in (*(path for path in services if path.exists()), *sorted(self.folder.glob("boxes/*.pem"))):
                found.add(_client(x509.load_pem_x509_certificate(path.read_bytes())))
        except (ValueError, LookupError, TypeError) as error:
            raise BadAuthority(f"{self.folder}: issued.jsonl or a certificate there is damaged: {error}") from error
        return sorted(found, key=lambda client: (client.name, client.serial))

    def _revoked(self) -> dict[int, x509.RevokedCertificate]:
        return {each.serial_number: each for each in self._list() or ()}

    def _list(self) -> x509.CertificateRevocationList | None:
        if not self.revoked_list.exists():
            return None
        try:
            found = x509.load_pem_x509_crl(self.revoked_list.read_bytes())
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            genuine = found.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]  # checked by it
        except (ValueError, TypeError, OSError) as error:
            raise BadAuthority(f"{self.revoked_list} is damaged: {error}") from error
        if not genuine:
            raise BadAuthority(f"{self.revoked_list} was not signed by this authority; it is not carried on")
        return found

    def _write_revoked_list(self, serials: Collection[int], now: dt.datetime | None) -> None:
        authority, key = self._read()
        before = self._list()
        at = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        dated, number = at - _SLOW_CLOCK, 1
        if before is not None:
            dated = max(dated, before.last_update_utc + dt.timedelta(seconds=1))
            number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(dated)
            .next_update(authority.not_valid_after_utc)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_issued_by(key), critical=False)
        )
        for each in self._revoked().values():
            builder = builder.add_revoked_certificate(each)
        for serial in sorted(serials):
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(revoked)
        content = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        replace_file(self.revoked_list, content, mode=0o644)

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


def _client(certificate: x509.Certificate) -> _Client:
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _Client(str(name.value), certificate.serial_number)


def replace_file(path: Path, content: bytes, *, mode: int, owner: str | int | None = None) -> None:
    """Put `content` in place of what is there in one step: whoever reads meanwhile finds the old or the new."""
    fresh = path.with_name(f".{path.name}.new")
    write_secret(fresh, content)
    fresh.chmod(mode)
    if owner is not None:
        shutil.chown(fresh, owner)
    fresh.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _issued_by(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


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
