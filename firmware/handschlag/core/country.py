"""What differs from country to country: emergency numbers, how a number is written, and the consent that the law wants.

The strictest rule is the only one that this product knows: every party must have agreed, by an explicit yes, before
anything is recorded (`all_party_optin`). So a call to or from another country is under the stricter of two rules
without anybody having to find out which country it is. Emergency numbers and prefixes are general knowledge of each
country's numbering plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RULE: Final = "all_party_optin"


@dataclass(frozen=True, slots=True)
class Country:
    """A numbering plan. `outside` may be dialled before an emergency number (for an outside line)."""

    calling_code: str
    trunk: str
    international: str
    emergency: tuple[str, ...]
    outside: str = ""
    carrier: str = ""  # what may stand in front of a number without belonging to it, as a pattern


COUNTRIES: Final[Mapping[str, Country]] = {
    "DE": Country("49", "0", "00", ("110", "112"), outside="0", carrier="010(?:0[0-9]{2}|[1-9][0-9])"),
    "AT": Country("43", "0", "00", ("112", "122", "133", "144"), carrier="10[0-9]{2}"),
    "CH": Country("41", "0", "00", ("112", "117", "118", "144"), carrier="10[0-9]{3}"),
    "FR": Country("33", "0", "00", ("112", "114", "15", "17", "18", "196")),
    "DK": Country("45", "", "00", ("112", "114")),
}

_SERVICE: Final = re.compile(r"^[*#][0-9]{1,3}[*#]")  # "do not show my number", as *31#
_NOT_DIALLED: Final = re.compile(r"[\s()/.-]+")


def international(number: str, country: Country, area_code: str = "") -> str:
    """A number as digits with its country's code in front; "" for what is no number, or a local one without area code.

    `area_code` is that of the line, with or without the trunk prefix.
    """
    plain = _SERVICE.sub("", _NOT_DIALLED.sub("", number.replace("(0)", "")))
    if plain.startswith("+"):
        return plain[1:] if plain[1:].isdecimal() and plain.isascii() else ""
    if not (plain.isdecimal() and plain.isascii()):
        return ""
    if country.carrier:
        plain = re.sub(f"^{country.carrier}(?=[0-9]{{3}})", "", plain)
    if plain.startswith(country.international):
        return plain[len(country.international) :]
    if country.trunk and plain.startswith(country.trunk):
        return country.calling_code + plain[len(country.trunk) :]
    if not country.trunk:
        return country.calling_code + plain
    area = area_code.removeprefix(country.trunk)
    return country.calling_code + area + plain if area else ""
