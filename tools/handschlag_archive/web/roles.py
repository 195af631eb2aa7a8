"""Roles: what somebody is in the workshop, and thereby may do. The table of routes says what."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is."""

    OWNER = "owner"
    """May do everything; the only one whose browser holds the signing half of the owner's secret."""
    STAFF = "staff"
    """Finds, listens, writes notes; holds the workshop key."""
    DATA_PROTECTION = "data-protection"
    """Sees what is processed and what was done with it; holds no key and gets no sealed byte."""
    TECHNICIAN = "technician"
    """Has an account, and nothing else here."""


HOLD_KEYS: Final = frozenset({Role.OWNER, Role.STAFF})
"""Those for whom a bundle of keys is kept, wrapped."""
EVERYBODY: Final = frozenset(Role)
"""Everybody who has logged in."""
