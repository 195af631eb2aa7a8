"""Whether an emergency number was dialled (in Germany 110 or 112, with an optional leading 0).

Digits are kept as text; a comma stands where a dial tone was heard, for there a number begins anew. Hearing may tell a
dial tone a little after the first digit, so a comma inside of a number does not hide it.
"""

from __future__ import annotations

import re
from functools import cache

DIGITS_AT_MOST = 32


def with_digit(digits: str, digit: str) -> str:
    """The digits with one more; a number of 32 digits is no emergency number, however it goes on."""
    return digits if len(digits) >= DIGITS_AT_MOST else digits + digit


def with_dial_tone(digits: str) -> str:
    """A dial tone: what is dialled from now on may be a new number."""
    if not digits or digits.endswith(","):
        return digits
    return (digits if len(digits) < DIGITS_AT_MOST - 5 else "") + ","


def last_number(digits: str) -> str:
    """What was dialled since the last dial tone."""
    return digits.rpartition(",")[2]


def is_dialled(digits: str, numbers: tuple[str, ...], outside: str) -> bool:
    """Whether the last digit completed an emergency number, with or without what is dialled for an outside line."""
    return _pattern(numbers, outside).search(digits) is not None


def may_be_dialled(digits: str, numbers: tuple[str, ...], outside: str) -> bool:
    """Whether an emergency number may lie behind what was heard of the last number, keys being missing or doubled."""
    return _doubtful(numbers, outside).fullmatch(last_number(digits)) is not None


@cache
def _doubtful(numbers: tuple[str, ...], outside: str) -> re.Pattern[str]:
    return re.compile("|".join("".join(f"{digit}*" for digit in outside + number) for number in numbers))


@cache
def _pattern(numbers: tuple[str, ...], outside: str) -> re.Pattern[str]:
    before = f"(?:{outside},?)?" if outside else ""
    return re.compile(f"(?:^|,){before}(?:{'|'.join(',?'.join(number) for number in numbers)})$")
