"""The recording as a vCon (draft-ietf-vcon-vcon-core-04), with its lawful basis (draft-howe-vcon-lawful-basis-00).

Signed, it is a General JWS JSON Serialization (RFC 7515 section 7.2.1) with EdDSA by the owner's signing key. As the
draft asks, the unprotected header carries the key as a certificate (`x5c`, self-signed) and the vCon's `uuid`;
readers of ours look the key up by `kid` in the trust file and never believe the certificate. `typ` keeps this
signature apart from all others of the same key.

Where we differ from the draft: files beside the vCon are named by relative `url`s, since there is no server to fetch
them from; and the audio's media type is audio/flac. `SHA256SUMS` is an attachment with its hash, so that the one
signature covers every file of the export.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from handschlag.evidence.errors import BadExport
from handschlag.evidence.layout import AUDIO, SUMS, VCON
from handschlag.sealing.encoding import canonical, from_base64url, sha256_hex, to_base64url
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.manifest import Consent, Manifest
from handschlag.sealing.recording import Head
from handschlag.sealing.trust import Trust

VERSION: Final = "0.4.0"
TYP: Final = "vcon+json"
OTHER, WORKSHOP = 0, 1
"""Indexes of the parties: whom the line was connected with, and the workshop."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a vCon is made of. `hashes512` are SHA-512 digests of the files beside it, by name."""

    head: Head
    manifest: Manifest
    manifest_token: bytes
    receipt_token: bytes | None
    details: Sequence[Mapping[str, Any]]
    samples: int
    created_at: str
    hashes512: Mapping[str, bytes]


def content_hash(digest: bytes) -> str:
    """A SHA-512 digest as the draft writes it."""
    return "sha512-" + to_base64url(digest)


def build(of: Contents) -> dict[str, Any]:
    """The vCon, unsigned."""
    outgoing = any(part.get("direction") == "outgoing" for part in of.details)
    channels: list[Any] = [OTHER, WORKSHOP] if _separated(of) else [[OTHER, WORKSHOP]] * of.head.channels
    dialog = {
        "type": "recording",
        "start": _date(of.head.opened_at),
        "duration": round(of.samples / of.head.sample_rate, 3),
        "parties": channels,
        **({"originator": WORKSHOP} if outgoing else {}),
        "mediatype": "audio/flac",
        "filename": AUDIO,
        "url": AUDIO,
        "content_hash": content_hash(of.hashes512[AUDIO]),
    }
    return {
        "vcon": VERSION,
        "uuid": _uuid(of.head.recording),
        "extensions": ["lawful_basis"],
        "created_at": _date(of.created_at),
        "subject": f"Handschlag recording {of.head.recording}",
        "parties": [_other(of.details), {"name": of.head.box, "type": "organization"}],
        "dialog": [dialog],
        "attachments": [
            *(_lawful_basis(consent, of) for consent in of.manifest.consent),
            _token("manifest, signed by the box", "manifest.jws", of.manifest_token, of),
            *([_token("receipt by the archive", "receipt.jws", of.receipt_token, of)] if of.receipt_token else []),
            {
                **_attached(of.created_at, "hashes of all other files of this export"),
                "mediatype": "text/plain",
                "filename": SUMS,
                "url": SUMS,
                "content_hash": content_hash(of.hashes512[SUMS]),
            },
        ],
    }


def _separated(of: Contents) -> bool:
    return of.head.channels == 2 and any(part.get("legs") == "separated" for part in of.details)


