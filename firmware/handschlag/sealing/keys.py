"""All keys of the product: who derives what from what.

The owner secret (32 bytes) gives, by HKDF-SHA256 (RFC 5869) without salt, the seed of the workshop key and the seed of
the owner's signing key. The workshop key is X-Wing, in HPKE (RFC 9180) called MLKEM768_X25519:
`SHAKE256(seed, 96)` is the ML-KEM-768 seed (64 bytes) followed by the X25519 key (32 bytes), and the public key is
the ML-KEM key (1184 bytes) followed by the X25519 key (32 bytes). A recording's key is 32 random bytes; everything it
seals uses sub-keys, again by HKDF without salt, `info` exactly `clip`, `details`, `commit`.

Secrets never appear in a repr. `RecordingKey.wipe` overwrites what Python lets us overwrite; the cipher library's own
copies live only during a call.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handschlag.sealing.encoding import (
    BoxName,
    Kid,
    RecordingId,
    canonical,
    check,
    from_base64url,
    to_base64url,
)
from handschlag.sealing.errors import BadFile, BadKey, Untrusted, Wiped

SUITE: Final = "handschlag/1 mlkem768-x25519 hkdf-sha256 aes-256-gcm"
"""The suite id in every head: HPKE base mode MLKEM768_X25519, HKDF-SHA256, AES-256-GCM, and AES-256-GCM for clips."""

SECRET_BYTES: Final = 32
WORKSHOP_PUBLIC_BYTES: Final = 1216
_MLKEM_PUBLIC_BYTES: Final = 1184
ENC_BYTES: Final = 1120
WRAPPED_BYTES: Final = SECRET_BYTES + 16
MAX_GENERATION: Final = 10_000
_MAX_KEY_FILE_BYTES: Final = 4096

_HPKE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def kid(public: bytes) -> str:
    """A key's name: base64url of the SHA-256 of its raw public bytes (32 or 1216)."""
    return to_base64url(hashlib.sha256(public).digest())


def fingerprint(public: bytes) -> str:
    """The first 128 bits of a public key's SHA-256 as eight groups of four hex digits, to compare by eye."""
    digits = hashlib.sha256(public).hexdigest()[:32]
    return " ".join(digits[i : i + 4] for i in range(0, 32, 4))


def _derive(secret: bytes | bytearray, info: bytes) -> bytearray:
    out = bytearray(SECRET_BYTES)
    HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=info).derive_into(secret, out)
    return out


def _secret_bytes(data: bytes | bytearray, what: str) -> bytes:
    if len(data) != SECRET_BYTES:
        raise BadKey(f"{what}: {len(data)} bytes, {SECRET_BYTES} are needed")
    return bytes(data)


class Keyring(Protocol):
    """Whose signatures are accepted. A single `VerifyKey` is one, and so is a role of a trust file."""

    def find(self, kid: str) -> VerifyKey:
        """The key of that id; raises Untrusted."""
        ...

    def admit(self, kid: str, *, box: str | None = None, at: str | None = None) -> None:
        """Raise Untrusted unless that key may speak for `box` at the trusted time `at` (None: not to be asked)."""
        ...


class VerifyKey:
    """An Ed25519 public key (32 bytes)."""

    __slots__ = ("_key", "kid", "public")

    def __init__(self, public: bytes) -> None:
        if len(public) != 32:
            raise BadKey(f"Ed25519 public key: {len(public)} bytes, 32 are needed")
        self.public: Final = bytes(public)
        self.kid: Final = kid(public)
        try:
            self._key = Ed25519PublicKey.from_public_bytes(self.public)
        except ValueError:
            raise BadKey("Ed25519 public key: not a key") from None

    def __repr__(self) -> str:
        return f"VerifyKey({self.kid})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and other.public == self.public

    def __hash__(self) -> int:
        return hash(self.public)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes) over `data` is by this key."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def find(self, kid: str) -> VerifyKey:
        """Itself, if that is its id; raises Untrusted."""
        if kid != self.kid:
            raise Untrusted(f"signed by key {kid}, expected key {self.kid}")
        return self

    def admit(self, kid: str, *, box: str | None = None, at: str | None = None) -> None:
        """A pinned key speaks for whom it was pinned for, at all times."""


