"""The authority: which names it gives, and what its certificates say."""

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from handschlag_archive.ca import Authority, BadAuthority, BadName, Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority in a fresh folder."""
    made = Authority(tmp_path / "ca")
    made.init()
    return made


def _read(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate.read_bytes())


@pytest.mark.parametrize("name", ["", "Werkstatt", "a" * 33, "a/b", "a+b", "#", "box.1", "archive", "operator", "ä"])
def test_no_certificate_for_a_name_that_reaches_further(authority: Authority, name: str) -> None:
    """A box is never certified under a wildcard, a service's name, or one no topic can carry."""
    with pytest.raises(BadName, match="box name"):
        authority.issue_box(name)
    assert not (authority.folder / "boxes").exists()


def test_private_keys_are_for_this_user_only(authority: Authority) -> None:
    """Every private key is written with mode 0600."""
    issued = [authority.issue_box("box-1"), authority.issue_archive(), authority.issue_server(["localhost"])]
    keys = [authority.key, *(one.key for one in issued)]
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600] * 4


def test_an_authority_is_never_replaced(authority: Authority) -> None:
    """A second init refuses; every box would be locked out otherwise."""
    before = authority.certificate.read_bytes()
    with pytest.raises(BadAuthority, match="there is an authority already"):
        authority.init()
    assert authority.certificate.read_bytes() == before


def test_issuing_without_an_authority_says_what_to_do(tmp_path: Path) -> None:
    """Without ca.pem the error names the file and the command that makes it."""
    with pytest.raises(BadAuthority, match=r"ca\.(pem|key): no authority here; make one with: ca init"):
        Authority(tmp_path).issue_box("box-1")


def test_a_foreign_key_beside_the_certificate_is_noticed(authority: Authority, tmp_path: Path) -> None:
    """ca.key of another authority is refused before anything is signed with it."""
    other = Authority(tmp_path / "other")
    other.init()
    authority.key.write_bytes(other.key.read_bytes())
    with pytest.raises(BadAuthority, match="does not belong"):
        authority.issue_archive()


def test_the_server_certificate_stands_up_to_a_verifier(authority: Authority) -> None:
    """The broker's certificate passes X.509 path validation for its names, and a box's one does not."""
    server = _read(authority.issue_server(["localhost", "127.0.0.1"]))
    box = _read(authority.issue_box("box-1"))
    policy = PolicyBuilder().store(Store([x509.load_pem_x509_certificate(authority.certificate.read_bytes())]))
    policy.build_server_verifier(x509.DNSName("localhost")).verify(server, [])
    policy.build_server_verifier(x509.IPAddress(ipaddress.ip_address("127.0.0.1"))).verify(server, [])
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("localhost")).verify(box, [])
    assert box.subject.rfc4514_string() == "CN=box-1"


def test_a_slow_clock_still_finds_the_certificate_valid(authority: Authority) -> None:
    """A certificate is valid from an hour before it was issued."""
    now = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
    certificate = _read(authority.issue_box("box-1", now=now, days=10))
    assert certificate.not_valid_before_utc == now - dt.timedelta(hours=1)
    assert certificate.not_valid_after_utc == now + dt.timedelta(days=10)
