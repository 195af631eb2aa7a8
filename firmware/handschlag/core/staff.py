"""Who uses the line, and whether each of them has agreed in writing that calls may be recorded.

The register knows a person by a number; names are sealed elsewhere and mean nothing here. A consent counts from the
moment that its ledger entry is durable (it permits), a withdrawal at once (it restricts).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StaffConsent:
    """The written consent of person `number`.

    `document` is the SHA-256 of what was signed, `version` its text's; times are seconds since 1970, None: without end.
    """

    number: int
    document: str
    version: str
    valid_from: float
    valid_until: float | None = None
    withdrawn_at: float | None = None

    def holds(self, wall: float) -> bool:
        """Whether it is in force at this wall time."""
        if self.withdrawn_at is not None or wall < self.valid_from:
            return False
        return self.valid_until is None or wall < self.valid_until


def covers(register: Mapping[int, StaffConsent], numbers: Iterable[int], wall: float) -> bool:
    """Whether everybody named, and there must be somebody, has a consent in force."""
    named = tuple(numbers)
    return bool(named) and all(number in register and register[number].holds(wall) for number in named)
