"""The catalog without a disk."""

from __future__ import annotations

from collections.abc import Mapping

from handschlag.core.effects import Value


class MemoryCatalog:
    """`ports.Catalog` in memory."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Value]] = {}

    def save(self, recording: str, row: Mapping[str, Value]) -> None:
        """Keep one row, in place of the one there was."""
        self._rows[recording] = dict(row)

    def drop(self, recording: str) -> None:
        """Remove one row; none is no error."""
        self._rows.pop(recording, None)

    def rows(self) -> Mapping[str, Mapping[str, Value]]:
        """All rows by recording."""
        return {recording: dict(row) for recording, row in self._rows.items()}

    def close(self) -> None:
        """End."""
