"""Signatures: one spelling, a known key, the right kind."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing import jws
from handschlag.sealing.encoding import canonical, from_base64url, to_base64url
from handschlag.sealing.errors import BadFile, SealingError, Tampered, Untrusted
from handschlag.sealing.keys import SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER = SigningKey.from_seed(bytes(32))
TYP = "handschlag-receipt"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def read(token: bytes, typ: str = TYP) -> bytes:
    """The payload, if KEY signed it."""
    return jws.read(token, typ, KEY.verify_key, "a.jws").payload


def with_header(**header: object) -> bytes:
    """A token with that header, properly signed."""
    signed = f"{to_base64url(canonical(header))}.{to_base64url(b'{}')}".encode()
    return signed + b"." + to_base64url(KEY.sign(signed)).encode()


@given(st.binary(max_size=300))
def test_payload_comes_back(payload: bytes) -> None:
    """What was signed is what is read; an empty payload is no signature of ours."""
    token = jws.sign(payload, TYP, KEY)
    if payload:
        assert read(token) == payload
    else:
        with pytest.raises(BadFile):
            read(token)


def test_every_flipped_bit_is_found() -> None:
    """No bit of a token can change unnoticed, the unused ones of base64url included."""
    token = jws.sign(b'{"a":1}', TYP, KEY)
    for bit in range(8 * len(token)):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealingError, match=r"^a\.jws"):
            read(bytes(flipped))


def test_other_spellings_of_the_last_character_are_refused() -> None:
    """All characters that decode to the same signature but one are refused as not canonical."""
    token = jws.sign(b'{"a":1}', TYP, KEY)
    last = ALPHABET.index(chr(token[-1]))
    others = [ALPHABET[last ^ low] for low in range(1, 16)]
    for other in others:
        with pytest.raises(BadFile, match="canonical"):
            read(token[:-1] + other.encode())


def test_a_token_of_another_kind_is_refused() -> None:
    """A revocation cannot pass as a receipt."""
    with pytest.raises(BadFile, match="typ 'handschlag-revoke', expected 'handschlag-receipt'"):
        read(jws.sign(b"{}", "handschlag-revoke", KEY))


def test_a_foreign_key_is_refused() -> None:
    """A signature by an unknown key is untrusted, and says so with file and key."""
    with pytest.raises(Untrusted, match=rf"^a\.jws: .*{OTHER.kid}"):
        read(jws.sign(b"{}", TYP, OTHER))


def test_a_foreign_key_under_a_known_id_is_refused() -> None:
    """Claiming a trusted id does not help."""
    signed = f"{to_base64url(canonical({'alg': 'EdDSA', 'kid': KEY.kid, 'typ': TYP}))}.e30".encode()
    with pytest.raises(Tampered):
        read(signed + b"." + to_base64url(OTHER.sign(signed)).encode())


def test_keys_in_headers_are_ignored() -> None:
    """A key that the token brings along changes nothing: neither does it help, nor does it hurt."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(OTHER.public)}
    assert read(with_header(alg="EdDSA", kid=KEY.kid, typ=TYP, jwk=jwk)) == b"{}"
    signed = f"{to_base64url(canonical({'alg': 'EdDSA', 'kid': KEY.kid, 'typ': TYP, 'jwk': jwk}))}.e30".encode()
    with pytest.raises(Tampered):
        read(signed + b"." + to_base64url(OTHER.sign(signed)).encode())


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256", "eddsa", ""])
def test_other_algorithms_are_refused(alg: str) -> None:
    """Only EdDSA is a signature here; `none` least of all."""
    with pytest.raises(BadFile, match="alg"):
        read(with_header(alg=alg, kid=KEY.kid, typ=TYP))


def test_critical_extensions_are_refused() -> None:
    """RFC 7515 section 4.1.11: what is critical and not understood makes the token invalid."""
    with pytest.raises(BadFile, match="critical"):
        read(with_header(alg="EdDSA", kid=KEY.kid, typ=TYP, crit=["b64"], b64=False))


@pytest.mark.parametrize(
    "token",
    [b"", b"..", b"a.b", b"a.b.c.d", b"e30.e30.", b" e30.e30.e30", b"e30.e30.e30\n", b"\xff.e30.e30", b"a" * 99999],
)
def test_what_is_no_token_is_refused(token: bytes) -> None:
    """Anything else is one clear error that names the file."""
    with pytest.raises(BadFile, match=r"^a\.jws"):
        read(token)


@given(st.binary(max_size=50))
def test_base64url_has_one_spelling(data: bytes) -> None:
    """Every text that decodes is the one that encoding gives."""
    text = to_base64url(data)
    assert from_base64url(text, "x") == data
    for wrong in (text + "=", text + "\n", " " + text, text + "A" * (len(text) % 4 == 0)):
        if wrong != text:
            with pytest.raises(BadFile):
                from_base64url(wrong, "x")


@given(st.text(ALPHABET, max_size=9))
def test_decoding_is_the_inverse_or_an_error(text: str) -> None:
    """Either a text is canonical, or it is refused."""
    try:
        data = from_base64url(text, "x")
    except BadFile:
        return
    assert to_base64url(data) == text


def test_peek_reads_without_a_key() -> None:
    """Where there is no trust file, the payload can be had without the signature."""
    assert jws.peek(jws.sign(json.dumps({"a": 1}).encode(), TYP, OTHER), dict, "a.jws") == {"a": 1}