class SigningKey:
    """An Ed25519 private key: a box's, the archive's, the operator's or the owner's."""

    __slots__ = ("_key", "_seed", "verify_key")

    def __init__(self, seed: bytes | bytearray) -> None:
        self._seed = _secret_bytes(seed, "signing key")
        self._key = Ed25519PrivateKey.from_private_bytes(self._seed)
        self.verify_key: Final = VerifyKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh key."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed; raises BadKey."""
        return cls(seed)

    @classmethod
    def from_file(cls, data: bytes, name: str = "signing key file") -> SigningKey:
        """Read `to_file`'s bytes; raises BadKey that says what was found and what is wanted."""
        found = _read_key_file(data, name, (_SIGNING,))
        return _same_kid(cls(_secret_of(found, name)), found, name)

    def to_file(self) -> bytes:
        """A key file (secret: mode 0600)."""
        return _key_file(_SIGNING, self._seed, self.kid)

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._seed

    @property
    def public(self) -> bytes:
        """The 32 public bytes."""
        return self.verify_key.public

    @property
    def kid(self) -> str:
        """The key's id."""
        return self.verify_key.kid

    def sign(self, data: bytes) -> bytes:
        """64 bytes of signature."""
        return self._key.sign(data)


class WorkshopKey:
    """The X-Wing private key that opens recordings: what staff get. `seed` is 32 bytes."""

    __slots__ = ("_private", "_seed", "generation", "kid", "public")

    def __init__(self, seed: bytes | bytearray, generation: int = 1) -> None:
        self._seed = _secret_bytes(seed, "workshop key")
        self.generation: Final = _generation(generation)
        expanded = hashlib.shake_256(self._seed).digest(96)
        mlkem, x25519 = (
            MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
            X25519PrivateKey.from_private_bytes(expanded[64:]),
        )
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public: Final = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.kid: Final = kid(self.public)

    @classmethod
    def from_file(cls, data: bytes, name: str = "key file", *, generation: int = 1) -> WorkshopKey:
        """Read a workshop key file, or take generation `generation` out of an owner's; raises BadKey."""
        found = _read_key_file(data, name, (_WORKSHOP, _OWNER))
        if found.kind == _OWNER:
            return OwnerSecret.from_file(data, name).workshop(generation)
        return _same_kid(cls(_secret_of(found, name), found.generation), found, name)

    def to_file(self) -> bytes:
        """A key file (secret: mode 0600)."""
        return _key_file(_WORKSHOP, self._seed, self.kid, self.generation)

    def __repr__(self) -> str:
        return f"WorkshopKey(generation {self.generation}, {self.kid})"

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._seed

    def unwrap(self, wrapped: WrappedKey, *, box: str, recording: str) -> RecordingKey:
        """The recording key that was wrapped for this key, that box and that recording; raises BadKey."""
        if wrapped.kid != self.kid:
            raise BadKey(f"wrapped for key {wrapped.kid}, this is key {self.kid}")
        sealed = from_base64url(wrapped.enc, "enc", size=ENC_BYTES) + from_base64url(
            wrapped.wrapped, "wrapped", size=WRAPPED_BYTES
        )
        what = f"recording {recording}: its key"
        return RecordingKey(self.decrypt(sealed, _wrap_info(box, recording), what, "another box or recording"))

    def decrypt(self, sealed: bytes, info: bytes, what: str, elsewhere: str) -> bytes:
        """What `encrypt_for` sealed for this key and `info`; raises BadKey in these words."""
        try:
            return _HPKE.decrypt(sealed, self._private, info=info)
        except (InvalidTag, ValueError):
            raise BadKey(
                f"{what} does not open with workshop key {self.kid}: it was altered, or wrapped for {elsewhere}"
            ) from None


