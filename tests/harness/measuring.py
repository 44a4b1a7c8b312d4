"""A prober over tables of one DuckDB: it measures what a run's prober measures, and counts what it was asked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from agent_etl.engine.ports import KeyFacts, Overlap, ValueFacts
from agent_etl.engine.schema import Catalogue, Column, Table

__all__ = ["MeasuringProber", "catalogue", "measuring"]


class MeasuringProber:
    """Measures in a DuckDB, as the prober of a run does in its sources. Counts what it was asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.asked = 0

    def keys(self, table: Table, columns: Sequence[str]) -> KeyFacts:
        self.asked += 1
        listed = ", ".join(columns)
        null = " OR ".join(f"{column} IS NULL" for column in columns)
        rows, nulls = self._one(f"SELECT count(*), count(*) FILTER (WHERE {null}) FROM {table.name}")
        (distinct,) = self._one(f"SELECT count(DISTINCT ({listed})) FROM {table.name} WHERE NOT ({null})")
        return KeyFacts(rows, distinct, nulls)

    def overlap(self, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]) -> Overlap:
        self.asked += 1
        on = " AND ".join(f"l.{a}::VARCHAR = r.{b}::VARCHAR" for a, b in zip(left_on, right_on, strict=True))
        one = self._one
        return Overlap(
            *one(f"SELECT count(*) FROM {left.name}"),
            *one(f"SELECT count(*) FROM {left.name} l WHERE NOT EXISTS (SELECT 1 FROM {right.name} r WHERE {on})"),
            *one(f"SELECT count(*) FROM {right.name}"),
            *one(f"SELECT count(*) FROM {right.name} r WHERE NOT EXISTS (SELECT 1 FROM {left.name} l WHERE {on})"),
        )

    def values(self, table: Table, column: str, top: int = 20) -> ValueFacts:
        raise AssertionError("grain does not look at values")

    def count(self, table: Table, column: str, value: str, *, fold: bool = False) -> int:
        raise AssertionError("grain does not look at values")

    def _one(self, sql: str) -> tuple[int, ...]:
        row = self.connection.execute(sql).fetchone()
        assert row is not None
        return row


@contextmanager
def measuring(script: str) -> Iterator[MeasuringProber]:
    """A prober over the tables that the SQL script makes, closed after the block."""
    with duckdb.connect() as connection:
        connection.execute(script)
        yield MeasuringProber(connection)


def catalogue(prober: MeasuringProber) -> Catalogue:
    names = prober.connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    return Catalogue(tuple(described(prober, name) for (name,) in names))


def described(prober: MeasuringProber, name: str) -> Table:
    rows = prober.connection.execute(f"DESCRIBE {name}").fetchall()
    return Table("db", name, tuple(Column(row[0], row[1]) for row in rows))
