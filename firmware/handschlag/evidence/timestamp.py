"""Time-stamps (RFC 3161): somebody outside says when the ledger's head was there already.

What is stamped is a ledger line's hash, or the file of a signed head. As each line chains all lines before it, one
stamp a day is enough. The authority is asked by whoever has a network (`request` makes the bytes to send); here only
the answer is checked, offline, against the authority's certificates. The certificates in an export are the exporter's
choice: whether to believe that authority is up to the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography import x509

from handschlag.evidence.errors import BadExport, CannotExport
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.ledger import line_hash, parse_line

_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_HINT: Final = "get it with: pip install 'handschlag[evidence]'"


def request(data: bytes) -> bytes:
    """The query (DER) for a time-stamp over `data`: a ledger line without its newline, or a signed head."""
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise CannotExport(f"time-stamps need rfc3161-client; {_HINT}") from None
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    return builder.cert_request(cert_request=True).build().as_bytes()


def stampable(ledger: Mapping[str, bytes], manifest: bytes) -> dict[str, str]:
    """What a stamp may be of, by SHA-256 in hex: any line of the extract, a signed head, the manifest."""
    found = {sha256_hex(manifest): "manifest.jws"}
    for name, data in ledger.items():
        if name.endswith(".jsonl"):
            for line in data.split(b"\n")[:-1]:
                found[line_hash(line)] = f"ledger entry {parse_line(line)['seq']}"
        else:
            found[sha256_hex(data)] = name
    return found


def check(response: bytes, roots: bytes, known: Mapping[str, str]) -> str:
    """In words: when was what there; raises BadExport, and CannotExport where the checking part is absent."""
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415
    except ModuleNotFoundError:
        raise CannotExport(f"time-stamps need rfc3161-client; {_HINT}") from None
    builder = VerifierBuilder()
    for certificate in _certificates(roots):
        own = certificate.subject == certificate.issuer
        builder = (
            builder.add_root_certificate(certificate) if own else builder.add_intermediate_certificate(certificate)
        )
    try:
        stamp = decode_timestamp_response(response)
        imprint = stamp.tst_info.message_imprint
        what = known.get(imprint.message.hex())
        if imprint.hash_algorithm.dotted_string != _SHA256 or what is None:
            raise BadExport("timestamp: is of something that is not in this export")
        builder.build().verify(stamp, imprint.message)
    except (VerificationError, ValueError) as error:
        if isinstance(error, BadExport):
            raise
        raise BadExport(f"timestamp: {error}") from None
    signers = ", ".join(certificate.subject.rfc4514_string() for certificate in _certificates(roots))
    return f"{what} was there at {stamp.tst_info.gen_time:%Y-%m-%dT%H:%M:%SZ}, says {signers}"


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadExport("timestamp: the authority's certificates are no PEM") from None
