"""Whether an emergency number was dialled (110 or 112, with an optional leading 0).

Digits are kept as text; a comma stands where a dial tone was heard, for there a number begins anew. Hearing may tell a
dial tone a little after the first digit, so a comma inside of a number does not hide it.
"""

from __future__ import annotations

import re

DIGITS_AT_MOST = 32
_DIALLED = re.compile(r"(?:^|,)0?,?1,?1,?[02]$")


def with_digit(digits: str, digit: str) -> str:
    """The digits with one more; a number of 32 digits is no emergency number, however it goes on."""
    return digits if len(digits) >= DIGITS_AT_MOST else digits + digit


def with_dial_tone(digits: str) -> str:
    """A dial tone: what is dialled from now on may be a new number."""
    if not digits or digits.endswith(","):
        return digits
    return (digits if len(digits) < DIGITS_AT_MOST - 5 else "") + ","


def is_dialled(digits: str) -> bool:
    """Whether the last digit completed an emergency number."""
    return _DIALLED.search(digits) is not None
