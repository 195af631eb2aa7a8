"""What the server itself keeps, sealed with a secret that is not in the database.

Names of people, reasons in the audit log and the secrets of second factors must be read by the server, so no key of the
workshop can seal them. They are sealed with a key from a file beside the archive's signing key: whoever gets a copy
of the database alone reads none of them. Login secrets go through the same key before they are hashed (a "pepper"), so
that such a copy does not even allow passwords to be guessed.

Whoever loses the file loses all accounts (not a recording): it belongs into the backup of the keys.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handschlag.errors import HandschlagError
from handschlag.sealing.encoding import from_base64url, to_base64url
from handschlag.sealing.errors import BadFile

SALT_BYTES: Final = 16
LOGIN_BYTES: Final = 32
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
"""scrypt over the login secret, which was stretched in the browser already; 16 MiB and some 50 ms."""


class BadVault(HandschlagError, ValueError):
    """The server's secret cannot be used, or is not the one that the database was written with."""


class Vault:
    """Everything that the server's secret is good for; a key of its own for each purpose."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _SECRET_BYTES:
            raise BadVault(f"the web's secret: {len(secret)} bytes; {_SECRET_BYTES} are needed")
        self._seal = AESGCM(_derive(secret, "seal"))
        self._names = _derive(secret, "name")
        self._salts = _derive(secret, "salt")
        self._pepper = _derive(secret, "login")
        self._csrf = _derive(secret, "csrf")
        self._about = _derive(secret, "about")

    @classmethod
    def at(cls, path: Path) -> "Vault":
        """The secret in this file, which is made when it is not there. Raises BadVault."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        except OSError as error:
            raise BadVault(f"{path}: cannot be made: {error.strerror}") from None
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(to_base64url(secrets.token_bytes(_SECRET_BYTES)).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        try:
            return cls(from_base64url(path.read_text(encoding="ascii").strip(), str(path)))
        except OSError as error:
            raise BadVault(f"{path}: cannot be read: {error.strerror}") from None
        except (UnicodeDecodeError, BadFile):
            raise BadVault(f"{path}: allowed is one line, 32 bytes in base64url") from None

    @property
    def mark(self) -> str:
        """Which secret this is, without telling it: 64 hex digits."""
        return hmac.digest(self._about, b"", "sha256").hex()

    def seal(self, text: str, place: str) -> bytes:
        """`text` so that it can only be read with this secret, and only at its own `place`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """What was sealed for this place. Raises BadVault."""
        try:
            return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise BadVault(
                f"{place.partition(' ')[0]}: not sealed with the web's secret; put the right file back"
            ) from None

    def name_key(self, name: str) -> str:
        """Under what a name is looked up: 64 hex digits that only this secret can make."""
        return hmac.digest(self._names, name.encode(), "sha256").hex()

    def salt_of_nobody(self, name: str) -> bytes:
        """The salt of a name that nobody has: always the same, and not to be told from a real one."""
        return hmac.digest(self._salts, name.encode(), "sha256")[:SALT_BYTES]

    def csrf(self, session: str) -> str:
        """The token that a session's changes must carry."""
        return to_base64url(hmac.digest(self._csrf, session.encode(), "sha256"))

    def hash_login(self, login: bytes, salt: bytes) -> bytes:
        """What is kept of a login secret."""
        peppered = hmac.digest(self._pepper, login, "sha256")
        return hashlib.scrypt(peppered, salt=salt, dklen=32, maxmem=64 * 1024 * 1024, **_COST)


def token_hash(token: str) -> str:
    """What is kept of a random token (256 bits, so that it needs no salt): 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def base32(data: bytes) -> str:
    """As authenticator programs want a secret."""
    return base64.b32encode(data).decode("ascii").rstrip("=")


def _derive(secret: bytes, what: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"handschlag/1 web {what}".encode()).derive(secret)