class OwnerSecret:
    """The owner's 32 bytes, from which the workshop key and the owner's signing key come."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes | bytearray) -> None:
        self._raw = _secret_bytes(raw, "owner secret")

    @classmethod
    def new(cls) -> OwnerSecret:
        """A fresh secret."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def from_bytes(cls, raw: bytes) -> OwnerSecret:
        """The secret of those 32 bytes; raises BadKey."""
        return cls(raw)

    @classmethod
    def from_file(cls, data: bytes, name: str = "owner key file") -> OwnerSecret:
        """Read `to_file`'s bytes; raises BadKey that says what was found and what is wanted."""
        found = _read_key_file(data, name, (_OWNER,))
        owner = cls(_secret_of(found, name))
        _same_kid(owner.signing(), found, name)
        return owner

    def to_file(self) -> bytes:
        """A key file (secret: mode 0600)."""
        return _key_file(_OWNER, self._raw, self.signing().kid)

    def __repr__(self) -> str:
        return "OwnerSecret(...)"

    @property
    def raw(self) -> bytes:
        """The 32 secret bytes."""
        return self._raw

    def workshop(self, generation: int = 1) -> WorkshopKey:
        """The workshop key of a generation, from 1; a new one is used when a person is removed."""
        number = _generation(generation)
        return WorkshopKey(_derive(self._raw, f"handschlag/1 xwing {number}".encode()), number)

    def signing(self) -> SigningKey:
        """The key that authorises recipients, rewraps, erasures, holds and class changes."""
        return SigningKey(_derive(self._raw, b"handschlag/1 sign"))


def _generation(number: int) -> int:
    if not 1 <= number <= MAX_GENERATION:
        raise BadKey(f"generation {number}: allowed is 1 to {MAX_GENERATION}")
    return number


class RecordingKey:
    """A recording's 32 bytes and its sub-keys, in memory that `wipe` overwrites."""

    __slots__ = ("_clip", "_commit", "_details", "_raw", "_wiped")

    def __init__(self, raw: bytes | bytearray) -> None:
        _secret_bytes(raw, "recording key")
        self._raw = bytearray(raw)
        self._clip = _derive(self._raw, b"clip")
        self._details = _derive(self._raw, b"details")
        self._commit = _derive(self._raw, b"commit")
        self._wiped = False

    @classmethod
    def new(cls) -> RecordingKey:
        """A fresh key."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def __repr__(self) -> str:
        return "RecordingKey(wiped)" if self._wiped else "RecordingKey(...)"

    @property
    def wiped(self) -> bool:
        """Whether `wipe` was called."""
        return self._wiped

    @property
    def raw(self) -> bytearray:
        """The key itself, to be wrapped; not a copy."""
        return self._alive(self._raw)

    @property
    def clip(self) -> bytearray:
        """The AES-256-GCM key of the clips; not a copy."""
        return self._alive(self._clip)

    @property
    def details(self) -> bytearray:
        """The AES-256-GCM key of the details; not a copy."""
        return self._alive(self._details)

    @property
    def commit(self) -> bytearray:
        """What the head shows as commitment to this key; not a copy."""
        return self._alive(self._commit)

    def wipe(self) -> None:
        """Overwrite the key and all sub-keys; safe to repeat."""
        self._wiped = True
        for secret in (self._raw, self._clip, self._details, self._commit):
            secret[:] = bytes(len(secret))

    def wrap(self, public: bytes, *, box: str, recording: str) -> WrappedKey:
        """This key, wrapped for one workshop key (1216 public bytes); raises BadKey."""
        sealed = encrypt_for(public, bytes(self.raw), _wrap_info(box, recording))
        return WrappedKey(kid(public), to_base64url(sealed[:ENC_BYTES]), to_base64url(sealed[ENC_BYTES:]))

    def _alive(self, secret: bytearray) -> bytearray:
        if self._wiped:
            raise Wiped("the recording's key has been wiped")
        return secret


class WrappedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording key wrapped for one recipient: HPKE `enc` (1120 bytes) and ciphertext (48 bytes) in base64url."""

    kid: Kid
    enc: str
    wrapped: str

    def check(self, name: str) -> None:
        """Raise BadFile unless both parts have their size and spelling."""
        from_base64url(self.enc, f"{name}: enc", size=ENC_BYTES)
        from_base64url(self.wrapped, f"{name}: wrapped", size=WRAPPED_BYTES)


