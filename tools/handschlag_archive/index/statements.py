"""What all parts of a transaction share: the connection, and inserting what may be there already."""

from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite


class Statements:
    """Speaks SQL on one connection, in its transaction. Without `locking` nothing that is asked for is locked."""

    def __init__(self, connection: sql.Connection, *, locking: bool = True) -> None:
        self._connection = connection
        self._locking = locking

    def _insert(self, table: sql.Table) -> "sqlite.Insert | postgresql.Insert":
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        return insert(table)

    def _insert_new(self, table: sql.Table, values: list[dict[str, Any]]) -> None:
        """Insert rows; those whose key is there already stay as they are.

        In the order of their keys, so that two workers that insert the same rows wait for each other in turn instead
        of crosswise.
        """
        if not values:
            return
        keys = [column.name for column in table.primary_key]
        values.sort(key=lambda row: tuple(row[key] for key in keys))
        self._connection.execute(self._insert(table).on_conflict_do_nothing(), values)
