"""The owner secret on paper: four lines to be typed by hand, each with a check of its own.

A line is `n: XXXX-XXXX-XXXXX-CC`: eight bytes in Crockford's base32 (no I, L, O, U), then two digits from the SHA-256
of line number and bytes, so that a slip of the pen is found in the line where it happened.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from handschlag.sealing.errors import BadKey

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LINES: Final = 4
_BYTES: Final = 8
_CHARS: Final = 13
_ALIKE: Final = str.maketrans("OIL", "011")


def to_paper(secret: bytes) -> list[str]:
    """The lines for a secret of 32 bytes."""
    if len(secret) != _LINES * _BYTES:
        raise BadKey(f"an owner secret has {_LINES * _BYTES} bytes, not {len(secret)}")
    lines = []
    for number in range(1, _LINES + 1):
        part = secret[(number - 1) * _BYTES : number * _BYTES]
        value = int.from_bytes(part, "big")
        text = "".join(_DIGITS[value >> 5 * place & 31] for place in reversed(range(_CHARS)))
        lines.append(f"{number}: {text[:4]}-{text[4:8]}-{text[8:]}-{_check(number, part)}")
    return lines


def from_paper(text: str) -> bytes:
    """The secret from typed lines, in any order, upper or lower case, with or without dashes.

    Raises:
        BadKey: names the line that is missing or mistyped; never shows it.
    """
    parts: dict[int, bytes] = {}
    for line in filter(str.strip, text.splitlines()):
        found = re.fullmatch(r"\s*([1-4])\s*:(.*)", line)
        if not found:
            raise BadKey("paper copy: a line begins with its number and a colon, 1: to 4:")
        number = int(found.group(1))
        typed = re.sub(r"[\s-]", "", found.group(2)).upper().translate(_ALIKE)
        if len(typed) != _CHARS + 2 or any(digit not in _DIGITS for digit in typed):
            raise BadKey(f"paper copy: line {number} needs {_CHARS + 2} letters and digits")
        value = 0
        for digit in typed[:_CHARS]:
            value = value << 5 | _DIGITS.index(digit)
        if value >> 8 * _BYTES:
            raise BadKey(f"paper copy: line {number} is mistyped")
        part = value.to_bytes(_BYTES, "big")
        if typed[_CHARS:] != _check(number, part):
            raise BadKey(f"paper copy: line {number} is mistyped")
        parts[number] = part
    missing = [str(number) for number in range(1, _LINES + 1) if number not in parts]
    if missing:
        raise BadKey(f"paper copy: line {', '.join(missing)} is missing")
    return b"".join(parts[number] for number in range(1, _LINES + 1))


def _check(number: int, part: bytes) -> str:
    digest = hashlib.sha256(b"handschlag/1 paper" + bytes([number]) + part).digest()
    return _DIGITS[digest[0] >> 3] + _DIGITS[digest[1] >> 3]
