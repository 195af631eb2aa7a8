"""One measured figure."""

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, its unit, what it should be, and what others need for the same."""

    bench: str
    row: str
    value: float
    unit: str
    goal: str
    beside: dict[str, float]
