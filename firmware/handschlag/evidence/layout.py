"""What an export holds, by name. Names say nothing of what was said or by whom (P9)."""

from __future__ import annotations

import re
from typing import Final

from handschlag.sealing.encoding import MAX_FILE_BYTES
from handschlag.sealing.manifest import is_name

AUDIO: Final = "recording.flac"
CONSENT: Final = "consent.json"
CONSENT_DE: Final = "einwilligung.txt"
CONSENT_EN: Final = "consent.txt"
DETAILS: Final = "details.json"
KEY: Final = "recording-key.json"
README: Final = "README.txt"
SUMMARY_DE: Final = "zusammenfassung.pdf"
SUMMARY_EN: Final = "summary.pdf"
SUMS: Final = "SHA256SUMS"
TRUST: Final = "trust.json"
VCON: Final = "vcon.json"
VERIFIER: Final = "verify.py"
STAMP: Final = "timestamp/response.tsr"
STAMP_ROOTS: Final = "timestamp/authority.pem"
SEALED: Final = "sealed/"
LEDGER: Final = "ledger/"

ALWAYS: Final = frozenset(
    {
        AUDIO,
        CONSENT,
        CONSENT_DE,
        CONSENT_EN,
        DETAILS,
        KEY,
        README,
        SUMMARY_DE,
        SUMMARY_EN,
        SUMS,
        TRUST,
        VCON,
        VERIFIER,
        SEALED + "head.json",
        SEALED + "manifest.jws",
    }
)  # fmt: skip """What every export has."""

MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Largest file that is read as a whole, the sealed ones aside."""

_LEDGER: Final = re.compile(r"ledger/([0-9]{4}-(0[1-9]|1[0-2])\.jsonl|head(\.[0-9]{1,16})?\.jws)")


def is_known(name: str) -> bool:
    """Whether a file of an export may be called that."""
    if name.startswith(SEALED):
        return is_name(name.removeprefix(SEALED))
    return name in ALWAYS or name in {STAMP, STAMP_ROOTS} or _LEDGER.fullmatch(name) is not None


def limit(name: str) -> int:
    """How many bytes are read of a file at most."""
    return MAX_FILE_BYTES if name.startswith(SEALED) else MAX_TEXT_BYTES
