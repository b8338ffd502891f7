"""What statements on the store's tables have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

# SQLite's own limit of bound values was 999 for long; larger chunks are not faster.
_CHUNK = 500

# Insert, which SQL has no common word for doing only where the key is new.
INSERTS: Mapping[str, Callable[[sa.Table], sa.Insert]] = {
    "sqlite": lambda table: sqlite.insert(table).on_conflict_do_nothing(),
    "postgresql": lambda table: postgresql.insert(table).on_conflict_do_nothing(),
}
# Insert, or add to the numbers in the last column of the row that is there.
ADDITIONS: Mapping[str, Callable[[sa.Table], sa.Insert]] = {
    "sqlite": lambda table: _adding(table, sqlite.insert(table)),
    "postgresql": lambda table: _adding(table, postgresql.insert(table)),
}
# Seconds since 1970 by the database's clock, which all who use it share.
NOW: Mapping[str, sa.ColumnElement[float]] = {
    "sqlite": sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Double),
    "postgresql": sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Double),
}


def _adding(table: sa.Table, insert: sqlite.Insert | postgresql.Insert) -> sa.Insert:
    *_, number = table.columns
    total = {number.name: number + insert.excluded[number.name]}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=total)


def rows_of(query: sa.Select[Any], connection: sa.Connection) -> Sequence[Any]:
    """All that a query finds."""
    return connection.execute(query).all()


def chunks(keys: Sequence[str]) -> Iterator[list[str]]:
    """Keys, as many at a time as a statement takes."""
    rest = iter(keys)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
