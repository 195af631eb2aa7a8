"""TLS 1.3 with client certificates (RFC 8446)."""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handschlag.adapters.uplink.errors import BadUplink, reason


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority that signed the broker's certificate, and the box's own certificate and key."""

    ca: Path
    certificate: Path
    key: Path


class TlsContext(ssl.SSLContext):
    """Keeps the connection it wrapped, so that it can be closed by whoever owns it."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the standard library does, keeping what comes out."""
        self.wrapped = super().wrap_socket(*args, **options)
        return self.wrapped


def tls_context(files: TlsFiles) -> TlsContext:
    """TLS 1.3, the broker checked against `ca` and its name, the box shown by its certificate; raises BadUplink."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise BadUplink(
            f"certificate files {files.ca}, {files.certificate}, {files.key}: {reason(error)}; "
            "allowed are PEM files, the key belonging to the certificate"
        ) from error
    return context


def client_id(box: str, files: TlsFiles | None) -> str:
    """The same at each connection, so that the broker lets go of an old one, and with certificates a secret.

    Whoever connects under a client id takes over the session that has it, whatever his own name is (MQTT 5, 3.1.4).
    """
    if files is None:
        return box
    return f"{box}-{hmac.digest(files.key.read_bytes(), b'handschlag/1 client id', 'sha256').hex()[:24]}"
