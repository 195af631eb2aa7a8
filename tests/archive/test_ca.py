"""The authority: which names it gives, and what its certificates say."""

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from handschlag_archive.broker import rules
from handschlag_archive.ca import Authority, BadAuthority, BadName, Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority in a fresh folder."""
    made = Authority(tmp_path / "ca")
    made.init()
    return made


def _read(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate.read_bytes())


@pytest.mark.parametrize(
    "name", ["", "Werkstatt", "a" * 33, "a/b", "a+b", "#", "box.1", "archive", "operator", "fleet", "ä"]
)
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


def _list_of(authority: Authority) -> x509.CertificateRevocationList:
    found = x509.load_pem_x509_crl(authority.revoked_list.read_bytes())
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).public_key()
    assert isinstance(issuer, ec.EllipticCurvePublicKey)
    assert found.is_signature_valid(issuer)
    return found


def test_an_authority_begins_with_an_empty_list_that_lasts_as_long_as_itself(authority: Authority) -> None:
    """The broker gets a list from the first day, and one that never runs out and locks everybody out."""
    found = _list_of(authority)
    assert list(found) == []
    assert found.next_update_utc == _read(Issued(authority.certificate, authority.key)).not_valid_after_utc
    assert found.last_update_utc < dt.datetime.now(dt.UTC) - dt.timedelta(minutes=59)  # a broker's clock may be slow
    assert authority.revoked_list.stat().st_mode & 0o777 == 0o644


def test_everything_that_ever_bore_a_name_is_revoked_by_it(authority: Authority) -> None:
    """An older certificate of the same name, whose file is long overwritten, is revoked too; others are not."""
    old, other = _read(authority.issue_box("box-1")), _read(authority.issue_box("box-2"))
    new = _read(authority.issue_box("box-1"))
    assert authority.revoke("box-1") == 2
    assert {each.serial_number for each in _list_of(authority)} == {old.serial_number, new.serial_number}
    assert authority.revoke("box-1") == 0
    assert authority.revoke("box-2") == 1
    assert other.serial_number in {each.serial_number for each in _list_of(authority)}


def test_each_list_is_newer_than_the_one_before(authority: Authority) -> None:
    """Whoever has several takes the newest by its date in seconds: two within one second must not be of one date."""
    now = dt.datetime.now(dt.UTC)
    dates, numbers = [], []
    for name in ("box-1", "box-2", "box-3"):
        authority.issue_box(name)
        authority.revoke(name, now=now)
        found = _list_of(authority)
        dates.append(found.last_update_utc)
        numbers.append(found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert dates == sorted(set(dates))
    assert numbers == [2, 3, 4]
    assert len(_list_of(authority)) == 3


def test_a_name_is_denied_until_it_has_a_certificate_that_counts(authority: Authority) -> None:
    """A box that got a new certificate after its old one was revoked is no revoked name any more."""
    authority.issue_box("box-1")
    authority.issue_service("operator")
    assert authority.revoked_names() == []
    authority.revoke("box-1")
    authority.revoke("operator")
    assert authority.revoked_names() == ["box-1", "operator"]
    authority.issue_box("box-1")
    assert authority.revoked_names() == ["operator"]


def test_what_was_issued_before_it_was_written_down_can_be_revoked(authority: Authority) -> None:
    """An authority of an older version has certificates and no list of them: those that lie there are found."""
    issued = _read(authority.issue_box("box-1"))
    (authority.folder / "issued.jsonl").unlink()
    authority.revoked_list.unlink()
    assert authority.revoke("box-1") == 1
    assert {each.serial_number for each in _list_of(authority)} == {issued.serial_number}


@pytest.mark.parametrize("damage", ["crl.pem", "issued.jsonl"])
def test_a_damaged_list_is_named_and_not_replaced(authority: Authority, damage: str) -> None:
    """What was revoked is never forgotten over a damaged file."""
    authority.issue_box("box-1")
    path = authority.folder / damage
    path.write_text("{rubbish")
    with pytest.raises(BadAuthority, match="damaged"):
        authority.revoke("box-1")
    assert path.read_text() == "{rubbish"


def test_another_authority_s_list_is_not_carried_on(authority: Authority, tmp_path: Path) -> None:
    """A list that somebody else signed would have us vouch for what he left out."""
    other = Authority(tmp_path / "other")
    other.init()
    authority.issue_box("box-1")
    authority.revoked_list.write_bytes(other.revoked_list.read_bytes())
    with pytest.raises(BadAuthority, match="was not signed by this authority"):
        authority.revoke("box-1")


def test_a_name_that_nobody_bore_is_no_revocation(authority: Authority) -> None:
    """A typing error is said, and not answered with an empty success."""
    with pytest.raises(BadName, match="no certificate was ever issued"):
        authority.revoke("box-9")


def test_the_rules_deny_a_revoked_name_and_give_services_nothing_of_a_box() -> None:
    """A service's own name opens no box's topics to it, and a revoked service has no rule that permits."""
    text = rules([])
    for name in ("archive", "operator", "fleet"):
        section = text.split(f"user {name}\n")[1].split("\n\n")[0]
        assert f"topic deny handschlag/1/{name}/#" in section
        assert f"topic deny homie/5/{name}/#" in section
    revoked = rules(["archive", "box-1"])
    assert revoked.count("user archive\ntopic deny #\n") == 1
    assert revoked.count("user archive") == 1
    assert revoked.endswith("user box-1\ntopic deny #\n")