def _other(details: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What is known of the other party; nothing, when its number was withheld."""
    for part in details:
        numbers = part.get("numbers")
        if isinstance(numbers, Mapping):
            caller = numbers.get("caller")
            said = caller if isinstance(caller, Mapping) else {"number": numbers.get("dialled")}
            named = {"tel": said.get("number"), "name": said.get("name")}
            return {key: value for key, value in named.items() if isinstance(value, str) and value}
    return {}


def _lawful_basis(consent: Consent, of: Contents) -> dict[str, Any]:
    given_at = _date(consent.at)
    until = of.manifest.retain_until
    way = {"key": "key 1 pressed by the other party", "oral": "spoken yes, attested by the employee's press"}
    proof = {
        "system": "handschlag ledger",
        "way": way[consent.way],
        "leg": consent.leg,
        "clock": consent.clock,
        "text_version": consent.text_version,
        "text_sha256": consent.text_hash,
        "ledger_seq": consent.ledger_seq,
        "manifest_sha256": sha256_hex(of.manifest_token),
    }
    return {
        "type": "lawful_basis",
        **_attached(given_at, "lawful_basis"),
        "encoding": "json",
        "body": {
            "lawful_basis": "consent",
            "expiration": None if until is None else _date(until),
            "purpose_grants": [
                {
                    "purpose": "recording",
                    "granted": True,
                    "granted_at": given_at,
                    "conditions": [f"retention class {of.manifest.retention_class}"],
                }
            ],
            "proof_mechanisms": [{"proof_type": "external_system", "timestamp": given_at, "proof_data": proof}],
        },
    } | {"party": OTHER}


def _attached(start: str, purpose: str) -> dict[str, Any]:
    return {"purpose": purpose, "start": _date(start), "party": WORKSHOP, "dialog": 0}


def _token(purpose: str, name: str, token: bytes, of: Contents) -> dict[str, Any]:
    return {
        **_attached(of.manifest.closed_at, purpose),
        "mediatype": "application/jose",
        "filename": name,
        "encoding": "none",
        "body": token.decode("ascii"),
    }


def _date(time: str) -> str:
    """RFC 3339 as JMAP has it: no fraction that is zero."""
    whole, point, fraction = time[:-1].partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{point if fraction else ''}{fraction}Z"


def _uuid(recording: str) -> str:
    """The recording's UUIDv7 as UUIDv8, as the draft wants it."""
    return f"{recording[:14]}8{recording[15:]}"


# --- signing and reading


def unsigned(vcon: Mapping[str, Any]) -> bytes:
    """The file of a vCon that nobody signs."""
    return json.dumps(vcon, indent=1, ensure_ascii=False).encode() + b"\n"


def signed(vcon: Mapping[str, Any], key: SigningKey) -> bytes:
    """The file of a vCon that the owner signs."""
    protected = to_base64url(canonical({"alg": "EdDSA", "kid": key.kid, "typ": TYP}))
    payload = to_base64url(canonical(dict(vcon)))
    signature = to_base64url(key.sign(f"{protected}.{payload}".encode("ascii")))
    header = {"x5c": [_certificate(key)], "uuid": vcon["uuid"]}
    jws = {"payload": payload, "signatures": [{"protected": protected, "header": header, "signature": signature}]}
    return json.dumps(jws, indent=1).encode() + b"\n"


def _certificate(key: SigningKey) -> str:
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Handschlag owner {key.kid[:16]}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(key.public).digest()[:16], "big") | 1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
        .sign(private, None)
    )
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")


def read(data: bytes, trust: Trust) -> tuple[dict[str, Any], str | None]:
    """The vCon and the id of the owner's key that signed it, None if nobody did; raises BadExport."""
    try:
        outer = json.loads(data)
        if not isinstance(outer, dict):
            raise BadExport(f"{VCON}: is no JSON object")
        if "signatures" not in outer and "payload" not in outer:
            return outer, None
        return _read_signed(outer, trust)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SealingError | BadExport):
            raise BadExport(f"{VCON}: {str(error).removeprefix(f'{VCON}: ')}") from None
        raise BadExport(f"{VCON}: is no vCon, signed or not ({type(error).__name__})") from None


def _read_signed(outer: dict[str, Any], trust: Trust) -> tuple[dict[str, Any], str]:
    (signature,) = outer["signatures"]
    protected = json.loads(from_base64url(signature["protected"], "protected header"))
    if (protected["alg"], protected["typ"]) != ("EdDSA", TYP) or "crit" in protected:
        raise BadExport("its protected header is not alg EdDSA, typ vcon+json")
    kid = str(protected["kid"])
    owner = trust.keys("owner")
    signed_bytes = f"{signature['protected']}.{outer['payload']}".encode("ascii")
    if not owner.find(kid).verify(from_base64url(signature["signature"], "signature", size=64), signed_bytes):
        raise BadExport(f"the signature by key {kid} does not fit")
    vcon = json.loads(from_base64url(outer["payload"], "payload"))
    owner.admit(kid, at=vcon["created_at"])
    if not isinstance(vcon, dict) or signature["header"]["uuid"] != vcon["uuid"]:
        raise BadExport("its header names another uuid")
    return vcon, kid
