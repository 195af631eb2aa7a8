"""Time-stamps (RFC 3161) of the ledger's head, by an authority made here with openssl, checked offline."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from handschlag.evidence import layout, timestamp
from handschlag.evidence.errors import BadExport, CannotExport
from handschlag.sealing.encoding import sha256_hex
from tests.evidence.exports import export, recording, verdict
from tests.sealing.builder import Built

OPENSSL = shutil.which("openssl")
CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Test Time
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[stamper]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = one
[one]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
ess_cert_id_chain = no
"""


@dataclass(frozen=True)
class Authority:
    """A time-stamping authority in a folder."""

    folder: Path

    def run(self, *arguments: str) -> None:
        """Run openssl in it."""
        subprocess.run([str(OPENSSL), *arguments], cwd=self.folder, check=True, capture_output=True)

    @property
    def roots(self) -> bytes:
        """Its certificates."""
        return (self.folder / "root.pem").read_bytes() + (self.folder / "stamper.pem").read_bytes()

    def stamp(self, query: bytes) -> bytes:
        """Its answer to a query."""
        (self.folder / "query.tsq").write_bytes(query)
        signer = ("-signer", "stamper.pem", "-inkey", "stamper.key")
        self.run("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", *signer, "-out", "reply.tsr")
        return (self.folder / "reply.tsr").read_bytes()


def make(folder: Path) -> Authority:
    """A root, and a stamper below it."""
    authority = Authority(folder)
    (folder / "tsa.cnf").write_text(CONFIG)
    (folder / "serial").write_text("01\n")
    new = ("req", "-config", "tsa.cnf", "-newkey", "rsa:2048", "-nodes")
    authority.run(*new, "-x509", "-extensions", "root", "-days", "30", "-keyout", "root.key", "-out", "root.pem")
    authority.run(*new, "-subj", "/CN=Stamper", "-keyout", "stamper.key", "-out", "stamper.csr")
    by_root = ("-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7", "-days", "20")
    below = ("-extfile", "tsa.cnf", "-extensions", "stamper")
    authority.run("x509", "-req", "-in", "stamper.csr", *by_root, *below, "-out", "stamper.pem")
    return authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority."""
    pytest.importorskip("rfc3161_client", reason="get it with: pip install rfc3161-client")
    if OPENSSL is None:
        pytest.skip("openssl is absent; get it with: apt-get install openssl")
    return make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def built() -> Built:
    """A recording."""
    return recording()


def last_line(built: Built) -> bytes:
    """The ledger's newest line."""
    return built.ledger["2026-11.jsonl"].split(b"\n")[-2]


def test_a_stamp_of_the_ledgers_head_is_checked(authority: Authority, built: Built, tmp_path: Path) -> None:
    """Of the newest line, of the signed head's file, of the manifest: each is told in words; openssl agrees."""
    seq = len(b"".join(built.ledger[name] for name in built.ledger if name.endswith("l")).splitlines())
    for number, (data, said) in enumerate(
        [
            (last_line(built), f"ledger entry {seq} was there at 20"),
            (built.ledger["head.jws"], "head.jws was there at 20"),
            (built.files["manifest.jws"], "manifest.jws was there at 20"),
        ]
    ):
        reply = authority.stamp(timestamp.request(data))
        export(built, tmp_path / f"{number}", stamp=(reply, authority.roots))
        found = verdict(tmp_path / f"{number}", built.trust)
        assert found.wrong is None
        assert found.checked["time-stamp"].startswith(said)
        where = tmp_path / f"{number}"
        trusted = ("-CAfile", str(where / layout.STAMP_ROOTS), "-untrusted", str(where / layout.STAMP_ROOTS))
        authority.run("ts", "-verify", "-digest", sha256_hex(data), "-in", str(where / layout.STAMP), *trusted)


def test_a_stamp_of_something_else_is_refused(authority: Authority, built: Built, tmp_path: Path) -> None:
    """A stamp proves nothing of what it is not of; nothing is exported with it."""
    reply = authority.stamp(timestamp.request(b"something else"))
    with pytest.raises(BadExport, match="not in this export"):
        export(built, tmp_path / "out", stamp=(reply, authority.roots))
    assert list(tmp_path.iterdir()) == []


def test_another_authority_is_refused(
    authority: Authority, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A reply is checked against the certificates beside it, whatever certificates it brings along."""
    other = make(tmp_path_factory.mktemp("other"))
    known = timestamp.stampable(built.ledger, built.files["manifest.jws"])
    reply = authority.stamp(timestamp.request(last_line(built)))
    assert timestamp.check(reply, authority.roots, known)
    with pytest.raises(BadExport, match="timestamp: "):
        timestamp.check(reply, other.roots, known)


def test_an_altered_reply_is_refused(authority: Authority, built: Built) -> None:
    """Bytes all over it: refused, or it still says the same; never a crash."""
    known = timestamp.stampable(built.ledger, built.files["manifest.jws"])
    reply = authority.stamp(timestamp.request(last_line(built)))
    honest = timestamp.check(reply, authority.roots, known)
    refused = 0
    for at in range(0, len(reply), 7):
        changed = bytearray(reply)
        changed[at] ^= 0x10
        try:
            assert timestamp.check(bytes(changed), authority.roots, known) == honest
        except BadExport:
            refused += 1
    assert refused > len(reply) / 7 * 0.5
    for data in (b"", reply[:50], reply + b"x"):
        with pytest.raises(BadExport):
            timestamp.check(data, authority.roots, known)
    for roots in (b"", b"no certificate"):
        with pytest.raises(BadExport, match="certificates"):
            timestamp.check(reply, roots, known)


def test_without_the_checking_part_it_is_said(
    authority: Authority, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export with a stamp still verifies where rfc3161-client is absent, and says that this was not checked."""
    reply = authority.stamp(timestamp.request(last_line(built)))
    export(built, tmp_path / "out", stamp=(reply, authority.roots))
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    found = verdict(tmp_path / "out", built.trust)
    assert found.wrong is None
    assert found.checked["time-stamp"].startswith("not checked: ")
    with pytest.raises(CannotExport, match="pip install"):
        export(built, tmp_path / "more", stamp=(reply, authority.roots))