def encrypt_for(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """HPKE, single shot: `enc` (1120 bytes) and ciphertext, for a workshop key (1216 public bytes); raises BadKey."""
    return _HPKE.encrypt(plaintext, _xwing_public(public), info=info)


def check_workshop_public(public: bytes) -> None:
    """Raise BadKey unless `public` is a workshop public key (1216 bytes)."""
    _xwing_public(public)


def _xwing_public(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != WORKSHOP_PUBLIC_BYTES:
        raise BadKey(f"workshop public key: {len(public)} bytes, {WORKSHOP_PUBLIC_BYTES} are needed")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_BYTES:]),
        )
    except ValueError:
        raise BadKey("workshop public key: not a key") from None


def recording_bytes(recording: str) -> bytes:
    """The 16 raw bytes of a recording id; raises BadFile unless it is a canonical UUIDv7."""
    check(recording, RecordingId, "recording id")
    return bytes.fromhex(recording.replace("-", ""))


def _wrap_info(box: str, recording: str) -> bytes:
    check(box, BoxName, "box id")
    return b"handschlag/1 key\x00" + box.encode("ascii") + b"\x00" + recording_bytes(recording)


# --- key files

_OWNER: Final = "handschlag-owner-secret"
_WORKSHOP: Final = "handschlag-workshop-key"
_SIGNING: Final = "handschlag-signing-key"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    secret: str
    kid: str
    generation: int = 1
    version: int = 1

    def __repr__(self) -> str:
        return f"_KeyFile({self.kind})"


K = TypeVar("K", SigningKey, WorkshopKey)


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""


def _key_file(kind: str, secret: bytes, key_id: str, generation: int = 1) -> bytes:
    return canonical(_KeyFile(kind=kind, secret=to_base64url(secret), kid=key_id, generation=generation)) + b"\n"


def _read_key_file(data: bytes, name: str, wanted: tuple[str, ...]) -> _KeyFile:
    want = " or ".join(wanted)
    if len(data) > _MAX_KEY_FILE_BYTES:
        raise BadKey(f"{name}: {len(data)} bytes, too many for a key file; wanted: {want}")
    try:
        kind = msgspec.json.decode(data, type=_Kind).kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadKey(f"{name}: not a key file; wanted: {want}") from None
    if kind not in wanted:
        known = kind if kind in {_OWNER, _WORKSHOP, _SIGNING} else "no key of this product"
        raise BadKey(f"{name}: found {known}, wanted: {want}")
    try:
        found = msgspec.json.decode(data, type=_KeyFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadKey(f"{name}: not a key file: {type(error).__name__}") from None
    if found.version != 1:
        raise BadKey(f"{name}: version {found.version}, this program knows version 1")
    return found


def _secret_of(found: _KeyFile, name: str) -> bytes:
    try:
        return from_base64url(found.secret, f"{name}: secret", size=SECRET_BYTES)
    except BadFile as error:
        raise BadKey(str(error)) from None


def _same_kid(key: K, found: _KeyFile, name: str) -> K:
    if key.kid != found.kid:
        raise BadKey(f"{name}: the secret does not belong to key {found.kid}: the file was altered or mistyped")
    return key
