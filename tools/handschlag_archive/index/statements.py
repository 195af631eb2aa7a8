"""What all parts of a transaction share: the connection, and speaking of many rows in one statement.

A list of rows travels as one parameter for each column (PostgreSQL: arrays, through `unnest`) or as one in all (SQLite:
JSON, through `json_each`), so that the statement is the same for one row and for thousands: it is put together once,
goes once to the server, and is planned as a look-up by key.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from handschlag_archive.index.values import Which


class Statements:
    """Speaks SQL on one connection, in its transaction. Without `locking` nothing that is asked for is locked."""

    def __init__(self, connection: sql.Connection, *, locking: bool = True) -> None:
        self._connection = connection
        self._locking = locking

    @property
    def _postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    def _insert(self, table: sql.Table) -> "sqlite.Insert | postgresql.Insert":
        return (postgresql.insert if self._postgresql else sqlite.insert)(table)

    def _insert_new(self, table: sql.Table, values: list[dict[str, Any]]) -> None:
        """Insert rows, all with the same columns; those whose key is there already stay as they are.

        In the order of their keys, so that two workers that insert the same rows wait for each other in turn instead
        of crosswise.
        """
        if not values:
            return
        keys = [column.name for column in table.primary_key]
        values.sort(key=lambda row: tuple(row[key] for key in keys))
        if not self._postgresql or len(values) == 1:
            self._connection.execute(self._insert(table).on_conflict_do_nothing(), values)
            return
        columns = [table.c[name] for name in values[0]]
        listed, parameters = self._listed(columns, [tuple(row.values()) for row in values])
        insert = postgresql.insert(table).from_select([column.name for column in columns], sql.select(*listed.c))
        self._connection.execute(insert.on_conflict_do_nothing(), parameters)

    def _listed(
        self, columns: Sequence[sql.Column[Any]], rows: Sequence[tuple[Any, ...]]
    ) -> tuple[sql.FromClause, dict[str, Any]]:
        """`rows` as something to select from, with the columns' names, and the parameters that carry them."""
        if self._postgresql:
            arrays = [
                sql.cast(sql.bindparam(f"listed_{column.name}"), postgresql.ARRAY(column.type)) for column in columns
            ]
            names = [sql.column(column.name, column.type) for column in columns]
            carried = zip(*rows, strict=True) if rows else [()] * len(columns)
            return (
                sql.func.unnest(*arrays).table_valued(*names, name="listed").render_derived(),
                {f"listed_{column.name}": list(values) for column, values in zip(columns, carried, strict=True)},
            )
        each = sql.func.json_each(sql.bindparam("listed")).table_valued("value", name="each")
        fields = [
            sql.func.json_extract(each.c.value, f"$[{at}]", type_=column.type).label(column.name)
            for at, column in enumerate(columns)
        ]
        return sql.select(*fields).subquery("listed"), {"listed": json.dumps(rows)}

    def _of(self, table: sql.Table, wanted: Iterable[Which]) -> tuple[sql.FromClause, dict[str, Any]]:
        """The rows of `table` that belong to these recordings, as something to select its columns from."""
        rows = sorted({(which.box, which.recording) for which in wanted})
        listed, parameters = self._listed([table.c.box, table.c.recording], rows)
        same = sql.and_(table.c.box == listed.c.box, table.c.recording == listed.c.recording)
        return table.join(listed, same), parameters
